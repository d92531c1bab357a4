//! The server, the requests that are sent to it, and what there is to find.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use nearfield::Vectors;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::Args;
use crate::commands::{Error, Result};
use crate::v1::ids::Kind;
use crate::v1::search_options::Effort;
use crate::v1::search_service_client::SearchServiceClient;
use crate::v1::{self, SearchBatchRequest, SearchOptions, SearchRequest, vector, vectors};
use crate::vectors as files;

/// Most rows of the file that are asked.
const QUERIES: usize = 10_000;

/// An id, whichever kind it is.
type Key = String;

/// A server and what is asked of it.
#[derive(Debug)]
pub struct Target {
    channels: Vec<Channel>,
    token: Option<MetadataValue<Ascii>>,
    deadline: std::time::Duration,
    /// The next request is the one after it; after the last, the first.
    pub asked: Vec<Arc<Asked>>,
    /// Queries of each.
    pub batch: usize,
}

/// One request, and what there is to find for each of its queries.
#[derive(Debug)]
pub struct Asked {
    message: Message,
    truth: Vec<HashSet<Key>>,
}

#[derive(Debug, Clone)]
enum Message {
    One(SearchRequest),
    Many(SearchBatchRequest),
}

impl Target {
    /// Connects, and asks what there is to find.
    ///
    /// # Errors
    /// A file that can't be read; a server that doesn't answer.
    pub async fn new(args: &Args) -> Result<Self> {
        let endpoint = endpoint(args)?;
        let mut channels = Vec::new();
        for _ in 0..args.connections {
            let channel = endpoint.connect().await.map_err(|error| {
                let cause = std::error::Error::source(&error);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                Error::Failed(format!("{}: cannot connect{cause}", args.addr))
            })?;
            channels.push(channel);
        }
        let token = args.token_file.as_deref().map(token).transpose()?;
        let mut target = Self {
            channels,
            token,
            deadline: args.deadline,
            asked: Vec::new(),
            batch: args.batch as usize,
        };
        let rows = files::of_rows(&args.queries, 0..QUERIES)?;
        let truth = target.truth(args, &rows).await?;
        target.asked = requests(args, &rows, &truth);
        Ok(target)
    }

    /// Sends a request on one of the connections; the recall of its answer.
    ///
    /// # Errors
    /// What the server says.
    pub async fn ask(&self, number: usize) -> std::result::Result<Option<f64>, Status> {
        let channel = self.channels[number % self.channels.len()].clone();
        let asked = &self.asked[number % self.asked.len()];
        let mut client = SearchServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        let hits = match asked.message.clone() {
            Message::One(message) => {
                let answer = client.search(self.request(message)).await?.into_inner();
                let hits = answer.hits.unwrap_or_default();
                vec![keys(&hits).collect()]
            }
            Message::Many(message) => {
                let answer = client.search_batch(self.request(message)).await?.into_inner();
                let hits = answer.hits.unwrap_or_default();
                cut(&hits, &answer.counts)
            }
        };
        Ok(recall(&asked.truth, &hits))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    /// The nearest points, by exact search, of some queries all over the file; nothing for the rest.
    async fn truth(&self, args: &Args, rows: &Vectors<'_>) -> Result<Vec<HashSet<Key>>> {
        let mut truth = vec![HashSet::new(); rows.rows()];
        let exact = SearchOptions { effort: Some(Effort::Exact(true)), ..options(args) };
        let every = rows.rows().div_ceil(args.truth.max(1));
        let wanted = (0..rows.rows()).step_by(every).take(args.truth);
        for row in wanted {
            let mut request = Request::new(many(args, rows, row..row + 1, exact.clone()));
            if let Some(token) = &self.token {
                request.metadata_mut().insert("authorization", token.clone());
            }
            let mut client = SearchServiceClient::new(self.channels[0].clone())
                .max_decoding_message_size(usize::MAX);
            let answer = client.search_batch(request).await.map_err(|status| {
                let (code, text) = (status.code(), status.message());
                Error::Failed(format!("{}: {code:?}: {text}", args.collection))
            })?;
            let answer = answer.into_inner();
            let found = cut(&answer.hits.unwrap_or_default(), &answer.counts);
            if let (Some(found), Some(place)) = (found.into_iter().next(), truth.get_mut(row)) {
                *place = found;
            }
        }
        Ok(truth)
    }
}

fn endpoint(args: &Args) -> Result<Endpoint> {
    let wrong = |error: tonic::transport::Error| {
        Error::Usage(format!("--addr: expected a URL like http://127.0.0.1:50051: {error}"))
    };
    let mut endpoint = Endpoint::from_shared(args.addr.clone()).map_err(wrong)?;
    if args.addr.starts_with("https:") {
        let mut tls = ClientTlsConfig::new();
        if let Some(path) = &args.ca {
            let pem = fs::read(path).map_err(Error::system(path.display().to_string()))?;
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        endpoint = endpoint.tls_config(tls).map_err(wrong)?;
    }
    Ok(endpoint.tcp_nodelay(true).initial_stream_window_size(1 << 20))
}

fn token(path: &Path) -> Result<MetadataValue<Ascii>> {
    let text = fs::read_to_string(path).map_err(Error::system(path.display().to_string()))?;
    let value = format!("Bearer {}", text.trim()).parse();
    value.map_err(|_| Error::Failed(format!("{}: expected a token", path.display())))
}

fn options(args: &Args) -> SearchOptions {
    SearchOptions {
        k: Some(args.k),
        r#where: args.filter.clone(),
        effort: Some(args.ef.map_or(Effort::Recall(args.recall), Effort::Ef)),
        ..SearchOptions::default()
    }
}

fn packed(rows: &Vectors<'_>, part: std::ops::Range<usize>) -> bytes::Bytes {
    let mut bytes = Vec::with_capacity(4 * part.len() * rows.dim());
    let mut row = vec![0.0f32; rows.dim()];
    for at in part {
        rows.copy_row(at, &mut row);
        for x in &row {
            bytes.extend_from_slice(&x.to_le_bytes());
        }
    }
    bytes.into()
}

fn many(
    args: &Args,
    rows: &Vectors<'_>,
    part: std::ops::Range<usize>,
    options: SearchOptions,
) -> SearchBatchRequest {
    SearchBatchRequest {
        collection: args.collection.clone(),
        vectors: Some(v1::Vectors { data: Some(vectors::Data::F32Le(packed(rows, part))) }),
        options: Some(options),
        per_query: Vec::new(),
    }
}

fn requests(args: &Args, rows: &Vectors<'_>, truth: &[HashSet<Key>]) -> Vec<Arc<Asked>> {
    let batch = (args.batch as usize).min(rows.rows());
    let starts = (0..=rows.rows() - batch).step_by(batch);
    let asked = starts.map(|start| {
        let part = start..start + batch;
        let message = if args.batch == 1 {
            let data = Some(vector::Data::F32Le(packed(rows, part.clone())));
            Message::One(SearchRequest {
                collection: args.collection.clone(),
                vector: Some(v1::Vector { data }),
                options: Some(options(args)),
            })
        } else {
            Message::Many(many(args, rows, part.clone(), options(args)))
        };
        let truth = truth.get(part).unwrap_or_default().to_vec();
        Arc::new(Asked { message, truth })
    });
    asked.collect()
}

fn keys(hits: &v1::Hits) -> impl Iterator<Item = Key> {
    let (numbers, strings) = match hits.ids.as_ref().and_then(|ids| ids.kind.as_ref()) {
        Some(Kind::U64(list)) => (list.values.as_slice(), [].as_slice()),
        Some(Kind::Str(list)) => ([].as_slice(), list.values.as_slice()),
        None => ([].as_slice(), [].as_slice()),
    };
    numbers.iter().map(ToString::to_string).chain(strings.iter().cloned())
}

fn cut(hits: &v1::Hits, counts: &[u32]) -> Vec<HashSet<Key>> {
    let mut all = keys(hits);
    counts.iter().map(|count| all.by_ref().take(*count as usize).collect()).collect()
}

/// Of the queries whose truth is known; `None` where none is.
fn recall(truth: &[HashSet<Key>], found: &[HashSet<Key>]) -> Option<f64> {
    let wanted: usize = truth.iter().map(HashSet::len).sum();
    let hits: usize = truth.iter().zip(found).map(|(t, f)| t.intersection(f).count()).sum();
    (wanted > 0).then(|| hits as f64 / wanted as f64)
}

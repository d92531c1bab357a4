//! A collection of a server.

use crate::hits::floats;
use crate::ingest::Ingest;
use crate::v1::admin_service_client::AdminServiceClient;
use crate::v1::exclusion_service_client::ExclusionServiceClient;
use crate::v1::point_service_client::PointServiceClient;
use crate::v1::search_service_client::SearchServiceClient;
use crate::v1::{self, SearchOptions, delete_request, vector, vectors};
use crate::{Client, Error, Hits, Ids, Result};

/// A collection of a server, by name. Any number of tasks may use it, and its clones.
#[derive(Debug, Clone)]
pub struct Collection {
    client: Client,
    name: String,
}

/// One call: its service, its method, whether making it twice is as good as once.
macro_rules! call {
    ($self:ident, $service:ident, $method:ident, $safe:expr, $timeout:expr, $request:expr) => {{
        let client = $service::new($self.client.channel.clone())
            .max_decoding_message_size(crate::connect::ANSWER_BYTES);
        let send = |request| {
            let mut client = client.clone();
            async move { client.$method(request).await }
        };
        $self.client.call($safe, $timeout, $request, send).await
    }};
    ($self:ident, $service:ident, $method:ident, $safe:expr, $request:expr) => {
        call!($self, $service, $method, $safe, Some($self.client.timeout()), $request)
    };
}

/// Components as a message; a copy.
fn packed(components: &[f32]) -> bytes::Bytes {
    let mut bytes = Vec::with_capacity(4 * components.len());
    for x in components {
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes.into()
}

fn matrix(components: &[f32]) -> v1::Vectors {
    v1::Vectors { data: Some(vectors::Data::F32Le(packed(components))) }
}

impl Collection {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Its name, or the alias by which it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn describe(&self) -> Result<v1::Collection> {
        use v1::collection_service_client::CollectionServiceClient;
        let request = v1::CollectionServiceGetRequest { collection: self.name.clone() };
        let answer = call!(self, CollectionServiceClient, get, true, request)?;
        answer.collection.ok_or(Error::Answer("no collection"))
    }

    /// The nearest points to a query.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn search(&self, query: &[f32], options: SearchOptions) -> Result<Hits> {
        let data = Some(vector::Data::F32Le(packed(query)));
        let request = v1::SearchRequest {
            collection: self.name.clone(),
            vector: Some(v1::Vector { data }),
            options: Some(options),
        };
        let answer = call!(self, SearchServiceClient, search, true, request)?;
        Hits::of(answer.hits)
    }

    /// The nearest points to each of several queries, which are given one after the other.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn search_batch(&self, queries: &[f32], options: SearchOptions) -> Result<Vec<Hits>> {
        let request = v1::SearchBatchRequest {
            collection: self.name.clone(),
            vectors: Some(matrix(queries)),
            options: Some(options),
            per_query: Vec::new(),
        };
        let answer = call!(self, SearchServiceClient, search_batch, true, request)?;
        Hits::of(answer.hits)?.each(&answer.counts)
    }

    /// More like each of these points.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn search_ids(
        &self,
        ids: impl Into<Ids>,
        options: SearchOptions,
    ) -> Result<Vec<Hits>> {
        let request = v1::SearchIdsRequest {
            collection: self.name.clone(),
            ids: Some(ids.into().into()),
            options: Some(options),
            per_query: Vec::new(),
        };
        let answer = call!(self, SearchServiceClient, search_ids, true, request)?;
        Hits::of(answer.hits)?.each(&answer.counts)
    }

    /// Writes whole points: ids, their vectors one after the other, every column of the schema.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn upsert(
        &self,
        ids: impl Into<Ids>,
        vectors: &[f32],
        attributes: Option<v1::Attributes>,
    ) -> Result<()> {
        let (ids, vectors) = (Some(ids.into().into()), Some(matrix(vectors)));
        let rows = v1::Rows { ids, vectors, attributes };
        let collection = self.name.clone();
        let request = v1::UpsertRequest { collection, rows: Some(rows), ttl: None };
        call!(self, PointServiceClient, upsert, false, request).map(drop)
    }

    /// Deletes points; how many there were.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn delete(&self, ids: impl Into<Ids>) -> Result<u64> {
        let which = Some(delete_request::Which::Ids(ids.into().into()));
        let request = v1::DeleteRequest { collection: self.name.clone(), which };
        Ok(call!(self, PointServiceClient, delete, false, request)?.deleted)
    }

    /// Deletes the points for which a condition is true; how many there were.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn delete_where(&self, condition: &str) -> Result<u64> {
        let which = Some(delete_request::Which::Where(condition.to_owned()));
        let request = v1::DeleteRequest { collection: self.name.clone(), which };
        Ok(call!(self, PointServiceClient, delete, false, request)?.deleted)
    }

    /// Points by id, and their vectors one after the other.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn get(
        &self,
        ids: impl Into<Ids>,
    ) -> Result<(v1::PointServiceGetResponse, Vec<f32>)> {
        let request = v1::PointServiceGetRequest {
            collection: self.name.clone(),
            ids: Some(ids.into().into()),
            with_vectors: Some(true),
            with_attributes: None,
        };
        let answer = call!(self, PointServiceClient, get, true, request)?;
        let vectors = floats(&answer.vectors_f32_le);
        Ok((answer, vectors))
    }

    /// Adds ids to an exclusion set, for so long.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn exclude(
        &self,
        set: &str,
        ids: impl Into<Ids>,
        ttl: Option<std::time::Duration>,
    ) -> Result<()> {
        let late = |_| Error::Setup("ttl: expected a time that fits in 64 bits".to_owned());
        let request = v1::AddRequest {
            collection: self.name.clone(),
            set: set.to_owned(),
            ids: Some(ids.into().into()),
            ttl: ttl.map(prost_types::Duration::try_from).transpose().map_err(late)?,
        };
        call!(self, ExclusionServiceClient, add, false, request).map(drop)
    }

    /// Seals what is growing and merges the segments; waits.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn optimize(&self) -> Result<()> {
        let request = v1::OptimizeRequest { collection: self.name.clone() };
        call!(self, AdminServiceClient, optimize, true, None, request).map(drop)
    }

    /// Begins a bulk load, or goes on with the one that was begun under this name.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn ingest(&self, stream_id: &str, mode: v1::IngestMode) -> Result<Ingest> {
        Ingest::begin(self.client.clone(), self.name.clone(), stream_id.to_owned(), mode).await
    }
}

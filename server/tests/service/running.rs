//! A server of the four points on a port of its own, until it is stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use nearfield_server::service::{Catalog, CatalogOptions, Setup, serve};
use nearfield_server::v1::admin_service_client::AdminServiceClient;
use nearfield_server::v1::collection_service_client::CollectionServiceClient;
use nearfield_server::v1::exclusion_service_client::ExclusionServiceClient;
use nearfield_server::v1::ids::Kind;
use nearfield_server::v1::point_service_client::PointServiceClient;
use nearfield_server::v1::search_service_client::SearchServiceClient;
use nearfield_server::v1::vector::Data;
use nearfield_server::v1::{
    FloatList, Hits, Ids, SearchOptions, SearchRequest, SearchResponse, StringList, U64List, Vector,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::Dir;

/// A server.
pub struct Server {
    pub channel: Channel,
    pub addr: SocketAddr,
    pub monitor: SocketAddr,
    pub data: PathBuf,
    pub stop: oneshot::Sender<()>,
    pub ended: JoinHandle<()>,
    pub dir: Dir,
}

impl Server {
    /// One of the defaults.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// One that is set up otherwise.
    #[expect(clippy::unused_async, reason = "it needs a runtime")]
    pub async fn with(edit: impl FnOnce(&mut Setup)) -> Self {
        let dir = Dir::new();
        dir.collection("points.nf");
        Self::over(dir, edit)
    }

    /// One of the collections in a directory.
    pub fn over(dir: Dir, edit: impl FnOnce(&mut Setup)) -> Self {
        let data = dir.path(".");
        let options = CatalogOptions { data: Some(data.clone()), ..CatalogOptions::default() };
        let catalog = Arc::new(Catalog::new(options));
        let port = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (listener, monitor) = (port(), port());
        let addr = listener.local_addr().expect("an address");
        let watched = monitor.local_addr().expect("an address");
        let mut setup = Setup::new(listener, catalog);
        setup.monitor = Some(monitor);
        setup.rescan = std::time::Duration::from_millis(50);
        edit(&mut setup);
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            serve(setup, stop).await.expect("served");
        });
        let channel = Channel::from_shared(format!("http://{addr}")).expect("a URI").connect_lazy();
        Self { channel, addr, monitor: watched, data, stop, ended, dir }
    }

    /// Ends it, and waits.
    pub async fn end(self) -> Dir {
        self.stop.send(()).expect("it still runs");
        self.ended.await.expect("without a panic");
        self.dir
    }

    pub fn searches(&self) -> SearchServiceClient<Channel> {
        SearchServiceClient::new(self.channel.clone())
    }

    pub fn points(&self) -> PointServiceClient<Channel> {
        PointServiceClient::new(self.channel.clone())
    }

    pub fn collections(&self) -> CollectionServiceClient<Channel> {
        CollectionServiceClient::new(self.channel.clone())
    }

    pub fn exclusions(&self) -> ExclusionServiceClient<Channel> {
        ExclusionServiceClient::new(self.channel.clone())
    }

    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }

    pub async fn search(&self, request: SearchRequest) -> Result<Hits, Status> {
        let answer = self.searches().search(request).await;
        answer.map(|answer| answer.into_inner().hits.expect("hits"))
    }

    /// Ids of the points nearest to the east.
    pub async fn found(&self, options: SearchOptions) -> Vec<String> {
        let hits = self.search(asked(options)).await.expect("found");
        strings(hits.ids)
    }
}

pub fn floats(values: &[f32]) -> Vector {
    Vector { data: Some(Data::Floats(FloatList { values: values.to_vec() })) }
}

/// A search for what is in the east.
pub fn asked(options: SearchOptions) -> SearchRequest {
    SearchRequest {
        collection: "points".into(),
        vector: Some(floats(&[1.0, 0.0])),
        options: Some(options),
    }
}

pub fn ids(names: &[&str]) -> Ids {
    let values = names.iter().map(ToString::to_string).collect();
    Ids { kind: Some(Kind::Str(StringList { values })) }
}

pub fn numbers(values: &[u64]) -> Ids {
    Ids { kind: Some(Kind::U64(U64List { values: values.to_vec() })) }
}

pub fn strings(ids: Option<Ids>) -> Vec<String> {
    match ids.and_then(|ids| ids.kind) {
        Some(Kind::Str(list)) => list.values,
        Some(Kind::U64(list)) => list.values.iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    }
}

pub fn names(response: &SearchResponse) -> Vec<String> {
    strings(response.hits.clone().and_then(|hits| hits.ids))
}

/// Checks a refusal: its code, words of its message, and that it says why to machines.
pub fn refused<T: std::fmt::Debug>(
    result: Result<T, Status>,
    code: Code,
    words: &[&str],
) -> Status {
    let status = result.expect_err("refused");
    assert_eq!(status.code(), code, "{status:?}");
    for word in words {
        assert!(status.message().contains(word), "{word:?} is not in {status:?}");
    }
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "nearfield", "{status:?}");
    assert!(!info.reason.is_empty());
    if code == Code::InvalidArgument {
        let bad = status.get_details_bad_request().expect("a BadRequest");
        assert!(!bad.field_violations.is_empty(), "{status:?}");
    }
    status
}

/// Waits for what is bound to come: a look at the data directory, the end of a time.
pub async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..1500 {
        if done().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it did not come");
}

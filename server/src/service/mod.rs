//! `nearfield.v1` over gRPC.
//!
//! A request comes through [`listener`] (connections), [`front`] (method, token, deadline) and one
//! of the services, which finds the collection in the [`catalog`] and does the work behind a
//! [`gate`], on threads that serve no connection. Messages are joined to the library in
//! [`convert`], its errors become statuses in [`status`]. [`monitor`] is the second port.

mod admin;
mod backend;
mod budget;
mod caller;
mod catalog;
mod collections;
mod convert;
mod exclusions;
mod front;
mod gate;
mod health;
mod ingest;
mod limits;
mod listener;
mod methods;
mod metrics;
mod monitor;
mod points;
mod recall;
mod search;
mod status;
mod stop;
mod tls;
mod tokens;

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

pub use catalog::{Catalog, Options as CatalogOptions, Served, Table};
pub use limits::Limits;
pub use tls::{Files as TlsFiles, Tls};
pub use tokens::{Tokens, hash as token_hash};

use crate::v1::admin_service_server::AdminServiceServer;
use crate::v1::collection_service_server::CollectionServiceServer;
use crate::v1::exclusion_service_server::ExclusionServiceServer;
use crate::v1::point_service_server::PointServiceServer;
use crate::v1::search_service_server::SearchServiceServer;
use backend::Backend;
use budget::Budget;
use front::{Front, Rules};
use gate::Gate;
use health::Health;
use listener::Acceptor;
use metrics::Metrics;
use monitor::Monitor;
use recall::Sampler;
use stop::Stop;

/// Writes at once; those that come together share a sync.
const WRITES: usize = 16;
/// Merges and copies at once.
const UPKEEP: usize = 2;

/// A problem of the transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a server is made of.
#[derive(Debug)]
pub struct Setup {
    /// Where clients come.
    pub listener: TcpListener,
    /// Where whoever watches comes; `None`: nowhere.
    pub monitor: Option<TcpListener>,
    /// What is served.
    pub catalog: Arc<Catalog>,
    /// Who may call; `None`: anyone.
    pub tokens: Option<Arc<Tokens>>,
    /// With which certificates; `None`: plain TCP.
    pub tls: Option<Arc<Tls>>,
    /// What clients are held to.
    pub limits: Limits,
    /// Searches at once; 0: one a core.
    pub threads: usize,
    /// Searches that wait for each one that runs.
    pub queue: usize,
    /// How often the data directory is looked at; zero: never.
    pub rescan: Duration,
    /// The share of searches whose recall is measured.
    pub recall_share: f64,
    /// Whether clients may ask for the messages.
    pub reflection: bool,
}

impl Setup {
    /// A server of this catalog with the defaults.
    pub fn new(listener: TcpListener, catalog: Arc<Catalog>) -> Self {
        Self {
            listener,
            monitor: None,
            catalog,
            tokens: None,
            tls: None,
            limits: Limits::default(),
            threads: 0,
            queue: 4,
            rescan: Duration::from_secs(1),
            recall_share: 0.001,
            reflection: true,
        }
    }
}

/// Serves until `stop` completes; then lets calls under way finish, for a while, and closes the
/// collections.
///
/// # Errors
/// When a listener can't be used or the transport fails.
pub async fn serve(setup: Setup, stop: impl Future<Output = ()>) -> Result<(), BoxError> {
    let metrics = Arc::new(Metrics::default());
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health::new(reporter);
    let backend = backend(&setup, Arc::clone(&metrics));
    let catalog = Arc::clone(&setup.catalog);
    let ready = Stop::default();
    let monitor = setup.monitor.map(listening).transpose()?.map(|listener| {
        let monitor = Monitor {
            metrics: Arc::clone(&metrics),
            catalog: Arc::clone(&catalog),
            ready: ready.clone(),
            stop: backend.stop.clone(),
        };
        tokio::spawn(monitor.serve(listener))
    });
    // Connections wait in the listener's queue meanwhile.
    scan(&catalog).await;
    health.follow(&catalog.table(), &metrics).await;
    health.all(true).await;
    let rescan = tokio::spawn(rescan(
        Arc::clone(&catalog),
        health.clone(),
        Arc::clone(&metrics),
        setup.rescan,
    ));
    let limits = setup.limits.clone();
    let rules = Rules {
        tokens: setup.tokens,
        time_default: limits.time_default,
        time_max: limits.time_max,
        calls_max: limits.calls,
        patience: limits.patience(),
        budget: backend.budget.clone(),
    };
    let acceptor =
        Acceptor { tls: setup.tls, limits: limits.clone(), metrics: Arc::clone(&metrics) };
    let incoming = ReceiverStream::new(acceptor.start(listening(setup.listener)?));
    let (reading, writing) = (limits.read_bytes, limits.write_bytes);
    // One bound for every service, by what its requests may carry.
    macro_rules! service {
        ($server:ident, $service:expr, $bytes:expr) => {
            $server::new($service)
                .max_decoding_message_size($bytes)
                .max_encoding_message_size(limits.answer_bytes)
        };
    }
    let collections = collections::Collections { backend: backend.clone(), health: health.clone() };
    let reflection = setup.reflection.then(reflection).transpose()?;
    let (v1, v1alpha) = reflection.unzip();
    let draining = backend.stop.clone();
    let server = Server::builder()
        .max_concurrent_streams(limits.streams)
        .http2_max_header_list_size(limits.header_bytes)
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .layer(Front::new(rules, Arc::clone(&metrics)))
        .add_service(health_service)
        .add_optional_service(v1)
        .add_optional_service(v1alpha)
        .add_service(service!(SearchServiceServer, search::Search(backend.clone()), reading))
        .add_service(service!(PointServiceServer, points::Points(backend.clone()), writing))
        .add_service(service!(
            ExclusionServiceServer,
            exclusions::Exclusions(backend.clone()),
            writing
        ))
        .add_service(service!(AdminServiceServer, admin::Admin(backend.clone()), writing))
        .add_service(service!(CollectionServiceServer, collections, reading))
        .serve_with_incoming_shutdown(incoming, async move { draining.wait().await });
    ready.set();
    tokio::pin!(server);
    let served = tokio::select! {
        result = &mut server => result,
        () = stop => {
            health.all(false).await;
            backend.stop.set();
            // Health watches and idle connections have no end of their own: the wait has one.
            tokio::select! {
                result = &mut server => result,
                () = idle(&metrics, limits.drain) => Ok(()),
            }
        }
    };
    rescan.abort();
    spawn_blocking(move || catalog.close()).await?;
    if let Some(monitor) = monitor {
        monitor.abort();
    }
    Ok(served?)
}

fn backend(setup: &Setup, metrics: Arc<Metrics>) -> Backend {
    let cores = available_parallelism().map_or(1, usize::from);
    let threads = if setup.threads == 0 { cores } else { setup.threads };
    Backend {
        catalog: Arc::clone(&setup.catalog),
        reads: Gate::new(threads, threads.saturating_mul(setup.queue), metrics.gate("read")),
        writes: Gate::new(WRITES, 4 * WRITES, metrics.gate("write")),
        upkeep: Gate::new(UPKEEP, 4 * UPKEEP, metrics.gate("upkeep")),
        limits: setup.limits.clone(),
        budget: Budget::new(setup.limits.memory_bytes),
        sampler: Sampler::new(setup.recall_share, Arc::clone(&metrics)),
        streams: ingest::Streams::new(setup.limits.ingest_streams),
        stop: Stop::default(),
        narrowed: Arc::default(),
        metrics,
    }
}

fn listening(listener: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

type Reflection<T> = tonic_reflection::server::v1::ServerReflectionServer<T>;
type ReflectionAlpha<T> = tonic_reflection::server::v1alpha::ServerReflectionServer<T>;

/// Both versions: older tools ask for the older one.
fn reflection() -> Result<
    (
        Reflection<impl tonic_reflection::server::v1::ServerReflection>,
        ReflectionAlpha<impl tonic_reflection::server::v1alpha::ServerReflection>,
    ),
    tonic_reflection::server::Error,
> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok((builder().build_v1()?, builder().build_v1alpha()?))
}

async fn scan(catalog: &Arc<Catalog>) {
    let catalog = Arc::clone(catalog);
    match spawn_blocking(move || catalog.scan()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "cannot list the data directory"),
        Err(failure) => tracing::error!(%failure, "looking at the data directory panicked"),
    }
}

/// Looks at the data directory again and again.
async fn rescan(catalog: Arc<Catalog>, health: Health, metrics: Arc<Metrics>, every: Duration) {
    if every.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(every).await;
        scan(&catalog).await;
        health.follow(&catalog.table(), &metrics).await;
    }
}

/// Completes when no call is under way any more, or after a while.
async fn idle(metrics: &Metrics, most: Duration) {
    const LOOK: Duration = Duration::from_millis(20);
    // What was accepted just now comes to a call, or to an end.
    const QUIET: u32 = 10;
    let waiting = async {
        let mut quiet = 0;
        while quiet < QUIET {
            tokio::time::sleep(LOOK).await;
            quiet = if metrics.calls.get() == 0 { quiet + 1 } else { 0 };
        }
    };
    // Calls that are still under way then are given up.
    let _ = tokio::time::timeout(most, waiting).await;
}

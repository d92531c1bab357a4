//! `nearfield.v1` over gRPC, on loopback.
//!
//! Messages are joined to the library in `convert`, its errors become statuses in `status`, and
//! searches run in `pool`, never on the threads that serve connections. A collection is served
//! from when it is open; health says so.

mod convert;
mod pool;
mod search;
mod status;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use nearfield::Collection;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

pub use pool::Pool;
pub use search::Search;

use crate::v1::search_service_server::SearchServiceServer;

/// Largest message in either direction, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How long requests may go on after the stop was asked for.
const DRAIN: Duration = Duration::from_secs(10);

/// The collections that are served, by name.
pub type Collections = BTreeMap<String, Arc<Collection>>;

/// Serves the collections until `stop` completes, then lets running requests finish, for at most
/// ten seconds.
///
/// # Errors
/// When the listener can't be used or the transport fails.
pub async fn serve(
    listener: TcpListener,
    collections: Collections,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    listener.set_nonblocking(true)?;
    let incoming =
        TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
    let search = SearchServiceServer::new(Search::new(collections, Pool::default()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<SearchServiceServer<Search>>().await;
    let (draining, drain) = tokio::sync::oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(health_service)
        .add_service(search)
        .serve_with_incoming_shutdown(incoming, async {
            let _ = drain.await;
        });
    tokio::pin!(server);
    tokio::select! {
        result = &mut server => return Ok(result?),
        () = stop => {}
    }
    health.set_not_serving::<SearchServiceServer<Search>>().await;
    let _ = draining.send(());
    // A client that watches health keeps its stream open for ever: the wait has an end.
    match tokio::time::timeout(DRAIN, server).await {
        Ok(result) => Ok(result?),
        Err(_) => Ok(()),
    }
}

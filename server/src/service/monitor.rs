//! The second port, for whoever watches: `/metrics` for Prometheus, `/healthz` while the process is
//! there, `/readyz` while it serves. It answers also when the first port is full.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use super::catalog::Catalog;
use super::metrics::SharedMetrics;
use super::stop::Stop;

/// The content type of what Prometheus reads.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Connections at once.
const CONNECTIONS: usize = 64;
/// How long a connection may last; who scrapes connects again.
const LASTS: Duration = Duration::from_secs(60);
/// Pause after a failure to accept, as when there are no file descriptors left.
const BACK_OFF: Duration = Duration::from_millis(200);

/// What is watched.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// What is counted.
    pub metrics: SharedMetrics,
    /// The collections.
    pub catalog: Arc<Catalog>,
    /// Set once the collections are open and warm.
    pub ready: Stop,
    /// Set once the server stops.
    pub stop: Stop,
}

impl Monitor {
    /// Answers for as long as it is polled.
    pub async fn serve(self, listener: TcpListener) {
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .with_state(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        if let Err(error) = axum::serve(Few { listener, places }, routes).await {
            tracing::error!(%error, "the port for metrics failed");
        }
    }
}

async fn metrics(State(monitor): State<Monitor>) -> impl IntoResponse {
    let gathered = tokio::task::spawn_blocking(move || {
        for (name, served) in &monitor.catalog.table().collections {
            if let Ok(stats) = served.collection.stats() {
                monitor.metrics.collection(name, &stats);
            }
        }
        monitor.metrics.text()
    });
    match gathered.await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ready(State(monitor): State<Monitor>) -> impl IntoResponse {
    if monitor.ready.is_set() && !monitor.stop.is_set() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// Accepts a few connections at once; the rest wait.
struct Few {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for Few {
    type Io = Brief;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Brief, SocketAddr) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await;
            match (self.listener.accept().await, place) {
                (Ok((stream, addr)), Ok(place)) => {
                    let end = Box::pin(sleep(LASTS));
                    return (Brief { stream, end, _place: place }, addr);
                }
                (failed, _) => {
                    let error = failed.err();
                    tracing::warn!(?error, "cannot accept a connection on the port for metrics");
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that doesn't last.
struct Brief {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Brief {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, out)
    }
}

impl AsyncWrite for Brief {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

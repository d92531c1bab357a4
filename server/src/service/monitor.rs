//! The second port, for whoever watches: `/metrics` for Prometheus, `/healthz` while the process is
//! there, `/readyz` while it serves. It answers also when the first port is full.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::catalog::Catalog;
use super::metrics::SharedMetrics;
use super::stop::Stop;

/// The content type of what Prometheus reads.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
        if let Err(error) = axum::serve(listener, routes).await {
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

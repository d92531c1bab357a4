//! `grpc.health.v1`: the whole server (""), each service by its name, and each collection and alias
//! as `collections/NAME`, which is `SERVING` once it is open and warm.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Mutex;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::catalog::Table;
use super::methods::METHODS;
use super::metrics::Metrics;

/// Says who is well.
#[derive(Debug, Clone)]
pub struct Health {
    reporter: HealthReporter,
    /// The names that were said to be served.
    known: Arc<Mutex<BTreeSet<String>>>,
}

impl Health {
    /// One that says it through a reporter.
    pub fn new(reporter: HealthReporter) -> Self {
        Self { reporter, known: Arc::default() }
    }

    /// Says what the table has.
    pub async fn follow(&self, table: &Table, metrics: &Metrics) {
        let names = table.collections.keys().chain(table.aliases.keys());
        let names: BTreeSet<String> = names.cloned().collect();
        let mut known = self.known.lock().await;
        for name in known.difference(&names) {
            let service = format!("collections/{name}");
            self.reporter.set_service_status(service, ServingStatus::NotServing).await;
            metrics.forget(name);
        }
        for name in names.difference(&known) {
            let service = format!("collections/{name}");
            self.reporter.set_service_status(service, ServingStatus::Serving).await;
        }
        *known = names;
    }

    /// Says of every service that it serves, or that it doesn't.
    pub async fn all(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        let ours = METHODS.iter().map(|method| method.service);
        let services: BTreeSet<&str> = ours.filter(|name| name.starts_with("nearfield.")).collect();
        for service in services.into_iter().chain([""]) {
            self.reporter.set_service_status(service, status).await;
        }
        if !serving {
            for name in self.known.lock().await.iter() {
                self.reporter.set_service_status(format!("collections/{name}"), status).await;
            }
        }
    }
}

//! What the server counts and measures, for Prometheus. Names of labels come from tables of ours and
//! from collections that there are, so their number is bounded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nearfield::SearchCounters;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::methods::Method;

/// Labels of a method.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfMethod {
    grpc_service: &'static str,
    grpc_method: &'static str,
}

impl From<&'static Method> for OfMethod {
    fn from(method: &'static Method) -> Self {
        Self { grpc_service: method.service, grpc_method: method.name }
    }
}

/// Labels of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "they are the names of the labels")]
pub struct OfAnswer {
    grpc_service: &'static str,
    grpc_method: &'static str,
    grpc_code: &'static str,
}

/// Labels of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfGate {
    gate: &'static str,
}

/// Labels of a part of the work of a search.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfStage {
    stage: &'static str,
}

/// Labels of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfCollection {
    collection: String,
}

impl OfCollection {
    /// That of this name.
    pub fn new(collection: &str) -> Self {
        Self { collection: collection.to_owned() }
    }
}

/// The buckets of shares that recall is told of: at most so much.
pub const SELECTIVITIES: [&str; 5] = ["0.001", "0.01", "0.1", "0.5", "1"];
const BOUNDS: [&str; 2] = ["lower", "upper"];

/// Labels of measured recall.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfRecall {
    /// The collection.
    pub collection: String,
    /// The share of points that was eligible: `1`, `0.1`, ...: at most so much.
    pub selectivity: &'static str,
}

/// Labels of an end of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfBound {
    /// The collection.
    pub collection: String,
    /// As in [`OfRecall`].
    pub selectivity: &'static str,
    /// `lower` or `upper`, of 95 %.
    pub bound: &'static str,
}

type Float = Gauge<f64, AtomicU64>;

/// 50 microseconds to 20 seconds, each half as long again.
fn times() -> Histogram {
    Histogram::new((0..32).map(|step| 50e-6 * 1.5f64.powi(step)))
}

/// A hundred thousandth to all.
fn shares() -> Histogram {
    let decades = (-5..0).flat_map(|power| [1.0, 3.0].map(|step| step * 10f64.powi(power)));
    Histogram::new(decades.chain([1.0]))
}

fn visits() -> Histogram {
    Histogram::new((0..20).map(|step| 16.0 * 2f64.powi(step)))
}

/// Of one queue of calls.
#[derive(Debug, Clone)]
pub struct GateMetrics {
    /// Calls that were refused as it was full.
    pub refused: Counter,
    /// Seconds in the queue.
    pub wait: Histogram,
}

impl Default for GateMetrics {
    fn default() -> Self {
        Self { refused: Counter::default(), wait: times() }
    }
}

/// All of a server's.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    started: Family<OfMethod, Counter>,
    handled: Family<OfAnswer, Counter>,
    handling: Family<OfMethod, Histogram, fn() -> Histogram>,
    stages: Family<OfStage, Histogram, fn() -> Histogram>,
    codes_scored: Family<OfCollection, Counter>,
    rows_rescored: Family<OfCollection, Counter>,
    visited: Family<OfCollection, Histogram, fn() -> Histogram>,
    selectivity: Family<OfCollection, Histogram, fn() -> Histogram>,
    refused: Family<OfGate, Counter>,
    waits: Family<OfGate, Histogram, fn() -> Histogram>,
    /// Connections that are open.
    pub connections: Gauge,
    /// Calls under way, health checks not counted.
    pub calls: Gauge,
    /// Connections that were given up before a request.
    pub connections_dropped: Counter,
    ingested: Family<OfCollection, Counter>,
    points: Family<OfCollection, Gauge>,
    segments: Family<OfCollection, Gauge>,
    growing: Family<OfCollection, Gauge>,
    disk: Family<OfCollection, Gauge>,
    resident: Family<OfCollection, Gauge>,
    recall: Family<OfRecall, Float>,
    recall_bounds: Family<OfBound, Float>,
    recall_samples: Family<OfRecall, Counter>,
    major_faults: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            started: Family::default(),
            handled: Family::default(),
            handling: Family::new_with_constructor(times),
            stages: Family::new_with_constructor(times),
            codes_scored: Family::default(),
            rows_rescored: Family::default(),
            visited: Family::new_with_constructor(visits),
            selectivity: Family::new_with_constructor(shares),
            refused: Family::default(),
            waits: Family::new_with_constructor(times),
            connections: Gauge::default(),
            calls: Gauge::default(),
            connections_dropped: Counter::default(),
            ingested: Family::default(),
            points: Family::default(),
            segments: Family::default(),
            growing: Family::default(),
            disk: Family::default(),
            resident: Family::default(),
            recall: Family::default(),
            recall_bounds: Family::default(),
            recall_samples: Family::default(),
            major_faults: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("grpc_server_started", "Calls begun", self.started.clone());
        all.register("grpc_server_handled", "Calls ended, by status", self.handled.clone());
        let help = "Seconds from the head of a request to the head of its answer";
        all.register("grpc_server_handling_seconds", help, self.handling.clone());
        let own = all.sub_registry_with_prefix("nearfield");
        own.register("search_stage_seconds", "Seconds of a stage of a search", self.stages.clone());
        own.register("search_visited_nodes", "Nodes expanded by a search", self.visited.clone());
        let help = "Share of the points that a search with conditions could find; of one in 16";
        own.register("search_selectivity", help, self.selectivity.clone());
        let help = "Codes scored by searches";
        own.register("search_codes_scored", help, self.codes_scored.clone());
        let help = "Rows rescored from original vectors";
        own.register("search_rows_rescored", help, self.rows_rescored.clone());
        own.register("gate_refused", "Calls refused as a queue was full", self.refused.clone());
        own.register("gate_wait_seconds", "Seconds in a queue", self.waits.clone());
        own.register("connections", "Connections open", self.connections.clone());
        let help = "Connections given up before their first request";
        own.register("connections_dropped", help, self.connections_dropped.clone());
        own.register("calls_in_flight", "Calls under way", self.calls.clone());
        let help = "Points that Ingest made durable";
        own.register("ingest_points", help, self.ingested.clone());
        own.register("points", "Points alive", self.points.clone());
        own.register("segments", "Segments", self.segments.clone());
        let help = "Rows that are in the log and in memory, not in a sealed segment yet";
        own.register("wal_lag_rows", help, self.growing.clone());
        own.register("disk_bytes", "Bytes of all files", self.disk.clone());
        let help = "Bytes of segments in physical memory";
        own.register("resident_bytes", help, self.resident.clone());
        let help = "Recall of sampled live searches against exact ones, by the share of points \
                    that was eligible (at most so much)";
        own.register("recall_at_k", help, self.recall.clone());
        let help = "Ends of the 95 % confidence interval of recall_at_k";
        own.register("recall_at_k_bound", help, self.recall_bounds.clone());
        let help = "Searches whose recall was measured";
        own.register("recall_samples", help, self.recall_samples.clone());
        let help = "Page faults of this process that read from the disk";
        own.register("major_faults", help, self.major_faults.clone());
    }

    /// Those of a queue of this name.
    pub fn gate(&self, gate: &'static str) -> GateMetrics {
        let label = OfGate { gate };
        GateMetrics {
            refused: self.refused.get_or_create_owned(&label),
            wait: self.waits.get_or_create_owned(&label),
        }
    }

    /// A call began.
    pub fn started(&self, method: &'static Method) {
        self.started.get_or_create(&method.into()).inc();
    }

    /// A call ended.
    pub fn handled(&self, method: &'static Method, code: Code, time: Duration) {
        let label = OfAnswer {
            grpc_service: method.service,
            grpc_method: method.name,
            grpc_code: code_name(code),
        };
        self.handled.get_or_create(&label).inc();
        self.handling.get_or_create(&method.into()).observe(time.as_secs_f64());
    }

    /// A stage of a search took so long.
    pub fn stage(&self, stage: &'static str, time: Duration) {
        self.stages.get_or_create(&OfStage { stage }).observe(time.as_secs_f64());
    }

    /// What a search did.
    pub fn searched(&self, collection: &str, counters: &SearchCounters) {
        let label = OfCollection::new(collection);
        self.visited.get_or_create(&label).observe(counters.hops as f64);
        self.codes_scored.get_or_create(&label).inc_by(counters.codes_scored);
        self.rows_rescored.get_or_create(&label).inc_by(counters.rows_rescored);
    }

    /// So large a share of the points could be found by a search.
    pub fn selective(&self, collection: &str, share: f64) {
        self.selectivity.get_or_create(&OfCollection::new(collection)).observe(share);
    }

    /// Ingest made so many points durable.
    pub fn ingested(&self, collection: &str, points: u64) {
        self.ingested.get_or_create(&OfCollection::new(collection)).inc_by(points);
    }

    /// The state of a collection.
    pub fn collection(&self, name: &str, stats: &nearfield::Stats) {
        let label = OfCollection::new(name);
        let sealed = stats.segments.iter().filter(|segment| segment.name != "(growing)");
        let growing = stats.segments.iter().filter(|segment| segment.name == "(growing)");
        self.points.get_or_create(&label).set(stats.points as i64);
        self.segments.get_or_create(&label).set(sealed.count() as i64);
        self.growing.get_or_create(&label).set(growing.map(|s| s.rows as i64).sum());
        self.disk.get_or_create(&label).set(stats.bytes_disk as i64);
        self.resident.get_or_create(&label).set(stats.bytes_resident as i64);
    }

    /// Forgets a collection that is gone.
    pub fn forget(&self, name: &str) {
        let label = OfCollection::new(name);
        for family in [&self.points, &self.segments, &self.growing, &self.disk, &self.resident] {
            family.remove(&label);
        }
        for family in [&self.codes_scored, &self.rows_rescored, &self.ingested] {
            family.remove(&label);
        }
        for family in [&self.visited, &self.selectivity] {
            family.remove(&label);
        }
        for selectivity in SELECTIVITIES {
            let label = OfRecall { collection: name.to_owned(), selectivity };
            self.recall.remove(&label);
            self.recall_samples.remove(&label);
            for bound in BOUNDS {
                let collection = name.to_owned();
                self.recall_bounds.remove(&OfBound { collection, selectivity, bound });
            }
        }
    }

    /// What was measured of recall so far.
    pub fn recall(&self, label: &OfRecall, recall: f64, (lower, upper): (f64, f64)) {
        self.recall.get_or_create(label).set(recall);
        self.recall_samples.get_or_create(label).inc();
        for (bound, value) in BOUNDS.into_iter().zip([lower, upper]) {
            let OfRecall { collection, selectivity } = label.clone();
            self.recall_bounds
                .get_or_create(&OfBound { collection, selectivity, bound })
                .set(value);
        }
    }

    /// All of it as text for Prometheus.
    pub fn text(&self) -> String {
        if let Some(faults) = major_faults() {
            self.major_faults.set(faults);
        }
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Shared by all of a server.
pub type SharedMetrics = Arc<Metrics>;

/// Of this process, as the system counts them.
fn major_faults() -> Option<i64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold spaces and parentheses: the state is field 3, majflt field 12.
    stat.rsplit_once(')')?.1.split_whitespace().nth(9)?.parse().ok()
}

/// As gRPC calls it in metrics.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

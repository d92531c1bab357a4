//! What a bench found, as tables for people and as JSON for machines.

use indicatif::{HumanBytes, HumanCount};
use nearfield::Stats;
use serde_json::{Value, json};

use super::machine::Machine;
use super::measure::{Measured, Rate};
use super::settings;
use super::subject::Built;
use crate::commands::Result;
use crate::output::{Layout, Output};

/// Everything that a bench found.
#[derive(Debug)]
pub struct Report {
    /// What was searched, as it was named.
    pub path: String,
    /// The collection, after the searches.
    pub stats: Stats,
    /// What the build took, if there was one.
    pub built: Option<Built>,
    /// Number of queries.
    pub queries: usize,
    /// Results a query.
    pub k: usize,
    /// What it was measured on.
    pub machine: Machine,
    /// One a setting, in the order asked for.
    pub settings: Vec<Measured>,
}

impl Report {
    /// Points, dimension and what else makes the collection what it is, in one line.
    pub fn subject(&self) -> String {
        let Stats { points, dim, metric, dtype, profile, .. } = &self.stats;
        format!("{} points x {dim} {dtype}, {metric}, {profile}", HumanCount(*points))
    }

    /// Bytes a point of what every search reads, what refinement reads, what results read, and of
    /// what is in physical memory.
    fn bytes(&self) -> [f64; 4] {
        let stats = &self.stats;
        [stats.bytes_hot, stats.bytes_warm, stats.bytes_cold, stats.bytes_resident]
            .map(|bytes| bytes as f64 / stats.points.max(1) as f64)
    }

    /// Writes it.
    pub fn write(&self, out: &Output) -> Result<()> {
        if out.is_json() {
            return Ok(out.json(&self.to_json())?);
        }
        out.table(&[("bench", Layout::Left), (&self.path, Layout::Left)], self.facts())?;
        out.line("")?;
        let recall = format!("recall@{}", self.k);
        let single = "QPS, 1 thread";
        let batch = format!("QPS, {} threads", self.machine.threads);
        let columns = [
            ("asked", Layout::Left),
            (&recall, Layout::Right),
            (single, Layout::Right),
            ("best", Layout::Right),
            (&batch, Layout::Right),
            ("best", Layout::Right),
            ("p50 µs", Layout::Right),
            ("p99 µs", Layout::Right),
            ("hops", Layout::Right),
            ("codes", Layout::Right),
            ("refined", Layout::Right),
            ("rescored", Layout::Right),
        ];
        Ok(out.table(&columns, self.settings.iter().map(row).collect())?)
    }

    fn facts(&self) -> Vec<Vec<String>> {
        let machine = &self.machine;
        let [hot, warm, cold, resident] = self.bytes().map(f64::round);
        let mut facts = vec![
            ("collection", self.subject()),
            (
                "queries",
                format!("{}, the {} nearest each", HumanCount(self.queries as u64), self.k),
            ),
            (
                "bytes a vector",
                format!(
                    "{hot} hot (codes, edges), {warm} warm (8-bit rows, ids), {cold} cold (vectors, \
                     attributes); {resident} in memory now"
                ),
            ),
        ];
        if let Some(built) = self.built {
            let rate = HumanCount(built.rate() as u64);
            let Built { seconds, points, peak_bytes, .. } = built;
            let peak = peak_bytes
                .map_or_else(String::new, |bytes| format!(", {} at the peak", HumanBytes(bytes)));
            facts.push((
                "build",
                format!("{seconds:.2} s for {} points, {rate} points/s{peak}", HumanCount(points)),
            ));
        }
        let Machine { cpu, cores, isa, version, .. } = machine;
        facts.push(("machine", format!("{cpu}, {cores} cores, {isa}, nearfield {version}")));
        facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
    }

    fn to_json(&self) -> Value {
        let stats = &self.stats;
        let machine = &self.machine;
        let [hot, warm, cold, resident] = self.bytes();
        let build = self.built.map(|built| {
            json!({
                "seconds": built.seconds,
                "points": built.points,
                "points_per_second": built.rate(),
                "stated_bytes": built.stated_bytes,
                "peak_bytes": built.peak_bytes,
            })
        });
        json!({
            "path": self.path,
            "points": stats.points,
            "dim": stats.dim,
            "metric": stats.metric.name(),
            "dtype": stats.dtype.name(),
            "profile": stats.profile.name(),
            "index": stats.index.name(),
            "queries": self.queries,
            "k": self.k,
            "bytes": {
                "disk": stats.bytes_disk,
                "hot": stats.bytes_hot,
                "warm": stats.bytes_warm,
                "cold": stats.bytes_cold,
                "resident": stats.bytes_resident,
            },
            "bytes_per_vector": { "hot": hot, "warm": warm, "cold": cold, "resident": resident },
            "build": build,
            "machine": {
                "cpu": machine.cpu,
                "cores": machine.cores,
                "threads": machine.threads,
                "isa": machine.isa,
                "version": machine.version,
            },
            "settings": self.settings.iter().map(setting).collect::<Vec<_>>(),
        })
    }
}

/// The figures are the median's; the best pass stands beside.
fn row(measured: &Measured) -> Vec<String> {
    let Measured { recall, single, batch, p50_us, p99_us, work, .. } = measured;
    let count = |value: f64| HumanCount(value.round() as u64).to_string();
    vec![
        settings::text(measured.effort),
        format!("{recall:.4}"),
        count(single.median),
        count(single.best),
        count(batch.median),
        count(batch.best),
        format!("{p50_us:.1}"),
        format!("{p99_us:.1}"),
        format!("{:.1}", work.hops),
        count(work.codes_scored),
        format!("{:.1}", work.rows_refined),
        format!("{:.1}", work.rows_rescored),
    ]
}

fn setting(measured: &Measured) -> Value {
    let rate =
        |rate: Rate| json!({ "median": rate.median, "best": rate.best, "passes": rate.passes });
    json!({
        "asked": settings::to_json(measured.effort),
        "recall": measured.recall,
        "qps_single": rate(measured.single),
        "qps_batch": rate(measured.batch),
        "latency_us": { "p50": measured.p50_us, "p99": measured.p99_us },
        "per_query": {
            "hops": measured.work.hops,
            "codes_scored": measured.work.codes_scored,
            "rows_refined": measured.work.rows_refined,
            "rows_rescored": measured.work.rows_rescored,
        },
    })
}

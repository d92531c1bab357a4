//! What the crash and fault tests run: short lists of steps that between them take every path
//! that writes.

use super::data;
use super::world::Step::{self, Abandon, Flush, Load, Optimize, Reopen, Upsert};
use crate::config::CollectionConfig;
use crate::metric::Metric;
use crate::types::{Durability, IdType, MemoryMode};

pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) config: CollectionConfig,
    pub(super) steps: Vec<Step>,
    /// Builds a graph: a run takes long, so that failures hit only some of its calls.
    pub(super) slow: bool,
}

impl Workload {
    fn new(name: &'static str, steps: Vec<Step>) -> Self {
        let mut config = CollectionConfig::new(data::DIM, Metric::L2);
        config.schema = data::schema();
        Self { name, config, steps, slow: false }
    }

    /// Ids are below this.
    pub(super) fn end(&self) -> u64 {
        self.steps.iter().map(Step::end).max().unwrap_or_default()
    }
}

/// Singles, the shortest calls.
fn singles() -> Workload {
    let steps = (0..12).map(|id| Upsert(id..id + 1, 1)).collect();
    Workload::new("singles", steps)
}

/// Batches that replace parts of those before.
fn batches() -> Workload {
    let steps = (0..10).map(|n| Upsert(n * 5..n * 5 + 9, n as u32 + 1)).collect();
    Workload::new("overlapping batches", steps)
}

/// The same ids, over and over.
fn overwrites() -> Workload {
    Workload::new("overwrites", (1..10).map(|version| Upsert(0..6, version)).collect())
}

fn strings() -> Workload {
    let steps = vec![Upsert(0..20, 1), Upsert(10..30, 2), Optimize, Upsert(5..12, 3), Flush];
    let mut workload = Workload::new("string ids", steps);
    workload.config.id_type = IdType::Str;
    workload
}

fn reopened() -> Workload {
    let mut steps = Vec::new();
    for n in 0..5 {
        steps.extend([Upsert(n * 3..n * 3 + 5, n as u32 + 1), Reopen]);
    }
    Workload::new("reopened after each write", steps)
}

fn abandoned() -> Workload {
    let mut steps = Vec::new();
    for n in 0..5 {
        steps.extend([Upsert(n * 3..n * 3 + 5, n as u32 + 1), Upsert(n..n + 1, 90), Abandon]);
    }
    Workload::new("abandoned after writes", steps)
}

fn optimized() -> Workload {
    let steps = vec![
        Upsert(0..8, 1),
        Optimize,
        Upsert(4..12, 2),
        Upsert(0..2, 3),
        Optimize,
        Reopen,
        Upsert(20..22, 4),
        Optimize,
    ];
    Workload::new("optimized between writes", steps)
}

fn loads() -> Workload {
    let steps =
        vec![Load(0..30, 1, 7), Upsert(10..12, 2), Load(20..50, 3, 30), Reopen, Load(0..10, 4, 1)];
    Workload::new("loads", steps)
}

/// With a graph, which starts at a thousand rows.
fn indexed() -> Workload {
    let steps = vec![
        Load(0..1_010, 1, 400),
        Upsert(0..5, 2),
        Upsert(1_000..1_015, 3),
        Optimize,
        Upsert(500..503, 4),
    ];
    let mut workload = Workload::new("indexed", steps);
    workload.slow = true;
    workload
}

fn buffered() -> Workload {
    let steps = vec![
        Upsert(0..5, 1),
        Upsert(3..9, 2),
        Flush,
        Upsert(0..1, 3),
        Upsert(1..2, 3),
        Optimize,
        Upsert(2..3, 3),
        Reopen,
        Upsert(4..5, 4),
    ];
    let mut workload = Workload::new("buffered", steps);
    workload.config.durability = Durability::Buffered;
    workload
}

fn heap() -> Workload {
    let steps = vec![Upsert(0..40, 1), Upsert(0..40, 2), Optimize, Abandon, Upsert(39..42, 3)];
    let mut workload = Workload::new("kept on the heap", steps);
    workload.config.memory = MemoryMode::Heap;
    workload
}

/// Everything after everything else.
fn mixed() -> Workload {
    let steps = vec![
        Upsert(0..3, 1),
        Load(2..20, 2, 5),
        Optimize,
        Upsert(1..4, 3),
        Flush,
        Abandon,
        Upsert(19..24, 4),
        Reopen,
        Optimize,
        Upsert(0..1, 5),
    ];
    let mut workload = Workload::new("mixed", steps);
    workload.config.metric = Metric::InnerProduct;
    workload
}

pub(super) fn all() -> Vec<Workload> {
    vec![
        singles(),
        batches(),
        overwrites(),
        strings(),
        reopened(),
        abandoned(),
        optimized(),
        loads(),
        indexed(),
        buffered(),
        heap(),
        mixed(),
    ]
}

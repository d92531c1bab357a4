//! What the crash and fault tests run: short lists of steps that between them take every path
//! that writes.

use super::data;
use super::world::Step::{
    self, Abandon, AddColumn, Clear, Delete, During, Exclude, Flush, Gather, Load, Optimize,
    Refresh, Reopen, Seal, Snapshot, Together, Update, Upkeep, Upsert,
};
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
    let steps = (0..20).map(|id| Upsert(id..id + 1, 1)).collect();
    Workload::new("singles", steps)
}

/// Batches that replace parts of those before.
fn batches() -> Workload {
    let steps = (0..14).map(|n| Upsert(n * 5..n * 5 + 9, n as u32 + 1)).collect();
    Workload::new("overlapping batches", steps)
}

/// The same ids, over and over.
fn overwrites() -> Workload {
    Workload::new("overwrites", (1..16).map(|version| Upsert(0..6, version)).collect())
}

fn strings() -> Workload {
    let steps = vec![Upsert(0..20, 1), Upsert(10..30, 2), Optimize, Upsert(5..12, 3), Flush];
    let mut workload = Workload::new("string ids", steps);
    workload.config.id_type = IdType::Str;
    workload
}

fn reopened() -> Workload {
    let mut steps = Vec::new();
    for n in 0..7 {
        steps.extend([Upsert(n * 3..n * 3 + 5, n as u32 + 1), Reopen]);
    }
    Workload::new("reopened after each write", steps)
}

fn abandoned() -> Workload {
    let mut steps = Vec::new();
    for n in 0..7 {
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

/// Deletes and replaced values, in segments of every kind and while these are replaced.
fn changed() -> Workload {
    let mut steps = vec![Upsert(0..20, 1), Update(3..9, 2), Delete(5..7), Seal];
    for n in 0..2 {
        let version = 10 + n as u32 * 10;
        steps.extend([
            Update(n * 3..n * 3 + 6, version),
            Gather,
            Delete(n..n + 2),
            Upsert(n..n + 1, version + 1),
            Seal,
            Update(n..n + 12, version + 2),
            Load(20 + n * 4..27 + n * 4, version + 3, 3),
            Upsert(18..23, version + 4),
            Delete(19..21),
        ]);
    }
    steps.extend([Abandon, Update(0..30, 90), Seal, Optimize, Delete(0..10), Reopen]);
    Workload::new("changed and deleted", steps)
}

/// The same without waiting for the disk.
fn changed_buffered() -> Workload {
    let mut workload = changed();
    workload.name = "changed and deleted, buffered";
    workload.config.durability = Durability::Buffered;
    workload
}

/// Several calls in one sync of the log.
fn grouped() -> Workload {
    let mut steps = vec![Upsert(0..12, 1)];
    for n in 0..4 {
        let version = 10 + n as u32 * 10;
        steps.extend([
            Together(vec![Upsert(n..n + 2, version), Delete(4..6), Update(8..12, version + 1)]),
            Together(vec![Upsert(4..6, version + 2), Upsert(5..20, version + 3)]),
            Gather,
            Seal,
        ]);
    }
    steps.extend([Abandon, Together(vec![Delete(0..3), Upsert(1..2, 90), Delete(1..2)])]);
    Workload::new("committed in groups", steps)
}

fn during(step: Step, inner: Vec<Step>) -> Step {
    During(Box::new(step), inner)
}

/// Writes that come while segments are written: what they change is in none of the segments that
/// are replaced.
fn beside_merges() -> Workload {
    let inner = |version: u32| {
        vec![Upsert(3..6, version), Delete(6..9), Update(0..20, version + 1), Upsert(8..9, 2)]
    };
    let steps = vec![
        Upsert(0..20, 1),
        Seal,
        Upsert(10..30, 2),
        during(Seal, inner(10)),
        Update(5..25, 20),
        during(Optimize, inner(30)),
        during(Load(15..40, 40, 9), inner(50)),
        Upkeep,
        during(Seal, vec![Delete(0..30)]),
        during(Optimize, vec![Delete(0..60), Upsert(7..8, 60)]),
        Abandon,
        during(Optimize, vec![Upsert(0..9, 70), Flush, Upsert(3..4, 80)]),
    ];
    Workload::new("beside merges", steps)
}

/// The same without waiting for the disk.
fn beside_merges_buffered() -> Workload {
    let mut workload = beside_merges();
    workload.name = "beside merges, buffered";
    workload.config.durability = Durability::Buffered;
    workload
}

/// What the thread beside the writers does, each time that there is something for it.
fn kept_up() -> Workload {
    let mut steps = Vec::new();
    for n in 0..9 {
        let version = 1 + n as u32 * 4;
        steps.extend([
            Upsert(n * 7..n * 7 + 45, version),
            Delete(n * 9..n * 9 + 5),
            Update(n..n + 60, version + 1),
            Upkeep,
        ]);
    }
    steps.extend([Abandon, Upkeep, Upsert(0..2, 90)]);
    Workload::new("sealed and merged as it grows", steps)
}

/// Copies, and writes after them to the files that these share.
fn copied() -> Workload {
    let steps = vec![
        Snapshot(0),
        Upsert(0..20, 1),
        Snapshot(1),
        Update(3..9, 2),
        Delete(5..7),
        Snapshot(2),
        Upsert(30..34, 3),
        Seal,
        Update(0..40, 4),
        Snapshot(3),
        during(Optimize, vec![Upsert(0..1, 5), Snapshot(4), Upsert(1..2, 6)]),
        Abandon,
        Upsert(2..3, 7),
        Snapshot(5),
        Load(0..10, 8, 4),
        Optimize,
    ];
    Workload::new("copied", steps)
}

/// A reader beside the writer that follows it.
fn followed() -> Workload {
    let mut steps = vec![Refresh];
    for n in 0..3 {
        let version = 1 + n as u32 * 10;
        for step in [
            Upsert(n * 4..n * 4 + 12, version),
            Update(n * 3..n * 3 + 8, version + 1),
            Delete(n..n + 2),
            Seal,
            Upsert(n..n + 1, version + 2),
            Load(20..26, version + 3, 4),
            Optimize,
            Delete(20..23),
            Flush,
        ] {
            steps.extend([step, Refresh]);
        }
    }
    steps.extend([AddColumn, Refresh, Upsert(0..4, 90), Refresh, Abandon, Refresh]);
    Workload::new("followed by a reader", steps)
}

/// A column that is added between writes.
fn widened() -> Workload {
    let steps = vec![
        Upsert(0..20, 1),
        Seal,
        Upsert(15..25, 2),
        AddColumn,
        Update(10..18, 3),
        Upsert(24..27, 4),
        Abandon,
        Update(0..30, 5),
        Seal,
        Load(26..31, 6, 2),
        Optimize,
        Update(1..3, 7),
        Upsert(0..1, 8),
    ];
    Workload::new("widened", steps)
}

/// Exclusion sets, in the log and in files.
fn excluded() -> Workload {
    let steps = vec![
        Exclude(0, 3..40),
        Upsert(0..20, 1),
        Exclude(1, 0..5),
        Seal,
        Exclude(0, 0..5),
        Clear(1),
        Refresh,
        Together(vec![Exclude(1, 7..9), Clear(0), Exclude(0, 1..3), Upsert(20..24, 2)]),
        during(Seal, vec![Exclude(2, 0..30), Clear(1)]),
        Abandon,
        Exclude(2, 0..30),
        Exclude(1, 1..2),
        Exclude(2, 5..35),
        Exclude(2, 9..33),
        Optimize,
        Snapshot(1),
        Clear(2),
        Refresh,
        Upsert(0..3, 3),
        Seal,
        Exclude(2, 8..9),
        Reopen,
        Clear(0),
    ];
    Workload::new("exclusion sets", steps)
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
        changed(),
        changed_buffered(),
        grouped(),
        beside_merges(),
        beside_merges_buffered(),
        kept_up(),
        copied(),
        followed(),
        widened(),
        excluded(),
    ]
}

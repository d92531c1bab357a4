//! How much memory a build will take: told before it starts, and refused where there is clearly
//! less.

use super::Shared;
use super::pool::threads;
use super::view::View;
use crate::error::{Error, Result};
use crate::graph::{self, BuildOptions, ROWS_MIN};
use crate::memory::{self, Room, readable};
use crate::results::MemoryEstimate;
use crate::types::{IdType, MemoryMode};

/// What a process has besides: code, buffers of writing, what the allocator keeps.
const BASE: u64 = 20 << 20;
/// Rows of the batches that are read, as 32-bit floats.
const BATCHES: u64 = 2 * 8_192;
/// Ids and orders of a row, in memory and as they are written.
const ROW: u64 = 8 + 5 * 4 + 8;
/// Between the sections of a file.
const PADDING: u64 = 16 << 20;
/// A string id of common length: its text, twice, and what holds it.
const STRING: u64 = 24 + 16 + 2 * 16;

/// Points that will be one segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points {
    pub(super) count: u64,
    /// Bytes of their attributes.
    pub(super) attributes: u64,
    /// Bytes of the files that they are read from, which are mapped meanwhile.
    pub(super) mapped: u64,
}

impl Points {
    /// Bytes at the peak of building the segment.
    fn needed(&self, shared: &Shared) -> Result<u64> {
        let config = shared.config();
        let vector = (config.dim * config.dtype.bytes()) as u64;
        let id = if config.id_type == IdType::Str { STRING } else { 0 };
        let rows = self.count.saturating_mul(vector + ROW + id).saturating_add(self.attributes);
        let options = BuildOptions {
            kind: config.index,
            ..BuildOptions::new(config.metric, config.profile, config.seed)
        };
        let mut growth = 0;
        if self.count >= ROWS_MIN as u64 {
            growth = graph::memory::of_build(self.count, config.dim, &options, threads()?);
        }
        // Copies of the finished file in memory, beside what it was written from.
        let copies = match (shared.path.as_deref(), config.memory) {
            (None, _) => 2,
            (Some(_), MemoryMode::Heap) => 1,
            _ => 0,
        };
        if copies > 0 {
            let index = graph::memory::of_index(self.count, config.dim, &options);
            let file = rows.saturating_add(index).saturating_add(PADDING);
            growth = growth.max(file.saturating_mul(copies).saturating_add(index));
        }
        let base = BASE + BATCHES * 4 * config.dim as u64;
        Ok([base, rows, self.mapped, growth].into_iter().fold(0, u64::saturating_add))
    }

    fn estimate(&self, shared: &Shared) -> Result<MemoryEstimate> {
        let needed = self.needed(shared)?;
        Ok(MemoryEstimate { needed, available: Room::now()?.available() })
    }
}

/// What there was before a build took anything, to compare its needs with.
pub(super) struct Budget<'a> {
    shared: &'a Shared,
    room: Room,
    operation: &'static str,
}

impl<'a> Budget<'a> {
    pub(super) fn new(shared: &'a Shared, operation: &'static str) -> Result<Self> {
        Ok(Self { shared, room: Room::now()?, operation })
    }

    /// Refuses what clearly can't be built.
    pub(super) fn check(&self, points: Points) -> Result<()> {
        let needed = points.needed(self.shared)?;
        // Mapped files give way.
        let Some(available) = self.room.lacks(needed, points.mapped) else { return Ok(()) };
        Err(Error::ResourceLimit {
            what: format!("memory to {} {} points", self.operation, points.count),
            limit: format!("the {} available", readable(available)),
            found: format!("a need of about {}", readable(needed)),
            fix: format!(
                "split the points over several collections, store them as f16 (dtype), or allow \
                 more memory ({} bounds it, where set)",
                memory::LIMIT
            ),
        })
    }
}

/// See [`Collection::estimate_load`].
pub(super) fn load(shared: &Shared, count: u64, attributes: u64) -> Result<MemoryEstimate> {
    shared.view("estimate_load")?;
    Points { count, attributes, mapped: 0 }.estimate(shared)
}

/// See [`Collection::estimate_optimize`].
pub(super) fn optimize(shared: &Shared) -> Result<MemoryEstimate> {
    merged(shared, &*shared.view("estimate_optimize")?).estimate(shared)
}

/// The points of all segments, which `optimize` gathers.
pub(super) fn merged(shared: &Shared, view: &View) -> Points {
    let vector = (view.config.dim * view.config.dtype.bytes()) as u64;
    let (mut attributes, mut mapped) = (0, 0);
    for handle in &view.segments {
        let cold = handle.segment.bytes().cold;
        attributes += cold.saturating_sub(u64::from(handle.segment.rows()) * vector);
        // A file in memory has been taken already.
        mapped += if shared.on_disk() { cold } else { 0 };
    }
    Points { count: view.points(), attributes, mapped }
}

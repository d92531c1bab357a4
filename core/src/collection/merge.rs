//! Segments out of segments: what grew is sealed, what is small or much deleted is merged.
//!
//! The work is done beside the writers: a merge reads the state it began with and writes a file
//! that nobody knows. Points that were deleted, replaced or updated meanwhile are found by
//! comparing the states, and brought into the new segment inside the swap that makes it live.

use std::cmp::Reverse;
use std::sync::Arc;

use rayon::ThreadPool;

use super::commit::{Committer, Swap, write_sealed, write_sealed_to};
use super::draft::{Draft, gather, keep_last, position_of};
use super::estimate::{self, Budget};
use super::{Shared, View, lock, pool, sets};
use crate::canary::sings;
use crate::config::{CollectionConfig, Progress, Stop};
use crate::error::{Error, Result};
use crate::graph::{self, Base, BuildOptions, Ordered, Start};
use crate::manifest::segment_file;
use crate::originals::Originals;
use crate::segment::attributes::Patch;
use crate::segment::{Dead, Index, IndexGraph, Kept, Rows, SegmentHandle, verify_segment};
use crate::vfs::{Directory, Rate};

/// What waits for the best that can be had.
const OPTIMIZE: &str = "optimize";

/// How a segment is written.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    /// That of the points.
    pub(super) config: &'a CollectionConfig,
    pub(super) threads: &'a ThreadPool,
    pub(super) progress: &'a Progress,
}

/// Writes a segment of these points, which the manifest doesn't name yet, with an index unless
/// they are so few that they are scanned. The graph grows while the rest is written, on what is
/// left of the index of a segment if there is one.
pub(super) fn write_indexed(
    shared: &Shared,
    directory: &Directory,
    points: &Kept,
    base: Option<&Base<'_>>,
    job: Job<'_>,
) -> Result<SegmentHandle> {
    let Job { config, threads, progress } = job;
    if points.len() < graph::ROWS_MIN {
        return write_sealed_to(directory, shared, config, points, None);
    }
    let originals = Originals::new(config.dtype, config.dim, points.vectors());
    let options = options(config);
    let ordered = threads.install(|| Ordered::new(&originals, &options, base, progress))?;
    let start = base.map_or(Start::Nothing, Start::Base);
    let stop = Stop::default();
    let progress = progress.stopped_by(&stop);
    let grow = || threads.install(|| ordered.grow(&originals, &options, start, &progress));
    let index = Index { ordered: &ordered, graph: IndexGraph::Growing(Box::new(grow), stop) };
    write_sealed_to(directory, shared, config, points, Some(index))
}

/// How the index of a segment is built.
pub(super) fn options(config: &CollectionConfig) -> BuildOptions {
    BuildOptions {
        kind: config.index,
        ..BuildOptions::new(config.metric, config.profile, config.seed)
    }
}

/// The index that has most of these points, if it has half of them: healing and inserting take
/// less work than building then.
pub(super) fn base_of<'a>(inputs: &'a [Arc<SegmentHandle>], points: &Kept) -> Option<Base<'a>> {
    let indexed = inputs.iter().enumerate().filter(|(_, h)| h.segment.index().is_some());
    let (at, largest) = indexed.max_by_key(|(at, h)| (h.alive(), Reverse(*at)))?;
    if (largest.alive() as usize) * 2 < points.len() {
        return None;
    }
    let before: u32 = inputs.iter().take(at).map(|h| h.alive()).sum();
    let mut row_of = vec![u32::MAX; largest.segment.rows() as usize];
    for (row, slot) in (before..).zip(largest.alive_slots()) {
        row_of[slot as usize] = points.point_of(row).unwrap_or(u32::MAX);
    }
    Some(Base::new(largest.segment.index()?, row_of))
}

/// Adds points as a segment of their own, without an index: one unit that needs no log.
pub(super) fn add_directly(shared: &Shared, rows: Rows, progress: &Progress) -> Result<()> {
    let points = keep_last(rows)?;
    let config = shared.config();
    let handle = write_sealed(shared, &config, &points, None)?;
    progress.check("upsert").or_else(|error| forget(shared, &handle, error))?;
    make_live(shared, &points, handle)?;
    shared.wake_all();
    Ok(())
}

/// Replaces points by those of a segment that was just written.
pub(super) fn make_live(shared: &Shared, points: &Kept, handle: SegmentHandle) -> Result<()> {
    let mut committer = lock(&shared.committer);
    if let Err(error) = committer.check("write") {
        return forget(shared, &handle, error);
    }
    let view = shared.view("write")?;
    let mut draft = Draft::new(&view, committer.active);
    if let Err(error) = draft.bury(points) {
        return forget(shared, &handle, error);
    }
    let mut segments = draft.finish()?.segments;
    let name = handle.record().map(|r| segment_file(r.id)).unwrap_or_default();
    let sealed = segments.iter().take_while(|h| h.record().is_some()).count();
    segments.insert(sealed, Arc::new(handle));
    Swap::of(&view).written(name).segments(segments, 0).run(shared, &mut committer)
}

/// Removes the file of a segment that didn't come to be.
pub(super) fn forget<T>(shared: &Shared, handle: &SegmentHandle, error: Error) -> Result<T> {
    if let Some(record) = handle.record() {
        shared.directory.remove_if_there(&record.file());
    }
    Err(error)
}

/// Replaces segments by one with an index over what is alive in them. Their pieces must not be
/// written to any more. The caller holds the right to merge.
pub(super) fn merge(
    shared: &Shared,
    inputs: &[Arc<SegmentHandle>],
    threads: &ThreadPool,
    progress: &Progress,
    operation: &'static str,
) -> Result<()> {
    merge_to(shared, &shared.directory, inputs, threads, progress, operation)
}

/// [`merge`] that writes no more than so many bytes a second.
pub(super) fn merge_gently(
    shared: &Shared,
    inputs: &[Arc<SegmentHandle>],
    threads: &ThreadPool,
    progress: &Progress,
    bytes_a_second: u64,
) -> Result<()> {
    let rate = Rate { bytes_a_second, hurried: progress.cancelled() };
    let directory = shared.directory.paced(rate);
    merge_to(shared, &directory, inputs, threads, progress, "merge")
}

fn merge_to(
    shared: &Shared,
    directory: &Directory,
    inputs: &[Arc<SegmentHandle>],
    threads: &ThreadPool,
    progress: &Progress,
    operation: &'static str,
) -> Result<()> {
    let beside = progress.stopped_by(&shared.failed);
    match merge_into(shared, directory, inputs, threads, &beside, operation) {
        // By the failure of the writer, unless the caller wanted it.
        Err(Error::Interrupted { .. }) if progress.check(operation).is_ok() => {
            lock(&shared.committer).check(operation)?;
            Err(Error::Interrupted { operation })
        }
        merged => merged,
    }
}

fn merge_into(
    shared: &Shared,
    directory: &Directory,
    inputs: &[Arc<SegmentHandle>],
    threads: &ThreadPool,
    progress: &Progress,
    operation: &'static str,
) -> Result<()> {
    // What is damaged must not get a checksum that is right.
    for handle in inputs.iter().filter(|handle| handle.record().is_some()) {
        verify_segment(&handle.segment)?;
        progress.check(operation)?;
    }
    let config = shared.config();
    let rows = threads.install(|| gather(&config, inputs))?;
    progress.check(operation)?;
    let points = threads.install(|| rows.keep_last());
    let new = if points.len() > 0 {
        let mut base = base_of(inputs, &points);
        if operation == OPTIMIZE {
            base = base.map(Base::only_if_good);
        }
        let job = Job { config: &config, threads, progress };
        Some(write_indexed(shared, directory, &points, base.as_ref(), job)?)
    } else {
        None
    };
    let stopped = progress.check(operation);
    drop(points);
    let mut committer = lock(&shared.committer);
    let swapped = match stopped.and_then(|()| committer.check(operation)) {
        Ok(()) => replace(shared, &mut committer, inputs, new.as_ref()),
        Err(error) => Err(error),
    };
    match (swapped, new) {
        (Err(error), Some(handle)) if committer.poisoned.is_none() => {
            forget(shared, &handle, error)
        }
        (swapped, _) => swapped,
    }
}

fn replace(
    shared: &Shared,
    committer: &mut Committer,
    inputs: &[Arc<SegmentHandle>],
    new: Option<&SegmentHandle>,
) -> Result<()> {
    let view = shared.view("merge")?;
    let new = match new {
        Some(handle) => Some(Arc::new(catch_up(&view, inputs, handle)?)),
        None => None,
    };
    let taken = |h: &Arc<SegmentHandle>| position_of(inputs, &h.segment).is_some();
    let first_sealed = view.segments.iter().position(|h| h.record().is_some() && taken(h));
    let sealed = view.segments.iter().take_while(|h| h.record().is_some()).count();
    let mut segments = Vec::with_capacity(view.segments.len());
    for (position, handle) in view.segments.iter().enumerate() {
        if position == first_sealed.unwrap_or(sealed) {
            segments.extend(new.clone());
        }
        if !taken(handle) {
            segments.push(Arc::clone(handle));
        }
    }
    if first_sealed.unwrap_or(sealed) >= view.segments.len() {
        segments.extend(new.clone());
    }
    // Files of the log below the oldest that a piece still needs.
    let needed = segments.iter().filter_map(|h| h.wal()).min();
    let active = (committer.active != 0).then_some(committer.active);
    let next = committer.next_wal;
    let sealed_through = needed.into_iter().chain(active).min().unwrap_or(next) - 1;
    let mut swap = Swap::of(&view).segments(segments, sealed_through);
    if let Some(record) = new.as_ref().and_then(|h| h.record()) {
        swap = swap.written(record.file());
    }
    swap.run(shared, committer)
}

/// The new segment with what happened to its points since the inputs were read.
pub(super) fn catch_up(
    view: &View,
    inputs: &[Arc<SegmentHandle>],
    new: &SegmentHandle,
) -> Result<SegmentHandle> {
    let mut handle = new.clone();
    let mut dead: Option<Dead> = None;
    let mut patch: Option<Patch> = None;
    let finder = new.segment.finder()?;
    for input in inputs {
        let Some(now) = position_of(&view.segments, &input.segment) else { continue };
        let now = &view.segments[now];
        let old = input.segment.finder()?;
        let slot_of = |slot: u32| finder.find(old.id(slot));
        let died = |d: &Arc<Dead>| input.dead.as_ref().is_none_or(|b| !Arc::ptr_eq(b, d));
        if let Some(dead_now) = now.dead.as_ref().filter(|d| died(d))
            && !sings("forget what died during a merge")
        {
            let fresh = input.alive_slots().filter(|slot| dead_now.contains(*slot));
            for slot in fresh.filter_map(slot_of) {
                dead.get_or_insert_with(|| Dead::none(new.segment.rows())).insert(slot);
            }
        }
        let columns = now.patch.as_deref().into_iter().flat_map(Patch::columns);
        for (position, column) in columns {
            let before = input.patch.as_deref().and_then(|p| p.column(position));
            for (slot, value) in column.changed_since(before) {
                if now.is_alive(slot)
                    && !sings("forget what was replaced during a merge")
                    && let Some(slot) = slot_of(slot)
                {
                    let patch = patch.get_or_insert_default();
                    value.with(|value| patch.set(position, slot, &value));
                }
            }
        }
    }
    handle.dead = dead.map(Arc::new);
    handle.patched = patch.is_some();
    handle.expires_us = None;
    handle.patch = patch.map(Arc::new);
    Ok(handle)
}

/// Merges everything into one segment, indexed; waits.
pub(super) fn optimize(shared: &Shared, progress: &Progress) -> Result<()> {
    shared.check_writable("optimize")?;
    progress.begin(shared.view("optimize")?.points());
    progress.check("optimize")?;
    let merging = shared.begin_merge();
    let inputs = {
        let mut committer = lock(&shared.committer);
        committer.check("optimize")?;
        committer.freeze()?;
        shared.view("optimize")?.segments.clone()
    };
    let points: u64 = inputs.iter().map(|h| u64::from(h.alive())).sum();
    progress.begin(points);
    sets::merge_all(shared)?;
    if is_optimal(&inputs) {
        progress.advance(points);
        return Ok(());
    }
    let budget = Budget::new(shared, "optimize")?;
    budget.check(estimate::merged(shared, &*shared.view("optimize")?))?;
    let merged = merge(shared, &inputs, pool()?, progress, OPTIMIZE);
    drop(merging);
    shared.wake_all();
    merged
}

/// Whether there is nothing to seal, to merge, to drop or to index.
fn is_optimal(segments: &[Arc<SegmentHandle>]) -> bool {
    match segments {
        [] => true,
        [one] => {
            let small = (one.segment.rows() as usize) < graph::ROWS_MIN;
            let unchanged = one.dead.is_none() && one.patch.is_none();
            one.record().is_some() && unchanged && (small || one.segment.index().is_some())
        }
        _ => false,
    }
}

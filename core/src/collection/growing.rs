//! The index of what is growing. While points arrive, a thread beside the writers makes one piece
//! with an index out of many pieces: the graph of the one before grows on by the points that came
//! since, in memory only. A search walks it, and scans the codes of the few that it lacks. When it
//! is sealed its graph is there already.
//!
//! The points stay in the log as they were written: nothing here touches the disk.

use std::path::Path;
use std::sync::Arc;

use rayon::ThreadPool;

use super::draft::{IN_MEMORY, gather, position_of};
use super::merge::{base_of, catch_up, options};
use super::view::Content;
use super::{Shared, View, lock};
use crate::config::{CollectionConfig, Progress};
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::graph::{BuildOptions, Ordered, ROWS_MIN, Start};
use crate::originals::Originals;
use crate::segment::{Kept, Segment, SegmentHandle, build_indexed, build_segment};

/// Makes one piece with an index of all that is growing in the file of the log that is written to;
/// whether there was anything. The caller holds the right to index.
pub(super) fn gather_pieces(
    shared: &Shared,
    threads: &ThreadPool,
    progress: &Progress,
) -> Result<bool> {
    let progress = &progress.stopped_by(&shared.failed);
    let inputs = take_pieces(shared)?;
    let Some(wal) = inputs.first().and_then(|h| h.wal()) else { return Ok(false) };
    let config = shared.config();
    let rows = threads.install(|| gather(&config, &inputs))?;
    let points = threads.install(|| rows.keep_last());
    let new = if points.len() > 0 {
        let lent = lend(&*shared.view("merge")?, &inputs, points.len() as u32);
        let segment = indexed(&config, &points, &inputs, lent, (threads, progress))?;
        Some(SegmentHandle::growing(wal, Arc::new(segment)))
    } else {
        None
    };
    drop(points);
    progress.check("merge")?;
    replace(shared, &inputs, new.as_ref())?;
    Ok(true)
}

/// What is growing now, which writers leave as it is but for what dies or is replaced.
fn take_pieces(shared: &Shared) -> Result<Vec<Arc<SegmentHandle>>> {
    let committer = lock(&shared.committer);
    committer.check("merge")?;
    let view = shared.view("merge")?;
    // What is in older files of the log may be under way to be sealed.
    let active = |h: &SegmentHandle| h.wal() == Some(committer.active);
    let take = |h: &Arc<SegmentHandle>| {
        if active(h) {
            Arc::new(SegmentHandle { taken: true, ..SegmentHandle::clone(h) })
        } else {
            Arc::clone(h)
        }
    };
    let segments: Vec<_> = view.segments.iter().map(take).collect();
    let inputs = segments.iter().filter(|h| active(h)).cloned().collect();
    publish(shared, &view, segments);
    drop(committer);
    Ok(inputs)
}

/// A curve for an index of so many points, so that none need be measured: that of the largest
/// segment, where as many points ask for no less effort; or that of the index that grows on, until
/// it is about twice as large.
fn lend(view: &View, inputs: &[Arc<SegmentHandle>], points: u32) -> Option<Curve> {
    let largest = view.segments.iter().filter(|h| h.wal().is_none() && h.curve().is_some());
    let largest = largest.max_by_key(|h| h.segment.rows()).filter(|h| h.segment.rows() >= points);
    let alike = |h: &&Arc<SegmentHandle>| h.segment.rows().ilog2() == points.ilog2();
    let before = || inputs.iter().filter(|h| h.segment.index().is_some()).find(alike);
    largest.or_else(before).and_then(|h| h.curve()).cloned()
}

/// These points in memory, with an index unless they are few.
fn indexed(
    config: &CollectionConfig,
    points: &Kept,
    inputs: &[Arc<SegmentHandle>],
    lent: Option<Curve>,
    (threads, progress): (&ThreadPool, &Progress),
) -> Result<Segment> {
    let path = Path::new(IN_MEMORY);
    if points.len() < ROWS_MIN {
        return build_segment(path, config, points);
    }
    let originals = Originals::new(config.dtype, config.dim, points.vectors());
    let options = BuildOptions { curve: lent, ..options(config) };
    let base = base_of(inputs, points);
    let index = threads.install(|| {
        let ordered = Ordered::new(&originals, &options, base.as_ref(), progress)?;
        let start = base.as_ref().map_or(Start::Nothing, Start::Base);
        let grown = ordered.grow(&originals, &options, start, progress)?;
        Ok::<_, Error>((ordered, grown))
    });
    let (ordered, grown) = index?;
    build_indexed(path, config, points, (&ordered, grown))
}

/// Exchanges pieces for one of the same points.
fn replace(
    shared: &Shared,
    inputs: &[Arc<SegmentHandle>],
    new: Option<&SegmentHandle>,
) -> Result<()> {
    let committer = lock(&shared.committer);
    committer.check("merge")?;
    let view = shared.view("merge")?;
    let mut new = match new {
        Some(handle) => {
            let caught_up = catch_up(&view, inputs, handle)?;
            Some(Arc::new(SegmentHandle { taken: true, ..caught_up }))
        }
        None => None,
    };
    let mut segments = Vec::with_capacity(view.segments.len());
    for handle in &view.segments {
        if position_of(inputs, &handle.segment).is_none() {
            segments.push(Arc::clone(handle));
        } else {
            segments.extend(new.take());
        }
    }
    publish(shared, &view, segments);
    Ok(())
}

/// Lets searches see other segments of the same points.
fn publish(shared: &Shared, view: &View, segments: Vec<Arc<SegmentHandle>>) {
    let content = Content { segments, exclusions: Arc::clone(&view.exclusions) };
    shared.publish(View::new(Arc::clone(&view.config), Arc::clone(&view.manifest), content));
}

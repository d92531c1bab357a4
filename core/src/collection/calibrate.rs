//! Calibrate: recall against effort from the caller's own queries. The segments stay as they are;
//! the new curves go into the manifest.

use std::sync::Arc;

use super::commit::Swap;
use super::draft::position_of;
use super::plan::checked_queries;
use super::{Collection, View, lock, pool};
use crate::codes::rotation::splitmix;
use crate::config::{Effort, Progress, SearchRequest};
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::graph::calibrate::{self, QUERIES_MAX, Subject, Watch};
use crate::segment::{Origin, SegmentHandle};
use crate::types::Vectors;

/// Fewer queries than this say too little.
const QUERIES_MIN: usize = 10;
/// Of the order in which queries are taken: the same every time.
const SEED: u64 = 0x6e65_6172;

pub(super) fn calibrate(
    collection: &Collection,
    queries: &Vectors<'_>,
    progress: &Progress,
) -> Result<()> {
    let shared = &collection.shared;
    shared.check_writable("calibrate")?;
    let config = collection.config();
    let queries = sample(&checked_queries("queries", &config, queries)?, config.dim)?;
    // A merge would take away what is learned on.
    let _merging = shared.begin_merge();
    let base = shared.view("calibrate")?;
    let indexed = base.segments.iter().filter(|s| s.curve().is_some()).count();
    progress.begin(calibrate::steps(queries.len() / config.dim) * indexed as u64);
    let watch = |steps| {
        progress.advance(steps);
        progress.check("calibrate")
    };
    watch(0)?;
    if indexed == 0 {
        return Ok(());
    }
    let mut learned = Vec::new();
    for handle in &base.segments {
        if let Some(curve) = pool()?.install(|| learn(handle, &queries, &watch))? {
            learned.push((Arc::clone(&handle.segment), curve));
        }
    }
    let mut committer = lock(&shared.committer);
    committer.check("calibrate")?;
    let view = shared.view("calibrate")?;
    let mut segments = view.segments.clone();
    for (segment, curve) in learned {
        let Some(position) = position_of(&segments, &segment) else { continue };
        let mut handle = SegmentHandle::clone(&segments[position]);
        if let Origin::Sealed(record) = &mut handle.origin {
            record.curve = Some(curve);
        }
        segments[position] = Arc::new(handle);
    }
    Swap::of(&view).records(segments).run(shared, &mut committer)
}

/// At most [`QUERIES_MAX`] of the queries, in random order, as some sizes are measured with the
/// first ones only; an error when they are too few.
fn sample(queries: &[f32], dim: usize) -> Result<Vec<f32>> {
    let rows = queries.len() / dim;
    if rows < QUERIES_MIN {
        let fix = "give more of the queries that will be asked, a few hundred";
        let (expected, found) = (format!("at least {QUERIES_MIN} rows"), rows.to_string());
        return Err(Error::invalid("queries", expected, found, fix));
    }
    let mut order: Vec<usize> = (0..rows).collect();
    let mut state = SEED;
    for i in 0..rows.min(QUERIES_MAX) {
        order.swap(i, i + (splitmix(&mut state) % (rows - i) as u64) as usize);
    }
    let row = |i: &usize| &queries[i * dim..][..dim];
    Ok(order.iter().take(QUERIES_MAX).flat_map(row).copied().collect())
}

/// The curve of a segment; `None` when it has no index.
fn learn(handle: &SegmentHandle, queries: &[f32], watch: Watch<'_>) -> Result<Option<Curve>> {
    let segment = &handle.segment;
    let Some(index) = segment.index() else { return Ok(None) };
    let Some(walk) = index.walk() else { return Ok(None) };
    let slots: Vec<u32> = (0..segment.rows()).collect();
    let subject = Subject {
        walk: &walk,
        quantizer: index.quantizer,
        rows: &segment.originals(),
        order: &slots,
        nodes: &walk.nodes(),
        most: usize::MAX,
        caution: 1.0,
    };
    calibrate::learn(subject, queries, watch).map(Some)
}

pub(super) fn effort(view: &View, k: usize, recall: f32) -> Result<Option<usize>> {
    SearchRequest { effort: Effort::Recall(recall), ..SearchRequest::new(k) }.validate()?;
    let curves = view.segments.iter().filter_map(|s| s.curve());
    Ok(curves.map(|curve| curve.effort(k, recall)).max())
}

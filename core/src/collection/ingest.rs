//! Upsert and optimize: points in, segments out.

use arrow_array::RecordBatch;

use super::commit::Change;
use super::estimate::{self, Budget};
use super::input::{Input, check_attributes};
use super::{Collection, View, pool};
use crate::config::Progress;
use crate::error::{Error, Result};
use crate::graph::{self, BuildOptions, BuiltIndex};
use crate::originals::Originals;
use crate::segment::{Kept, Rows};
use crate::types::{Ids, Vectors};

pub(super) fn upsert(
    collection: &Collection,
    ids: &Ids,
    vectors: &Vectors<'_>,
    attributes: Option<&RecordBatch>,
    progress: &Progress,
) -> Result<()> {
    let rows = ids.len();
    if vectors.rows() != rows {
        let found = format!("{} vectors", vectors.rows());
        return Err(Error::invalid("vectors", format!("{rows}, one an id"), found, ""));
    }
    progress.begin(rows as u64);
    let mut input = Input::new(collection.config());
    input.ids(ids)?;
    input.vectors("vectors", vectors)?;
    let columns = check_attributes(collection.config(), attributes, rows)?;
    input.attributes(&columns, rows)?;
    progress.check("upsert")?;

    let mut change = Change::begin(collection, "upsert")?;
    if rows == 0 {
        return Ok(());
    }
    add_unindexed(&mut change, input.finish())?;
    progress.check("upsert")?;
    change.commit()?;
    progress.advance(rows as u64);
    Ok(())
}

/// Adds points as a segment without an index, together with those of the newest segments
/// without one that aren't much larger: so there are few of them, and a point is rewritten
/// seldom.
pub(super) fn add_unindexed(change: &mut Change<'_>, new: Rows) -> Result<()> {
    let base = change.base().clone();
    let first = merge_from(&base, new.len());
    let rows = if first == base.segments.len() {
        new
    } else {
        let mut rows = gather(&base, first)?;
        rows.append(new)?;
        rows
    };
    let points = pool()?.install(|| rows.keep_last());
    change.remove_from(first);
    change.bury(&points)?;
    change.add(&points, None)
}

/// The first of the segments that are merged with so many new rows.
fn merge_from(view: &View, new: usize) -> usize {
    let mut total = new;
    let mut first = view.segments.len();
    while let Some(handle) = first.checked_sub(1).and_then(|i| view.segments.get(i)) {
        let alive = handle.alive() as usize;
        if handle.segment.index().is_some() || alive > total.saturating_mul(2) {
            break;
        }
        total += alive;
        first -= 1;
    }
    first
}

/// The points alive in the segments from this one on, oldest first.
fn gather(view: &View, first: usize) -> Result<Rows> {
    let mut rows = Rows::new(&view.config);
    for handle in view.segments.iter().skip(first) {
        let slots: Vec<u32> = handle.alive_slots().collect();
        rows.append_slots(&handle.segment, &slots)?;
    }
    Ok(rows)
}

/// Builds the index of these points; `None` when there are so few that they are scanned.
pub(super) fn build(
    collection: &Collection,
    points: &Kept,
    progress: &Progress,
) -> Result<Option<BuiltIndex>> {
    if points.len() < graph::ROWS_MIN {
        return Ok(None);
    }
    let config = collection.config();
    let originals = Originals::new(config.dtype, config.dim, points.vectors());
    let options = BuildOptions {
        kind: config.index,
        ..BuildOptions::new(config.metric, config.profile, config.seed)
    };
    pool()?.install(|| graph::build(&originals, &options, progress)).map(Some)
}

pub(super) fn optimize(collection: &Collection, progress: &Progress) -> Result<()> {
    let mut change = Change::begin(collection, "optimize")?;
    let base = change.base().clone();
    progress.begin(base.points());
    progress.check("optimize")?;
    if is_optimal(&base) {
        progress.advance(base.points());
        return Ok(());
    }
    Budget::new(collection, "optimize")?.check(estimate::merged(collection, &base))?;
    let rows = gather(&base, 0)?;
    progress.check("optimize")?;
    let points = pool()?.install(|| rows.keep_last());
    let index = build(collection, &points, progress)?;
    progress.check("optimize")?;
    change.remove_from(0);
    if points.len() > 0 {
        change.add(&points, index.as_ref())?;
    }
    progress.check("optimize")?;
    change.commit()
}

/// Whether there is nothing to merge, to drop or to index.
fn is_optimal(view: &View) -> bool {
    match view.segments.as_slice() {
        [] => true,
        [one] => {
            let small = (one.segment.rows() as usize) < graph::ROWS_MIN;
            one.dead.is_none() && (small || one.segment.index().is_some())
        }
        _ => false,
    }
}

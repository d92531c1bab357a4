//! The next state in the making: operations applied, one after the other, to a view.
//!
//! Nothing that a search holds is changed: a segment whose dead slots or replaced values change
//! is exchanged for a handle of its own. Points that were upserted become a segment in memory, a
//! *piece*; small pieces are merged as they come, so that there are few.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::expiry::clock_us;
use super::filters::Filter;
use super::operation::Update;
use super::pending::{Found, Pending, Settled};
use super::view::Content;
use super::{View, pool};
use crate::canary::sings;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::exclusions::SetsDraft;
use crate::segment::{Dead, Finder, IdRef, Kept, Rows, Segment, SegmentHandle, build_segment};
use crate::types::Ids;

/// So many pieces of one size are merged into one.
const FAN: usize = 8;
/// Pieces of so many rows are not merged any more: searching a few of them costs no more.
const PIECE_ROWS: usize = 2_048;

/// The name of pieces in errors.
pub(super) const IN_MEMORY: &str = "(in memory)";

/// Where a point that is alive is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Among those that are no piece yet, at this row.
    Pending(u32),
    /// In the segment at this position, in this slot.
    Slot(usize, u32),
}

/// The next state in the making.
pub(super) struct Draft {
    config: Arc<CollectionConfig>,
    segments: Vec<Arc<SegmentHandle>>,
    sets: SetsDraft,
    /// Units below this one are in the files of sets.
    excluded: u64,
    /// Upserted, but no piece yet.
    pending: Pending,
    /// The file of the log that gets the operations.
    wal: u64,
    /// The unit that is applied: segments that say that they have it already are left alone.
    unit: u64,
}

impl Draft {
    /// Begins with a view.
    pub(super) fn new(view: &View, wal: u64) -> Self {
        Self {
            config: Arc::clone(&view.config),
            segments: view.segments.clone(),
            sets: SetsDraft::new(&view.exclusions),
            excluded: view.manifest.excluded,
            pending: Pending::new(&view.config),
            wal,
            unit: u64::MAX,
        }
    }

    /// The state with everything applied.
    pub(super) fn finish(mut self) -> Result<Content> {
        self.settle()?;
        let exclusions = Arc::new(self.sets.finish(clock_us())?);
        Ok(Content { segments: self.segments, exclusions })
    }

    /// Adds ids to a set, until a time.
    pub(super) fn exclude(&mut self, set: &str, ids: Ids, until_us: i64) {
        if self.excluded <= self.unit {
            self.sets.add(set, ids, until_us);
        }
    }

    /// Empties a set.
    pub(super) fn clear(&mut self, set: &str) {
        if self.excluded <= self.unit {
            self.sets.clear(set);
        }
    }

    /// Says which unit and file of the log the next operations are from.
    pub(super) fn begin_unit(&mut self, unit: u64, wal: u64) -> Result<()> {
        let applied = |h: &Arc<SegmentHandle>| h.record().map_or(0, |record| record.applied);
        let crossed = self.segments.iter().map(applied).any(|a| self.unit < a && a <= unit);
        if crossed || wal != self.wal {
            self.settle()?;
        }
        (self.unit, self.wal) = (unit, wal);
        Ok(())
    }

    /// Whether a segment lacks the unit that is applied.
    fn lacks(&self, handle: &SegmentHandle) -> bool {
        handle.record().is_none_or(|record| record.applied <= self.unit)
            || sings("replay what a segment has already")
    }

    /// Writes whole points.
    pub(super) fn upsert(&mut self, rows: Rows) -> Result<()> {
        self.pending.upsert(&self.config, rows)?;
        self.settle_some()
    }

    /// Makes a piece if there is enough for one.
    fn settle_some(&mut self) -> Result<()> {
        if self.pending.is_full() { self.settle() } else { Ok(()) }
    }

    /// Makes a piece of what was upserted.
    fn settle(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let Settled { points, dead, patch } = self.pending.settle(&self.config)?;
        self.bury(&points)?;
        if dead.as_ref().is_some_and(|dead| dead.count() as usize == points.len()) {
            return Ok(());
        }
        let segment = Arc::new(build_segment(Path::new(IN_MEMORY), &self.config, &points)?);
        let mut handle = SegmentHandle::growing(self.wal, segment);
        handle.dead = self.superseded(&points, dead)?.map(Arc::new);
        handle.patched = patch.is_some();
        handle.patch = patch.map(Arc::new);
        self.segments.push(Arc::new(handle));
        self.merge_pieces()
    }

    /// Marks these points dead in all segments.
    pub(super) fn bury(&mut self, points: &Kept) -> Result<()> {
        for position in 0..self.segments.len() {
            let handle = &self.segments[position];
            if !self.lacks(handle) {
                continue;
            }
            let finder = handle.segment.filtered_finder()?;
            let alive = |slot: &u32| handle.is_alive(*slot);
            let slots: Vec<u32> =
                points.ids().filter_map(|id| finder.find(id).filter(alive)).collect();
            self.kill(position, &slots);
        }
        Ok(())
    }

    /// These dead slots of new points, and those that a segment which is ahead of them has newer
    /// ones of.
    fn superseded(&self, points: &Kept, mut dead: Option<Dead>) -> Result<Option<Dead>> {
        for handle in self.segments.iter().filter(|h| !self.lacks(h)) {
            let finder = handle.segment.filtered_finder()?;
            for (slot, id) in points.ids().enumerate() {
                if finder.find(id).is_some_and(|slot| handle.is_alive(slot)) {
                    let dead = dead.get_or_insert_with(|| Dead::none(points.len() as u32));
                    dead.insert(slot as u32);
                }
            }
        }
        Ok(dead)
    }

    fn kill(&mut self, position: usize, slots: &[u32]) {
        if slots.is_empty() {
            return;
        }
        // Copied once, if somebody else has it.
        let handle = Arc::make_mut(&mut self.segments[position]);
        let rows = handle.segment.rows();
        let dead = Arc::make_mut(handle.dead.get_or_insert_with(|| Arc::new(Dead::none(rows))));
        for slot in slots {
            dead.insert(*slot);
        }
    }

    fn finders(&self) -> Result<Vec<Finder<'_>>> {
        self.segments.iter().map(|h| h.segment.filtered_finder()).collect()
    }

    /// Where an id is alive: position of the segment, and slot.
    fn find(&self, finders: &[Finder<'_>], id: IdRef<'_>) -> Option<(usize, u32)> {
        let mut newest_first = self.segments.iter().zip(finders).enumerate().rev();
        newest_first.find_map(|(position, (handle, finder))| {
            let slot = finder.find(id).filter(|slot| handle.is_alive(*slot))?;
            Some((position, slot))
        })
    }

    /// The ids of the points that pass a filter.
    pub(super) fn passing(&mut self, filter: &Filter) -> Result<Ids> {
        self.settle()?;
        let mut ids = Rows::new(&self.config).ids;
        for handle in &self.segments {
            let passing = filter.passing(handle)?;
            let column = handle.segment.sound_ids()?;
            for slot in passing.slots.iter(0..handle.segment.rows()) {
                match (&mut ids, column.get(slot)) {
                    (Ids::U64(ids), IdRef::U64(id)) => ids.push(id),
                    (Ids::Str(ids), IdRef::Str(id)) => ids.push(id.to_owned()),
                    _ => {}
                }
            }
        }
        Ok(ids)
    }

    /// Deletes points; the ids of those that were there, each once.
    pub(super) fn delete(&mut self, ids: &Ids) -> Result<Ids> {
        let mut slots: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let mut rows = Vec::new();
        let mut found = Vec::new();
        let places = self.places(ids)?;
        for (row, place) in places.into_iter().enumerate() {
            match place {
                Some(Place::Pending(_)) => {
                    // An id that was given twice is deleted once.
                    let Some(id) = IdRef::at(ids, row) else { continue };
                    if matches!(self.pending.find(id), Found::Row(_)) {
                        self.pending.delete(id);
                        rows.push(row);
                    }
                }
                Some(Place::Slot(position, slot)) if self.lacks(&self.segments[position]) => {
                    slots.entry(position).or_default().push(slot);
                    found.push((position, slot, row));
                }
                _ => {}
            }
        }
        for (position, slots) in &slots {
            self.kill(*position, slots);
        }
        found.sort_unstable();
        found.dedup_by_key(|(position, slot, _)| (*position, *slot));
        rows.extend(found.into_iter().map(|(_, _, row)| row));
        rows.sort_unstable();
        Ok(match ids {
            Ids::U64(ids) => Ids::U64(rows.iter().map(|row| ids[*row]).collect()),
            Ids::Str(ids) => Ids::Str(rows.iter().map(|row| ids[*row].clone()).collect()),
        })
    }

    /// Where each of these points is, if it is alive.
    fn places(&mut self, ids: &Ids) -> Result<Vec<Option<Place>>> {
        let mut places = Vec::with_capacity(ids.len());
        let mut others = Vec::new();
        for row in 0..ids.len() {
            let found = IdRef::at(ids, row).map_or(Found::Deleted, |id| self.pending.find(id));
            places.push(if let Found::Row(row) = found { Some(Place::Pending(row)) } else { None });
            others.extend((found == Found::Unknown).then_some(row));
        }
        if !others.is_empty() {
            let finders = self.finders()?;
            for row in others {
                let place = IdRef::at(ids, row).and_then(|id| self.find(&finders, id));
                places[row] = place.map(|(position, slot)| Place::Slot(position, slot));
            }
        }
        Ok(places)
    }

    /// Replaces values. An id that isn't there is an error, unless it is replayed from the log.
    pub(super) fn update(&mut self, update: &Update, replayed: bool) -> Result<()> {
        let mut places = self.places(&update.ids)?;
        if let Some(row) = places.iter().position(Option::is_none).filter(|_| !replayed) {
            let id = update.ids.get(row).to_string();
            return Err(Error::NotFound { what: "id", id });
        }
        for place in &mut places {
            let ahead = |place: &Place| match place {
                Place::Slot(position, _) => !self.lacks(&self.segments[*position]),
                Place::Pending(_) => false,
            };
            *place = place.filter(|place| !ahead(place));
        }
        for (column, buffer) in &update.columns {
            let mut places = places.iter();
            buffer.values(0..update.ids.len(), |value| match places.next().copied().flatten() {
                Some(Place::Pending(row)) => self.pending.set(row, *column, value.into()),
                Some(Place::Slot(position, slot)) => {
                    let handle = Arc::make_mut(&mut self.segments[position]);
                    handle.patched = true;
                    // The value may be an earlier time.
                    handle.expires_us = None;
                    let patch = handle.patch.get_or_insert_default();
                    Arc::make_mut(patch).set(*column, slot, &value);
                }
                None => {}
            });
        }
        self.settle_some()
    }

    /// The segments so far, to go back to with [`Self::restore`]. What is pending is settled.
    pub(super) fn save(&mut self) -> Result<Vec<Arc<SegmentHandle>>> {
        self.settle()?;
        Ok(self.segments.clone())
    }

    /// Goes back to a state that was saved.
    pub(super) fn restore(&mut self, segments: Vec<Arc<SegmentHandle>>) {
        self.segments = segments;
    }

    /// Merges the newest pieces while there are many of about one size.
    fn merge_pieces(&mut self) -> Result<()> {
        loop {
            let small = |h: &&Arc<SegmentHandle>| {
                let rows = h.segment.rows() as usize;
                h.wal() == Some(self.wal) && !h.taken && rows < PIECE_ROWS
            };
            let sizes = self.segments.iter().rev().take_while(small);
            let sizes: Vec<usize> = sizes.map(|h| h.segment.rows() as usize).collect();
            // The newest pieces that are no larger than a whole generation of the smallest.
            let limit = sizes.first().map_or(0, |newest| tier(*newest));
            let many = sizes.iter().take_while(|rows| tier(**rows) <= limit).count();
            if many < FAN {
                return Ok(());
            }
            let first = self.segments.len() - many;
            let mut rows = Rows::new(&self.config);
            for handle in &self.segments[first..] {
                rows.append_slots(handle, &handle.alive_slots().collect::<Vec<_>>())?;
            }
            self.segments.truncate(first);
            if rows.len() > 0 {
                let points = keep_last(rows)?;
                let segment = build_segment(Path::new(IN_MEMORY), &self.config, &points)?;
                self.segments.push(Arc::new(SegmentHandle::growing(self.wal, Arc::new(segment))));
            }
        }
    }
}

/// The power of [`FAN`] that a size lies above.
fn tier(rows: usize) -> u32 {
    rows.max(1).ilog2() / FAN.ilog2()
}

/// The last row of every id; sorted in the pool where that is worth it.
pub(super) fn keep_last(rows: Rows) -> Result<Kept> {
    if rows.is_small() { Ok(rows.keep_last()) } else { Ok(pool::run(pool()?, || rows.keep_last())) }
}

/// The points alive in these segments, in order, with the values that they have now.
pub(super) fn gather(config: &CollectionConfig, from: &[Arc<SegmentHandle>]) -> Result<Rows> {
    let mut rows = Rows::new(config);
    for handle in from {
        let mut slots: Vec<u32> = handle.alive_slots().collect();
        if sings("forget tombstones in a merge") {
            slots = (0..handle.segment.rows()).collect();
        }
        rows.append_slots(handle, &slots)?;
    }
    Ok(rows)
}

/// Which of its segments another state of the same collection has.
pub(super) fn position_of(
    segments: &[Arc<SegmentHandle>],
    segment: &Arc<Segment>,
) -> Option<usize> {
    segments.iter().position(|h| Arc::ptr_eq(&h.segment, segment))
}

//! Points that were upserted and are no piece yet, and what was deleted and updated among them.
//!
//! A log may alternate between small upserts, deletes and updates: were each piece made before
//! the next change, opening after a crash would make tens of thousands.

use std::collections::HashMap;

use super::draft::keep_last;
use crate::config::CollectionConfig;
use crate::error::Result;
use crate::segment::attributes::{ColumnBuffer, Patch, Value};
use crate::segment::{Dead, IdRef, Kept, Rows};
use crate::types::PointId;

/// Points held back before they become a piece, and their bytes.
const ROWS: usize = 8_192;
const BYTES: usize = 16 << 20;

/// Upserted, but no piece yet. An id may be in it several times: the last counts.
pub(super) struct Pending {
    rows: Rows,
    /// Rows that the places know.
    placed: usize,
    /// The last row of each id, and whether it is alive; as far as anybody asked.
    places: HashMap<PointId, (u32, bool)>,
    /// Values that replace those of rows: row, column, value, in order.
    replaced: Vec<(u32, usize, Value)>,
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing: it may be in a segment.
    Unknown,
    /// It was deleted here: what a segment has of it is older.
    Deleted,
    /// Its point is at this row.
    Row(u32),
}

/// What became of the points.
pub(super) struct Settled {
    pub(super) points: Kept,
    /// Slots that were deleted since.
    pub(super) dead: Option<Dead>,
    /// Values that were replaced since.
    pub(super) patch: Option<Patch>,
}

impl Pending {
    pub(super) fn new(config: &CollectionConfig) -> Self {
        let rows = Rows::new(config);
        Self { rows, placed: 0, places: HashMap::new(), replaced: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Whether it is time to make a piece.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS
            || self.rows.vectors.len() >= BYTES
            || self.replaced.len() >= 4 * ROWS
    }

    /// Adds points, with a value in every column.
    pub(super) fn upsert(&mut self, config: &CollectionConfig, mut rows: Rows) -> Result<()> {
        // Columns that were added since the call was checked.
        for (_, kind) in config.schema.columns().iter().skip(rows.columns.len()) {
            let mut column = ColumnBuffer::new(*kind);
            column.append_nulls(rows.len());
            rows.columns.push(column);
        }
        if self.is_empty() {
            self.rows = rows;
            return Ok(());
        }
        self.rows.append(rows)
    }

    /// Where the point of an id is.
    pub(super) fn find(&mut self, id: IdRef<'_>) -> Found {
        if self.is_empty() {
            return Found::Unknown;
        }
        for row in self.placed..self.rows.len() {
            if let Some(id) = IdRef::at(&self.rows.ids, row) {
                self.places.insert(id.to_owned(), (row as u32, true));
            }
        }
        self.placed = self.rows.len();
        match self.places.get(&id.to_owned()) {
            Some((row, true)) => Found::Row(*row),
            Some((_, false)) => Found::Deleted,
            None => Found::Unknown,
        }
    }

    /// Deletes a point that was found.
    pub(super) fn delete(&mut self, id: IdRef<'_>) {
        if let Some((_, alive)) = self.places.get_mut(&id.to_owned()) {
            *alive = false;
        }
    }

    /// Replaces a value of a point that was found.
    pub(super) fn set(&mut self, row: u32, column: usize, value: Value) {
        self.replaced.push((row, column, value));
    }

    /// Takes the points out.
    pub(super) fn settle(&mut self, config: &CollectionConfig) -> Result<Settled> {
        let Self { rows, places, replaced, .. } = std::mem::replace(self, Self::new(config));
        let points = keep_last(rows)?;
        let mut dead: Option<Dead> = None;
        let deleted = places.into_values().filter(|(_, alive)| !alive);
        for slot in deleted.filter_map(|(row, _)| points.point_of(row)) {
            dead.get_or_insert_with(|| Dead::none(points.len() as u32)).insert(slot);
        }
        let mut patch: Option<Patch> = None;
        for (row, column, value) in replaced {
            // Rows that were upserted again are gone.
            if let Some(slot) = points.point_of(row) {
                let patch = patch.get_or_insert_default();
                value.with(|value| patch.set(column, slot, &value));
            }
        }
        Ok(Settled { points, dead, patch })
    }
}

//! Points gathered in memory, in the order in which they were written.

use std::ops::Range;

use rayon::prelude::*;

use super::attributes::ColumnBuffer;
use super::handle::SegmentHandle;
use super::ids::IdRef;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::types::{IdType, Ids};

/// Fewer rows are copied faster than shared out.
const SHARED_ROWS: usize = 16_384;
/// Rows that one task copies.
const TASK_ROWS: usize = 2_048;

/// Points, an id maybe several times.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) ids: Ids,
    /// Original vectors as they are stored.
    pub(crate) vectors: Vec<u8>,
    pub(crate) columns: Vec<ColumnBuffer>,
}

/// Points, every id once.
#[derive(Debug)]
pub(crate) struct Kept {
    rows: Rows,
    /// Row of each point in `rows`; the vectors have moved up already.
    row_of: Vec<u32>,
    /// Points in ascending order of their ids.
    by_id: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(config: &CollectionConfig) -> Self {
        let ids = match config.id_type {
            IdType::U64 => Ids::U64(Vec::new()),
            IdType::Str => Ids::Str(Vec::new()),
        };
        let columns = config.schema.columns().iter();
        Self {
            ids,
            vectors: Vec::new(),
            columns: columns.map(|(_, kind)| ColumnBuffer::new(*kind)).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Bytes of the vectors and, roughly, of the values.
    pub(crate) fn bytes(&self) -> usize {
        let of_row = |row: usize| self.columns.iter().map(|c| c.row_bytes(row)).sum::<usize>();
        self.vectors.len() + (0..self.len()).map(of_row).sum::<usize>()
    }

    /// Checks that a segment can hold `more` rows than there are.
    pub(crate) fn check_room(&self, more: usize) -> Result<()> {
        // The largest u32 means "none" in several places.
        let limit = u32::MAX as usize - 1;
        if self.len().saturating_add(more) <= limit {
            return Ok(());
        }
        Err(Error::ResourceLimit {
            what: "points of one segment".to_owned(),
            limit: limit.to_string(),
            found: "more".to_owned(),
            fix: "split the points into several collections".to_owned(),
        })
    }

    /// Appends slots of a segment, with the values that they have now. In a rayon pool,
    /// many into none are copied by all of its threads.
    pub(crate) fn append_slots(&mut self, handle: &SegmentHandle, slots: &[u32]) -> Result<()> {
        self.check_room(slots.len())?;
        let segment = &handle.segment;
        let (ids, originals) = (segment.ids()?, segment.originals());
        let row_bytes = originals.row_bytes();
        let start = self.vectors.len();
        let in_pool = rayon::current_thread_index().is_some();
        if start == 0 && slots.len() >= SHARED_ROWS && in_pool {
            // Zeroed by the system, a page at a time, by whoever fills it.
            self.vectors = vec![0; slots.len() * row_bytes];
            let tasks = self.vectors.par_chunks_mut(TASK_ROWS * row_bytes);
            tasks.zip(slots.par_chunks(TASK_ROWS)).for_each(|(out, slots)| {
                for (out, slot) in out.chunks_exact_mut(row_bytes).zip(slots) {
                    out.copy_from_slice(originals.row(*slot as usize));
                }
            });
        } else {
            self.vectors.reserve(slots.len() * row_bytes);
            for slot in slots {
                self.vectors.extend_from_slice(originals.row(*slot as usize));
            }
        }
        for slot in slots.iter().copied() {
            match (&mut self.ids, ids.get(slot)) {
                (Ids::U64(out), IdRef::U64(id)) => out.push(id),
                (Ids::Str(out), IdRef::Str(id)) => out.push(id.to_owned()),
                _ => {}
            }
        }
        for (position, column) in self.columns.iter_mut().enumerate() {
            column.append_slots(&handle.attribute(position, column.kind())?, slots)?;
        }
        Ok(())
    }

    /// A copy of some rows.
    pub(crate) fn range(&self, config: &CollectionConfig, rows: Range<usize>) -> Self {
        let row_bytes = self.vectors.len() / self.len().max(1);
        let mut copy = Self::new(config);
        match (&mut copy.ids, &self.ids) {
            (Ids::U64(out), Ids::U64(ids)) => out.extend_from_slice(&ids[rows.clone()]),
            (Ids::Str(out), Ids::Str(ids)) => out.extend_from_slice(&ids[rows.clone()]),
            _ => {}
        }
        let bytes = rows.start * row_bytes..rows.end * row_bytes;
        copy.vectors.extend_from_slice(&self.vectors[bytes]);
        for (out, column) in copy.columns.iter_mut().zip(&self.columns) {
            column.values(rows.clone(), |value| out.push(value));
        }
        copy
    }

    /// Appends other points of the same collection.
    pub(crate) fn append(&mut self, other: Self) -> Result<()> {
        self.check_room(other.len())?;
        match (&mut self.ids, other.ids) {
            (Ids::U64(ids), Ids::U64(more)) => ids.extend(more),
            (Ids::Str(ids), Ids::Str(more)) => ids.extend(more),
            _ => {}
        }
        self.vectors.extend_from_slice(&other.vectors);
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            column.append_buffer(more);
        }
        Ok(())
    }

    /// Whether sorting takes less time than sharing the work would.
    pub(crate) fn is_small(&self) -> bool {
        self.len() < 4_096
    }

    /// Keeps the last row of every id, in order. Sorts in the current rayon pool, unless they are
    /// few.
    pub(crate) fn keep_last(mut self) -> Kept {
        let rows = self.len() as u32;
        let mut sorted: Vec<u32> = (0..rows).collect();
        let order = |a: &u32, b: &u32| {
            let key = |row: u32| (IdRef::at(&self.ids, row as usize), row);
            key(*a).cmp(&key(*b))
        };
        if self.is_small() {
            sorted.sort_unstable_by(order);
        } else {
            sorted.par_sort_unstable_by(order);
        }
        let id = |row: &u32| IdRef::at(&self.ids, *row as usize);
        let last = |i: &usize| sorted.get(i + 1).is_none_or(|next| id(next) != id(&sorted[*i]));
        let mut by_id: Vec<u32> = (0..sorted.len()).filter(last).map(|i| sorted[i]).collect();
        if by_id.len() == sorted.len() {
            return Kept { rows: self, row_of: (0..rows).collect(), by_id };
        }
        let mut row_of = by_id.clone();
        row_of.sort_unstable();
        let row_bytes = self.vectors.len() / rows as usize;
        let mut point_of = vec![0; rows as usize];
        for (point, row) in row_of.iter().enumerate() {
            point_of[*row as usize] = point as u32;
            let start = *row as usize * row_bytes;
            self.vectors.copy_within(start..start + row_bytes, point * row_bytes);
        }
        self.vectors.truncate(row_of.len() * row_bytes);
        for point in &mut by_id {
            *point = point_of[*point as usize];
        }
        Kept { rows: self, row_of, by_id }
    }
}

impl Kept {
    pub(crate) fn len(&self) -> usize {
        self.row_of.len()
    }

    /// The ids, in the order of the points.
    pub(crate) fn ids(&self) -> impl Iterator<Item = IdRef<'_>> {
        self.row_of.iter().filter_map(|row| IdRef::at(&self.rows.ids, *row as usize))
    }

    /// Original vectors as they are stored, in the order of the points.
    pub(crate) fn vectors(&self) -> &[u8] {
        &self.rows.vectors
    }

    /// Ids by row, of which [`Self::rows_of`] picks.
    pub(crate) fn all_ids(&self) -> &Ids {
        &self.rows.ids
    }

    pub(crate) fn columns(&self) -> &[ColumnBuffer] {
        &self.rows.columns
    }

    /// Rows of these points, for [`Self::all_ids`] and [`Self::columns`].
    pub(crate) fn rows_of(&self, points: &[u32]) -> Vec<u32> {
        points.iter().map(|point| self.row_of[*point as usize]).collect()
    }

    /// The point that a row became; `None` if a later row of its id took its place.
    pub(crate) fn point_of(&self, row: u32) -> Option<u32> {
        self.row_of.binary_search(&row).ok().map(|point| point as u32)
    }

    /// Points in ascending order of their ids.
    pub(crate) fn by_id(&self) -> &[u32] {
        &self.by_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    #[test]
    fn the_last_of_an_id_stays_where_it_is() {
        let mut rows = Rows::new(&CollectionConfig::new(1, Metric::L2));
        rows.ids = Ids::U64(vec![5, 3, 5, 9, 3]);
        rows.vectors = (0..5_u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let kept = rows.keep_last();
        assert_eq!(kept.ids().collect::<Vec<_>>(), [5, 9, 3].map(IdRef::U64));
        let expected: Vec<u8> = [2_f32, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(kept.vectors(), expected);
        assert_eq!(kept.by_id(), [2, 0, 1]);
        assert_eq!(kept.rows_of(&[0, 1, 2]), [2, 3, 4]);
    }
}

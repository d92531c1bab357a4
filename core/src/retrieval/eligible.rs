//! Which slots of a segment may be returned: alive and not excluded.

use crate::segment::Dead;

/// The eligible slots of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eligible<'a> {
    rows: u32,
    /// `None` when every slot is alive.
    dead: Option<&'a Dead>,
    /// Excluded slots that are alive, ascending.
    excluded: &'a [u32],
}

impl<'a> Eligible<'a> {
    pub(crate) fn new(rows: u32, dead: Option<&'a Dead>, excluded: &'a [u32]) -> Self {
        Self { rows, dead, excluded }
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.dead.is_none_or(|dead| !dead.contains(slot))
            && (self.excluded.is_empty() || self.excluded.binary_search(&slot).is_err())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.rows as usize - self.passed_over()
    }

    /// How many slots are not eligible.
    pub(crate) fn passed_over(&self) -> usize {
        self.dead.map_or(0, |dead| dead.count() as usize) + self.excluded.len()
    }
}

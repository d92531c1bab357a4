//! Which slots of a segment may be returned: alive and not excluded.

use crate::collection::SegmentHandle;

/// The eligible slots of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eligible<'a> {
    handle: &'a SegmentHandle,
    /// Excluded slots that are alive, ascending.
    excluded: &'a [u32],
}

impl<'a> Eligible<'a> {
    pub(crate) fn new(handle: &'a SegmentHandle, excluded: &'a [u32]) -> Self {
        Self { handle, excluded }
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.handle.is_alive(slot) && self.excluded.binary_search(&slot).is_err()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.handle.alive() as usize - self.excluded.len()
    }

    /// How many slots are not eligible.
    pub(crate) fn passed_over(&self) -> usize {
        self.handle.segment.rows() as usize - self.count()
    }
}

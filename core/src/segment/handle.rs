//! A segment as a collection holds it: with what changed since it was sealed.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::sync::Arc;

use super::{Dead, Segment};
use crate::curve::Curve;
use crate::manifest::SegmentRecord;

/// A segment and which of its slots are dead.
#[derive(Debug)]
pub(crate) struct SegmentHandle {
    pub(crate) record: SegmentRecord,
    pub(crate) segment: Arc<Segment>,
    /// `None` when every slot is alive.
    pub(crate) dead: Option<Arc<Dead>>,
}

impl SegmentHandle {
    /// Number of slots that are alive.
    pub(crate) fn alive(&self) -> u32 {
        self.segment.rows() - self.dead.as_ref().map_or(0, |d| d.count())
    }

    pub(crate) fn is_alive(&self, slot: u32) -> bool {
        self.dead.as_ref().is_none_or(|d| !d.contains(slot))
    }

    /// Recall against effort: what `calibrate` measured, else what the build did; `None` without
    /// an index.
    pub(crate) fn curve(&self) -> Option<&Curve> {
        let built = self.segment.index_meta()?.curve();
        Some(self.record.curve.as_ref().unwrap_or(built))
    }

    /// Slots that are alive, ascending.
    pub(crate) fn alive_slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.segment.rows()).filter(|slot| self.is_alive(*slot))
    }
}

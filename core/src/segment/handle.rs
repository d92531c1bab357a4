//! A segment as a collection holds it: with what changed since its bytes were written.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::sync::Arc;

use super::attributes::{Column, Patch};
use super::{Dead, Segment};
use crate::curve::Curve;
use crate::error::Result;
use crate::manifest::SegmentRecord;
use crate::types::AttributeType;

/// Where the points of a segment are kept.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// In a file, which the manifest knows by this record. What died or was replaced since may
    /// be ahead of the record; the log has it then.
    Sealed(SegmentRecord),
    /// In memory, and in the log up to this file.
    Growing(u64),
}

/// A segment, which of its slots are dead and which values are replaced.
#[derive(Debug, Clone)]
pub(crate) struct SegmentHandle {
    pub(crate) origin: Origin,
    pub(crate) segment: Arc<Segment>,
    /// `None` when every slot is alive.
    pub(crate) dead: Option<Arc<Dead>>,
    /// `None` when no value is replaced.
    pub(crate) patch: Option<Arc<Patch>>,
    /// Whether values were replaced that the record doesn't know.
    pub(crate) patched: bool,
    /// Nothing that is alive expires before this time; `None` while nobody has looked.
    pub(crate) expires_us: Option<i64>,
    /// Growing, and being made a part of something larger: not to be merged by writers.
    pub(crate) taken: bool,
}

impl SegmentHandle {
    /// A segment in a file, unchanged.
    pub(crate) fn sealed(record: SegmentRecord, segment: Arc<Segment>) -> Self {
        Self {
            origin: Origin::Sealed(record),
            segment,
            dead: None,
            patch: None,
            patched: false,
            expires_us: None,
            taken: false,
        }
    }

    /// A segment in memory, unchanged.
    pub(crate) fn growing(wal: u64, segment: Arc<Segment>) -> Self {
        Self {
            origin: Origin::Growing(wal),
            segment,
            dead: None,
            patch: None,
            patched: false,
            expires_us: None,
            taken: false,
        }
    }

    /// What the manifest knows of it; `None` while it is growing.
    pub(crate) fn record(&self) -> Option<&SegmentRecord> {
        match &self.origin {
            Origin::Sealed(record) => Some(record),
            Origin::Growing(_) => None,
        }
    }

    /// The file of the log that has the last of its points; `None` once it is sealed.
    pub(crate) fn wal(&self) -> Option<u64> {
        match &self.origin {
            Origin::Sealed(_) => None,
            Origin::Growing(wal) => Some(*wal),
        }
    }

    /// Number of slots that are alive.
    pub(crate) fn alive(&self) -> u32 {
        self.segment.rows() - self.dead.as_ref().map_or(0, |d| d.count())
    }

    pub(crate) fn is_alive(&self, slot: u32) -> bool {
        self.dead.as_ref().is_none_or(|d| !d.contains(slot))
    }

    /// The attribute column at a position of the schema, where it has this type.
    pub(crate) fn attribute(&self, position: usize, kind: AttributeType) -> Result<Column<'_>> {
        let column = self.segment.attribute(position)?.unwrap_or(Column::missing(kind));
        Ok(column.patched(self.patch.as_ref().and_then(|patch| patch.column(position))))
    }

    /// Recall against effort: what `calibrate` measured, else what the build did; `None` without
    /// an index.
    pub(crate) fn curve(&self) -> Option<&Curve> {
        let built = self.segment.index_meta()?.curve();
        Some(self.record().and_then(|record| record.curve.as_ref()).unwrap_or(built))
    }

    /// Slots that are alive, ascending.
    pub(crate) fn alive_slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.segment.rows()).filter(|slot| self.is_alive(*slot))
    }
}

//! What a segment says about itself. Holds no time, no name and no identity, so that the same
//! points give the same bytes.

use bincode::{Decode, Encode};

use crate::config::CollectionConfig;
use crate::graph::IndexMeta;
use crate::manifest::Shape;

/// The `meta` section, through the codec.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct SegmentMeta {
    /// Rows, dead ones included.
    pub(crate) rows: u32,
    /// What the points are; must agree with the collection's.
    pub(crate) shape: Shape,
    /// The index; without one the rows are scanned.
    pub(crate) index: Option<IndexMeta>,
}

impl SegmentMeta {
    pub(crate) fn new(rows: u32, config: &CollectionConfig, index: Option<IndexMeta>) -> Self {
        Self { rows, shape: Shape::of(config), index }
    }
}

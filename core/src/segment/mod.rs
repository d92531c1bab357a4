//! One sealed segment: an immutable file of points, with an index over them or without.
//!
//! Owns how points are laid out in sections and read in place. What changes after sealing (which
//! rows are dead) lives beside it, in [`tombstones`]. A *slot* is the position of a point in a
//! segment; a *row* is the position of a point in the input.

pub(crate) mod attributes;
mod checked;
mod handle;
mod ids;
mod meta;
mod reader;
mod rows;
mod tombstones;
mod verify;
mod writer;

pub(crate) use attributes::{Column, ColumnOut};
pub(crate) use handle::SegmentHandle;
pub(crate) use ids::{IdColumn, IdRef};
pub(crate) use reader::{Segment, SegmentBytes};
pub(crate) use rows::{Kept, Rows};
pub(crate) use tombstones::Dead;
pub(crate) use verify::verify_segment;
pub(crate) use writer::write_segment;

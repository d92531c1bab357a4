//! One segment: immutable bytes of points, with an index over them or without, in a file or, while
//! it grows, in memory.
//!
//! Owns how points are laid out in sections and read in place. What changes afterwards (which
//! rows are dead, which values are replaced) lives beside it, in [`tombstones`] and [`changes`]. A *slot* is the position of a point in a
//! segment; a *row* is the position of a point in the input.

pub(crate) mod attributes;
pub(crate) mod changes;
mod checked;
mod filter;
mod handle;
mod ids;
mod lookup;
mod meta;
mod reader;
mod rows;
mod tombstones;
mod verify;
mod writer;

pub(crate) use attributes::{Column, ColumnOut, Ranked, float_key};
pub(crate) use handle::{Origin, SegmentHandle};
pub(crate) use ids::{IdColumn, IdRef};
pub(crate) use lookup::hash as hash_id;
pub(crate) use reader::{Finder, Segment, SegmentBytes};
pub(crate) use rows::{Kept, Rows};
pub(crate) use tombstones::Dead;
pub(crate) use verify::{scrub_segment, verify_segment, verify_segment_while};
pub(crate) use writer::{Index, IndexGraph, build_indexed, build_segment, write_segment};

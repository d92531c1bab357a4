//! How much memory a build takes, before it starts: an upper estimate from sizes alone.
//!
//! Each line is a buffer of the builder, per slot. Two moments compete for the peak: codes are
//! held twice while they are put into the order of slots, and later the edges are held several
//! times while they are pruned and laid out. `tests/memory.rs` compares with a process's peak;
//! `nearfield bench` of data shows both for data of any size.

use super::BuildOptions;
use crate::codes::{Layout, SpaceParams};
use crate::types::IndexKind;

/// Slot numbers, sort keys and groups of duplicates while slots are ordered.
const ORDER: u64 = 8 + 16;
/// Order, nodes and shuffled sequence while the graph grows.
const SEQUENCE: u64 = 3 * 4;
/// A list of its own for each node: the vector and what the allocator adds.
const LIST: u64 = 24 + 16;
/// A point of `hnsw_rs`, without and for each neighbour.
const HNSW_POINT: u64 = 1_100;
const HNSW_NEIGHBOUR: u64 = 64;
/// Buffers of a thread that don't grow with the dimension, and those that do, a component.
const THREAD: u64 = 1 << 20;
const THREAD_COMPONENT: u64 = 4 * 1_024;

fn layout(dim: usize, options: &BuildOptions) -> Layout {
    // Inner products may need a component more: the norm of the largest is not known yet.
    let padded = SpaceParams::code_dim(options.metric, dim, 1.0).next_multiple_of(64);
    let bits = if dim < 64 { 8 } else { options.bits };
    Layout { padded, bits, degree: options.degree }
}

/// Bytes of an index of so many rows, with what the allocator keeps of its building.
pub(crate) fn of_index(rows: u64, dim: usize, options: &BuildOptions) -> u64 {
    let layout = layout(dim, options);
    let codes = (layout.stride() + layout.refine_bytes()) as u64;
    rows.saturating_mul(codes + 2 * layout.edge_bytes() as u64 + LIST)
}

/// Bytes at the peak of building it, without the rows themselves.
pub(crate) fn of_build(rows: u64, dim: usize, options: &BuildOptions, threads: usize) -> u64 {
    let layout = layout(dim, options);
    let codes = (layout.stride() + layout.refine_bytes()) as u64;
    let edges = layout.edge_bytes() as u64;
    let ordering = 2 * codes + ORDER;
    // Pruned edges as words, then as bytes; beside them what they were pruned from.
    let growing = codes
        + SEQUENCE
        + match options.kind {
            IndexKind::Graph => edges * 3 / 2 + (LIST + edges) + edges,
            IndexKind::Hnsw => HNSW_POINT + HNSW_NEIGHBOUR * layout.degree as u64 + 2 * edges,
        };
    let scratch = threads as u64 * (THREAD + THREAD_COMPONENT * layout.padded as u64);
    rows.saturating_mul(ordering.max(growing)).saturating_add(scratch)
}

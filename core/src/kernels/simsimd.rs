//! One-to-one kernels of the `simsimd` crate, for the exact scans: it covers instruction sets
//! that we don't write by hand. Its sums are 32-bit: a bound, not an answer.

use simsimd::SpatialSimilarity;

/// An inner product for what need not be exact, nor the same everywhere.
pub(crate) fn quick_dot(a: &[f32], b: &[f32]) -> f32 {
    <f32 as SpatialSimilarity>::dot(a, b).unwrap_or_default() as f32
}

/// A row of 32-bit floats in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a>(&'a [f32]);

impl<'a> Row<'a> {
    /// A view of little-endian bytes; `None` where they can't be read in place.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        // SAFETY: every bit pattern is an f32; `align_to` gives the aligned middle.
        let (before, row, after) = unsafe { bytes.align_to::<f32>() };
        let in_place = before.is_empty() && after.is_empty() && cfg!(target_endian = "little");
        in_place.then_some(Self(row))
    }

    pub(crate) fn dot(self, query: &[f32]) -> Option<f64> {
        <f32 as SpatialSimilarity>::dot(query, self.0)
    }

    pub(crate) fn norm2(self) -> Option<f64> {
        <f32 as SpatialSimilarity>::dot(self.0, self.0)
    }

    pub(crate) fn squared_distance(self, query: &[f32]) -> Option<f64> {
        <f32 as SpatialSimilarity>::l2sq(query, self.0)
    }
}

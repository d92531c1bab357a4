//! Queries that are alike are searched one after the other: what one brought into the caches, the next
//! finds there.

use crate::collection::View;
use crate::kernels::exact::dot;
use crate::kernels::simsimd::quick_dot;
use crate::metric::Metric;

/// Points that queries are put in order by: of the largest segment, whose slots are in cluster
/// order, so that those next to each other are alike.
const POINTS: u32 = 32;
/// Smaller segments are in the caches as they are.
const ROWS_MIN: u32 = 16_384;

/// What tells which queries are alike.
#[derive(Debug)]
pub(super) struct Order {
    dim: usize,
    points: Vec<f32>,
    /// What is taken from the product with each point, to compare distances.
    shifts: Vec<f32>,
}

impl Order {
    /// `None` where order is not worth its time.
    pub(super) fn new(view: &View) -> Option<Self> {
        let indexed = view.segments.iter().filter(|handle| handle.segment.index().is_some());
        let largest = indexed.max_by_key(|handle| handle.segment.rows())?;
        let rows = largest.segment.rows();
        if rows < ROWS_MIN {
            return None;
        }
        let (dim, originals) = (view.config.dim, largest.segment.originals());
        let mut points = vec![0.0; POINTS as usize * dim];
        let mut shifts = Vec::new();
        for (at, point) in points.chunks_exact_mut(dim).enumerate() {
            let slot = (u64::from(rows) * at as u64 / u64::from(POINTS)) as usize;
            originals.copy_row(slot, point);
            let norm2 = dot(point, point) as f32;
            match view.config.metric {
                Metric::Cosine if norm2 > 0.0 => {
                    let scale = norm2.sqrt().recip();
                    for x in point.iter_mut() {
                        *x *= scale;
                    }
                    shifts.push(0.0);
                }
                Metric::L2 => shifts.push(norm2 / 2.0),
                Metric::Cosine | Metric::InnerProduct => shifts.push(0.0),
            }
        }
        Some(Self { dim, points, shifts })
    }

    /// The order in which these queries are to be searched.
    pub(super) fn of(&self, vectors: &[f32]) -> Vec<u32> {
        let mut keyed: Vec<(u8, u32)> = vectors
            .chunks_exact(self.dim)
            .zip(0..)
            .map(|(vector, row)| (self.nearest(vector), row))
            .collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, row)| row).collect()
    }

    fn nearest(&self, vector: &[f32]) -> u8 {
        let products = self.points.chunks_exact(self.dim).map(|point| quick_dot(vector, point));
        let mut best = (f32::NEG_INFINITY, 0);
        for ((product, shift), at) in products.zip(&self.shifts).zip(0..) {
            if product - shift > best.0 {
                best = (product - shift, at);
            }
        }
        best.1
    }
}

/// Rows in this order.
pub(super) fn reordered(vectors: &[f32], dim: usize, order: &[u32]) -> Vec<f32> {
    let rows = order.iter().map(|row| &vectors[*row as usize * dim..(*row as usize + 1) * dim]);
    let mut out = Vec::with_capacity(vectors.len());
    rows.for_each(|row| out.extend_from_slice(row));
    out
}

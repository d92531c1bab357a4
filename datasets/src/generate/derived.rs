//! Matrices made from other matrices. A rest shorter than a row is left out everywhere.

use crate::generate::rng::Rng;

const DUPLICATE: u64 = 20;
const PERTURB: u64 = 21;

/// Replaces rows by exact copies of other rows: what reposts do to a collection.
///
/// ```
/// use nearfield_datasets::generate::{Duplicates, Shape, uniform};
///
/// let base = uniform(Shape { rows: 100, dim: 4, seed: 1 });
/// let heavy = Duplicates { fraction: 0.5, seed: 2 }.apply(&base, 4);
/// assert_eq!(heavy.len(), base.len());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Duplicates {
    /// Share of the rows that become copies of an earlier row, 0 to 1.
    pub fraction: f64,
    /// Which rows, and of which.
    pub seed: u64,
}

impl Duplicates {
    /// A matrix of as many rows as `base`.
    pub fn apply(&self, base: &[f32], dim: usize) -> Vec<f32> {
        let mut matrix: Vec<f32> = Vec::with_capacity(base.len());
        for (i, row) in rows(base, dim).enumerate() {
            let mut rng = Rng::of_row(self.seed, DUPLICATE, i as u64);
            let copy = i > 0 && rng.unit() < self.fraction;
            let from = rng.below(i as u64) as usize * dim;
            if copy {
                matrix.extend_from_within(from..from + dim);
            } else {
                matrix.extend_from_slice(row);
            }
        }
        matrix
    }
}

/// Real vectors plus noise, normalised again: a large set with the structure of a small one.
///
/// ```
/// use nearfield_datasets::generate::{Perturb, Shape, gaussian};
///
/// let base = gaussian(Shape { rows: 10, dim: 8, seed: 1 });
/// let large = Perturb { rows: 1000, noise: 0.2, seed: 2 }.apply(&base, 8);
/// assert_eq!(large.len(), 1000 * 8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perturb {
    /// Rows to make; row `i` comes from row `i % n` of the `n` given.
    pub rows: usize,
    /// Root mean square length of the noise, relative to a vector of length 1.
    pub noise: f64,
    /// Where the noise comes from.
    pub seed: u64,
}

impl Perturb {
    /// A matrix of vectors of length 1; empty where `base` holds no row.
    pub fn apply(&self, base: &[f32], dim: usize) -> Vec<f32> {
        let scale = self.noise / (dim.max(1) as f64).sqrt();
        let mut unit = base.to_vec();
        normalize(&mut unit, dim);
        let mut matrix = Vec::with_capacity(self.rows.saturating_mul(dim));
        for (i, row) in rows(&unit, dim).cycle().take(self.rows).enumerate() {
            let mut rng = Rng::of_row(self.seed, PERTURB, i as u64);
            matrix.extend(row.iter().map(|&x| (f64::from(x) + scale * rng.normal()) as f32));
        }
        normalize(&mut matrix, dim);
        matrix
    }
}

/// Scales every row to length 1; rows of zeros stay.
pub fn normalize(matrix: &mut [f32], dim: usize) {
    for row in matrix.chunks_exact_mut(dim.max(1)) {
        let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length > 0.0 {
            for x in row {
                *x = (f64::from(*x) / length) as f32;
            }
        }
    }
}

/// Maps the range of all components to 0..=255, in equal steps. With 784 components this makes
/// data like that of small grey images.
///
/// ```
/// use nearfield_datasets::generate::{Clusters, Shape, quantize_u8};
///
/// let shape = Shape { rows: 20, dim: 784, seed: 1 };
/// let points = Clusters { shape, clusters: 10, intrinsic: 12, spread: 0.6 }.generate();
/// let bytes = quantize_u8(&points.vectors);
/// assert_eq!((bytes.iter().min(), bytes.iter().max()), (Some(&0), Some(&255)));
/// ```
pub fn quantize_u8(matrix: &[f32]) -> Vec<u8> {
    let low = matrix.iter().copied().fold(f32::INFINITY, f32::min);
    let high = matrix.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = f64::from(high) - f64::from(low);
    let step = if range > 0.0 { 255.0 / range } else { 0.0 };
    let level = |x: f32| ((f64::from(x) - f64::from(low)) * step + 0.5).floor() as u8;
    matrix.iter().map(|&x| level(x)).collect()
}

pub(crate) fn rows(matrix: &[f32], dim: usize) -> impl Iterator<Item = &[f32]> + Clone {
    // A dimension of 0 has no rows.
    let whole = if dim == 0 { &[] } else { matrix };
    whole.chunks_exact(dim.max(1))
}

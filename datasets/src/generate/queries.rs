//! Queries that do not look like the points: where searches tuned on the points go wrong.

use crate::generate::derived::{normalize, rows};
use crate::generate::rng::Rng;
use crate::generate::simple::directions;

const BLEND: u64 = 30;
const SHIFT: u64 = 31;

/// Queries off the points' distribution: means of unrelated points, moved aside together, as the
/// profile of a user with several interests is.
///
/// ```
/// use nearfield_datasets::generate::{OffDistribution, Shape, gaussian};
///
/// let base = gaussian(Shape { rows: 100, dim: 8, seed: 1 });
/// let recipe = OffDistribution { queries: 5, parts: 3, shift: 0.3, seed: 2 };
/// assert_eq!(recipe.apply(&base, 8).len(), 5 * 8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OffDistribution {
    /// Number of queries.
    pub queries: usize,
    /// Points of which a query is the mean, at least 1.
    pub parts: usize,
    /// Length of the common shift, relative to vectors of length 1.
    pub shift: f64,
    /// Which points, and where to.
    pub seed: u64,
}

impl OffDistribution {
    /// A matrix of vectors of length 1; empty where `base` holds no row.
    pub fn apply(&self, base: &[f32], dim: usize) -> Vec<f32> {
        let points: Vec<&[f32]> = rows(base, dim).collect();
        if points.is_empty() {
            return Vec::new();
        }
        let aside = directions(1, dim, self.seed, SHIFT);
        let mut matrix = Vec::with_capacity(self.queries.saturating_mul(dim));
        for i in 0..self.queries {
            let mut rng = Rng::of_row(self.seed, BLEND, i as u64);
            let mut row = vec![0f64; dim];
            for _ in 0..self.parts.max(1) {
                if let Some(point) = points.get(rng.below(points.len() as u64) as usize) {
                    add_unit(&mut row, point);
                }
            }
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            let inverse = if length > 0.0 { 1.0 / length } else { 0.0 };
            let moved = row.iter().zip(&aside).map(|(x, s)| x * inverse + self.shift * s);
            matrix.extend(moved.map(|x| x as f32));
        }
        normalize(&mut matrix, dim);
        matrix
    }
}

/// Adds a point, scaled to length 1.
fn add_unit(row: &mut [f64], point: &[f32]) {
    let length = point.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().zip(point).for_each(|(sum, &x)| *sum += f64::from(x) / length);
    }
}

//! Clouds without structure, and a cloud on a subspace of few dimensions.

use crate::generate::rng::Rng;

const UNIFORM: u64 = 1;
const GAUSSIAN: u64 = 2;
const LATENT: u64 = 3;
const BASIS: u64 = 4;

/// How many vectors of how many components, from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of vectors.
    pub rows: usize,
    /// Components of a vector.
    pub dim: usize,
    /// Everything random comes from it.
    pub seed: u64,
}

impl Shape {
    /// A matrix of which `fill` appends one row.
    pub(crate) fn fill(self, purpose: u64, mut row: impl FnMut(Rng, &mut Vec<f32>)) -> Vec<f32> {
        let mut matrix = Vec::with_capacity(self.rows.saturating_mul(self.dim));
        for i in 0..self.rows {
            row(Rng::of_row(self.seed, purpose, i as u64), &mut matrix);
        }
        matrix
    }
}

/// Components uniform in `[-1, 1)`: no structure at all, the hardest case for a graph.
///
/// ```
/// use nearfield_datasets::generate::{Shape, uniform};
///
/// let matrix = uniform(Shape { rows: 10, dim: 3, seed: 1 });
/// assert_eq!(matrix.len(), 30);
/// assert!(matrix.iter().all(|x| (-1.0..1.0).contains(x)));
/// ```
pub fn uniform(shape: Shape) -> Vec<f32> {
    // 24 bits are exact in f32, so the upper end stays out after rounding.
    let component = |rng: &mut Rng| ((rng.next_u64() >> 40) as f32 / (1u32 << 23) as f32) - 1.0;
    shape.fill(UNIFORM, |mut rng, matrix| {
        matrix.extend((0..shape.dim).map(|_| component(&mut rng)));
    })
}

/// Components normal, of mean 0 and deviation 1: directions uniform on the sphere.
pub fn gaussian(shape: Shape) -> Vec<f32> {
    shape.fill(GAUSSIAN, |mut rng, matrix| {
        matrix.extend((0..shape.dim).map(|_| rng.normal() as f32));
    })
}

/// A cloud that fills `intrinsic` dimensions of a space of many more.
///
/// ```
/// use nearfield_datasets::generate::{LowIntrinsic, Shape};
///
/// let shape = Shape { rows: 10, dim: 100, seed: 1 };
/// assert_eq!(LowIntrinsic { shape, intrinsic: 8, noise: 0.01 }.generate().len(), 1000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowIntrinsic {
    /// Size and seed.
    pub shape: Shape,
    /// Dimensions that the cloud fills.
    pub intrinsic: usize,
    /// Length of the noise off the subspace, relative to the length of a vector.
    pub noise: f64,
}

impl LowIntrinsic {
    /// Makes the matrix; vectors have length 1 in the mean.
    pub fn generate(&self) -> Vec<f32> {
        let Shape { dim, seed, .. } = self.shape;
        let basis = directions(self.intrinsic, dim, seed, BASIS);
        let scale = 1.0 / (self.intrinsic.max(1) as f64).sqrt();
        let noise = self.noise / (dim.max(1) as f64).sqrt();
        let mut row = vec![0f64; dim];
        self.shape.fill(LATENT, |mut rng, matrix| {
            row.fill(0.0);
            add_latent(&mut row, &basis, scale, &mut rng);
            matrix.extend(row.iter().map(|x| (x + noise * rng.normal()) as f32));
        })
    }
}

/// Random directions of length 1, `count` rows of `dim`.
pub(crate) fn directions(count: usize, dim: usize, seed: u64, purpose: u64) -> Vec<f64> {
    let mut matrix = Vec::with_capacity(count.saturating_mul(dim));
    for i in 0..count {
        let mut rng = Rng::of_row(seed, purpose, i as u64);
        let row: Vec<f64> = (0..dim).map(|_| rng.normal()).collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let inverse = if length > 0.0 { 1.0 / length } else { 0.0 };
        matrix.extend(row.iter().map(|x| x * inverse));
    }
    matrix
}

/// Adds `scale` times a normal number times each row of `basis`.
pub(crate) fn add_latent(row: &mut [f64], basis: &[f64], scale: f64, rng: &mut Rng) {
    for direction in basis.chunks_exact(row.len().max(1)) {
        let weight = scale * rng.normal();
        row.iter_mut().zip(direction).for_each(|(x, d)| *x += weight * d);
    }
}

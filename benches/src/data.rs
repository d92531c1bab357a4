//! Generated vectors, the same for the same seed: clusters of few intrinsic dimensions, so that
//! near neighbours exist and are hard to tell apart, as in embeddings.

use nearfield::{Result, Vectors};
use nearfield_datasets::generate::{Clusters, Shape};

/// Vectors of one dimension, row after row.
#[derive(Debug, Clone)]
pub struct Data {
    dim: usize,
    components: Vec<f32>,
}

/// Points a cluster, on average.
const CLUSTER: usize = 100;

impl Data {
    /// `shape.rows` vectors to store and `queries` fresh ones of the same clusters to ask for.
    pub fn clustered(shape: Shape, queries: usize) -> (Self, Self) {
        let clusters = (shape.rows / CLUSTER).max(1);
        let mixture = Clusters { shape, clusters, intrinsic: 64, spread: 1.0 };
        let data = |components| Self { dim: shape.dim, components };
        (data(mixture.generate().vectors), data(mixture.queries(queries).vectors))
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.components.len() / self.dim
    }

    /// One vector.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.components[row * self.dim..(row + 1) * self.dim]
    }

    /// All of them, as the library takes them.
    pub fn vectors(&self) -> Result<Vectors<'_>> {
        Vectors::from_f32(self.dim, &self.components)
    }

    /// The same vectors as integers from `low` to `high`, for collections of bytes.
    #[must_use]
    pub fn integers(&self, low: f32, high: f32) -> Self {
        let largest = self.components.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        let middle = f32::midpoint(low, high);
        let scale = (high - middle) / largest;
        let integer = |x: &f32| (middle + x * scale).round().clamp(low, high);
        Self { dim: self.dim, components: self.components.iter().map(integer).collect() }
    }
}

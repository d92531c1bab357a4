//! Mixtures of Gaussians, each flat: what embeddings of topics look like from far away.

use crate::generate::rng::Rng;
use crate::generate::simple::{Shape, add_latent, directions};

const CENTRES: u64 = 10;
const AXES: u64 = 11;
const POINTS: u64 = 12;
const QUERIES: u64 = 13;

/// A mixture of equally likely clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clusters {
    /// Size and seed.
    pub shape: Shape,
    /// Number of clusters, at least 1. Their centres are random directions of length 1.
    pub clusters: usize,
    /// Dimensions in which a cluster extends; each cluster has its own.
    pub intrinsic: usize,
    /// Root mean square distance of a cluster's points from its centre.
    pub spread: f64,
}

/// Vectors and the clusters they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustered {
    /// `rows * dim` components.
    pub vectors: Vec<f32>,
    /// The cluster of each row.
    pub clusters: Vec<u32>,
}

impl Clusters {
    /// The points.
    pub fn generate(&self) -> Clustered {
        self.sample(POINTS, self.shape)
    }

    /// Fresh points of the same mixture: queries that lie on the points' distribution.
    ///
    /// ```
    /// use nearfield_datasets::generate::{Clusters, Shape};
    ///
    /// let shape = Shape { rows: 50, dim: 8, seed: 7 };
    /// let mixture = Clusters { shape, clusters: 5, intrinsic: 4, spread: 0.5 };
    /// assert_eq!(mixture.queries(3).vectors.len(), 3 * 8);
    /// ```
    pub fn queries(&self, rows: usize) -> Clustered {
        self.sample(QUERIES, Shape { rows, ..self.shape })
    }

    fn sample(&self, purpose: u64, shape: Shape) -> Clustered {
        let Shape { dim, seed, .. } = shape;
        let count = self.clusters.max(1);
        let centres = directions(count, dim, seed, CENTRES);
        // All axes of all clusters, `intrinsic` rows a cluster.
        let axes = directions(count * self.intrinsic, dim, seed, AXES);
        let scale = self.spread / (self.intrinsic.max(1) as f64).sqrt();
        let mut clusters = Vec::with_capacity(shape.rows);
        let vectors = shape.fill(purpose, |mut rng: Rng, matrix| {
            let cluster = rng.below(count as u64) as usize;
            let slice = |matrix: &[f64], rows: usize| -> Vec<f64> {
                let from = cluster * rows * dim;
                matrix.get(from..from + rows * dim).unwrap_or_default().to_vec()
            };
            let mut row = slice(&centres, 1);
            add_latent(&mut row, &slice(&axes, self.intrinsic), scale, &mut rng);
            matrix.extend(row.iter().map(|&x| x as f32));
            clusters.push(cluster as u32);
        });
        Clustered { vectors, clusters }
    }
}

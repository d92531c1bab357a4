//! Vectors in clusters, the same for the same seed: near neighbours exist and are hard to tell
//! apart, as in embeddings.

use nearfield::{Result, Vectors};

/// Vectors of one dimension, row after row.
#[derive(Debug, Clone)]
pub struct Data {
    dim: usize,
    components: Vec<f32>,
}

/// Points a cluster.
const CLUSTER: usize = 100;
/// Length of the noise around a centre, whose own length is about 1.
const SPREAD: f32 = 0.7;

impl Data {
    /// `rows` vectors to store and `queries` vectors of the same clusters to ask for.
    pub fn clustered(rows: usize, queries: usize, dim: usize, seed: u64) -> (Self, Self) {
        let mut random = Random(seed);
        let centres = Self::around(&mut random, dim, (rows / CLUSTER).max(1), |_, _| 0.0, 1.0);
        let mut draw = |count| {
            let mut pick = Random(random.next());
            let homes: Vec<usize> =
                (0..count).map(|_| (pick.next() % centres.rows() as u64) as usize).collect();
            Self::around(&mut random, dim, count, |row, i| centres.row(homes[row])[i], SPREAD)
        };
        (draw(rows), draw(queries))
    }

    fn around(
        random: &mut Random,
        dim: usize,
        rows: usize,
        centre: impl Fn(usize, usize) -> f32,
        length: f32,
    ) -> Self {
        let scale = length / (dim as f32).sqrt();
        let components = (0..rows * dim)
            .map(|at| centre(at / dim, at % dim) + scale * random.normal())
            .collect();
        Self { dim, components }
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.components.len() / self.dim
    }

    /// Components of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// One vector.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.components[row * self.dim..(row + 1) * self.dim]
    }

    /// All of them, as the library takes them.
    pub fn vectors(&self) -> Result<Vectors<'_>> {
        Vectors::from_f32(self.dim, &self.components)
    }

    /// The same vectors as integers of `[low, high]`, for collections of bytes.
    #[must_use]
    pub fn integers(&self, low: f32, high: f32) -> Self {
        let (min, max) = self
            .components
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &x| (min.min(x), max.max(x)));
        let scale = (high - low) / (max - min);
        let components =
            self.components.iter().map(|x| (low + (x - min) * scale).round()).collect();
        Self { dim: self.dim, components }
    }
}

/// The splitmix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// About normal: the sum of four uniform numbers, scaled to variance 1.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 3.0_f32.sqrt()
    }
}

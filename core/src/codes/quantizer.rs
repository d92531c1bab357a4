//! Encodes vectors: `RaBitQ` codes (Gao and Long 2024; Gao et al. 2024) and 8-bit refine rows.

use std::sync::Arc;

use rayon::prelude::*;

use super::layout::{Fields, Layout, is_clustered};
use super::means::Means;
use super::query::round;
use super::rotation::Rotation;
use crate::kernels::{BLOCK, Block, exact};
use crate::metric::Metric;
use crate::originals::Originals;

/// Rows a chunk of a parallel sum; fixed, so that sums don't depend on the number of threads.
const CHUNK: usize = 4_096;

/// How vectors enter code space.
#[derive(Debug, Clone)]
pub(crate) struct SpaceParams {
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    /// The common norm M of inner-product vectors with unequal norms; 0 when none is appended.
    pub(crate) norm: f32,
    /// The largest norm of a row in code space.
    pub(crate) largest: f32,
    /// Root mean square of the rows' distances to the centroid.
    pub(crate) spread: f32,
    /// The centroid in code space; `code_dim` long.
    pub(crate) centroid: Vec<f32>,
    pub(crate) rotation_seed: u64,
    /// The means of the clusters; none of rows without a graph.
    pub(crate) means: Arc<Means>,
}

impl SpaceParams {
    /// Components in code space, before padding.
    pub(crate) fn code_dim(metric: Metric, dim: usize, norm: f32) -> usize {
        dim + usize::from(metric == Metric::InnerProduct && norm > 0.0)
    }

    /// Learns norm and centroid from all rows. Deterministic.
    pub(crate) fn train(rows: &Originals<'_>, metric: Metric, seed: u64) -> Self {
        let dim = rows.dim();
        let n = rows.rows();
        let norm = if metric == Metric::InnerProduct { common_norm(rows) } else { 0.0 };
        let mut params = Self {
            metric,
            dim,
            norm,
            largest: 0.0,
            spread: 0.0,
            centroid: Vec::new(),
            rotation_seed: seed,
            means: Arc::default(),
        };
        let code_dim = Self::code_dim(metric, dim, norm);
        // A sum a component, the sum of the squared norms, and the largest of these.
        let sums: Vec<(Vec<f64>, f64, f64)> = (0..n.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let (mut sum, mut squares, mut largest) = (vec![0.0; code_dim], 0.0, 0.0_f64);
                let mut x = vec![0.0; code_dim];
                for row in chunk * CHUNK..((chunk + 1) * CHUNK).min(n) {
                    params.enter(rows, row, &mut x);
                    sum.iter_mut().zip(&x).for_each(|(s, v)| *s += f64::from(*v));
                    let norm2 = norm2(&x);
                    squares += norm2;
                    largest = largest.max(norm2);
                }
                (sum, squares, largest)
            })
            .collect();
        let (mut total, mut squares, mut largest) = (vec![0.0; code_dim], 0.0, 0.0_f64);
        for (sum, of_chunk, largest_of_chunk) in sums {
            total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
            squares += of_chunk;
            largest = largest.max(largest_of_chunk);
        }
        let count = n.max(1) as f64;
        params.centroid = total.iter().map(|t| (t / count) as f32).collect();
        params.largest = largest.sqrt() as f32;
        params.spread = (squares / count - norm2(&params.centroid)).max(0.0).sqrt() as f32;
        params
    }

    /// Row `row` in code space; `out` is `code_dim` long.
    pub(crate) fn enter(&self, rows: &Originals<'_>, row: usize, out: &mut [f32]) {
        rows.copy_row(row, &mut out[..self.dim]);
        match self.metric {
            Metric::Cosine => normalise(out),
            Metric::InnerProduct if self.norm > 0.0 => {
                let rest = f64::from(self.norm).powi(2) - norm2(&out[..self.dim]);
                out[self.dim] = rest.max(0.0).sqrt() as f32;
            }
            Metric::InnerProduct | Metric::L2 => {}
        }
    }

    /// A query in code space, as `enter`; the appended component of a query is 0.
    #[inline(always)]
    pub(crate) fn enter_query(&self, query: &[f32], out: &mut [f32]) {
        out[..self.dim].copy_from_slice(query);
        out[self.dim..].fill(0.0);
        if self.metric == Metric::Cosine {
            normalise(out);
        }
    }
}

impl SpaceParams {
    /// The norm that all rows have, if they were given it: on entering or by a component more.
    pub(crate) fn sphere(&self) -> Option<f32> {
        match self.metric {
            Metric::Cosine => Some(1.0),
            Metric::InnerProduct if self.norm > 0.0 => Some(self.norm),
            Metric::InnerProduct | Metric::L2 => None,
        }
    }

    /// The score of the nearest vector that there could be to a query of this length in code
    /// space.
    pub(crate) fn highest(&self, length: f32) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::InnerProduct => self.largest * length,
            Metric::L2 => 0.0,
        }
    }
}

/// The sum of squares.
pub(crate) fn norm2(x: &[f32]) -> f64 {
    exact::dot(x, x)
}

#[inline(always)]
fn normalise(x: &mut [f32]) {
    let norm = norm2(x).sqrt();
    if norm > 0.0 {
        let inverse = 1.0 / norm;
        for v in x {
            *v = (f64::from(*v) * inverse) as f32;
        }
    }
}

/// The largest norm, or 0 when all norms are equal to within rounding.
fn common_norm(rows: &Originals<'_>) -> f32 {
    let n = rows.rows();
    let (low, high) = (0..n.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let mut x = vec![0.0; rows.dim()];
            let mut range = (f64::INFINITY, 0.0_f64);
            for row in chunk * CHUNK..((chunk + 1) * CHUNK).min(n) {
                rows.copy_row(row, &mut x);
                let norm = norm2(&x).sqrt();
                range = (range.0.min(norm), range.1.max(norm));
            }
            range
        })
        .reduce(|| (f64::INFINITY, 0.0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if high - low <= 2e-3 * high { 0.0 } else { high as f32 }
}

/// Buffers of an encoder, reused.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    y: Vec<f32>,
    row: Vec<Block>,
    products: Vec<f32>,
}

/// Encodes rows of one space with one layout.
#[derive(Debug, Clone)]
pub(crate) struct Quantizer {
    pub(crate) params: SpaceParams,
    pub(crate) layout: Layout,
    pub(crate) rotation: Rotation,
}

impl Quantizer {
    pub(crate) fn new(params: SpaceParams, layout: Layout) -> Self {
        let rotation = Rotation::new(layout.padded, params.rotation_seed);
        Self { params, layout, rotation }
    }

    /// A row's `y`; it is `padded` long.
    pub(crate) fn enter(&self, rows: &Originals<'_>, row: usize, y: &mut [f32]) {
        let code_dim = self.params.centroid.len();
        self.params.enter(rows, row, &mut y[..code_dim]);
        y[..code_dim].iter_mut().zip(&self.params.centroid).for_each(|(v, c)| *v -= c);
        y[code_dim..].fill(0.0);
        self.rotation.apply(y);
    }

    /// Encodes one row into its record and refine row.
    pub(crate) fn encode(
        &self,
        rows: &Originals<'_>,
        row: usize,
        buffers: &mut Buffers,
        record: &mut [u8],
        refine: &mut [u8],
    ) {
        let Buffers { y, .. } = buffers;
        y.resize(self.layout.padded, 0.0);
        self.enter(rows, row, y);
        let norm2 = norm2(y);
        let scale = y.iter().fold(0.0_f32, |m, v| m.max(v.abs())) / 127.0;
        let eight_bits =
            |v: f32| -> u8 { if scale > 0.0 { (round(v / scale) + 128.0) as u8 } else { 128 } };
        let row = if self.layout.bits == 8 { &mut *record } else { &mut *refine };
        for (o, v) in row.iter_mut().zip(y.iter()) {
            *o = eight_bits(*v);
        }
        let mut fields = Fields { norm2: norm2 as f32, scale, ..Fields::default() };
        if self.layout.bits == 8 {
            fields.factor = scale;
        } else if is_clustered(self.layout.bits) && self.params.means.count() > 0 {
            self.encode_about_mean(refine, buffers, record, &mut fields);
        } else {
            fields.factor = self.encode_low(y, norm2, record);
            fields.length = norm2.sqrt() as f32;
        }
        fields.write(&mut record[self.layout.fields_at()..][..self.layout.field_bytes()]);
    }

    /// Writes the code of what is left of `y` beside the nearest mean.
    fn encode_about_mean(
        &self,
        row: &[u8],
        buffers: &mut Buffers,
        record: &mut [u8],
        fields: &mut Fields,
    ) {
        let Buffers { y, row: blocks, products } = buffers;
        let means = &self.params.means;
        blocks.clear();
        let signed = |c: &[u8; BLOCK]| Block(c.map(|byte| (byte ^ 0x80) as i8));
        blocks.extend(row.as_chunks::<BLOCK>().0.iter().map(signed));
        means.products(blocks, fields.scale, products);
        let cluster = means.nearest(products);
        y.iter_mut().zip(means.values(cluster)).for_each(|(v, m)| *v -= m);
        let left2 = norm2(y);
        fields.cluster = cluster as u32;
        fields.length = left2.sqrt() as f32;
        fields.factor = self.encode_low(y, left2, record);
        let centre = ((1 << self.layout.bits) - 1) as f32 / 2.0;
        let mask = (1_u8 << self.layout.bits) - 1;
        let missed = y.iter().zip(means.values(cluster)).enumerate().map(|(i, (v, m))| {
            let (byte, shift) = self.layout.place(i);
            let level = f32::from((record[byte] >> shift) & mask) - centre;
            f64::from(m) * f64::from(v - fields.factor * level)
        });
        fields.offset = missed.sum::<f64>() as f32;
    }

    /// Writes the `RaBitQ` code of `y`; returns its factor `|y|^2 / <u - centre, y>`, with which
    /// `factor * <u - centre, q>` estimates `<y, q>` without bias.
    fn encode_low(&self, y: &[f32], norm2: f64, record: &mut [u8]) -> f32 {
        let levels = 1_i32 << self.layout.bits;
        let centre = (levels - 1) as f32 / 2.0;
        let rms = (norm2 / y.len() as f64).sqrt() as f32;
        // The steps that keep most of a Gaussian's direction (Max 1960).
        let step = rms
            * match self.layout.bits {
                1 => 2.0,
                2 => 0.9957,
                _ => 0.3352,
            };
        let mut dot = 0.0_f64;
        if rms > 0.0 {
            for (i, v) in y.iter().enumerate() {
                let level = ((v / step).floor() + centre + 0.5).clamp(0.0, (levels - 1) as f32);
                dot += f64::from(level - centre) * f64::from(*v);
                let (byte, shift) = self.layout.place(i);
                record[byte] |= (level as u8) << shift;
            }
        }
        if dot > 0.0 { (norm2 / dot) as f32 } else { 0.0 }
    }
}

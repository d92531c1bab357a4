//! A query prepared to be scored against codes and refine rows. Its buffers are reused.

use super::layout::{Fields, Layout, is_clustered};
use super::means::products;
use super::pairs::{SignedRow, with_kernels};
use super::quantizer::{Quantizer, SpaceParams, norm2};
use crate::kernels::candidate::{Asked, Scoring};
use crate::kernels::{BLOCK, Block, Kernel, exact};
use crate::metric::Metric;

/// The standard deviation of an error that is uniform over one step: 1 / sqrt(12).
const STEP_ERROR: f32 = 0.288_675;

/// Clusters whose nodes a walk begins at.
pub(crate) const BEGINNINGS: usize = 8;

/// A prepared query.
///
/// A score is that of [`Scoring`] for codes; for refine rows the same without clusters, with
/// `scale` for the factor and `refine_b`.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Query components in the planes of the code.
    pub(crate) code: Vec<Block>,
    /// Query components in order, for refine rows.
    pub(crate) row: Vec<Block>,
    pub(crate) scoring: Scoring,
    /// What begins the score of each cluster's rows; a power of two of them.
    pub(crate) bases: Vec<f32>,
    /// The clusters that are nearest, in no order.
    pub(crate) nearest: Vec<u32>,
    pub(crate) refine_b: f32,
    /// Standard error of a refine score relative to |y|, from rounding the query.
    pub(crate) rounding: f32,
    /// The standard error of a code's score, relative to the lengths of what is left of row and
    /// query beside the mean.
    code_error: f32,
    /// Squared distance to the mean of each cluster.
    away2: Vec<f32>,
    products: Vec<f32>,
    /// The score of the nearest vector there could be: distances are what is missing to it.
    pub(crate) highest: f32,
    /// A distance that codes don't resolve: two standard errors of a code's score.
    pub(crate) blur: f32,
    /// Four standard errors of the code of a usual row that is far.
    pub(crate) doubt: f32,
    /// Length of the query's part that meets `y`.
    pub(crate) length: f32,
    y: Vec<f32>,
    components: Vec<i8>,
}

/// What a score ranks by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranking {
    /// `<q, x>`.
    InnerProduct,
    /// `-|q - x|^2`.
    L2,
}

impl Ranking {
    /// What searches of a metric rank by, in code space.
    pub(crate) fn of(metric: Metric) -> Self {
        match metric {
            Metric::Cosine | Metric::InnerProduct => Self::InnerProduct,
            Metric::L2 => Self::L2,
        }
    }
}

impl Query {
    /// Prepares a user's query of `dim` components.
    pub(crate) fn prepare(&mut self, quantizer: &Quantizer, query: &[f32]) {
        let prepared = self;
        with_kernels!(prepare_with(prepared: &mut Query, quantizer: &Quantizer, query: &[f32]));
    }

    #[inline(always)]
    fn prepare_with<K: Kernel>(&mut self, quantizer: &Quantizer, query: &[f32]) {
        let ranking = Ranking::of(quantizer.params.metric);
        self.y.clear();
        self.y.resize(quantizer.layout.padded, 0.0);
        let code_dim = quantizer.params.centroid.len();
        let mut y = std::mem::take(&mut self.y);
        quantizer.params.enter_query(query, &mut y[..code_dim]);
        self.finish::<K>(quantizer, ranking, y);
    }

    /// The sums that scoring takes.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked { code: &self.code, scoring: &self.scoring, bases: &self.bases }
    }

    /// Prepares a row of the index itself, from its 8-bit row: ranked by squared L2 in code
    /// space, where the score is minus the distance.
    pub(crate) fn prepare_row(&mut self, quantizer: &Quantizer, row: &SignedRow) {
        let prepared = self;
        with_kernels!(prepare_row_with(
            prepared: &mut Query,
            quantizer: &Quantizer,
            row: &SignedRow,
        ));
    }

    #[inline(always)]
    fn prepare_row_with<K: Kernel>(&mut self, quantizer: &Quantizer, row: &SignedRow) {
        let (blocks, scale, norm2) = row.parts();
        self.components.clear();
        self.components.extend(blocks.iter().flat_map(|b| b.0));
        self.constants(&quantizer.layout, 2.0, -1.0, -norm2, scale);
        self.meet::<K>(quantizer, scale, norm2);
    }

    #[inline(always)]
    fn finish<K: Kernel>(&mut self, quantizer: &Quantizer, ranking: Ranking, mut y: Vec<f32>) {
        let SpaceParams { centroid, .. } = &quantizer.params;
        let length = norm2(&y[..centroid.len()]).sqrt() as f32;
        let sphere = quantizer.params.sphere().filter(|_| length > 0.0);
        let about_centroid = |y: &mut [f32], scale: f32| {
            y.iter_mut().zip(centroid).for_each(|(v, c)| *v = *v * scale - c);
            norm2(y)
        };
        let (weight, c, base, rotated2) = match (ranking, sphere) {
            (Ranking::InnerProduct, None) => {
                let base = exact::dot(&y[..centroid.len()], centroid);
                (1.0, 0.0, base, f64::from(length).powi(2))
            }
            // Where all rows have one norm M, products are distances: with the query of that norm,
            // <q, x> = M^2 - |q - x|^2 / 2. So the query is near the rows that it looks for.
            (Ranking::InnerProduct, Some(norm)) => {
                let weight = length / norm;
                let norm2 = about_centroid(&mut y, 1.0 / weight);
                let base = f64::from(weight) * (f64::from(norm).powi(2) - norm2 / 2.0);
                (weight, -weight / 2.0, base, norm2)
            }
            (Ranking::L2, _) => {
                let norm2 = about_centroid(&mut y, 1.0);
                (2.0, -1.0, -norm2, norm2)
            }
        };
        let rotated = rotated2.sqrt() as f32;
        // Keeps the length.
        quantizer.rotation.apply(&mut y);
        let largest = largest(&y);
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        self.components.clear();
        self.components.extend(y.iter().map(|v| nearest(*v * inverse)));
        self.constants(&quantizer.layout, weight, c, base as f32, scale);
        self.meet::<K>(quantizer, scale, rotated2 as f32);
        self.length = weight * rotated;
        let error = code_error(&quantizer.layout) * weight;
        self.code_error = error;
        let means = &quantizer.params.means;
        let clustered = is_clustered(quantizer.layout.bits) && means.count() > 0;
        let spread = if clustered { means.spread } else { quantizer.params.spread };
        let (least, most) = extremes(&self.away2);
        let least = least.into_iter().fold(f32::INFINITY, f32::min);
        let most = most.into_iter().fold(0.0, f32::max);
        self.blur = 2.0 * error * spread * least.max(0.0).sqrt();
        self.doubt = 4.0 * error * spread * most.sqrt();
        self.highest = quantizer.params.highest(length);
        self.y = y;
    }

    /// The standard error of a code's score: that of the `RaBitQ` estimate.
    #[inline(always)]
    pub(crate) fn code_error(&self, fields: &Fields) -> f32 {
        // What a file says may be no cluster, or no length.
        let away2 = self.away2[fields.cluster as usize & (self.away2.len() - 1)];
        self.code_error * (away2 * fields.length * fields.length).max(0.0).sqrt()
    }

    /// Sets what follows from the means of the clusters: `norm2` is the squared length of the
    /// components.
    #[inline(always)]
    fn meet<K: Kernel>(&mut self, quantizer: &Quantizer, scale: f32, norm2: f32) {
        let Scoring { base, weight, .. } = self.scoring;
        let means = &quantizer.params.means;
        products::<K>(means, &self.row, scale, &mut self.products);
        self.away2.clear();
        let sums = self.products.iter().zip(means.norms2());
        self.away2.extend(sums.map(|(product, m2)| norm2 - 2.0 * product + m2));
        self.choose_nearest();
        self.bases.clear();
        if is_clustered(quantizer.layout.bits) && means.count() > 0 {
            self.bases.extend(self.products.iter().map(|product| base + weight * product));
        } else {
            self.bases.push(base);
            self.away2.clear();
            self.away2.push(norm2);
        }
    }

    /// The mean score of rows of a cluster, of mean squared norm `norm2`, that are `away2` from its
    /// mean, squared; and its standard deviation, if they lie there in all directions.
    pub(crate) fn of_cluster(&self, cluster: usize, norm2: f32, away2: f32) -> (f32, f32) {
        let base = self.bases.get(cluster).copied().unwrap_or(f32::INFINITY);
        let to_query2 = self.away2.get(cluster).copied().unwrap_or_default();
        let deviation = (to_query2.max(0.0) * away2 / self.y.len().max(1) as f32).sqrt();
        (base + self.scoring.c * norm2, self.scoring.weight * deviation)
    }

    /// Chooses the nearest clusters.
    #[inline(always)]
    fn choose_nearest(&mut self) {
        self.nearest.clear();
        // As many lanes have one that is no farther than this.
        let mut of_lanes = extremes(&self.away2).0;
        of_lanes.sort_unstable_by(f32::total_cmp);
        let bound = of_lanes[BEGINNINGS - 1];
        let mut best = [(f32::INFINITY, 0_u32); BEGINNINGS];
        for (part, first) in self.away2.chunks(LANES).zip((0..).step_by(LANES)) {
            // Most parts have none that is near.
            if part.iter().filter(|away2| **away2 <= bound).count() == 0 {
                continue;
            }
            for (cluster, away2) in (first..).zip(part) {
                if *away2 <= bound && *away2 < best[BEGINNINGS - 1].0 {
                    let mut at = BEGINNINGS - 1;
                    while at > 0 && best[at - 1].0 > *away2 {
                        best[at] = best[at - 1];
                        at -= 1;
                    }
                    best[at] = (*away2, cluster);
                }
            }
        }
        let found = best.iter().filter(|(away2, _)| away2.is_finite());
        self.nearest.extend(found.map(|(_, cluster)| cluster));
    }

    /// The standard error of a refine score against the exact one, from rounding both sides.
    pub(crate) fn error(&self, fields: &Fields) -> f32 {
        let of_row = self.length * fields.scale * STEP_ERROR;
        let of_query = self.rounding * fields.norm2.sqrt();
        (of_row * of_row + of_query * of_query).sqrt()
    }

    /// Sets what follows from the components.
    #[inline(always)]
    fn constants(&mut self, layout: &Layout, weight: f32, c: f32, base: f32, scale: f32) {
        self.spread(layout);
        let sum: i32 = self.components.iter().map(|v| i32::from(*v)).sum();
        let centre = if layout.bits == 8 { 128.0 } else { ((1 << layout.bits) - 1) as f32 / 2.0 };
        let a = weight * scale;
        self.scoring = Scoring { base, a, b: -(a * (centre * sum as f32)), c, weight };
        self.refine_b = -(a * (128.0 * sum as f32));
        self.rounding = weight * scale * STEP_ERROR;
    }

    /// Lays the components out as rows and as the planes of the code; what has none stays 0.
    #[inline(always)]
    fn spread(&mut self, layout: &Layout) {
        self.row.clear();
        self.row.extend(self.components.as_chunks::<BLOCK>().0.iter().map(|c| Block(*c)));
        let planes = 8 / layout.bits;
        let blocks = layout.code_bytes().div_ceil(BLOCK);
        self.code.clear();
        self.code.resize(blocks * planes, Block([0; BLOCK]));
        let mut from = 0;
        for block in 0..blocks {
            let bytes = (layout.code_bytes() - block * BLOCK).min(BLOCK);
            for plane in 0..planes {
                let part = &self.components[from..from + bytes];
                self.code[block * planes + plane].0[..bytes].copy_from_slice(part);
                from += bytes;
            }
        }
    }
}

#[inline(always)]
fn prepare_with<K: Kernel>(prepared: &mut Query, quantizer: &Quantizer, query: &[f32]) {
    prepared.prepare_with::<K>(quantizer, query);
}

#[inline(always)]
fn prepare_row_with<K: Kernel>(prepared: &mut Query, quantizer: &Quantizer, row: &SignedRow) {
    prepared.prepare_row_with::<K>(quantizer, row);
}

/// The standard error of an estimated product of unit vectors: `sqrt((1 - c^2) / c^2 / d)`, with
/// the cosine `c` between a random direction and its code (Gao et al. 2024).
fn code_error(layout: &Layout) -> f32 {
    let of_direction: f32 = match layout.bits {
        1 => 0.75,
        2 => 0.37,
        4 => 0.10,
        _ => 0.01,
    };
    of_direction / (layout.padded as f32).sqrt()
}

/// Values that are looked at together.
const LANES: usize = 16;

/// The largest magnitude, in independent lanes so that they share a register.
#[inline(always)]
fn largest(y: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (whole, rest) = y.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if v.abs() > *lane { v.abs() } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(0.0_f32, |m, v| m.max(v.abs()))
}

/// The smallest and the largest of each lane.
#[inline(always)]
fn extremes(values: &[f32]) -> ([f32; LANES], [f32; LANES]) {
    let (mut least, mut most) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for ((least, most), v) in least.iter_mut().zip(&mut most).zip(chunk) {
            *least = if *v < *least { *v } else { *least };
            *most = if *v > *most { *v } else { *most };
        }
    }
    for ((least, most), v) in least.iter_mut().zip(&mut most).zip(rest) {
        (*least, *most) = (least.min(*v), most.max(*v));
    }
    (least, most)
}

/// Pushes the fraction of a sum out of its mantissa.
const SHIFT: f32 = 12_582_912.0;

/// `x` rounded to the nearest integer, ties to even, for |x| below 2^22. No instruction beyond
/// an addition is needed.
#[inline(always)]
pub(crate) fn round(x: f32) -> f32 {
    (x + SHIFT) - SHIFT
}

/// The same as an integer, for |x| of at most 127: the low bits of the shifted sum.
#[inline(always)]
fn nearest(x: f32) -> i8 {
    (x + SHIFT).to_bits() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_round() {
        for x in (-12_700..=12_700).map(|x| x as f32 / 100.0) {
            assert_eq!(i32::from(nearest(x)), round(x) as i32, "{x}");
        }
    }

    #[test]
    fn largest_of_any_length() {
        for len in [1, 15, 16, 17, 384] {
            let y: Vec<f32> = (0..len).map(|i| -(i as f32)).collect();
            assert_eq!(largest(&y) as i32, len - 1);
        }
    }
}

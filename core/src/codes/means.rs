//! The means of the clusters of an index, as 8-bit rows: what low-bit codes are about, and where
//! walks begin.

use super::pairs::with_kernels;
use super::query::round;
use crate::kernels::{BLOCK, Block, Kernel};

/// Most clusters: a query scores every mean.
pub(crate) const CLUSTERS_MAX: usize = 1_024;

/// The means. Their number is a power of two, or 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Means {
    /// `blocks` blocks a mean: a byte a component, `round(v / scale) + 128`.
    rows: Vec<Block>,
    blocks: usize,
    scales: Vec<f32>,
    norms2: Vec<f32>,
    /// Root mean square of the rows' distances to the mean of their cluster.
    pub(crate) spread: f32,
}

impl Means {
    /// Rounds the means of clusters, each a multiple of 64 components.
    pub(crate) fn new(means: &[Vec<f32>], spread: f32) -> Self {
        let mut bytes = Vec::new();
        let mut scales = Vec::new();
        for mean in means {
            let largest = mean.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            let scale = largest / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            bytes.extend(mean.iter().map(|v| (round(v * inverse) as i32 + 128) as u8));
            scales.push(scale);
        }
        Self::of_bytes(&bytes, scales, spread)
    }

    /// From the bytes of [`Self::bytes`]; a whole number of blocks a scale.
    pub(crate) fn of_bytes(bytes: &[u8], scales: Vec<f32>, spread: f32) -> Self {
        let row = |block: &[u8; BLOCK]| Block(block.map(|byte| byte as i8));
        let rows: Vec<Block> = bytes.as_chunks::<BLOCK>().0.iter().map(row).collect();
        let blocks = rows.len() / scales.len().max(1);
        let mut means = Self { rows, blocks, scales, norms2: Vec::new(), spread };
        means.norms2 =
            (0..means.count()).map(|cluster| means.values(cluster).map(|v| v * v).sum()).collect();
        means
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.rows.iter().flat_map(|block| block.0.map(|byte| byte as u8)).collect()
    }

    pub(crate) fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.scales.len()
    }

    /// |m|^2 of each.
    pub(crate) fn norms2(&self) -> &[f32] {
        &self.norms2
    }

    /// The components of a mean, as they are after rounding.
    pub(crate) fn values(&self, cluster: usize) -> impl Iterator<Item = f32> {
        let scale = self.scales[cluster];
        let rows = &self.rows[cluster * self.blocks..(cluster + 1) * self.blocks];
        rows.iter().flat_map(|b| &b.0).map(move |v| (f32::from(*v as u8) - 128.0) * scale)
    }

    /// The product of each mean with a row: `scale` times the row's components.
    pub(crate) fn products(&self, row: &[Block], scale: f32, out: &mut Vec<f32>) {
        let means = self;
        with_kernels!(products(means: &Means, row: &[Block], scale: f32, out: &mut Vec<f32>));
    }

    /// The cluster of the nearest mean to a row, by [`Self::products`].
    pub(crate) fn nearest(&self, products: &[f32]) -> usize {
        let distances = products.iter().zip(&self.norms2).map(|(p, n)| n - 2.0 * p);
        let nearest = |best: (usize, f32), next: (usize, f32)| {
            if next.1 < best.1 { next } else { best }
        };
        distances.enumerate().fold((0, f32::INFINITY), nearest).0
    }
}

/// Means whose sums are made before their products: sums stay in vector registers until then.
const TOGETHER: usize = 64;

/// [`Means::products`], to be inlined where the instruction set is that of `K`.
#[inline(always)]
pub(super) fn products<K: Kernel>(means: &Means, row: &[Block], scale: f32, out: &mut Vec<f32>) {
    out.clear();
    out.resize(means.count(), 0.0);
    let row = &row[..means.blocks.min(row.len())];
    if row.is_empty() {
        return;
    }
    // Byte 128 stands for 0.
    let zero =
        128 * row.iter().map(|b| b.0.iter().map(|v| i32::from(*v)).sum::<i32>()).sum::<i32>();
    let parts = means.rows.chunks(TOGETHER * means.blocks).zip(means.scales.chunks(TOGETHER));
    for ((rows, scales), out) in parts.zip(out.chunks_mut(TOGETHER)) {
        let mut sums = [0; TOGETHER];
        let fours = rows.chunks_exact(4 * means.blocks);
        let rest = fours.remainder().chunks_exact(means.blocks);
        let (of_fours, of_rest) = sums.split_at_mut(fours.len() * 4);
        for (rows, sums) in fours.zip(of_fours.as_chunks_mut().0) {
            let at = |i: usize| rows[i * means.blocks..].as_ptr().cast();
            // SAFETY: every mean has `blocks` blocks, the row at most as many; the instruction set
            // is that of the caller.
            *sums = unsafe { K::sums4::<8>([at(0), at(1), at(2), at(3)], row) };
        }
        for (rows, sum) in rest.zip(of_rest) {
            // SAFETY: as above.
            *sum = unsafe { K::sum1::<8>(rows.as_ptr().cast(), row) };
        }
        for ((out, sum), of_mean) in out.iter_mut().zip(sums).zip(scales) {
            *out = of_mean * scale * (sum - zero) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_values() {
        let component = |i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0;
        for count in [1, 2, 8] {
            let rows: Vec<Vec<f32>> =
                (0..count).map(|m| (0..128).map(|i| component(m * 131 + i)).collect()).collect();
            let means = Means::new(&rows, 1.0);
            let again = Means::of_bytes(&means.bytes(), means.scales().to_vec(), 1.0);
            assert_eq!((means.bytes(), means.norms2()), (again.bytes(), again.norms2()));
            let row: Vec<Block> =
                (0..2).map(|b| Block(std::array::from_fn(|i| (i + b * 3) as i8 - 40))).collect();
            let mut found = Vec::new();
            means.products(&row, 0.5, &mut found);
            for (mean, product) in found.iter().enumerate() {
                let row = row.iter().flat_map(|b| &b.0).map(|v| f32::from(*v) * 0.5);
                let expected: f32 = means.values(mean).zip(row).map(|(a, b)| a * b).sum();
                assert!((product - expected).abs() < 1e-2, "{product} for {expected}");
                let rounded = means.values(mean).zip(&rows[mean]);
                assert!(rounded.into_iter().all(|(a, b)| (a - b).abs() < 0.01));
            }
        }
    }
}

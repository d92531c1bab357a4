//! The clusters of an index: k-means (Lloyd 1982) over a sample, begun with the groups of the
//! order of slots. Deterministic, like all of a build.

use rayon::prelude::*;

use super::order;
use crate::codes::layout::Layout;
use crate::codes::means::CLUSTERS_MAX;
use crate::codes::pairs::{Pairs, SignedRow};
use crate::codes::quantizer::Buffers;
use crate::codes::{Means, Quantizer, SpaceParams};
use crate::originals::Originals;

/// Clusters of most data.
const USUAL: usize = 256;
/// Rows a cluster, at least.
const ROWS: usize = 128;
/// Rows a cluster that the means are learned from.
const SAMPLE: usize = 32;
const ROUNDS: usize = 4;
/// Clusters of data that has so many.
const MORE: [usize; 2] = [512, CLUSTERS_MAX];
/// The more clusters must bring rows nearer by at least this much, squared: each query scores all.
const GAIN: f32 = 0.6;
/// Rows that tell whether means are still theirs, and how much farther from them these may be.
const JUDGES: usize = 2_048;
const FARTHER: f32 = 1.1;

/// Most clusters of so many rows, a power of two.
fn most(rows: usize, clusters: usize) -> usize {
    1 << (rows / ROWS).clamp(1, clusters).ilog2()
}

/// Whether means that were learned from so many rows serve these too: they are as many as would be
/// learned, and as near. `params` has them.
pub(super) fn serve(
    rows: &Originals<'_>,
    params: &SpaceParams,
    padded: usize,
    learned_from: usize,
) -> bool {
    if most(rows.rows(), CLUSTERS_MAX) > most(learned_from, CLUSTERS_MAX) {
        return false;
    }
    let layout = Layout { padded, bits: 8, degree: 0 };
    let sample = Sample::new(rows, &Quantizer::new(params.clone(), layout), JUDGES);
    sample.assign(&params.means).1 <= FARTHER * params.means.spread
}

/// Learns the means of the clusters that rows of this space form.
pub(super) fn learn(rows: &Originals<'_>, params: &SpaceParams, padded: usize) -> Means {
    let layout = Layout { padded, bits: 8, degree: 0 };
    let quantizer = Quantizer::new(params.clone(), layout);
    let of = |count: usize| Sample::new(rows, &quantizer, count * SAMPLE).means(count);
    let mut best = of(most(rows.rows(), USUAL));
    for clusters in MORE {
        let count = most(rows.rows(), clusters);
        if count < clusters {
            break;
        }
        let more = of(count);
        if more.spread.powi(2) < GAIN * best.spread.powi(2) {
            best = more;
        }
    }
    best
}

/// The node nearest to each mean; of those that no node is assigned to, any.
pub(super) fn gates(pairs: Pairs<'_>, nodes: &[u32], means: &Means) -> Vec<u32> {
    let Some(first) = nodes.first() else { return Vec::new() };
    let nearest = |a: &[(f32, u32)], b: &[(f32, u32)]| -> Vec<(f32, u32)> {
        a.iter().zip(b).map(|(a, b)| if b < a { *b } else { *a }).collect()
    };
    let none = || vec![(f32::INFINITY, *first); means.count()];
    let parts = nodes.par_chunks(4_096).map(|nodes| {
        let (mut best, mut row, mut products) = (none(), SignedRow::default(), Vec::new());
        for node in nodes {
            pairs.unpack(*node, &mut row);
            let (blocks, scale, norm2) = row.parts();
            means.products(blocks, scale, &mut products);
            let cluster = means.nearest(&products);
            let away2 = norm2 - 2.0 * products[cluster] + means.norms2()[cluster];
            if (away2, *node) < best[cluster] {
                best[cluster] = (away2, *node);
            }
        }
        best
    });
    let best = parts.reduce(none, |a, b| nearest(&a, &b));
    best.into_iter().map(|(_, node)| node).collect()
}

/// Rows of a sample, in 8 bits.
struct Sample {
    rows: Vec<SignedRow>,
    /// In the order that slots would have.
    order: Vec<u32>,
    padded: usize,
}

impl Sample {
    fn new(rows: &Originals<'_>, quantizer: &Quantizer, size: usize) -> Self {
        let size = size.min(rows.rows());
        let layout = quantizer.layout;
        let mut codes = vec![0; size * layout.stride()];
        codes.par_chunks_exact_mut(layout.stride()).enumerate().for_each_init(
            Buffers::default,
            |buffers, (i, record)| {
                quantizer.encode(rows, i * rows.rows() / size, buffers, record, &mut []);
            },
        );
        let pairs = Pairs { layout, codes: &codes, refine: &[] };
        let mut order: Vec<u32> = (0..size as u32).collect();
        order::cluster(pairs, &mut order);
        let unpack = |i: u32| {
            let mut row = SignedRow::default();
            pairs.unpack(i, &mut row);
            row
        };
        let rows = (0..size as u32).into_par_iter().map(unpack).collect();
        Self { rows, order, padded: layout.padded }
    }

    fn means(&self, count: usize) -> Means {
        let rows = self.rows.len();
        let mut cluster_of = vec![0; rows];
        for (position, row) in self.order.iter().enumerate() {
            cluster_of[*row as usize] = position * count / rows;
        }
        let mut means = vec![vec![0.0; self.padded]; count];
        let mut spread = 0.0;
        for _ in 0..ROUNDS {
            self.move_to(&cluster_of, &mut means);
            (cluster_of, spread) = self.assign(&Means::new(&means, 0.0));
        }
        // Those that the last round assigned to, not where they would move.
        Means::new(&means, spread)
    }

    /// The cluster of each row, and the root mean square of the rows' distances to their means.
    fn assign(&self, means: &Means) -> (Vec<usize>, f32) {
        let assigned: Vec<(usize, f32)> = self
            .rows
            .par_iter()
            .map_init(Vec::new, |products, row| {
                let (blocks, scale, norm2) = row.parts();
                means.products(blocks, scale, products);
                let nearest = means.nearest(products);
                (nearest, norm2 - 2.0 * products[nearest] + means.norms2()[nearest])
            })
            .collect();
        let sum: f64 = assigned.iter().map(|(_, away2)| f64::from(away2.max(0.0))).sum();
        let spread = (sum / self.rows.len().max(1) as f64).sqrt() as f32;
        (assigned.into_iter().map(|(cluster, _)| cluster).collect(), spread)
    }

    /// Moves each mean to that of its rows; without any it stays.
    fn move_to(&self, cluster_of: &[usize], means: &mut [Vec<f32>]) {
        let mut members = vec![Vec::new(); means.len()];
        for (row, cluster) in cluster_of.iter().enumerate() {
            members[*cluster].push(row);
        }
        means.par_iter_mut().zip(members).filter(|(_, rows)| !rows.is_empty()).for_each(
            |(mean, rows)| {
                mean.fill(0.0);
                for row in &rows {
                    mean.iter_mut().zip(self.rows[*row].values()).for_each(|(m, v)| *m += v);
                }
                for m in mean.iter_mut() {
                    *m /= rows.len() as f32;
                }
            },
        );
    }
}

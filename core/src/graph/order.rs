//! The order of slots: similar rows side by side, so that the rows a search touches share cache
//! lines, pages and address translations.
//!
//! A balanced tree of two-means splits: each node's rows are cut at the median of their
//! projection on the line between two centroids of a sample. Integer projections and total
//! orders: the same for any number of threads and any instruction set.

use rayon::prelude::*;

use crate::codes::pairs::{Pairs, SignedRow, with_kernels};
use crate::codes::query::round;
use crate::kernels::{BLOCK, Block, Kernel};

/// Rows of a leaf; within it, input order.
const LEAF: usize = 32;
/// Rows whose centroids are learned.
const SAMPLE: usize = 96;
/// Above this, a node's rows are projected in parallel.
const PARALLEL: usize = 8_192;
const ROUNDS: usize = 3;

/// Reorders `rows` so that similar rows are neighbours.
pub(crate) fn cluster(pairs: Pairs<'_>, rows: &mut [u32]) {
    let mut keyed: Vec<(i64, u32)> = rows.iter().map(|row| (0, *row)).collect();
    split(pairs, &mut keyed);
    rows.iter_mut().zip(keyed).for_each(|(row, (_, ordered))| *row = ordered);
}

fn split(pairs: Pairs<'_>, rows: &mut [(i64, u32)]) {
    if rows.len() <= LEAF {
        rows.sort_unstable_by_key(|(_, row)| *row);
        return;
    }
    let direction = direction(pairs, rows);
    if rows.len() > PARALLEL {
        rows.par_chunks_mut(PARALLEL / 4).for_each(|part| project(pairs, &direction, part));
        rows.par_sort_unstable();
    } else {
        project(pairs, &direction, rows);
        rows.sort_unstable();
    }
    let (low, high) = rows.split_at_mut(rows.len() / 2);
    if low.len() > LEAF * 8 {
        rayon::join(|| split(pairs, low), || split(pairs, high));
    } else {
        split(pairs, low);
        split(pairs, high);
    }
}

/// Sets each row's key to its projection.
fn project(pairs: Pairs<'_>, direction: &[Block], rows: &mut [(i64, u32)]) {
    with_kernels!(project_with(pairs: Pairs<'_>, direction: &[Block], rows: &mut [(i64, u32)]));
}

#[inline(always)]
fn project_with<K: Kernel>(pairs: Pairs<'_>, direction: &[Block], rows: &mut [(i64, u32)]) {
    let offset: i32 = direction.iter().flat_map(|b| &b.0).map(|v| i32::from(*v)).sum();
    for (key, row) in rows {
        let (scale, dot) = pairs.project::<K>(*row, direction);
        let projection = scale * (dot - 128 * offset) as f32;
        // Float order as integer order, so that equal projections fall back to the row.
        let bits = projection.to_bits() as i32;
        *key = i64::from(bits ^ ((bits >> 31) as u32 >> 1) as i32);
    }
}

/// From one centroid of a two-means clustering of a sample to the other, in 8 bits.
fn direction(pairs: Pairs<'_>, rows: &[(i64, u32)]) -> Vec<Block> {
    let step = rows.len().div_ceil(SAMPLE);
    let sample: Vec<Vec<f32>> = rows
        .iter()
        .step_by(step)
        .map(|(_, row)| {
            let mut unpacked = SignedRow::default();
            pairs.unpack(*row, &mut unpacked);
            unpacked.values()
        })
        .collect();
    let farthest = |from: &[f32]| {
        let distances = sample.iter().map(|x| distance(from, x));
        let best = distances
            .enumerate()
            .fold((0, -1.0_f64), |best, (i, d)| if d > best.1 { (i, d) } else { best });
        sample[best.0].clone()
    };
    let mut a = farthest(&sample[0]);
    let mut b = farthest(&a);
    for _ in 0..ROUNDS {
        let (mut sums, mut counts) = ([vec![0.0_f32; a.len()], vec![0.0_f32; a.len()]], [0, 0]);
        for x in &sample {
            let side = usize::from(distance(&b, x) < distance(&a, x));
            counts[side] += 1;
            sums[side].iter_mut().zip(x).for_each(|(s, v)| *s += v);
        }
        if counts.contains(&0) {
            break;
        }
        let [sum_a, sum_b] = sums;
        a = sum_a.iter().map(|s| s / counts[0] as f32).collect();
        b = sum_b.iter().map(|s| s / counts[1] as f32).collect();
    }
    let line: Vec<f32> = a.iter().zip(&b).map(|(x, y)| y - x).collect();
    let largest = line.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let eight = |c: &[f32; BLOCK]| Block(c.map(|v| round(v * inverse) as i8));
    line.as_chunks::<BLOCK>().0.iter().map(eight).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    // Sixteen lanes, added in a fixed order.
    let mut lanes = [0.0_f32; 16];
    for (x, y) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += (x - y) * (x - y);
        }
    }
    lanes.iter().map(|lane| f64::from(*lane)).sum()
}

//! The recall dial: recall against effort, measured while building on rows that the graph has
//! not seen yet, against exact truth.

use bincode::{Decode, Encode};
use rayon::prelude::*;

use super::refine::Depth;
use super::search::{Scratch, Walk};
use crate::codes::{Quantizer, Query};
use crate::kernels::exact;
use crate::originals::Originals;
use crate::types::{EFFORT_MAX, K_MAX};

/// Result sizes that are measured; others are interpolated.
const SIZES: [usize; 3] = [10, 100, 1_000];
/// Most rows that serve as queries.
const QUERIES_MAX: usize = 1_000;
/// Measuring stops at this recall.
const ENOUGH: f32 = 0.9995;
/// Rescored beyond k, as in a search (see `retrieval`).
fn candidates(k: usize) -> usize {
    k + (k / 4).max(16)
}

/// Recall against effort for one size of result.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Points {
    pub(crate) k: u32,
    /// (effort, recall), both rising.
    pub(crate) points: Vec<(u32, f32)>,
}

/// Recall against effort.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub(crate) struct Curve {
    pub(crate) sizes: Vec<Points>,
}

/// How many of `nodes` rows are held out as queries.
pub(crate) fn queries(nodes: usize) -> usize {
    (nodes / 50).min(QUERIES_MAX)
}

/// Measures the curve of a walk over the `inserted` slots, with the rows of the `unseen` slots
/// as queries.
pub(crate) fn learn(
    walk: &Walk<'_>,
    quantizer: &Quantizer,
    rows: &Originals<'_>,
    order: &[u32],
    inserted: &[u32],
    unseen: &[u32],
) -> Curve {
    let metric = quantizer.params.metric;
    let largest = SIZES.into_iter().rfind(|k| *k <= inserted.len() / 2).unwrap_or(0);
    let truths: Vec<(Vec<f32>, Vec<u32>)> = unseen
        .par_iter()
        .map_init(Scratch::default, |scratch, slot| {
            let mut vector = vec![0.0; rows.dim()];
            rows.copy_row(order[*slot as usize] as usize, &mut vector);
            let mut query = Query::default();
            query.prepare(quantizer, &vector);
            // The 8-bit scores choose, the original vectors decide.
            walk.scan(&query, inserted, candidates(largest), scratch);
            let exact = exact::Query::new(metric, &vector);
            let mut scored: Vec<(f64, u32)> = scratch
                .refined
                .iter()
                .map(|c| (exact.similarity(rows, order[c.slot() as usize]), c.slot()))
                .collect();
            scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            (vector, scored.into_iter().take(largest).map(|(_, slot)| slot).collect())
        })
        .collect();
    let sizes = SIZES.into_iter().filter(|k| *k <= largest && !truths.is_empty());
    Curve { sizes: sizes.map(|k| measure(walk, quantizer, &truths, k)).collect() }
}

fn measure(
    walk: &Walk<'_>,
    quantizer: &Quantizer,
    truths: &[(Vec<f32>, Vec<u32>)],
    k: usize,
) -> Points {
    let mut points: Vec<(u32, f32)> = Vec::new();
    let mut effort = k as f64;
    loop {
        let ef = effort as usize;
        let hits: usize = truths
            .par_iter()
            .map_init(
                || (Scratch::default(), Query::default()),
                |(scratch, query), (vector, truth)| {
                    query.prepare(quantizer, vector);
                    walk.search(query, ef, scratch);
                    walk.refine(query, Depth::Best(k), scratch);
                    scratch.refined.truncate(candidates(k));
                    let mut found: Vec<u32> = scratch.refined.iter().map(|c| c.slot()).collect();
                    found.sort_unstable();
                    // Rescoring is exact, so a true neighbour among the candidates is returned.
                    truth[..k].iter().filter(|t| found.binary_search(t).is_ok()).count()
                },
            )
            .sum();
        let recall = hits as f32 / (k * truths.len()) as f32;
        // A curve rises, but for noise.
        let recall = points.last().map_or(recall, |(_, last)| recall.max(*last));
        points.push((ef as u32, recall));
        if recall >= ENOUGH || ef >= k * 64 || ef >= 20_000 {
            return Points { k: k as u32, points };
        }
        effort *= std::f64::consts::SQRT_2;
    }
}

impl Curve {
    /// Whether sizes and efforts rise and recalls are recalls, so that it can be interpolated.
    pub(crate) fn is_sound(&self) -> bool {
        let rising = |a: u32, b: u32| a < b;
        self.sizes.is_sorted_by(|a, b| rising(a.k, b.k))
            && self.sizes.iter().all(|size| {
                (1..=K_MAX).contains(&(size.k as usize))
                    && size.points.is_sorted_by(|a, b| rising(a.0, b.0))
                    && size.points.iter().all(|(ef, recall)| {
                        (1..=EFFORT_MAX).contains(&(*ef as usize)) && (0.0..=1.0).contains(recall)
                    })
            })
    }

    /// The effort that reaches `recall` for `k` results.
    pub(crate) fn effort(&self, k: usize, recall: f32) -> usize {
        let (mut below, mut above) = (None, None);
        for size in &self.sizes {
            if size.k as usize <= k {
                below = Some(size);
            } else if above.is_none() {
                above = Some(size);
            }
        }
        // Effort a result changes slowly with the size: interpolate it over log k.
        let share = |size: &Points| f64::from(size.effort(recall)) / f64::from(size.k);
        let of = |share: f64| (k as f64 * share).ceil() as usize;
        match (below, above) {
            (Some(b), Some(a)) => {
                let (lb, la) = (f64::from(b.k).ln(), f64::from(a.k).ln());
                let t = ((k as f64).ln() - lb) / (la - lb);
                of(share(b) * (1.0 - t) + share(a) * t)
            }
            (Some(b), None) => of(share(b)),
            (None, Some(a)) => a.effort(recall) as usize,
            (None, None) => k * 8 + 100,
        }
        .max(k)
    }
}

impl Points {
    /// The effort that reaches `recall`, interpolated; the largest measured when none does.
    fn effort(&self, recall: f32) -> f32 {
        let mut last: Option<(u32, f32)> = None;
        for &(ef, reached) in &self.points {
            if reached >= recall {
                let Some((ef0, r0)) = last else { return ef as f32 };
                let t = if reached > r0 { (recall - r0) / (reached - r0) } else { 1.0 };
                return ef0 as f32 + t * (ef - ef0) as f32;
            }
            last = Some((ef, reached));
        }
        last.map_or(self.k as f32, |(ef, _)| ef as f32)
    }
}

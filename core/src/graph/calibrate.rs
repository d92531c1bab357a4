//! Measures recall against effort: at build on rows that the graph has not seen yet, later on the
//! caller's own queries; both against exact truth.

use rayon::prelude::*;

use super::hop::{Beam, Jobs, LANES, Lane, Scratch};
use super::refine::{Depth, Scan};
use super::search::Walk;
use crate::codes::{Quantizer, Query};
use crate::config::Progress;
use crate::curve::{Curve, Point, Points};
use crate::error::Result;
use crate::kernels::exact;
use crate::originals::Originals;

/// Result sizes that are measured; others are interpolated.
pub(crate) const SIZES: [usize; 3] = [10, 100, 1_000];
/// Most queries that are measured with.
pub(crate) const QUERIES_MAX: usize = 1_000;
/// Measuring stops at this recall.
const ENOUGH: f64 = 0.999;
/// Largest beam that a build measures, as a multiple of k.
pub(crate) const MOST_AT_BUILD: usize = 64;
/// Largest beam that is measured at all.
const EFFORT_MOST: usize = 20_000;

/// Halvings of the range of reaches, up to the largest.
const REACH_STEPS: usize = 24;
const REACH_MOST: f32 = 64.0;

/// Rescored beyond k, as in a search (see `retrieval`).
fn candidates(k: usize) -> usize {
    k + (k / 4).max(16)
}

/// Queries whose truth is found in one pass over the rows.
const TOGETHER: usize = 16;

/// How many queries measure results of size `k`: larger ones say more each, and cost more.
fn queries_of(k: usize) -> usize {
    (20_000 / k).clamp(64, QUERIES_MAX)
}

/// Queries whose distances say how far a beam reaches; one with many results says more.
fn reach_queries_of(k: usize) -> usize {
    (1_600 / k).clamp(16, 48)
}

/// How many of `nodes` rows are held out as queries.
pub(crate) fn queries(nodes: usize) -> usize {
    (nodes / 50).min(QUERIES_MAX)
}

/// Whose recall is measured.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) walk: &'a Walk<'a>,
    pub(crate) quantizer: &'a Quantizer,
    pub(crate) rows: &'a Originals<'a>,
    /// Slot to row of `rows`.
    pub(crate) order: &'a [u32],
    /// The slots that can be found: the truth is among them.
    pub(crate) nodes: &'a [u32],
    /// Largest beam worth measuring, as a multiple of k.
    pub(crate) most: usize,
    /// Standard errors by which a measured recall is lowered, so that chance keeps few promises
    /// from being met.
    pub(crate) caution: f64,
}

/// Told of steps done; an error ends the measuring. In all there are [`steps`] of them.
pub(crate) type Watch<'a> = &'a (dyn Fn(u64) -> Result<()> + Sync);

/// Steps of learning from so many queries.
pub(crate) fn steps(queries: usize) -> u64 {
    (queries * (1 + SIZES.len())) as u64
}

/// Measures the curve while building, with the rows of slots that can't be found yet.
pub(crate) fn learn_at_build(
    subject: Subject<'_>,
    unseen: &[u32],
    progress: &Progress,
) -> Result<Curve> {
    let dim = subject.rows.dim();
    let mut vectors = vec![0.0; unseen.len() * dim];
    for (slot, vector) in unseen.iter().zip(vectors.chunks_exact_mut(dim)) {
        subject.rows.copy_row(subject.order[*slot as usize] as usize, vector);
    }
    learn(subject, &vectors, &|_| progress.check("build"))
}

/// A query and its true neighbours, best first.
type Truth<'a> = (&'a [f32], Vec<u32>);

/// Measures the curve with these queries, one after the other in `vectors`.
pub(crate) fn learn(subject: Subject<'_>, vectors: &[f32], watch: Watch<'_>) -> Result<Curve> {
    let largest = SIZES.into_iter().rfind(|k| *k <= subject.nodes.len() / 2).unwrap_or(0);
    let vectors: Vec<&[f32]> = vectors.chunks_exact(subject.rows.dim()).collect();
    let truths: Result<Vec<Vec<Truth<'_>>>> = vectors
        .par_chunks(TOGETHER)
        .enumerate()
        .map(|(group, vectors)| {
            watch(vectors.len() as u64)?;
            // The largest size that the first of the group is measured with.
            let first = group * TOGETHER;
            let used = |k: &usize| *k <= largest && first < queries_of(*k);
            let k = SIZES.into_iter().rfind(used).unwrap_or(0);
            Ok(subject.truths(vectors, k))
        })
        .collect();
    let truths: Vec<Truth<'_>> = truths?.into_iter().flatten().collect();
    let mut curve = Curve::default();
    for k in SIZES {
        if k <= largest && !truths.is_empty() {
            curve.sizes.push(subject.measure(&truths, k, watch)?);
        }
        watch(truths.len() as u64)?;
    }
    Ok(curve)
}

impl Subject<'_> {
    /// The nearest nodes to each: the 8-bit scores choose, the original vectors decide.
    fn truths<'a>(&self, vectors: &[&'a [f32]], k: usize) -> Vec<Truth<'a>> {
        let scan = |vector: &&[f32]| {
            let mut query = Query::default();
            query.prepare(self.quantizer, vector);
            Scan::new(query, candidates(k))
        };
        let mut scans: Vec<Scan> = vectors.iter().map(scan).collect();
        self.walk.scan(&mut scans, self.nodes);
        let truth = |(vector, scan): (&&'a [f32], Scan)| {
            let exact = exact::Query::new(self.quantizer.params.metric, vector);
            let similarity = |slot: u32| exact.similarity(self.rows, self.order[slot as usize]);
            let found = scan.finish().into_iter().map(|c| (similarity(c.slot()), c.slot()));
            let mut scored: Vec<(f64, u32)> = found.collect();
            scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            (*vector, scored.into_iter().take(k).map(|(_, slot)| slot).collect())
        };
        vectors.iter().zip(scans).map(truth).collect()
    }

    fn measure(&self, truths: &[Truth<'_>], k: usize, watch: Watch<'_>) -> Result<Points> {
        let truths = &truths[..truths.len().min(queries_of(k))];
        let mut points: Vec<Point> = Vec::new();
        let mut effort = k as f64;
        loop {
            let ef = effort as usize;
            let reach = self.reach(truths, k, ef, watch)?;
            let beam = Beam::of(ef, k, reach);
            let hits =
                self.each(truths, beam, Some(Depth::Best(k)), watch, |job, _, scratch| {
                    scratch.refined.truncate(candidates(k));
                    let mut found: Vec<u32> = scratch.refined.iter().map(|c| c.slot()).collect();
                    found.sort_unstable();
                    // Rescoring is exact: a true neighbour among the candidates is returned.
                    let truth = truths[job].1.iter().take(k);
                    truth.filter(|t| found.binary_search(t).is_ok()).count()
                })?;
            let (mean, error) = mean_and_error(&hits, k);
            let recall = (mean - self.caution * error).max(0.0) as f32;
            // A curve rises, but for noise.
            let recall = points.last().map_or(recall, |last| recall.max(last.recall));
            points.push(Point { effort: ef as u32, recall, reach });
            let most = k.saturating_mul(self.most).min(self.nodes.len()).min(EFFORT_MOST);
            if mean >= ENOUGH || ef >= most {
                return Ok(Points { k: k as u32, points });
            }
            effort *= std::f64::consts::SQRT_2;
        }
    }

    /// The reach within which there are `ef` candidates on average, as a beam of twice the size
    /// sees them.
    fn reach(&self, truths: &[Truth<'_>], k: usize, ef: usize, watch: Watch<'_>) -> Result<f32> {
        let truths = &truths[..truths.len().min(reach_queries_of(k))];
        // Multiples of the k-th best distance, a list a query, ascending.
        let multiples =
            self.each(truths, Beam::whole(2 * ef), None, watch, |_, query, scratch| {
                scratch.multiples(query, k)
            })?;
        let wanted = ef * multiples.len();
        let within = |reach: f32| {
            multiples
                .iter()
                .map(|m| m.partition_point(|multiple| *multiple <= reach))
                .sum::<usize>()
        };
        let (mut low, mut high) = (1.0_f32, REACH_MOST);
        for _ in 0..REACH_STEPS {
            let middle = f32::midpoint(low, high);
            if within(middle) < wanted { low = middle } else { high = middle }
        }
        Ok(high)
    }
}

impl Subject<'_> {
    /// Walks to each query, several at the same time, and takes something of what was found.
    fn each<T: Clone + Default + Send>(
        &self,
        queries: &[Truth<'_>],
        beam: Beam,
        depth: Option<Depth>,
        watch: Watch<'_>,
        take: impl Fn(usize, &Query, &mut Scratch) -> T + Sync,
    ) -> Result<Vec<T>> {
        // Small parts balance, large ones keep the lanes full.
        let size = if queries.len() < 16 * TOGETHER { LANES } else { TOGETHER };
        let parts: Result<Vec<Vec<T>>> = queries
            .par_chunks(size)
            .enumerate()
            .map_init(<[Lane; LANES]>::default, |lanes, (part, queries)| {
                watch(0)?;
                let take = |job: usize, query: &Query, scratch: &mut Scratch| {
                    take(part * size + job, query, scratch)
                };
                let taken = vec![T::default(); queries.len()];
                let mut walks = Walks { subject: self, queries, beam, depth, take, taken };
                self.walk.search_many(queries.len(), lanes, &mut walks);
                Ok(walks.taken)
            })
            .collect();
        Ok(parts?.into_iter().flatten().collect())
    }
}

/// Some walks of a measurement.
struct Walks<'w, F, T> {
    subject: &'w Subject<'w>,
    queries: &'w [Truth<'w>],
    beam: Beam,
    /// `None` without refinement.
    depth: Option<Depth>,
    take: F,
    taken: Vec<T>,
}

impl<T, F: Fn(usize, &Query, &mut Scratch) -> T> Jobs for Walks<'_, F, T> {
    fn start(&mut self, job: usize, query: &mut Query) -> Beam {
        query.prepare(self.subject.quantizer, self.queries[job].0);
        self.beam
    }

    fn refine(&mut self, query: &Query, scratch: &mut Scratch) {
        if let Some(depth) = self.depth {
            self.subject.walk.refine(query, depth, scratch);
        }
    }

    fn finish(&mut self, job: usize, query: &Query, scratch: &mut Scratch) {
        self.taken[job] = (self.take)(job, query, scratch);
    }
}

/// The mean share of `k` that was found, and its standard error.
fn mean_and_error(hits: &[usize], k: usize) -> (f64, f64) {
    let n = hits.len().max(1) as f64;
    let share = |hits: &usize| *hits as f64 / k as f64;
    let mean = hits.iter().map(share).sum::<f64>() / n;
    let variance = hits.iter().map(|h| (share(h) - mean).powi(2)).sum::<f64>() / n;
    (mean, (variance / n).sqrt())
}

//! Search over a view: one query on the caller's thread, a batch on the pool.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::explain::Took;
use super::plan::{Plan, SegmentPlan, checked_queries};
use super::{Collection, Place, SegmentHandle, batch, pool};
use crate::config::SearchRequest;
use crate::error::Result;
use crate::explain::{PlanKind, Stage};
use crate::kernels::exact;
use crate::results::{SearchCounters, SearchResults};
use crate::retrieval::cap::{Capped, GroupKey, cut};
use crate::retrieval::{Asked, Eligible, Hit, Note, Top, Trace, Walk, WalkScratch, better, scan};
use crate::types::{IdType, Ids, K_MAX, PointId, Vectors};

/// Rows that one task of a parallel scan compares.
const SCAN_ROWS: u32 = 8_192;
/// Components that are compared before the time is looked at.
const SCAN_COMPONENTS: usize = 8 << 20;

/// What searches of a thread reuse: buffers, queries as they are compared exactly.
type Buffers = (WalkScratch, Vec<exact::Query>);

thread_local! {
    static SCRATCH: RefCell<Buffers> = RefCell::default();
}

/// Queries of a batch that a thread answers together: at least, at most.
const TOGETHER_LEAST: usize = 4;
const TOGETHER: usize = 64;
/// Parts of a batch a thread, if they get large enough.
const PARTS: usize = 8;

/// A hit and the segment it is in.
type Found = (u32, Hit);

/// The hits of each query in a segment, best first, and what finding them took.
pub(super) type Hits = Vec<(Vec<Hit>, SearchCounters)>;

/// The hits of a query, best first, and what finding them took.
pub(super) type Answered = (Vec<Found>, Took);

impl Collection {
    /// The nearest points to each query.
    pub fn search(&self, queries: &Vectors<'_>, request: &SearchRequest) -> Result<SearchResults> {
        let view = self.view("search")?;
        let vectors = checked_queries("queries", &view.config, queries)?;
        batch::search(&self.shared, &view, &vectors, &[], request)
    }
}

/// Answers these queries of one plan, on so many threads.
pub(super) fn answers_to(
    plan: &Plan<'_>,
    vectors: &[f32],
    threads: usize,
) -> Result<Vec<Answered>> {
    let dim = plan.view.config.dim;
    match vectors.len() / dim {
        0 => Ok(Vec::new()),
        1 => answers(plan, vectors, threads > 1),
        _ if threads == 1 => answers(plan, vectors, false),
        n => answers_by_many(plan, vectors, n, threads),
    }
}

/// Answers these `n` queries by at most so many threads of the pool.
fn answers_by_many(
    plan: &Plan<'_>,
    vectors: &[f32],
    n: usize,
    threads: usize,
) -> Result<Vec<Answered>> {
    let pool = pool()?;
    let threads = threads.min(pool.current_num_threads());
    // Each takes the next few as it gets to them: none waits for one that the system held up.
    let share = (n / (PARTS * threads)).clamp(TOGETHER_LEAST, TOGETHER);
    let (parts, next) = (vectors.chunks(share * plan.view.config.dim), AtomicUsize::new(0));
    let work = |_| {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.clone().nth(at) else { return Ok(done) };
            done.push((at, answers(plan, part, false)?));
        }
    };
    let done: Result<Vec<Vec<_>>> =
        pool::run(pool, || (0..threads).into_par_iter().with_max_len(1).map(work).collect());
    let mut done: Vec<_> = done?.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().flat_map(|(_, answers)| answers).collect())
}

/// Answers these queries; `parallel` lets a scan use the pool.
fn answers(plan: &Plan<'_>, vectors: &[f32], parallel: bool) -> Result<Vec<Answered>> {
    SCRATCH.with(|buffers| match buffers.try_borrow_mut() {
        Ok(mut buffers) => answers_with(&mut buffers, plan, vectors, parallel),
        // A thread of the pool that waits for others takes up another search meanwhile.
        Err(_) => answers_with(&mut Buffers::default(), plan, vectors, parallel),
    })
}

fn answers_with(
    (scratch, exact): &mut Buffers,
    plan: &Plan<'_>,
    vectors: &[f32],
    parallel: bool,
) -> Result<Vec<Answered>> {
    let dim = plan.view.config.dim;
    scratch.stop(plan.stop().as_ref());
    let mut all = Vec::with_capacity(vectors.len() / dim);
    // What is to be told of a query is seen while it is alone.
    let together = if plan.request.explain { 1 } else { TOGETHER };
    for vectors in vectors.chunks(together * dim) {
        plan.check_time()?;
        let count = vectors.len() / dim;
        if exact.len() < count {
            exact.resize_with(count, exact::Query::default);
        }
        for (exact, vector) in exact.iter_mut().zip(vectors.chunks_exact(dim)) {
            exact.prepare(plan.view.config.metric, vector);
        }
        let asked: Vec<Asked<'_>> = vectors.chunks_exact(dim).zip(&*exact).collect();
        all.extend(answer(plan, &asked, parallel, scratch)?);
    }
    Ok(all)
}

/// Answers a few queries together.
fn answer(
    plan: &Plan<'_>,
    asked: &[Asked<'_>],
    parallel: bool,
    scratch: &mut WalkScratch,
) -> Result<Vec<Answered>> {
    let mut all: Vec<Answered> = asked.iter().map(|_| (Vec::new(), Took::begin(plan))).collect();
    for (position, (handle, part)) in plan.view.segments.iter().zip(&plan.segments).enumerate() {
        plan.check_time()?;
        let search =
            SegmentSearch { plan, handle, part, parallel, k: plan.request.k, aim: plan.request.k };
        scratch.trace = plan.request.explain.then(Trace::new);
        let answers = search.run(asked, scratch);
        // What was given up is no answer.
        plan.check_time()?;
        let mut trace = scratch.trace.take();
        for ((found, took), (hits, counted)) in all.iter_mut().zip(answers?) {
            let told = trace.take().map(|trace| part.explain(handle, (trace, counted)));
            took.add(&counted, told);
            found.extend(hits.into_iter().map(|hit| (position as u32, hit)));
        }
    }
    if plan.segments.len() > 1 {
        for (found, took) in &mut all {
            let start = plan.request.explain.then(Instant::now);
            took.counters.capped += merge(plan, found);
            if let Some(start) = start {
                took.spent(Stage::Merge, start.elapsed());
            }
        }
    }
    Ok(all)
}

/// Queries over one segment.
pub(super) struct SegmentSearch<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) handle: &'a SegmentHandle,
    pub(super) part: &'a SegmentPlan<'a>,
    pub(super) parallel: bool,
    /// Results of a query.
    pub(super) k: usize,
    /// So many are to be found with the recall asked for; fewer of the rest will do.
    pub(super) aim: usize,
}

impl SegmentSearch<'_> {
    /// The best hits of each query, best first, whoever the plan leaves out by name.
    pub(super) fn run_all(&self, asked: &[Asked<'_>], scratch: &mut WalkScratch) -> Result<Hits> {
        let k = self.k;
        let rows = self.handle.segment.rows();
        let passing = self.part.passing.as_ref().map(|p| (&p.slots, p.count));
        let eligible =
            Eligible::new(rows, self.handle.dead.as_deref(), &self.part.excluded).passing(passing);
        let wanted = k.min(eligible.count());
        let nothing = (Vec::new(), SearchCounters::default());
        if wanted == 0 {
            scratch.trace.chose(PlanKind::Nothing, || "no point is eligible".to_owned());
            return Ok(vec![nothing; asked.len()]);
        }
        if !self.plan.is_plain()
            && let Some(found) = self.run_ranked(asked, &eligible, scratch)?
        {
            return Ok(found);
        }
        let Some((index, way, more)) = self.way(&eligible) else {
            scratch.trace.chose(PlanKind::Exact, || self.why_exact(&eligible));
            let all =
                |(_, exact): &Asked<'_>| self.compare_all(exact, &eligible, &mut scratch.trace);
            return asked.iter().map(all).collect();
        };
        self.note_way(&way, &eligible, &mut scratch.trace);
        let walk = Walk {
            segment: &self.handle.segment,
            index: &index,
            rows: &self.handle.segment.originals(),
            ids: self.part.ids,
            eligible: &eligible,
            k,
            wanted: more,
            way,
        };
        let answers = walk.run(asked, scratch);
        answers
            .into_iter()
            .zip(asked)
            .map(|((top, mut counters), (_, exact))| {
                if top.len() >= wanted {
                    return Ok((top.finish(), counters));
                }
                // A walk that could not fill the list is no answer.
                scratch.trace.fell_back(PlanKind::Exact);
                let (hits, counted) = self.compare_all(exact, &eligible, &mut scratch.trace)?;
                counters.add(&counted);
                Ok((hits, counters))
            })
            .collect()
    }

    /// The best hits by comparing every eligible row, best first.
    fn compare_all(
        &self,
        exact: &exact::Query,
        eligible: &Eligible<'_>,
        trace: &mut Option<Trace>,
    ) -> Result<(Vec<Hit>, SearchCounters)> {
        let k = self.k;
        let mut counters = SearchCounters::default();
        let (hits, compared) = match (&self.part.group, &self.plan.request.cap) {
            (Some(column), Some(cap)) => {
                let (hits, compared) = self.scan(exact, eligible.count(), eligible)?;
                let (hits, capped) =
                    cut(hits, self.part.ids, column.column(), k, cap.max_per_group);
                counters.capped = capped;
                (hits, compared)
            }
            _ => self.scan(exact, k, eligible)?,
        };
        counters.rows_rescored = compared;
        trace.lap(Stage::Rescore);
        Ok((hits, counters))
    }

    /// The best `k` by comparing every eligible row, best first; and how many were compared.
    fn scan(
        &self,
        exact: &exact::Query,
        k: usize,
        eligible: &Eligible<'_>,
    ) -> Result<(Vec<Hit>, u64)> {
        let segment = &self.handle.segment;
        let (rows, count) = (segment.originals(), segment.rows());
        let step = SCAN_ROWS.min((SCAN_COMPONENTS / self.plan.view.config.dim) as u32);
        let range = |slots: std::ops::Range<u32>| {
            let mut top = Top::new(k, self.part.ids);
            let mut compared = 0;
            for start in slots.clone().step_by(step as usize) {
                self.plan.check_time()?;
                let part = start..start.saturating_add(step).min(slots.end);
                compared += scan(exact, &rows, part, eligible, &self.part.scorer, &mut top);
            }
            Ok((top.finish(), compared))
        };
        if !self.parallel || count <= SCAN_ROWS {
            return range(0..count);
        }
        let parts: Result<Vec<(Vec<Hit>, u64)>> = pool::run(pool()?, || {
            (0..count.div_ceil(SCAN_ROWS))
                .into_par_iter()
                .map(|i| range(i * SCAN_ROWS..((i + 1) * SCAN_ROWS).min(count)))
                .collect()
        });
        let parts = parts?;
        let mut top = Top::new(k, self.part.ids);
        let mut compared = 0;
        for (hits, of_part) in parts {
            compared += of_part;
            for hit in hits {
                top.push(hit);
            }
        }
        Ok((top.finish(), compared))
    }
}

/// Orders the hits of several segments, keeping the cap and `k`. Returns how many the cap cost.
fn merge(plan: &Plan<'_>, found: &mut Vec<Found>) -> u64 {
    let id = |f: &Found| plan.segments[f.0 as usize].ids.get(f.1.slot);
    found.sort_unstable_by(|a, b| better((a.1.score, id(a)), (b.1.score, id(b))));
    let mut passed = 0;
    if let Some(cap) = &plan.request.cap {
        let mut capped = Capped::new(plan.request.k, cap.max_per_group);
        let group = |f: &Found| {
            let column = plan.segments[f.0 as usize].group.as_ref()?;
            GroupKey::of(column.column(), f.1.slot)
        };
        found.retain(|f| capped.take(group(f)));
        passed = capped.passed;
    }
    found.truncate(plan.request.k);
    passed
}

/// Places a query: `k`, but where a score decides how many there are.
fn places(request: &SearchRequest, found: &[Answered]) -> usize {
    match request.min_score {
        Some(_) if request.k == K_MAX => {
            found.iter().map(|(hits, _)| hits.len()).max().unwrap_or_default()
        }
        _ => request.k,
    }
}

/// Lays hits out as the caller gets them.
pub(super) fn collect(plan: &Plan<'_>, found: Vec<Answered>) -> Result<SearchResults> {
    let start = plan.request.explain.then(Instant::now);
    let (view, k) = (plan.view, places(plan.request, &found));
    let metric = view.config.metric;
    let places = found.len() * k;
    let mut results = SearchResults {
        queries: found.len(),
        k,
        counts: found.iter().map(|(hits, _)| hits.len()).collect(),
        ids: match view.config.id_type {
            IdType::U64 => Ids::U64(vec![u64::MAX; places]),
            IdType::Str => Ids::Str(vec![String::new(); places]),
        },
        scores: vec![f64::NEG_INFINITY; places],
        similarities: vec![f64::NEG_INFINITY; places],
        distances: vec![f64::INFINITY; places],
        attributes: Vec::new(),
        vectors: None,
        counters: SearchCounters::default(),
        explain: Vec::new(),
    };
    // Only what is gathered by it needs to know where hits are.
    let is_gathered = !plan.columns.is_empty() || plan.request.with_vectors;
    let mut slots: Vec<Option<Place>> = vec![None; if is_gathered { places } else { 0 }];
    for (query, (hits, took)) in found.iter().enumerate() {
        results.counters.add(&took.counters);
        for (rank, (segment, hit)) in hits.iter().enumerate() {
            let at = query * k + rank;
            if let Some(place) = slots.get_mut(at) {
                *place = Some(Place { segment: *segment, slot: hit.slot });
            }
            results.scores[at] = hit.score;
            results.similarities[at] = hit.similarity;
            results.distances[at] = metric.distance(hit.similarity);
            let id = plan.segments[*segment as usize].ids.get(hit.slot).to_owned();
            match (&mut results.ids, id) {
                (Ids::U64(ids), PointId::U64(id)) => ids[at] = id,
                (Ids::Str(ids), PointId::Str(id)) => ids[at] = id,
                // A segment has the ids of its collection's type: opening checked it.
                _ => {}
            }
        }
    }
    for (name, position) in &plan.columns {
        results.attributes.push(((*name).to_owned(), view.gather(*position, &slots)?));
    }
    if plan.request.with_vectors {
        results.vectors = Some(view.copy_vectors(&slots));
    }
    if let Some(start) = start {
        let gathered = start.elapsed();
        let told = found.into_iter().filter_map(|(_, mut took)| {
            took.spent(Stage::Gather, gathered);
            took.finish()
        });
        results.explain.extend(told);
    }
    Ok(results)
}

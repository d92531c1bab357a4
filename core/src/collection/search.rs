//! Search over a view: one query on the caller's thread, a batch on the pool.

use std::cell::RefCell;

use rayon::prelude::*;

use super::plan::{Plan, SegmentPlan, checked_queries};
use super::{Collection, Place, SegmentHandle, batch, pool};
use crate::config::{Effort, SearchRequest};
use crate::error::Result;
use crate::graph::hop::Beam;
use crate::kernels::exact;
use crate::results::{SearchCounters, SearchResults};
use crate::retrieval::cap::{Capped, GroupKey, cut};
use crate::retrieval::{Asked, Eligible, Hit, Top, Walk, WalkScratch, better, scan};
use crate::types::{EFFORT_MAX, IdType, Ids, K_MAX, PointId, Vectors};

/// Rows that one task of a parallel scan compares.
const SCAN_ROWS: u32 = 8_192;
/// Fewer eligible rows than this are scanned rather than walked to.
const FEW: usize = 512;
/// With a filter, at least so many more.
const FILTERED_MORE: usize = 64;
/// Rows that are compared in the time that it takes to expand one node.
const HOP_ROWS: f64 = 8.0;
/// So many slots that may not be returned are walked past by asking for as many more.
const PASSED_MAX: usize = 512;

thread_local! {
    static SCRATCH: RefCell<(WalkScratch, Vec<exact::Query>)> = RefCell::default();
}

/// Codes that are refined beyond twice the hits wanted, where rows are not indexed.
const FLAT_MORE: usize = 48;

/// Queries of a batch that one task answers together.
const TOGETHER: usize = 16;

/// A hit and the segment it is in.
type Found = (u32, Hit);

/// The hits of a query, best first, and what finding them took.
pub(super) type Answered = (Vec<Found>, SearchCounters);

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
        n => {
            // A task a thread when their number is stated, else small ones that balance.
            let stated = plan.request.threads.is_some();
            let share = if stated { n.div_ceil(threads) } else { TOGETHER };
            let tasks = vectors.par_chunks(share * dim);
            let found: Result<Vec<Vec<_>>> =
                pool()?.install(|| tasks.map(|v| answers(plan, v, false)).collect());
            Ok(found?.into_iter().flatten().collect())
        }
    }
}

/// Answers these queries; `parallel` lets a scan use the pool.
fn answers(plan: &Plan<'_>, vectors: &[f32], parallel: bool) -> Result<Vec<Answered>> {
    let dim = plan.view.config.dim;
    SCRATCH.with_borrow_mut(|(scratch, exact)| {
        let mut all = Vec::with_capacity(vectors.len() / dim);
        for vectors in vectors.chunks(TOGETHER * dim) {
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
    })
}

/// Answers a few queries together.
fn answer(
    plan: &Plan<'_>,
    asked: &[Asked<'_>],
    parallel: bool,
    scratch: &mut WalkScratch,
) -> Result<Vec<Answered>> {
    let mut all = vec![(Vec::new(), SearchCounters::default()); asked.len()];
    for (position, (handle, part)) in plan.view.segments.iter().zip(&plan.segments).enumerate() {
        plan.check_time()?;
        let search = SegmentSearch { plan, handle, part, parallel };
        for ((found, counters), (hits, counted)) in all.iter_mut().zip(search.run(asked, scratch)?)
        {
            counters.add(&counted);
            found.extend(hits.into_iter().map(|hit| (position as u32, hit)));
        }
    }
    if plan.segments.len() > 1 {
        for (found, _) in &mut all {
            merge(plan, found);
        }
    }
    Ok(all)
}

/// Queries over one segment.
struct SegmentSearch<'a> {
    plan: &'a Plan<'a>,
    handle: &'a SegmentHandle,
    part: &'a SegmentPlan<'a>,
    parallel: bool,
}

impl SegmentSearch<'_> {
    /// The best hits of each query, best first.
    fn run(
        &self,
        asked: &[Asked<'_>],
        scratch: &mut WalkScratch,
    ) -> Result<Vec<(Vec<Hit>, SearchCounters)>> {
        let k = self.plan.request.k;
        let rows = self.handle.segment.rows();
        let passing = self.part.passing.as_ref().map(|p| (&p.slots, p.count));
        let eligible =
            Eligible::new(rows, self.handle.dead.as_deref(), &self.part.excluded).passing(passing);
        let wanted = k.min(eligible.count());
        let nothing = (Vec::new(), SearchCounters::default());
        if wanted == 0 {
            return Ok(vec![nothing; asked.len()]);
        }
        let segment = &self.handle.segment;
        let walked = segment.index().zip(self.beam(&eligible));
        let Some((index, beam)) = walked.or_else(|| segment.flat().zip(self.width(&eligible)))
        else {
            return asked.iter().map(|(_, exact)| self.compare_all(exact, &eligible)).collect();
        };
        let walk = Walk {
            segment: &self.handle.segment,
            index: &index,
            rows: &self.handle.segment.originals(),
            ids: self.part.ids,
            eligible: &eligible,
            k,
            wanted: self.wanted(&eligible),
            beam,
        };
        let answers = walk.run(asked, scratch).into_iter().zip(asked);
        answers
            .map(|((top, mut counters), (_, exact))| {
                if top.len() >= wanted {
                    return Ok((top.finish(), counters));
                }
                // A walk that could not fill the list is no answer.
                let (hits, counted) = self.compare_all(exact, &eligible)?;
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
    ) -> Result<(Vec<Hit>, SearchCounters)> {
        let k = self.plan.request.k;
        let (hits, compared) = match (&self.part.group, &self.plan.request.cap) {
            (Some(column), Some(cap)) => {
                let (hits, compared) = self.scan(exact, eligible.count(), eligible)?;
                (cut(hits, self.part.ids, column, k, cap.max_per_group), compared)
            }
            _ => self.scan(exact, k, eligible)?,
        };
        Ok((hits, SearchCounters { rows_rescored: compared, ..SearchCounters::default() }))
    }

    /// Results to look for so that `k` are left when those passed over are dropped.
    fn wanted(&self, eligible: &Eligible<'_>) -> usize {
        let k = self.plan.request.k;
        if !eligible.is_filtered() {
            return k + eligible.passed_over().min(PASSED_MAX);
        }
        // As many as hold k that pass, were they spread evenly, and some more.
        let rows = self.handle.segment.rows() as usize;
        let even = k * rows / eligible.count().max(1);
        (even + even / 2).max(k + eligible.passed_over().min(FILTERED_MORE)).min(rows)
    }

    /// The beam for a walk; `None` to scan instead.
    fn beam(&self, eligible: &Eligible<'_>) -> Option<Beam> {
        let request = self.plan.request;
        let curve = self.handle.curve()?;
        let few = eligible.count() <= FEW.max(2 * request.k);
        if !self.plan.is_plain() || few {
            return None;
        }
        let rows = self.handle.segment.rows() as usize;
        let wanted = self.wanted(eligible);
        // What was asked for in addition counts as results; beyond it, and with a filter, those that
        // are passed over are taken to be spread evenly.
        let (k, spread) = if eligible.is_filtered() {
            (request.k, eligible.passed_over())
        } else {
            (wanted, eligible.passed_over().saturating_sub(PASSED_MAX))
        };
        let effort = match request.effort {
            Effort::Exact => return None,
            Effort::Ef(ef) => ef.max(k),
            Effort::Recall(recall) => curve.effort(k, recall),
        };
        let effort = effort as f64 * rows as f64 / (rows - spread).max(1) as f64;
        let effort = effort.max(wanted as f64);
        if eligible.is_filtered() && eligible.count() as f64 <= effort * HOP_ROWS {
            return None;
        }
        let k = wanted;
        // A beam of a good part of the segment costs more than the scan.
        let most = (rows / 4).min(EFFORT_MAX);
        let (effort, rank) = (effort as usize, curve.rank(k));
        (effort <= most).then(|| Beam::of(effort, rank, curve.reach(k, effort)))
    }

    /// How many of the best codes to refine where there is no graph; `None` to compare all rows.
    fn width(&self, eligible: &Eligible<'_>) -> Option<Beam> {
        let rows = self.handle.segment.rows() as usize;
        let alive = eligible.count().max(1);
        if eligible.is_filtered() && alive < rows / 4 {
            return None;
        }
        let wanted = self.wanted(eligible);
        // With a filter, that takes those that are passed over into account, as is done below.
        let k = if eligible.is_filtered() { self.plan.request.k } else { wanted };
        let width = match self.plan.request.effort {
            Effort::Exact => return None,
            Effort::Ef(ef) => ef.max(2 * k + FLAT_MORE),
            Effort::Recall(recall) if recall > 0.98 => 3 * k + 4 * FLAT_MORE,
            Effort::Recall(_) => 2 * k + FLAT_MORE,
        };
        let width = ((width as f64 * rows as f64 / alive as f64) as usize).max(wanted);
        (self.plan.is_plain() && width <= rows / 2).then(|| Beam::whole(width))
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
        let range = |slots: std::ops::Range<u32>| {
            let mut top = Top::new(k, self.part.ids);
            let mut compared = 0;
            for start in slots.clone().step_by(SCAN_ROWS as usize) {
                self.plan.check_time()?;
                let part = start..start.saturating_add(SCAN_ROWS).min(slots.end);
                compared += scan(exact, &rows, part, eligible, &self.part.scorer, &mut top);
            }
            Ok((top.finish(), compared))
        };
        if !self.parallel || count <= SCAN_ROWS {
            return range(0..count);
        }
        let parts: Result<Vec<(Vec<Hit>, u64)>> = pool()?.install(|| {
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

/// Orders the hits of several segments, keeping the cap and `k`.
fn merge(plan: &Plan<'_>, found: &mut Vec<Found>) {
    let id = |f: &Found| plan.segments[f.0 as usize].ids.get(f.1.slot);
    found.sort_unstable_by(|a, b| better((a.1.score, id(a)), (b.1.score, id(b))));
    if let Some(cap) = &plan.request.cap {
        let mut capped = Capped::new(plan.request.k, cap.max_per_group);
        let group = |f: &Found| {
            let column = plan.segments[f.0 as usize].group.as_ref()?;
            GroupKey::of(column, f.1.slot)
        };
        found.retain(|f| capped.take(group(f)));
    }
    found.truncate(plan.request.k);
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
pub(super) fn collect(plan: &Plan<'_>, found: &[Answered]) -> Result<SearchResults> {
    let (view, k) = (plan.view, places(plan.request, found));
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
    };
    let mut slots: Vec<Option<Place>> = vec![None; places];
    for (query, (hits, counters)) in found.iter().enumerate() {
        results.counters.add(counters);
        for (rank, (segment, hit)) in hits.iter().enumerate() {
            let at = query * k + rank;
            slots[at] = Some(Place { segment: *segment, slot: hit.slot });
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
    Ok(results)
}

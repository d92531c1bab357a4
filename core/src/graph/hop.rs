//! The loop of a walk: expand the best candidate, score its neighbours, merge those that matter.
//!
//! `DiskANN`'s greedy search (Subramanya et al. 2019), with the neighbours of a hop gathered
//! first, asked for, and scored four at a time. It ends by distance, not by the beam alone: a
//! candidate farther than a multiple of the k-th best is not expanded (Al-Jazzazi et al. 2025),
//! so that easy queries end early and hard ones go on.

use std::sync::Arc;

use super::filtered;
use super::pool::Pool;
use super::search::Walk;
use super::visited::Visited;
use crate::codes::query::Query;
use crate::kernels::Kernel;
use crate::kernels::candidate::{Candidate, Hop};
use crate::results::SearchCounters;

/// Once so many candidates better than the next are expanded, that one is chosen before the
/// neighbours of the last are scored: what they bring seldom comes before it.
const SETTLED: usize = 4;

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Beam {
    /// Candidates kept.
    pub(crate) width: usize,
    /// Results wanted: the walk goes on around the best so many.
    pub(crate) k: usize,
    /// Nothing farther than this multiple of the k-th best distance is expanded; infinite for
    /// the whole beam.
    pub(crate) reach: f32,
}

impl Beam {
    /// A beam for `k` results: about `effort` nodes are expanded on average, and at most 11/8 as
    /// many candidates wait, so that the hardest queries cost about twice the median.
    pub(crate) fn of(effort: usize, k: usize, reach: f32) -> Self {
        if !reach.is_finite() {
            return Self::whole(effort.max(k));
        }
        Self { width: effort.max(k).saturating_mul(11) / 8, k, reach }
    }

    /// Expands every candidate of a beam of this width.
    pub(crate) fn whole(width: usize) -> Self {
        Self { width, k: 1, reach: f32::INFINITY }
    }
}

/// Says whether a search is to be given up.
#[derive(Clone)]
pub(crate) struct Stop(pub(crate) Arc<dyn Fn() -> bool + Send + Sync>);

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stop")
    }
}

/// Nodes that are expanded or looked at before a search asks whether to go on.
pub(super) const TURNS: u64 = 1_024;

/// Buffers of a search, reused. One a thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Asked now and then: a search that is given up ends early, with whatever it has.
    pub(crate) stop: Option<Stop>,
    pub(super) visited: Visited,
    pub(super) pool: Pool,
    starts: Vec<u32>,
    pub(super) survivors: Vec<Candidate>,
    /// Of a scan: the best so far, and a score that the next must exceed.
    pub(super) best: Vec<Candidate>,
    pub(super) threshold: f32,
    /// Of a walk to eligible nodes: all that were scored on the way, and those found last.
    pub(super) all: Vec<Candidate>,
    pub(super) found: Vec<Candidate>,
    /// Of a walk to eligible nodes: the best of these, and all that may be.
    pub(crate) spare: (Pool, Vec<Candidate>),
    /// What a refinement kept, best first.
    pub(crate) refined: Vec<Candidate>,
    pub(crate) counters: SearchCounters,
}

impl Scratch {
    /// The best candidate to expand, if there is one worth it.
    #[inline(always)]
    pub(super) fn next(&mut self, query: &Query, beam: Beam) -> Option<u32> {
        let best = self.pool.pop()?;
        if best.score() < self.pool.limit(query, beam) {
            return None;
        }
        if self.counters.hops % TURNS == TURNS - 1 && self.is_over() {
            return None;
        }
        self.counters.hops += 1;
        Some(best.slot())
    }

    /// Whether the search is to be given up.
    #[cold]
    pub(super) fn is_over(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| (stop.0)())
    }

    /// [`Self::next`], if it may be chosen before the hop at hand is scored: then its codes are
    /// asked for meanwhile.
    #[inline(always)]
    pub(super) fn next_early(&mut self, query: &Query, beam: Beam) -> Option<u32> {
        if self.pool.is_settled(SETTLED) { self.next(query, beam) } else { None }
    }

    /// The slots of the beam, best first.
    pub(crate) fn beam(&self) -> impl Iterator<Item = u32> {
        self.pool.candidates().map(Candidate::slot)
    }

    /// The distances of the candidates as multiples of the k-th best, ascending.
    pub(super) fn multiples(&self, query: &Query, k: usize) -> Vec<f32> {
        if self.pool.len() < k {
            return Vec::new();
        }
        let distance = |score: f32| query.highest - score;
        let unit = distance(self.pool.candidate(k - 1).score()).max(query.blur);
        let multiple = |score: f32| if unit > 0.0 { distance(score) / unit } else { 1.0 };
        self.pool.candidates().map(|c| multiple(c.score())).collect()
    }
}

/// Queries that are walked at the same time by one thread: while one waits for memory, another
/// computes.
pub(crate) const LANES: usize = 4;

/// What a lane does next: it has asked for what that needs some turns before.
#[derive(Debug, Default, Clone, Copy)]
enum Stage {
    #[default]
    Idle,
    /// Looks at the edges of its node.
    Expand(Beam),
    /// Scores the neighbours.
    Score(Beam),
    Refine,
    Finish,
}

/// One of several walks of a thread.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) query: Query,
    pub(crate) scratch: Scratch,
    stage: Stage,
    /// Which query this is.
    job: usize,
    /// The node to expand.
    at: u32,
}

/// The queries of a batch: prepared when their turn comes; when their walk is done refined, and
/// a turn later taken.
pub(crate) trait Jobs {
    fn start(&mut self, job: usize, query: &mut Query) -> Beam;
    fn refine(&mut self, query: &Query, scratch: &mut Scratch);
    fn finish(&mut self, job: usize, query: &Query, scratch: &mut Scratch);
}

#[inline(always)]
pub(super) fn run<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    beam: Beam,
    s: &mut Scratch,
) {
    walk.begin::<K>(query, beam, s);
    // Each slot enters the pool at most once, so this ends after at most `rows` hops.
    loop {
        let early = s.next_early(query, beam);
        if let Some(slot) = early {
            s.visited.add_ahead(walk.edges_of(slot));
        }
        walk.score::<K, BITS>(query, beam, &[], s);
        if early.is_some() {
            s.visited.advance();
        } else if let Some(slot) = s.next(query, beam) {
            s.visited.add(walk.edges_of(slot));
            walk.prefetch_codes::<K>(s.visited.fresh());
        } else {
            break;
        }
        s.pool.upcoming::<2>().for_each(|next| walk.prefetch_edges::<K>(next));
    }
}

/// Entries that are scored together where there are no edges.
const FLAT: usize = 64;

/// Scores the entries alone, in order.
#[inline(always)]
pub(super) fn run_flat<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    beam: Beam,
    s: &mut Scratch,
) {
    walk.reset(beam, s);
    // The lines follow each other: nothing has to be asked for.
    for slots in walk.starts.entries.chunks(FLAT) {
        s.visited.add(slots);
        walk.score::<K, BITS>(query, beam, &[], s);
    }
}

#[inline(always)]
pub(super) fn run_many<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    count: usize,
    lanes: &mut [Lane],
    jobs: &mut dyn Jobs,
) {
    let mut next_job = 0;
    let mut active = 0;
    for lane in lanes.iter_mut().take(count) {
        start::<K>(walk, lane, next_job, jobs);
        (next_job, active) = (next_job + 1, active + 1);
    }
    let mut ahead = Vec::with_capacity(walk.places());
    let all = lanes.len();
    for turn in 0.. {
        if active == 0 {
            break;
        }
        // One lane looks ahead, for what another asks while it computes.
        ahead.clear();
        let lane = &mut lanes[(turn + all / 2) % all];
        match lane.stage {
            Stage::Idle if next_job < count => {
                start::<K>(walk, lane, next_job, jobs);
                (next_job, active) = (next_job + 1, active + 1);
            }
            Stage::Expand(beam) => {
                lane.scratch.visited.add(walk.edges_of(lane.at));
                ahead.extend_from_slice(lane.scratch.visited.fresh());
                lane.stage = Stage::Score(beam);
            }
            _ => {}
        }
        let Lane { query, scratch, stage, job, at } = &mut lanes[turn % all];
        if let Stage::Score(beam) = *stage {
            // As in `run`, so that both find the same.
            let early = scratch.next_early(query, beam);
            walk.score::<K, BITS>(query, beam, &ahead, scratch);
            if let Some(slot) = early.or_else(|| scratch.next(query, beam)) {
                *at = slot;
                walk.prefetch_edges::<K>(slot);
                *stage = Stage::Expand(beam);
            } else {
                walk.prefetch_rows::<K>(scratch);
                *stage = Stage::Refine;
            }
            continue;
        }
        walk.prefetch_codes::<K>(&ahead);
        match stage {
            Stage::Refine => {
                jobs.refine(query, scratch);
                *stage = Stage::Finish;
            }
            Stage::Finish => {
                jobs.finish(*job, query, scratch);
                (*stage, active) = (Stage::Idle, active - 1);
            }
            _ => {}
        }
    }
}

#[inline(always)]
fn start<K: Kernel>(walk: &Walk<'_>, lane: &mut Lane, job: usize, jobs: &mut dyn Jobs) {
    let beam = jobs.start(job, &mut lane.query);
    (lane.stage, lane.job) = (Stage::Score(beam), job);
    walk.begin::<K>(&lane.query, beam, &mut lane.scratch);
}

impl Walk<'_> {
    #[inline(always)]
    pub(super) fn begin<K: Kernel>(&self, query: &Query, beam: Beam, s: &mut Scratch) {
        self.reset(beam, s);
        s.starts.clear();
        s.starts.extend_from_slice(self.starts.entries);
        let gate = |cluster: &u32| self.starts.gates.get(*cluster as usize).copied();
        s.starts.extend(query.nearest.iter().filter_map(gate));
        s.visited.add(&s.starts);
        self.prefetch_codes::<K>(s.visited.fresh());
    }

    #[inline(always)]
    pub(super) fn reset(&self, beam: Beam, s: &mut Scratch) {
        s.visited.reset(self.rows);
        s.pool.reset(beam.width);
        s.counters = SearchCounters::default();
        let places = self.places() + filtered::BATCH + 8;
        if s.survivors.len() < places {
            s.survivors.resize(places, Candidate(0));
        }
    }

    #[inline(always)]
    pub(super) fn prefetch_codes<K: Kernel>(&self, slots: &[u32]) {
        // SAFETY: a prefetch never faults.
        unsafe { K::prefetch_records(self.records(), slots) };
    }

    /// Scores the neighbours of the hop at hand and merges those that matter; asks for the codes
    /// ahead meanwhile: those given, or those of the hop after it.
    #[inline(always)]
    pub(super) fn score<K: Kernel, const BITS: usize>(
        &self,
        query: &Query,
        beam: Beam,
        ahead: &[u32],
        s: &mut Scratch,
    ) {
        if s.visited.fresh().is_empty() {
            let ahead = if ahead.is_empty() { s.visited.ahead() } else { ahead };
            return self.prefetch_codes::<K>(ahead);
        }
        let threshold = s.pool.threshold().max(s.pool.limit(query, beam));
        let count = self.score_above::<K, BITS>(query, threshold, ahead, s);
        s.pool.merge(&mut s.survivors[..count]);
    }

    /// Scores the neighbours of the last hop; those above the threshold become the survivors.
    /// Returns how many they are.
    #[inline(always)]
    pub(super) fn score_above<K: Kernel, const BITS: usize>(
        &self,
        query: &Query,
        threshold: f32,
        ahead: &[u32],
        s: &mut Scratch,
    ) -> usize {
        let fresh = s.visited.fresh();
        let ahead = if ahead.is_empty() { s.visited.ahead() } else { ahead };
        if fresh.is_empty() {
            self.prefetch_codes::<K>(ahead);
            return 0;
        }
        s.counters.codes_scored += fresh.len() as u64;
        let hop = Hop { slots: fresh, groups: s.visited.groups(), ahead };
        let (query, kept) = (query.asked(), &mut s.survivors);
        // SAFETY: each slot is below `rows`, so its record is inside, with every block of the
        // code; the instruction set is that of the caller.
        unsafe { K::hop::<BITS>(query, self.records(), hop, threshold, kept) }
    }

    #[inline(always)]
    pub(super) fn prefetch_edges<K: Kernel>(&self, slot: u32) {
        for line in self.edges_of(slot).chunks(16) {
            // SAFETY: a prefetch never faults.
            unsafe { K::prefetch(line.as_ptr().cast()) };
        }
    }
}

//! Approximate search of an indexed segment: walk the graph, then rescore the best refined
//! candidates from the original vectors, as far down the list as a place in the top k is in
//! doubt.

use super::eligible::Eligible;
use super::seek::Seek;
use super::top::{Hit, Top};
use super::trace::{Note, Trace};
use super::way::{Nodes, Way};
use crate::codes;
use crate::explain::{PlanKind, Stage};
use crate::graph::IndexView;
use crate::graph::hop::{Beam, Jobs, LANES, Lane, Scratch, Stop};
use crate::graph::refine::Depth;
use crate::graph::search as graph;
use crate::kernels::candidate::Candidate;
use crate::kernels::exact;
use crate::originals::Originals;
use crate::results::SearchCounters;
use crate::segment::{IdColumn, Segment};

/// How many standard errors of an 8-bit score are allowed for before a candidate is given up.
const DOUBT: f32 = 4.0;
/// Codes that several queries are compared with before the next ones.
const TOGETHER: usize = 4_096;
/// Rows asked for before they are compared.
const AHEAD: usize = 4;

/// Buffers of walks, reused. One a thread.
#[derive(Debug, Default)]
pub(crate) struct WalkScratch {
    pub(super) lanes: [Lane; LANES],
    pub(super) slots: Vec<u32>,
    pub(super) regions: Vec<Candidate>,
    /// Of the query at hand, which is then asked alone.
    pub(crate) trace: Option<Trace>,
}

impl WalkScratch {
    /// Walks ask this now and then, and end early where it says so.
    pub(crate) fn stop(&mut self, stop: Option<&Stop>) {
        self.lanes.iter_mut().for_each(|lane| lane.scratch.stop = stop.cloned());
    }
}

/// A walk of one segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) index: &'a IndexView<'a>,
    pub(crate) rows: &'a Originals<'a>,
    pub(crate) ids: IdColumn<'a>,
    pub(crate) eligible: &'a Eligible<'a>,
    /// Results of a query.
    pub(crate) k: usize,
    /// Results wanted, those that are passed over included.
    pub(crate) wanted: usize,
    pub(crate) way: Way<'a>,
}

/// A query's vector, and the same prepared for exact comparison.
pub(crate) type Asked<'a> = (&'a [f32], &'a exact::Query);

/// What a walk found for a query.
pub(crate) type Answer<'a> = (Top<'a>, SearchCounters);

impl<'a> Walk<'a> {
    /// An answer a query. Several queries are walked at the same time.
    pub(crate) fn run(&self, asked: &[Asked<'_>], scratch: &mut WalkScratch) -> Vec<Answer<'a>> {
        let empty = || (Top::new(self.k, self.ids), SearchCounters::default());
        let mut answers: Vec<Answer<'a>> = asked.iter().map(|_| empty()).collect();
        let Some(walk) = self.index.walk() else { return answers };
        let WalkScratch { lanes, slots, regions, trace } = scratch;
        if let (Way::Through(beam), true) = (self.way, asked.len() > 1) {
            let mut batch = Batch { search: self, beam, walk: &walk, asked, answers: &mut answers };
            walk.search_many(asked.len(), lanes, &mut batch);
            return answers;
        }
        if let (Some((nodes, width)), true) = (self.scans(), asked.len() > 1) {
            let slots = nodes.list(slots);
            for (asked, answers) in asked.chunks(LANES).zip(answers.chunks_mut(LANES)) {
                self.scan_together(&walk, (asked, answers), (slots, width), lanes);
            }
            return answers;
        }
        let Lane { query, scratch, .. } = &mut lanes[0];
        let wanted = self.k.min(self.eligible.count());
        for (answer, (vector, exact)) in answers.iter_mut().zip(asked) {
            query.prepare(self.index.quantizer, vector);
            let mut before = SearchCounters::default();
            let (nodes, width) = match self.way {
                Way::Through(beam) => {
                    walk.search(query, beam, scratch);
                    *answer = self.finish(&walk, (query, exact), scratch, trace);
                    continue;
                }
                Way::All { nodes, width } => (nodes, width),
                Way::To(target) => {
                    let order = &mut *regions;
                    let mut seek = Seek { walk: &walk, query, slots, order, scratch, trace };
                    if seek.target(target) {
                        *answer = self.finish(&walk, (query, exact), scratch, trace);
                        if answer.0.len() >= wanted {
                            continue;
                        }
                        before = answer.1;
                        trace.fell_back(PlanKind::Codes);
                    } else {
                        before = scratch.counters;
                        if before.hops > 0 {
                            trace.fell_back(PlanKind::Codes);
                        }
                    }
                    (target.nodes, target.width())
                }
            };
            let order = &mut *regions;
            Seek { walk: &walk, query, slots, order, scratch, trace }.all(nodes, width);
            *answer = self.finish(&walk, (query, exact), scratch, trace);
            answer.1.add(&before);
        }
        answers
    }

    /// What is scanned whatever the query is, and how many of the best are refined.
    fn scans(&self) -> Option<(Nodes<'a>, usize)> {
        match self.way {
            Way::All { nodes, width } => Some((nodes, width)),
            Way::To(target) if target.scans() => Some((target.nodes, target.width())),
            _ => None,
        }
    }

    /// Scores codes for several queries while they are near.
    fn scan_together(
        &self,
        walk: &graph::Walk<'_>,
        (asked, answers): (&[Asked<'_>], &mut [Answer<'a>]),
        (slots, width): (&[u32], usize),
        lanes: &mut [Lane],
    ) {
        for ((vector, _), lane) in asked.iter().zip(&mut *lanes) {
            lane.query.prepare(self.index.quantizer, vector);
            lane.scratch.begin_scan();
        }
        for slots in slots.chunks(TOGETHER) {
            for lane in lanes.iter_mut().take(asked.len()) {
                walk.scan_codes(&lane.query, width, slots, &mut lane.scratch);
            }
        }
        for (((_, exact), lane), answer) in asked.iter().zip(lanes).zip(answers) {
            lane.scratch.end_scan(width);
            *answer = self.finish(walk, (&lane.query, exact), &mut lane.scratch, &mut None);
        }
    }

    /// Makes an answer of what was found for one query.
    fn finish(
        &self,
        walk: &graph::Walk<'_>,
        (query, exact): (&codes::Query, &exact::Query),
        scratch: &mut Scratch,
        trace: &mut Option<Trace>,
    ) -> Answer<'a> {
        trace.lap(Stage::Search);
        self.refine(walk, query, scratch);
        trace.lap(Stage::Refine);
        let answer = self.rescore(walk, exact, query, scratch);
        trace.lap(Stage::Rescore);
        answer
    }

    /// Refines what a walk found, and asks for the rows of the best.
    fn refine(&self, walk: &graph::Walk<'_>, query: &codes::Query, scratch: &mut Scratch) {
        self.segment.fetch_refined(scratch.beam());
        walk.refine(query, Depth::Best(self.wanted), scratch);
        let likely = self.wanted + (self.wanted / 4).max(16);
        self.segment.fetch_originals(scratch.refined.iter().take(likely).map(|c| c.slot()));
        scratch.refined.iter().take(AHEAD).for_each(|candidate| self.ask(*candidate));
    }

    /// Asks for the row of a candidate.
    fn ask(&self, candidate: Candidate) {
        exact::Query::prefetch(self.rows, candidate.slot());
    }

    /// Compares the best of what was refined exactly, the best first.
    fn rescore(
        &self,
        walk: &graph::Walk<'_>,
        exact: &exact::Query,
        query: &codes::Query,
        scratch: &Scratch,
    ) -> Answer<'a> {
        let mut top = Top::new(self.k, self.ids);
        let mut counters = scratch.counters;
        // A row that is not to be compared is not asked for: it costs as much as one that is.
        let last = scratch
            .refined
            .get(self.wanted.saturating_sub(1))
            .map_or(f32::NEG_INFINITY, |c| c.score());
        let mut worst_in_doubt = f64::NEG_INFINITY;
        for (position, candidate) in scratch.refined.iter().enumerate() {
            let fields = walk.fields(candidate.slot());
            let doubt = DOUBT * query.error(&fields);
            if f64::from(candidate.score() + doubt) < worst_in_doubt {
                break;
            }
            if let Some(next) = scratch.refined.get(position + AHEAD)
                && next.score() + 2.0 * doubt >= last
            {
                self.ask(*next);
            }
            counters.rows_rescored += 1;
            let similarity = exact.similarity(self.rows, candidate.slot());
            let twins = candidate.slot()..=candidate.slot().saturating_add(fields.twins);
            for slot in twins.take_while(|slot| (*slot as usize) < self.rows.rows()) {
                if self.eligible.contains(slot) {
                    top.push(Hit { score: similarity, similarity, slot });
                }
            }
            if top.is_full() {
                top.cut();
                worst_in_doubt = top.threshold();
            }
        }
        (top, counters)
    }
}

/// The queries of a batch.
struct Batch<'s, 'a> {
    beam: Beam,
    search: &'s Walk<'a>,
    walk: &'s graph::Walk<'a>,
    asked: &'s [Asked<'s>],
    answers: &'s mut [Answer<'a>],
}

impl Jobs for Batch<'_, '_> {
    fn start(&mut self, job: usize, query: &mut codes::Query) -> Beam {
        query.prepare(self.search.index.quantizer, self.asked[job].0);
        self.beam
    }

    fn refine(&mut self, query: &codes::Query, scratch: &mut Scratch) {
        self.search.refine(self.walk, query, scratch);
    }

    fn finish(&mut self, job: usize, query: &codes::Query, scratch: &mut Scratch) {
        self.answers[job] = self.search.rescore(self.walk, self.asked[job].1, query, scratch);
    }
}

//! Approximate search by final scores, with at most so many results of a group.
//!
//! Two sources: what is near (a walk to eligible nodes, or all codes), and the *band* of those
//! points to which most is added, whatever they are like. What is in neither is less similar than
//! what the walk knows and gets no more than the band's last: the band goes on until that can't be
//! among the results.

use super::band::Band;
use super::cap::Capped;
use super::eligible::Eligible;
use super::ranked::{Order, Ranked};
use super::score::Scorer;
use super::top::{Hit, better};
use super::trace::{Note, Trace};
use super::walk::{Asked, WalkScratch};
use super::way::{Choice, Target};
use crate::codes::Query;
use crate::explain::{PlanKind, Stage};
use crate::graph::IndexView;
use crate::graph::filtered::{Judge, Nearest, Wanted};
use crate::graph::hop::{Lane, Scratch};
use crate::graph::refine::Depth;
use crate::graph::search::Walk;
use crate::kernels::candidate::Candidate;
use crate::kernels::exact;
use crate::originals::Originals;
use crate::results::SearchCounters;
use crate::segment::IdColumn;

/// Points of the band that are scored together, at first.
const SOME: usize = 512;
/// Points of the band that are passed over for their cluster in the time that one is scored.
const SKIPPED: usize = 8;
/// So many of the nearest are known well enough to tell how near all others are, as a share of the
/// effort of a walk.
const KNOWN: f64 = 1.5;

/// A search of one segment by final scores.
#[derive(Clone, Copy)]
pub(crate) struct Ranking<'a> {
    pub(crate) index: &'a IndexView<'a>,
    pub(crate) rows: &'a Originals<'a>,
    pub(crate) ids: IdColumn<'a>,
    pub(crate) eligible: &'a Eligible<'a>,
    pub(crate) order: Order<'a>,
    /// `None` to score the codes of all that are eligible.
    pub(crate) target: Option<Target<'a>>,
    /// The points to which most is added.
    pub(crate) band: &'a dyn Fn() -> Band<'a>,
}

/// Judges by similarity how far to go, and by final scores what to keep: of a group, less similar
/// ones may come first in the end.
struct Both<'j> {
    near: &'j mut dyn Judge,
    ranked: &'j mut dyn Judge,
}

impl Judge for Both<'_> {
    fn take(&mut self, walk: &Walk<'_>, found: &[Candidate]) {
        self.near.take(walk, found);
        self.ranked.take(walk, found);
    }

    fn last(&mut self) -> f32 {
        self.near.last()
    }
}

impl Ranking<'_> {
    /// The best, best first.
    pub(crate) fn run(
        &self,
        (vector, exact): Asked<'_>,
        scratch: &mut WalkScratch,
    ) -> (Vec<Hit>, SearchCounters) {
        let Some(walk) = self.index.walk() else { return Default::default() };
        let WalkScratch { lanes, slots, regions, trace } = scratch;
        let Lane { query, scratch, .. } = &mut lanes[0];
        query.prepare(self.index.quantizer, vector);
        scratch.counters = SearchCounters::default();
        let k = self.order.k;
        let choice = self
            .target
            .map(|target| (target, target.choose(query, (walk.gates(), regions), trace)));
        let regions_scored = choice.map_or(0, |_| regions.len() as u64);
        if let Some((target, Choice::Walk { peeks })) = choice {
            let wanted = target.wanted(peeks, regions);
            let near = self.near(&walk, query, (target, wanted), (slots, scratch));
            if let Some((mut ranked, stable)) = near {
                let hits = self.finish(&walk, (query, exact), &mut ranked, (scratch, trace));
                if hits.len() >= k {
                    scratch.counters.regions_scored += regions_scored;
                    trace.proved(stable);
                    return (hits, scratch.counters);
                }
                // Who was passed over by the cap is found again.
                scratch.counters.capped = 0;
            }
            trace.fell_back(PlanKind::Codes);
        } else {
            let count = self.eligible.count();
            trace.chose(PlanKind::Codes, || {
                format!("all {count} eligible codes by their final scores")
            });
        }
        let mut ranked = Ranked::new(self.order, self.eligible, self.keep());
        slots.clear();
        self.eligible.for_each(0..self.eligible.rows(), |slot| slots.push(slot));
        walk.scan_each(query, slots, scratch, |found| ranked.take_slots(found));
        let hits = self.finish(&walk, (query, exact), &mut ranked, (scratch, trace));
        scratch.counters.regions_scored += regions_scored;
        (hits, scratch.counters)
    }

    /// The best of what is near, and of the band, and whether they are the best of all as far as is
    /// known. `None` where it costs less to score all.
    fn near(
        &self,
        walk: &Walk<'_>,
        query: &Query,
        (target, wanted): (Target<'_>, Wanted<'_>),
        (slots, scratch): (&mut Vec<u32>, &mut Scratch),
    ) -> Option<(Ranked<'_>, bool)> {
        let mut ranked = Ranked::new(self.order, self.eligible, self.keep());
        if self.order.scorer.is_plain() {
            let sure = walk.search_for(query, target.beam, wanted, (&mut ranked, &mut *scratch));
            return sure.then_some((ranked, true));
        }
        // By similarity first: it is what the graph knows.
        let keep = self.keep().max(2 * target.effort);
        let near = if self.order.groups.is_some() {
            let plain = Scorer::default();
            let order = Order { scorer: &plain, ..self.order };
            let mut near = Ranked::new(order, self.eligible, keep);
            let both = &mut Both { near: &mut near, ranked: &mut ranked };
            if !walk.search_for(query, target.beam, wanted, (both, &mut *scratch)) {
                return None;
            }
            near.finish()
        } else {
            let mut spare = std::mem::take(&mut scratch.spare);
            let mut nearest = Nearest::all((&mut spare.0, &mut spare.1), query, self.order.k);
            let sure = walk.search_for(query, target.beam, wanted, (&mut nearest, &mut *scratch));
            nearest.finish(keep);
            let near: Vec<Candidate> = spare.0.candidates().collect();
            scratch.spare = spare;
            if !sure {
                return None;
            }
            near
        };
        let known = self.order.k.max((target.effort as f64 * KNOWN) as usize);
        // Where fewer were found, it is not known how near the rest is.
        let stable = near.len() >= known;
        let known = f64::from(near.get(known.min(near.len()).checked_sub(1)?)?.score());
        ranked.take(walk, &near);
        let mut bounds = Vec::new();
        target.regions.bounds(query, &mut bounds);
        let mut band = (self.band)();
        let (mut count, mut most) = (SOME, target.count / 4);
        // What is in neither is not among the results.
        while ranked.kth() < known + band.unseen() {
            // Those without an order come first, and may get anything.
            let added = if count == SOME { self.order.scorer.most() } else { band.unseen() };
            if !band.take(count.min(most), slots) {
                break;
            }
            let seen = slots.len();
            target.regions.keep(slots, &bounds, (ranked.kth() - added) as f32);
            let cost = slots.len() + seen / SKIPPED;
            most = most.checked_sub(cost).filter(|most| *most > 0)?;
            walk.scan_each(query, slots, scratch, |found| ranked.take_slots(found));
            ranked.at_most(band.unseen());
            count *= 2;
        }
        Some((ranked, stable))
    }

    /// Candidates kept.
    fn keep(&self) -> usize {
        let k = self.order.k;
        match self.index.meta.layout().bits {
            // A bit a component tells little.
            1 => 8 * k + 64,
            // By codes, many of a group may stand before others.
            _ if self.order.groups.is_some() => 2 * k + 64,
            _ => 3 * k / 2 + 40,
        }
    }

    /// Refines, compares exactly what may be among the results, and cuts to the cap.
    fn finish(
        &self,
        walk: &Walk<'_>,
        (query, exact): (&Query, &exact::Query),
        ranked: &mut Ranked<'_>,
        (scratch, trace): (&mut Scratch, &mut Option<Trace>),
    ) -> Vec<Hit> {
        let Order { scorer, groups, k } = self.order;
        scratch.take_slots(&ranked.finish());
        trace.lap(Stage::Search);
        walk.refine(query, Depth::All, scratch);
        trace.lap(Stage::Refine);
        let mut refined: Vec<(f64, Candidate)> = scratch
            .refined
            .iter()
            .map(|c| (scorer.score(f64::from(c.score()), c.slot()), *c))
            .collect();
        refined.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let cap = groups.map_or(usize::MAX, |(_, cap)| cap);
        let group = |slot: u32| groups.and_then(|(groups, _)| groups.of(slot));
        // By refined scores there are k, and some more for the doubt.
        let enough = k + (k / 4).max(16);
        let mut likely = Capped::new(enough, cap);
        let mut hits: Vec<Hit> = Vec::with_capacity(enough);
        for (_, candidate) in &refined {
            if likely.is_full() {
                break;
            }
            let slot = candidate.slot();
            likely.take(group(slot));
            let similarity = exact.similarity(self.rows, slot);
            hits.push(Hit { score: scorer.score(similarity, slot), similarity, slot });
        }
        scratch.counters.rows_rescored += hits.len() as u64;
        let ids = self.ids;
        hits.sort_unstable_by(|a, b| {
            better((a.score, ids.get(a.slot)), (b.score, ids.get(b.slot)))
        });
        let mut capped = Capped::new(k, cap);
        hits.retain(|hit| !capped.is_full() && capped.take(group(hit.slot)));
        scratch.counters.capped += capped.passed;
        trace.lap(Stage::Rescore);
        hits
    }
}

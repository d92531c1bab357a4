//! Approximate search of an indexed segment: walk the graph, then rescore the best refined
//! candidates from the original vectors, as far down the list as a place in the top k is in
//! doubt.

use super::eligible::Eligible;
use super::top::{Hit, Top};
use crate::codes;
use crate::graph::IndexView;
use crate::graph::refine::Depth;
use crate::graph::search::Scratch;
use crate::kernels::exact;
use crate::originals::Originals;
use crate::results::SearchCounters;

/// How many standard errors of an 8-bit score are allowed for before a candidate is given up.
const DOUBT: f32 = 4.0;

/// Buffers of a walk, reused. One a thread.
#[derive(Debug, Default)]
pub(crate) struct WalkScratch {
    query: codes::Query,
    search: Scratch,
}

/// A walk of one segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) index: &'a IndexView<'a>,
    pub(crate) vector: &'a [f32],
    /// The same vector, prepared.
    pub(crate) exact: &'a exact::Query,
    pub(crate) rows: &'a Originals<'a>,
    pub(crate) eligible: &'a Eligible<'a>,
    /// Results wanted, those that are passed over included.
    pub(crate) k: usize,
    /// Size of the beam.
    pub(crate) effort: usize,
}

impl Walk<'_> {
    /// Offers what it finds to `top`, the best candidates first.
    pub(crate) fn run(&self, top: &mut Top<'_>, scratch: &mut WalkScratch) -> SearchCounters {
        let WalkScratch { query, search } = scratch;
        let Some(walk) = self.index.walk() else { return SearchCounters::default() };
        query.prepare(self.index.quantizer, self.vector);
        search.counters = SearchCounters::default();
        walk.search(query, self.effort, search);
        walk.refine(query, Depth::Best(self.k), search);

        let mut counters = search.counters;
        let mut worst_in_doubt = f64::NEG_INFINITY;
        for (position, candidate) in search.refined.iter().enumerate() {
            let fields = walk.fields(candidate.slot());
            let doubt = DOUBT * query.error(&fields);
            if f64::from(candidate.score() + doubt) < worst_in_doubt {
                break;
            }
            if let Some(next) = search.refined.get(position + 1) {
                exact::Query::prefetch(self.rows, next.slot());
            }
            counters.rows_rescored += 1;
            let similarity = self.exact.similarity(self.rows, candidate.slot());
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
        counters
    }
}

//! Finds the eligible nodes near one query, to be refined.

use super::trace::Trace;
use super::way::{Choice, Nodes, Target};
use crate::codes;
use crate::graph::filtered::Nearest;
use crate::graph::hop::Scratch;
use crate::graph::search::Walk;
use crate::kernels::candidate::Candidate;
use crate::results::SearchCounters;

/// A query on its way, and buffers.
pub(super) struct Seek<'s, 'a> {
    pub(super) walk: &'s Walk<'a>,
    pub(super) query: &'s codes::Query,
    pub(super) slots: &'s mut Vec<u32>,
    pub(super) order: &'s mut Vec<Candidate>,
    pub(super) scratch: &'s mut Scratch,
    pub(super) trace: &'s mut Option<Trace>,
}

impl Seek<'_, '_> {
    /// Scores the codes of all eligible nodes.
    pub(super) fn all(&mut self, nodes: Nodes<'_>, width: usize) {
        self.scratch.begin_scan();
        self.walk.scan_codes(self.query, width, nodes.list(self.slots), self.scratch);
        self.scratch.end_scan(width);
    }

    /// Finds what is worth refining the cheapest way. `false` if that is to score them all. The
    /// counters are those of this, whatever comes of it.
    pub(super) fn target(&mut self, target: Target<'_>) -> bool {
        self.scratch.counters = SearchCounters::default();
        let choice = target.choose(self.query, (self.walk.gates(), self.order), self.trace);
        let regions_scored = self.order.len() as u64;
        let found = self.go(target, choice);
        self.scratch.counters.regions_scored += regions_scored;
        found
    }

    fn go(&mut self, target: Target<'_>, choice: Choice) -> bool {
        match choice {
            Choice::All => return false,
            Choice::Walk { peeks } => {
                let wanted = target.wanted(peeks, self.order);
                let mut spare = std::mem::take(&mut self.scratch.spare);
                let (pool, found) = (&mut spare.0, &mut spare.1);
                let mut nearest = Nearest::new((pool, found), self.query, target.k);
                let sure = self.walk.search_for(
                    self.query,
                    target.beam,
                    wanted,
                    (&mut nearest, &mut *self.scratch),
                );
                nearest.finish(target.kept());
                self.scratch.spare = spare;
                if !sure {
                    return false;
                }
                self.scratch.take_spare();
            }
        }
        true
    }
}

//! Finds the eligible nodes near one query, to be refined.

use super::trace::{Note, Trace};
use super::way::{Choice, Target};
use crate::bitmap::Bitmap;
use crate::codes;
use crate::explain::PlanKind;
use crate::graph::filtered::Nearest;
use crate::graph::hop::Scratch;
use crate::graph::search::Walk;
use crate::kernels::candidate::Candidate;
use crate::results::SearchCounters;

/// Codes of regions that are scored together.
const PART: usize = 1_024;

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
    pub(super) fn all(&mut self, nodes: &Bitmap, width: usize) {
        self.slots.clear();
        self.slots.extend(nodes.iter(0..u32::MAX));
        self.scratch.begin_scan();
        self.walk.scan_codes(self.query, width, self.slots, self.scratch);
        self.scratch.end_scan(width);
    }

    /// Finds what is worth refining the cheapest way. `false` if that is to score them all. The
    /// counters are those of this, whatever comes of it.
    pub(super) fn target(&mut self, target: Target<'_>) -> bool {
        self.scratch.counters = SearchCounters::default();
        let choice = target.choose(self.query, self.order, self.trace);
        let regions_scored = self.order.len() as u64;
        let found = self.go(target, choice);
        self.scratch.counters.regions_scored += regions_scored;
        found
    }

    fn go(&mut self, target: Target<'_>, choice: Choice) -> bool {
        match choice {
            Choice::All => return false,
            Choice::Part => self.part(target),
            Choice::Walk { peeks } => {
                let wanted = target.wanted(peeks);
                let mut pool = std::mem::take(&mut self.scratch.spare);
                let mut nearest = Nearest::new(&mut pool, target.k, target.width());
                let sure = self.walk.search_for(
                    self.query,
                    target.beam,
                    wanted,
                    (&mut nearest, &mut *self.scratch),
                );
                self.scratch.spare = pool;
                if sure {
                    self.scratch.take_spare();
                } else {
                    if target.share >= 1.0 {
                        return false;
                    }
                    let mut before = self.scratch.counters;
                    target.regions.score(self.query, self.order);
                    before.regions_scored += self.order.len() as u64;
                    self.order.sort_unstable();
                    self.trace.fell_back(PlanKind::Regions);
                    self.part(target);
                    self.scratch.counters.add(&before);
                }
            }
        }
        true
    }

    /// Scores the codes of the eligible nodes of the nearest regions.
    fn part(&mut self, target: Target<'_>) {
        let most = (target.count as f64 * target.share) as usize;
        let mut scanned = 0;
        let mut regions = self.order.iter();
        self.scratch.begin_scan();
        while scanned < most {
            self.slots.clear();
            while self.slots.len() < PART
                && let Some(region) = regions.next()
            {
                let region = target.regions.slots(region.slot());
                self.slots.extend(target.nodes.iter(region));
            }
            if self.slots.is_empty() {
                break;
            }
            scanned += self.slots.len();
            self.walk.scan_codes(self.query, target.width(), self.slots, self.scratch);
        }
        self.scratch.end_scan(target.width());
    }
}

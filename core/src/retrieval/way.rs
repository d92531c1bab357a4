//! Which way a segment is searched: the cheapest that promises the recall asked for.
//!
//! | way | what it costs | when |
//! | --- | --- | --- |
//! | through | a walk | nearly every slot is eligible |
//! | all | a code for every eligible node | few are |
//! | part | the same for the regions nearest to the query | some are, but few of them near the query |
//! | walk | a walk, and peeks for every eligible node that is found | else |

use super::trace::{Note, Trace, us};
use crate::bitmap::Bitmap;
use crate::codes;
use crate::explain::PlanKind;
use crate::graph::filtered::Wanted;
use crate::graph::hop::Beam;
use crate::graph::regions::Regions;
use crate::kernels::candidate::Candidate;

/// What things cost, in nanoseconds, on the machine of `benches/LOG.md`: only their ratios count.
const CODE: f64 = 11.0;
const HOP: f64 = 700.0;
const PEEK: f64 = 60.0;
/// All codes are scored for so many times the price of the other ways: that misses nothing.
const ALL: f64 = 1.3;
/// Peeks a node that is as near as the results wanted.
const PEEKS: f64 = 1.5;
/// A walk sees so many nodes around the query for each that it expands.
const SEEN: f64 = 15.0;
/// Regions near the query that say how many of the nodes there are eligible.
const NEAREST: usize = 8;

/// A way through an indexed segment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    /// A walk of the whole graph; what is not eligible is dropped from what it found.
    Through(Beam),
    /// The codes of all eligible nodes, so many of the best refined.
    All { nodes: &'a Bitmap, width: usize },
    /// To eligible nodes, for each query as is best.
    To(Target<'a>),
}

/// Eligible nodes of a segment and what is wanted of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Nodes that stand for eligible slots, see [`nodes`], and their number.
    pub(crate) nodes: &'a Bitmap,
    pub(crate) count: usize,
    pub(crate) regions: &'a Regions,
    /// Results.
    pub(crate) k: usize,
    /// Of a walk.
    pub(crate) beam: Beam,
    pub(crate) effort: usize,
    pub(crate) reach: f32,
    /// Share of the eligible nodes that holds the results, taken from the nearest regions on.
    pub(crate) share: f64,
}

/// The way of one query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Choice {
    All,
    /// The regions were put in order.
    Part,
    Walk {
        /// At most.
        peeks: usize,
    },
}

impl Target<'_> {
    /// How many of the best codes are refined at most.
    pub(crate) fn width(&self) -> usize {
        8 * self.k + 64
    }

    fn rows(&self) -> usize {
        self.nodes.slots() as usize
    }

    /// The same as a walk takes it.
    pub(crate) fn wanted(&self, peeks: usize) -> Wanted<'_> {
        Wanted { eligible: self.nodes.words(), reach: self.reach, peeks }
    }

    /// Chooses; `order` becomes the regions by their scores, or empty if they are not needed.
    pub(crate) fn choose(
        &self,
        query: &codes::Query,
        order: &mut Vec<Candidate>,
        trace: &mut Option<Trace>,
    ) -> Choice {
        order.clear();
        let all = self.count as f64 * CODE;
        let hops = self.effort as f64 * HOP;
        if all <= ALL * hops {
            trace.chose(PlanKind::Codes, || {
                let (count, all, hops) = (self.count, us(all), us(hops));
                format!("all {count} eligible codes: about {all}; a walk: {hops} and more")
            });
            return Choice::All;
        }
        let seen = self.effort as f64 * SEEN;
        if self.count * 4 >= self.rows() {
            trace.chose(PlanKind::FilteredGraph, || {
                format!("{} of {} slots are eligible", self.count, self.rows())
            });
            return Choice::Walk { peeks: (2.0 * seen) as usize };
        }
        self.regions.score(query, order);
        if order.len() > NEAREST {
            order.select_nth_unstable(NEAREST);
        }
        let (mut near, mut eligible) = (0, 0);
        for region in order.iter().take(NEAREST) {
            let slots = self.regions.slots(region.slot());
            near += slots.len();
            eligible += self.nodes.count_in(slots);
        }
        // Nodes that are as near as the k-th result.
        let rank = (self.k * near) as f64 / (eligible as f64).max(0.5);
        let walk = if rank <= seen { hops + rank * PEEKS * PEEK } else { f64::INFINITY };
        let part = all * self.share;
        let estimates = || {
            let (walk, part) = (us(walk), us(part));
            format!(
                "of {near} slots near the query {eligible} are eligible; a walk: about {walk}, the \
                 nearest regions: {part}"
            )
        };
        let kind = match self.share {
            _ if walk <= part => PlanKind::FilteredGraph,
            share if share < 1.0 => PlanKind::Regions,
            _ => PlanKind::Codes,
        };
        trace.chose(kind, estimates);
        if walk <= part {
            Choice::Walk { peeks: (2.0 * seen) as usize }
        } else if self.share < 1.0 {
            order.sort_unstable();
            Choice::Part
        } else {
            Choice::All
        }
    }
}

/// Nodes that stand for eligible slots: a node with twins does if any of them is eligible, and
/// twins don't.
pub(crate) fn nodes(slots: &Bitmap, regions: &Regions) -> Bitmap {
    let mut nodes = slots.clone();
    for (node, twins) in regions.twins() {
        let group = *node..node.saturating_add(*twins).saturating_add(1);
        let any = slots.iter(group.clone()).next().is_some();
        group.for_each(|slot| nodes.set(slot, any && slot == *node));
    }
    nodes
}

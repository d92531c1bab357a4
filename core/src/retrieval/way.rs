//! Which way a segment is searched: the cheapest that promises the recall asked for.
//!
//! | way | what it costs | when |
//! | --- | --- | --- |
//! | through | a walk | nearly every slot is eligible |
//! | all | a code for every eligible node | few are |
//! | walk | a walk, codes of the nearest regions where few are eligible near the query, and peeks | else |

use std::sync::OnceLock;

use super::trace::{Note, Trace, us};
use crate::bitmap::Bitmap;
use crate::codes;
use crate::explain::PlanKind;
use crate::graph::filtered::{Near, Wanted};
use crate::graph::hop::Beam;
use crate::graph::regions::Regions;
use crate::kernels::candidate::Candidate;

/// What things cost, in nanoseconds, on the machine of `benches/LOG.md`: only their ratios count.
const CODE: f64 = 12.0;
const HOP: f64 = 450.0;
const PEEK: f64 = 150.0;
/// All codes are scored for so many times the price of a walk: that misses nothing.
const MISSES: f64 = 1.2;
/// Peeks a node that is as near as the results wanted.
const PEEKS: f64 = 1.5;
/// Peeks at most, for each node that a walk expands.
const SEEN: f64 = 11.0;
/// Regions near the query that say how many of the nodes there are eligible.
const NEAREST: usize = 8;
/// Slots on either side of a node that do so too.
const BESIDE: u32 = 128;
/// A last result is far, so that a walk sees too little there, if so many times as many nodes are
/// nearer as would be if those eligible were anywhere; and so many at least.
const FARTHER: usize = 3;
const FAR: usize = 50;
/// Codes of the nearest regions that are scored then; so many more for each node that is nearer,
/// and at most.
const NEAR: usize = 2_500;
const NEAR_EACH: usize = 3;
const NEAR_MOST: usize = 7_000;

/// Nodes are few if they are at most one in so many.
const FEW: usize = 8;

/// A way through an indexed segment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    /// A walk of the whole graph; what is not eligible is dropped from what it found.
    Through(Beam),
    /// The codes of all eligible nodes, so many of the best refined.
    All { nodes: Nodes<'a>, width: usize },
    /// To eligible nodes, for each query as is best.
    To(Target<'a>),
}

/// Some nodes, and the same one by one if they are few: listed when that is first asked for, as
/// that takes half as long as to score them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nodes<'a> {
    pub(crate) set: &'a Bitmap,
    pub(crate) listed: &'a OnceLock<Box<[u32]>>,
}

impl<'a> Nodes<'a> {
    /// All of them, ascending.
    pub(crate) fn list<'b>(self, spare: &'b mut Vec<u32>) -> &'b [u32]
    where
        'a: 'b,
    {
        if let Some(listed) = self.listed.get() {
            return listed;
        }
        spare.clear();
        self.set.list(spare);
        if spare.len() > self.set.slots() as usize / FEW {
            return spare;
        }
        self.listed.get_or_init(|| spare.as_slice().into())
    }
}

/// Eligible nodes of a segment and what is wanted of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Nodes that stand for eligible slots, see [`nodes`], and their number.
    pub(crate) nodes: Nodes<'a>,
    pub(crate) count: usize,
    pub(crate) regions: &'a Regions,
    /// Results.
    pub(crate) k: usize,
    /// Of a walk.
    pub(crate) beam: Beam,
    pub(crate) effort: usize,
    pub(crate) reach: f32,
}

/// The way of one query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Choice {
    All,
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
        self.nodes.set.slots() as usize
    }

    /// How many a walk keeps: what is far is hard to tell apart by codes.
    pub(crate) fn kept(&self) -> usize {
        2 * self.width()
    }

    /// The same as a walk takes it; `order` are the regions, the nearest first, if they are known.
    pub(crate) fn wanted<'w>(&'w self, peeks: usize, order: &'w [Candidate]) -> Wanted<'w> {
        let near = Near { regions: self.regions, order, codes: near, far: self.far() };
        Wanted { eligible: self.nodes.set.words(), reach: self.reach, peeks, near }
    }

    /// What it costs to score all that are eligible.
    fn all(&self) -> f64 {
        self.count as f64 * CODE
    }

    /// How many nodes are nearer than the last result where that is far.
    fn far(&self) -> usize {
        FAR.max(FARTHER * self.k * self.rows() / self.count.max(1))
    }

    /// What it costs to walk to a last result that is the `rank`-th nearest of all nodes.
    fn walk(&self, rank: f64) -> f64 {
        let effort = self.effort as f64;
        let peeks = (rank * PEEKS).min(effort * SEEN);
        let codes = if rank < self.far() as f64 { 0 } else { near(rank as usize) };
        effort * HOP + peeks * PEEK + codes as f64 * CODE
    }

    /// Whether all are scored, whatever the query is.
    pub(crate) fn scans(&self) -> bool {
        self.all() <= MISSES * self.walk(self.k as f64)
    }

    /// Chooses; `order` becomes the regions, the nearest first, or empty if they are not needed.
    pub(crate) fn choose(
        &self,
        query: &codes::Query,
        (gates, order): (&[u32], &mut Vec<Candidate>),
        trace: &mut Option<Trace>,
    ) -> Choice {
        order.clear();
        let (all, least) = (self.all(), self.walk(self.k as f64));
        if self.scans() {
            trace.chose(PlanKind::Codes, || {
                let (count, all, least) = (self.count, us(all), us(least));
                format!("all {count} eligible codes: about {all}; a walk: {least} and more")
            });
            return Choice::All;
        }
        let peeks = (self.effort as f64 * SEEN) as usize;
        if self.count * 4 >= self.rows() {
            trace.chose(PlanKind::FilteredGraph, || {
                format!("{} of {} slots are eligible", self.count, self.rows())
            });
            return Choice::Walk { peeks };
        }
        let (mut near, mut eligible) = (0, 0);
        let mut look = |slots: std::ops::Range<u32>| {
            near += slots.len();
            eligible += self.nodes.set.count_in(slots);
        };
        if gates.is_empty() {
            self.regions.nearest(query, order);
            let nearest = order.iter().take(NEAREST);
            nearest.for_each(|region| look(self.regions.slots(region.slot())));
        } else {
            // Beside the nodes that a walk begins at: slots are in cluster order.
            for gate in query.nearest.iter().filter_map(|cluster| gates.get(*cluster as usize)) {
                let end = gate.saturating_add(BESIDE).min(self.rows() as u32);
                look(gate.saturating_sub(BESIDE)..end);
            }
        }
        // Nodes that are as near as the k-th result.
        let rank = (self.k * near) as f64 / (eligible as f64).max(0.5);
        let walk = self.walk(rank);
        let scans = all <= MISSES * walk;
        trace.chose(if scans { PlanKind::Codes } else { PlanKind::FilteredGraph }, || {
            let (walk, all) = (us(walk), us(all));
            format!(
                "of {near} slots near the query {eligible} are eligible; a walk: about {walk}, all \
                 {} eligible codes: {all}",
                self.count
            )
        });
        if scans { Choice::All } else { Choice::Walk { peeks } }
    }
}

/// Codes of the nearest regions to score where the last result is the `rank`-th nearest node, and far.
fn near(rank: usize) -> usize {
    NEAR_MOST.min(NEAR + NEAR_EACH * rank)
}

/// Nodes that stand for eligible slots: a node with twins does if any of them is eligible, and
/// twins don't.
pub(crate) fn nodes(slots: &Bitmap, regions: &Regions) -> Bitmap {
    let mut nodes = slots.clone();
    regions.twins().iter().for_each(|group| stand(&mut nodes, slots, *group));
    nodes
}

/// The same after a change of one slot.
pub(crate) fn renew(nodes: &mut Bitmap, slots: &Bitmap, slot: u32, regions: &Regions) {
    let twins = regions.twins();
    let group = twins.partition_point(|(node, _)| *node <= slot).checked_sub(1);
    match group.and_then(|at| twins.get(at)) {
        Some((node, count)) if slot - node <= *count => stand(nodes, slots, (*node, *count)),
        _ => nodes.set(slot, slots.contains(slot)),
    }
}

fn stand(nodes: &mut Bitmap, slots: &Bitmap, (node, twins): (u32, u32)) {
    let group = node..node.saturating_add(twins).saturating_add(1);
    let any = slots.count_in(group.clone()) > 0;
    group.for_each(|slot| nodes.set(slot, any && slot == node));
}

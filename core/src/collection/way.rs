//! How a segment is searched for a request: which way, how far.

use super::filters::Passing;
use super::search::SegmentSearch;
use crate::config::Effort;
use crate::curve::Curve;
use crate::explain::PlanKind;
use crate::graph::IndexView;
use crate::graph::hop::Beam;
use crate::retrieval::{Eligible, Note, Target, Trace, Way};
use crate::types::EFFORT_MAX;

/// Fewer eligible rows than this, and not many more than are wanted, are compared one by one.
const FEW: usize = 32;
/// Codes that are refined beyond twice the hits wanted, where rows are not indexed.
const FLAT_MORE: usize = 48;
/// How far a walk to eligible nodes looks around, as a share of how far one through all goes on.
const PEEK_SHARE: f32 = 0.7;
/// How far to look where nothing says it.
const PEEK_REACH: f32 = 1.25;

impl<'a> SegmentSearch<'a> {
    /// The way, and how many results to look for; `None` to compare every eligible row.
    pub(super) fn way(&self, eligible: &Eligible<'_>) -> Option<(IndexView<'a>, Way<'a>, usize)> {
        let request = self.plan.request;
        let k = self.k;
        let count = eligible.count();
        if request.effort == Effort::Exact || !self.plan.is_plain() || self.are_few(eligible) {
            return None;
        }
        let segment = &self.handle.segment;
        let wanted = k + self.part.excluded.len();
        let Some((index, curve)) = segment.index().zip(self.handle.curve()) else {
            let way = match &self.part.passing {
                Some(passing) => Way::All { nodes: passing.all_nodes(), width: self.width(k) },
                None => Way::Through(Beam::whole(self.width(wanted))),
            };
            return Some((segment.flat()?, way, wanted));
        };
        let effort = match request.effort {
            Effort::Exact => return None,
            Effort::Ef(ef) => ef.max(wanted),
            Effort::Recall(recall) => curve.effort(wanted - k + self.aim, recall).max(wanted),
        };
        let Some(passing) = &self.part.passing else {
            // A beam of a good part of the segment costs more than the scan.
            let most = (count / 4).min(EFFORT_MAX);
            let beam = Beam::of(effort, curve.rank(wanted), curve.reach(wanted, effort));
            return (effort <= most).then_some((index, Way::Through(beam), wanted));
        };
        Some((index, Way::To(self.target(passing)?), k))
    }

    /// Why every eligible row is compared.
    pub(super) fn why_exact(&self, eligible: &Eligible<'_>) -> String {
        let count = eligible.count();
        match self.plan.request.effort {
            Effort::Exact => "asked for".to_owned(),
            _ if self.are_few(eligible) => format!("only {count} points are eligible"),
            _ if self.handle.segment.index().is_some() => {
                format!("a beam this wide costs more than comparing {count} points")
            }
            _ => "the segment has no codes".to_owned(),
        }
    }

    /// Notes a way that is the same for every query.
    pub(super) fn note_way(
        &self,
        way: &Way<'_>,
        eligible: &Eligible<'_>,
        trace: &mut Option<Trace>,
    ) {
        let (count, left_out) = (eligible.count(), self.part.excluded.len());
        match way {
            Way::Through(_) if self.handle.segment.index().is_some() => {
                trace.chose(PlanKind::Graph, || match left_out {
                    0 => "every point is eligible".to_owned(),
                    n => format!("every point but {n} is eligible"),
                });
            }
            Way::Through(_) | Way::All { .. } => {
                trace.chose(PlanKind::Codes, || {
                    format!("the segment has no graph; {count} points are eligible")
                });
            }
            // Chosen for each query.
            Way::To(_) => {}
        }
    }

    /// The eligible nodes of an indexed segment, and how far to look for them.
    pub(super) fn target(&self, passing: &'a Passing) -> Option<Target<'a>> {
        let (request, curve) = (self.plan.request, self.handle.curve()?);
        let k = self.k;
        let effort = match request.effort {
            Effort::Exact => return None,
            Effort::Ef(ef) => ef.max(k),
            Effort::Recall(recall) => curve.effort(k, recall),
        };
        let effort = self.beside_the_dead(effort);
        let regions = self.handle.segment.regions()?;
        Some(Target {
            nodes: passing.nodes(regions),
            count: passing.count as usize,
            regions,
            k,
            beam: Beam::of(effort, curve.rank(k), curve.reach(k, effort)),
            effort,
            reach: peek_reach(curve, k, effort),
        })
    }

    /// The effort that finds among some dead points what this one would find without them.
    fn beside_the_dead(&self, effort: usize) -> usize {
        let rows = self.handle.segment.rows().max(1) as usize;
        let dead = rows - (self.handle.alive() as usize).min(rows);
        (effort + effort * dead / (2 * rows)).min(EFFORT_MAX)
    }

    /// Whether so few are eligible that they are compared one by one.
    pub(super) fn are_few(&self, eligible: &Eligible<'_>) -> bool {
        let k = self.k;
        eligible.count() <= FEW.max(k + k / 4)
    }

    /// How many of the best codes to refine where there is no graph.
    fn width(&self, k: usize) -> usize {
        match self.plan.request.effort {
            Effort::Exact => k,
            Effort::Ef(ef) => ef.max(2 * k + FLAT_MORE),
            Effort::Recall(recall) if recall > 0.98 => 3 * k + 4 * FLAT_MORE,
            Effort::Recall(_) => 2 * k + FLAT_MORE,
        }
    }
}

fn peek_reach(curve: &Curve, k: usize, effort: usize) -> f32 {
    let reach = curve.reach(k, effort);
    if reach.is_finite() { 1.0 + PEEK_SHARE * (reach - 1.0) } else { PEEK_REACH }
}

//! What is told of a search that is asked to explain itself: one account a query, put together from
//! those of the segments.

use std::time::Duration;

use super::SegmentHandle;
use super::plan::{Plan, SegmentPlan};
use crate::explain::{Eligibility, Explain, PlanKind, SegmentExplain, Stage, Stages};
use crate::manifest::SegmentRecord;
use crate::results::SearchCounters;
use crate::retrieval::Trace;

/// What answering a query took.
#[derive(Debug, Clone, Default)]
pub(super) struct Took {
    pub(super) counters: SearchCounters,
    /// Where the request wants to be explained.
    pub(super) explain: Option<Box<Explain>>,
}

impl Took {
    /// Nothing yet.
    pub(super) fn begin(plan: &Plan<'_>) -> Self {
        Self { counters: SearchCounters::default(), explain: begin(plan).map(Box::new) }
    }

    /// One segment more.
    pub(super) fn add(&mut self, counters: &SearchCounters, segment: Option<SegmentExplain>) {
        self.counters.add(counters);
        if let Some((explain, segment)) = self.explain.as_mut().zip(segment) {
            explain.stages.add_all(&segment.stages);
            explain.segments.push(segment);
        }
    }

    /// The lists of one interest.
    pub(super) fn add_interest(&mut self, other: Self, interest: usize) {
        self.counters.add(&other.counters);
        if let Some((explain, other)) = self.explain.as_mut().zip(other.explain) {
            for stage in [Stage::Search, Stage::Refine, Stage::Rescore, Stage::Merge] {
                explain.stages.add(stage, other.stages.get(stage));
            }
            let of = |segment| SegmentExplain { interest: Some(interest), ..segment };
            explain.segments.extend(other.segments.into_iter().map(of));
        }
    }

    /// A stage took so long.
    pub(super) fn spent(&mut self, stage: Stage, time: Duration) {
        if let Some(explain) = &mut self.explain {
            explain.stages.add(stage, time);
        }
    }

    /// The whole account, if it is wanted.
    pub(super) fn finish(self) -> Option<Explain> {
        let mut explain = *self.explain?;
        explain.counters = self.counters;
        let most = explain.segments.iter().rev().max_by_key(|s| s.eligible.cardinality());
        if let Some(segment) = most {
            (explain.plan, explain.why) = (segment.plan, segment.why.clone());
        }
        explain.fallback = explain.segments.iter().rev().find_map(|segment| segment.fallback);
        explain.stable = explain
            .stable
            .and(Some(explain.segments.iter().all(|segment| segment.stable != Some(false))));
        Some(explain)
    }
}

fn begin(plan: &Plan<'_>) -> Option<Explain> {
    if !plan.request.explain {
        return None;
    }
    let mut eligible = Eligibility::default();
    for (handle, part) in plan.view.segments.iter().zip(&plan.segments) {
        eligible.add(&part.eligibility(handle));
    }
    let mut stages = Stages::default();
    stages.add(Stage::Prepare, plan.prepared);
    let why = "the collection has no points".to_owned();
    Some(Explain {
        plan: PlanKind::Nothing,
        why,
        fallback: None,
        stable: (plan.request.decay.is_some() || !plan.request.boosts.is_empty()).then_some(true),
        eligible,
        counters: SearchCounters::default(),
        stages,
        segments: Vec::new(),
    })
}

impl SegmentPlan<'_> {
    /// Who can be a result, and why others can't.
    pub(super) fn eligibility(&self, handle: &SegmentHandle) -> Eligibility {
        let points = u64::from(handle.alive());
        let passing = u64::from(self.unfiltered);
        let left = match &self.passing {
            Some(eligible) => u64::from(eligible.count),
            None => passing - self.excluded.len() as u64,
        };
        let left = left - u64::from(self.named).min(left);
        Eligibility { points, filtered: points - passing, excluded: passing - left }
    }

    /// How this segment was searched.
    pub(super) fn explain(
        &self,
        handle: &SegmentHandle,
        (trace, counters): (Trace, SearchCounters),
    ) -> SegmentExplain {
        SegmentExplain {
            name: handle.record().map_or_else(|| "(growing)".to_owned(), SegmentRecord::file),
            rows: u64::from(handle.segment.rows()),
            interest: None,
            eligible: self.eligibility(handle),
            plan: trace.plan,
            why: trace.why,
            fallback: trace.fallback,
            stable: (!self.scorer.is_plain()).then_some(trace.stable),
            counters,
            stages: trace.stages,
        }
    }
}

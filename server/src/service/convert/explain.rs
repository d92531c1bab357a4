//! How queries were answered, as messages.

use std::collections::HashMap;

use nearfield::{Eligibility, Explain, PlanKind, SearchCounters, SegmentExplain, Stages};

use crate::v1;

/// What is told of one query.
pub fn explain(told: &Explain) -> v1::Explain {
    let Explain { plan, ref why, fallback, stable, ref eligible, ref counters, ref stages, .. } =
        *told;
    let way = way((plan, why, fallback, stable), eligible, counters, stages);
    v1::Explain { way: Some(way), segments: told.segments.iter().map(segment).collect() }
}

fn segment(told: &SegmentExplain) -> v1::SegmentExplain {
    let chosen = (told.plan, told.why.as_str(), told.fallback, told.stable);
    v1::SegmentExplain {
        name: told.name.clone(),
        rows: told.rows,
        interest: told.interest.map(|interest| interest as u32),
        way: Some(way(chosen, &told.eligible, &told.counters, &told.stages)),
    }
}

fn way(
    (plan, why, fallback, stable): (PlanKind, &str, Option<PlanKind>, Option<bool>),
    eligible: &Eligibility,
    counters: &SearchCounters,
    stages: &Stages,
) -> v1::Way {
    let us = |time: std::time::Duration| time.as_secs_f64() * 1e6;
    let mut microseconds: HashMap<String, f64> =
        stages.iter().map(|(stage, time)| (stage.name().to_owned(), us(time))).collect();
    microseconds.insert("total".to_owned(), us(stages.total()));
    v1::Way {
        plan: plan.name().to_owned(),
        why: why.to_owned(),
        fallback: fallback.map(|plan| plan.name().to_owned()),
        stable,
        points: eligible.points,
        cardinality: eligible.cardinality(),
        skipped_by_filter: eligible.filtered,
        skipped_by_exclusion: eligible.excluded,
        skipped_by_cap: counters.capped,
        hops: counters.hops,
        peeks: counters.peeks,
        regions_scored: counters.regions_scored,
        codes_scored: counters.codes_scored,
        rows_refined: counters.rows_refined,
        rows_rescored: counters.rows_rescored,
        microseconds,
    }
}

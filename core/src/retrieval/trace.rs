//! Notes how a segment is searched for one query, where the caller wants to be told; nothing is
//! noted, and no clock read, elsewhere.

use std::time::{Duration, Instant};

use crate::explain::{PlanKind, Stage, Stages};

/// How a segment was searched, so far.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) plan: PlanKind,
    pub(crate) why: String,
    pub(crate) fallback: Option<PlanKind>,
    /// Of a search by final scores, whether nothing else can be among the best.
    pub(crate) stable: bool,
    pub(crate) stages: Stages,
    /// When the stage at hand began.
    since: Instant,
}

impl Trace {
    /// Starts the clock.
    pub(crate) fn new() -> Self {
        Self {
            plan: PlanKind::Nothing,
            why: String::new(),
            fallback: None,
            stable: true,
            stages: Stages::default(),
            since: Instant::now(),
        }
    }

    /// This stage took the time since the last one ended.
    pub(crate) fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.stages.add(stage, now.saturating_duration_since(self.since));
        self.since = now;
    }
}

/// Where a trace is kept, or none.
pub(crate) trait Note {
    /// Notes the way that was chosen, and why.
    fn chose(&mut self, plan: PlanKind, why: impl FnOnce() -> String);
    /// Notes another way that was gone because the first did not fill the list.
    fn fell_back(&mut self, plan: PlanKind);
    /// Notes whether nothing else can be among the best by final scores.
    fn proved(&mut self, stable: bool);
    /// Notes the end of a stage.
    fn lap(&mut self, stage: Stage);
}

impl Note for Option<Trace> {
    fn chose(&mut self, plan: PlanKind, why: impl FnOnce() -> String) {
        if let Some(trace) = self {
            (trace.plan, trace.why) = (plan, why());
        }
    }

    fn fell_back(&mut self, plan: PlanKind) {
        if let Some(trace) = self {
            trace.fallback = Some(plan);
        }
    }

    fn proved(&mut self, stable: bool) {
        if let Some(trace) = self {
            trace.stable = stable;
        }
    }

    fn lap(&mut self, stage: Stage) {
        if let Some(trace) = self {
            trace.lap(stage);
        }
    }
}

/// Microseconds, for texts.
pub(crate) fn us(nanoseconds: f64) -> String {
    if nanoseconds.is_finite() {
        format!("{:.1} us", Duration::from_nanos(nanoseconds as u64).as_secs_f64() * 1e6)
    } else {
        "too long".to_owned()
    }
}

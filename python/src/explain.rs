//! How a search was answered, as dicts.

use nearfield::{Eligibility, Explain, PlanKind, SearchCounters, SegmentExplain, Stages};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What is told of one query.
pub fn query<'py>(py: Python<'py>, told: &Explain) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    way(&out, told.plan, &told.why, told.fallback)?;
    out.set_item("stable", told.stable)?;
    numbers(&out, &told.eligible, &told.counters)?;
    out.set_item("microseconds", microseconds(py, &told.stages)?)?;
    let segments = told.segments.iter().map(|of| segment(py, of));
    out.set_item("segments", segments.collect::<PyResult<Vec<_>>>()?)?;
    Ok(out)
}

fn segment<'py>(py: Python<'py>, told: &SegmentExplain) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("name", &told.name)?;
    out.set_item("rows", told.rows)?;
    if let Some(interest) = told.interest {
        out.set_item("interest", interest)?;
    }
    way(&out, told.plan, &told.why, told.fallback)?;
    out.set_item("stable", told.stable)?;
    numbers(&out, &told.eligible, &told.counters)?;
    out.set_item("microseconds", microseconds(py, &told.stages)?)?;
    Ok(out)
}

fn way(
    out: &Bound<'_, PyDict>,
    plan: PlanKind,
    why: &str,
    fallback: Option<PlanKind>,
) -> PyResult<()> {
    out.set_item("plan", plan.name())?;
    out.set_item("why", why)?;
    out.set_item("fallback", fallback.map(PlanKind::name))
}

fn numbers(
    out: &Bound<'_, PyDict>,
    eligible: &Eligibility,
    counters: &SearchCounters,
) -> PyResult<()> {
    out.set_item("points", eligible.points)?;
    out.set_item("cardinality", eligible.cardinality())?;
    out.set_item("selectivity", eligible.selectivity())?;
    for (name, count) in [
        ("skipped_by_filter", eligible.filtered),
        ("skipped_by_exclusion", eligible.excluded),
        ("skipped_by_cap", counters.capped),
        ("hops", counters.hops),
        ("peeks", counters.peeks),
        ("regions_scored", counters.regions_scored),
        ("codes_scored", counters.codes_scored),
        ("rows_refined", counters.rows_refined),
        ("rows_rescored", counters.rows_rescored),
    ] {
        out.set_item(name, count)?;
    }
    Ok(())
}

fn microseconds<'py>(py: Python<'py>, stages: &Stages) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (stage, time) in stages.iter() {
        out.set_item(stage.name(), time.as_secs_f64() * 1e6)?;
    }
    out.set_item("total", stages.total().as_secs_f64() * 1e6)?;
    Ok(out)
}

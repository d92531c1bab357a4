//! How queries were answered, as tables or as JSON.

use nearfield::{Eligibility, Explain, PlanKind, SearchCounters, SegmentExplain, Stages};
use serde_json::{Map, Value, json};

use super::Result;
use crate::output::{Layout, Output};

/// Writes what is told of each query: a few lines, and a table of the segments.
pub fn write(all: &[Explain], out: &Output) -> Result<()> {
    for (query, told) in all.iter().enumerate() {
        out.line("")?;
        let of = if all.len() > 1 { format!("query {query}: ") } else { String::new() };
        out.line(&format!("{of}plan {}: {}", told.plan.name(), told.why))?;
        out.line(&eligible(&told.eligible, told.counters.capped))?;
        if let Some(fallback) = told.fallback {
            out.line(&format!("the list was not full; finished by {}", fallback.name()))?;
        }
        if told.stable == Some(false) {
            let unsure = "not proven that nothing else scores higher: search with more effort, or \
                          --exact";
            out.line(unsure)?;
        }
        out.line(&format!("time: {}", times(&told.stages)))?;
        segments(&told.segments, out)?;
    }
    Ok(())
}

fn eligible(of: &Eligibility, capped: u64) -> String {
    let share = 100.0 * of.selectivity();
    format!(
        "{} of {} points eligible ({share:.3} %): {} skipped by the filter, {} excluded; {capped} \
         passed over by the cap",
        of.cardinality(),
        of.points,
        of.filtered,
        of.excluded
    )
}

fn times(stages: &Stages) -> String {
    let us = |time: std::time::Duration| format!("{:.0} us", time.as_secs_f64() * 1e6);
    let each = stages.iter().map(|(stage, time)| format!("{} {}", stage.name(), us(time)));
    let each: Vec<String> = each.collect();
    format!("{} in all: {}", us(stages.total()), each.join(", "))
}

fn segments(all: &[SegmentExplain], out: &Output) -> Result<()> {
    let columns = [
        ("segment", Layout::Left),
        ("eligible", Layout::Right),
        ("hops", Layout::Right),
        ("peeks", Layout::Right),
        ("codes", Layout::Right),
        ("refined", Layout::Right),
        ("rescored", Layout::Right),
        ("plan", Layout::Left),
        ("why", Layout::Flexible),
    ];
    let row = |of: &SegmentExplain| {
        let count = &of.counters;
        let name = match of.interest {
            Some(interest) => format!("{}, interest {interest}", of.name),
            None => of.name.clone(),
        };
        let plan = match of.fallback {
            Some(fallback) => format!("{}, {}", of.plan.name(), fallback.name()),
            None => of.plan.name().to_owned(),
        };
        let numbers = [
            of.eligible.cardinality(),
            count.hops,
            count.peeks,
            count.codes_scored,
            count.rows_refined,
            count.rows_rescored,
        ];
        let mut row = vec![name];
        row.extend(numbers.iter().map(ToString::to_string));
        row.extend([plan, of.why.clone()]);
        row
    };
    Ok(out.table(&columns, all.iter().map(row).collect())?)
}

/// What is told of one query.
pub fn to_json(told: &Explain) -> Value {
    let mut out = way(told.plan, &told.why, told.fallback);
    out.insert("stable".into(), json!(told.stable));
    numbers(&mut out, &told.eligible, &told.counters);
    out.insert("microseconds".into(), microseconds(&told.stages));
    out.insert("segments".into(), told.segments.iter().map(segment).collect());
    Value::Object(out)
}

fn segment(told: &SegmentExplain) -> Value {
    let mut out = way(told.plan, &told.why, told.fallback);
    out.insert("stable".into(), json!(told.stable));
    out.insert("name".into(), json!(told.name));
    out.insert("rows".into(), json!(told.rows));
    if let Some(interest) = told.interest {
        out.insert("interest".into(), json!(interest));
    }
    numbers(&mut out, &told.eligible, &told.counters);
    out.insert("microseconds".into(), microseconds(&told.stages));
    Value::Object(out)
}

fn way(plan: PlanKind, why: &str, fallback: Option<PlanKind>) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("plan".into(), json!(plan.name()));
    out.insert("why".into(), json!(why));
    out.insert("fallback".into(), json!(fallback.map(PlanKind::name)));
    out
}

fn numbers(out: &mut Map<String, Value>, eligible: &Eligibility, counters: &SearchCounters) {
    out.insert("selectivity".into(), json!(eligible.selectivity()));
    for (name, count) in [
        ("points", eligible.points),
        ("cardinality", eligible.cardinality()),
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
        out.insert(name.into(), json!(count));
    }
}

fn microseconds(stages: &Stages) -> Value {
    let us = |time: std::time::Duration| json!(time.as_secs_f64() * 1e6);
    let each = stages.iter().map(|(stage, time)| (stage.name().to_owned(), us(time)));
    let mut out: Map<String, Value> = each.collect();
    out.insert("total".into(), us(stages.total()));
    Value::Object(out)
}

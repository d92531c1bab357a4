//! Selectivity from all to one in ten thousand, by filters that go with the query, against it, or
//! neither: on the community, on a hash, and on attributes that nothing was tuned on.

use std::collections::HashMap;

use nearfield::SearchRequest;

use crate::Outcome;
use crate::data::{Data, MILLION, dot};
use crate::measure::{Bench, Figure, QUERIES};

const K: usize = 10;

/// A value of a keyword: its mean and number of points.
pub struct Value {
    name: String,
    mean: Vec<f32>,
    posts: usize,
}

pub fn values(data: &Data, column: &[String]) -> Vec<Value> {
    let mut positions: HashMap<&str, usize> = HashMap::new();
    let mut all: Vec<Value> = Vec::new();
    for (row, name) in column.iter().enumerate() {
        let at = *positions.entry(name).or_insert_with(|| {
            all.push(Value { name: name.clone(), mean: vec![0.0; data.dim], posts: 0 });
            all.len() - 1
        });
        let value = &mut all[at];
        value.posts += 1;
        value.mean.iter_mut().zip(data.row(row)).for_each(|(m, v)| *m += v);
    }
    for value in &mut all {
        let norm = dot(&value.mean, &value.mean).sqrt();
        value.mean.iter_mut().for_each(|v| *v /= norm.max(f32::MIN_POSITIVE));
    }
    all
}

/// The values nearest to a query, or farthest, that hold so large a share of the rows.
pub fn own(
    data: &Data,
    (column, all): (&str, &[Value]),
    query: &[f32],
    share: f64,
    nearest: bool,
) -> String {
    let mut order: Vec<(f32, &Value)> = all.iter().map(|c| (dot(&c.mean, query), c)).collect();
    order.sort_by(|a, b| if nearest { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    let wanted = share * data.rows() as f64;
    let (mut posts, mut names) = (0, Vec::new());
    for (_, value) in order {
        posts += value.posts;
        names.push(format!("'{}'", value.name.replace('\'', "''")));
        if posts as f64 >= wanted {
            break;
        }
    }
    let text = format!("{column} IN ({})", names.join(","));
    if posts as f64 > 1.2 * wanted {
        // The values are larger than that.
        let below = wanted / posts as f64 * MILLION as f64;
        return format!("{text} AND shuffled < {below:.0}");
    }
    text
}

/// A filter by name, for a query and a share.
type Filter<'a> = (&'static str, Box<dyn Fn(&[f32], f64) -> String + 'a>);

pub fn run(bench: &Bench) -> Outcome {
    let data = &bench.data;
    let all = values(data, &data.communities);
    let filters: [Filter<'_>; 3] = [
        ("correlated", Box::new(|q, s| own(data, ("community", &all), q, s, true))),
        ("uncorrelated", Box::new(|_, s| format!("shuffled < {:.0}", s * MILLION as f64))),
        ("anti-correlated", Box::new(|q, s| own(data, ("community", &all), q, s, false))),
    ];
    sweep(bench, &filters)
}

/// The same on other attributes.
pub fn others(bench: &Bench) -> Outcome {
    let data = &bench.data;
    let all = values(data, &data.domains);
    let mut scores = data.scores.clone();
    scores.sort_unstable_by(|a, b| b.cmp(a));
    let mut times = data.times.clone();
    times.sort_unstable_by(|a, b| b.cmp(a));
    let mut slope = data.slope.clone();
    slope.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| ((share * data.rows() as f64) as usize).min(data.rows() - 1);
    let middle = slope[data.rows() / 2];
    let side = |q: &[f32], s: f64, with: bool| {
        let high = (dot(q, &data.direction) > middle) == with;
        let edge = if high { data.rows() - 1 - at(s) } else { at(s) };
        format!("slope {} {:.9}", if high { ">=" } else { "<=" }, slope[edge])
    };
    let filters: [Filter<'_>; 6] = [
        ("domain, correlated", Box::new(|q, s| own(data, ("domain", &all), q, s, true))),
        ("domain, anti-correlated", Box::new(|q, s| own(data, ("domain", &all), q, s, false))),
        ("slope, correlated", Box::new(|q, s| side(q, s, true))),
        ("slope, anti-correlated", Box::new(|q, s| side(q, s, false))),
        ("score", Box::new(|_, s| format!("score >= {}", scores[at(s)]))),
        ("created", Box::new(|_, s| created(times[at(s)]))),
    ];
    sweep(bench, &filters)
}

/// Created at or after this.
fn created(time_us: i64) -> String {
    let (seconds, us) = (time_us.div_euclid(1_000_000), time_us.rem_euclid(1_000_000));
    format!("created >= TIMESTAMP '1970-01-01' + INTERVAL '{seconds} seconds {us} microseconds'")
}

fn sweep(bench: &Bench, filters: &[Filter<'_>]) -> Outcome {
    let plain = SearchRequest { threads: Some(1), ..SearchRequest::new(K) };
    println!("filters: {} rows, k {K}; times in microseconds", bench.data.rows());
    Figure::head("filter, share");
    bench.measure(vec![plain.clone(); QUERIES])?.line("none");
    for (name, filter) in filters.iter().filter(|(name, _)| name.contains(&bench.only)) {
        for &share in &bench.shares {
            let request = |i: usize| {
                let text = filter(bench.data.query(i * 7), share);
                SearchRequest { filter: Some(text), ..plain.clone() }
            };
            let figure = bench.measure((0..QUERIES).map(request).collect())?;
            figure.line(&format!("{name}, {} %", share * 100.0));
        }
    }
    Ok(())
}

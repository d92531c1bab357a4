//! Exclusions, caps, decay, several interests, and batches that share a filter.

use std::time::{Duration, Instant};

use nearfield::{Cap, Decay, Effort, Ids, SearchRequest, Vectors};

use crate::Outcome;
use crate::data::hash;
use crate::measure::{Ask, Bench, Figure, QUERIES};

fn plain(k: usize) -> SearchRequest {
    SearchRequest { threads: Some(1), ..SearchRequest::new(k) }
}

/// So many ids, the same for the same `user`.
fn some(bench: &Bench, count: usize, user: usize) -> Ids {
    let rows = bench.data.rows() as u64;
    Ids::U64((0..count as u64).map(|i| hash(i ^ (user as u64) << 32) % rows).collect())
}

/// Ids given with the request, and a set; also of the points nearest to the query.
pub fn exclusions(bench: &Bench) -> Outcome {
    println!("exclusions: k 10; times in microseconds");
    Figure::head("excluded");
    for count in [100, 10_000, 100_000] {
        if bench.only.contains("near") {
            continue;
        }
        let request = |user| SearchRequest { exclude: Some(some(bench, count, user)), ..plain(10) };
        bench.measure((0..QUERIES).map(request).collect())?.line(&format!("{count} ids"));
    }
    let mut near = Vec::with_capacity(QUERIES);
    for i in 0..QUERIES {
        let query = Vectors::from_f32(bench.data.dim, bench.data.query(i * 7))?;
        // Exactly: what a search misses once it misses again.
        let exact = SearchRequest { effort: Effort::Exact, ..SearchRequest::new(100) };
        let exclude = Some(bench.collection.search(&query, &exact)?.ids);
        near.push(SearchRequest { exclude, ..plain(10) });
    }
    bench.measure(near)?.line("the nearest 100");
    if bench.only.contains("near") {
        return Ok(());
    }
    bench.collection.add_exclusions("seen", &some(bench, 100_000, 0), None)?;
    let first = SearchRequest { exclude_sets: vec!["seen".into()], ..plain(10) };
    let query = Vectors::from_f32(bench.data.dim, bench.data.query(0))?;
    let start = Instant::now();
    bench.collection.search(&query, &first)?;
    println!("first use of the set: {:.0}", start.elapsed().as_secs_f64() * 1e6);
    bench.measure(vec![first; QUERIES])?.line("a set of 100000");
    bench.collection.clear_exclusions("seen")?;
    Ok(())
}

/// At most one of a community, and freshness.
pub fn caps(bench: &Bench) -> Outcome {
    println!("caps and decay; times in microseconds");
    Figure::head("asked");
    let cap = Some(Cap { group_by: "community".into(), max_per_group: 1 });
    let request = SearchRequest { cap, ..plain(100) };
    if "cap".contains(&bench.only) {
        bench.measure(vec![request; QUERIES])?.line("one a community, k 100");
    }
    for (days, weight) in [(30, 0.05), (30, 0.3), (30, 1.0), (3, 0.3)] {
        if !format!("decay {weight}").contains(&bench.only) {
            continue;
        }
        let request = SearchRequest { decay: Some(decay(bench, days, weight)), ..plain(10) };
        bench.measure(vec![request; QUERIES])?.line(&format!("decay {days} days, {weight}, k 10"));
    }
    Ok(())
}

fn decay(bench: &Bench, days: u64, weight: f64) -> Decay {
    let origin_us = bench.data.times.iter().max().copied();
    let half_life = Duration::from_secs(86_400 * days);
    Decay { column: "created".into(), half_life, origin_us, weight }
}

/// What is asked for a user.
type Request<'a> = Box<dyn Fn(usize) -> SearchRequest + 'a>;

/// Four interests beside one, alone and with all that can be asked.
pub fn interests(bench: &Bench) -> Outcome {
    println!("four interests beside one, k 200; times in microseconds");
    Figure::head("asked");
    let all = |user| SearchRequest {
        filter: Some("shuffled < 500000".into()),
        exclude: Some(some(bench, 1_000, user)),
        cap: Some(Cap { group_by: "community".into(), max_per_group: 10 }),
        decay: Some(decay(bench, 30, 0.05)),
        ..plain(200)
    };
    let settings: [(&str, Request<'_>); 3] = [
        ("nothing else", Box::new(|_| plain(200))),
        ("a filter", Box::new(|_| SearchRequest { filter: all(0).filter, ..plain(200) })),
        ("filter, exclusions, cap, decay", Box::new(all)),
    ];
    for (name, request) in settings {
        let many: Vec<Ask> = (0..QUERIES).map(|i| Ask::Many(request(i), 4)).collect();
        let one: Vec<Ask> = (0..QUERIES).map(|i| Ask::Many(request(i), 1)).collect();
        bench.compare(&many, &one)?.line(name);
    }
    Ok(())
}

/// A batch whose queries share a filter, beside the same queries one by one; and the filter alone.
pub fn batches(bench: &Bench) -> Outcome {
    println!("batches of 1000, microseconds a query: one by one, as one batch");
    let queries: Vec<f32> = (0..1_000).flat_map(|i| bench.data.query(i)).copied().collect();
    for (name, filter) in [
        ("none", None),
        ("50 %", Some("shuffled < 500000")),
        ("3 %", Some("shuffled < 30000")),
        ("0.3 %", Some("shuffled < 3000")),
        ("newest half", Some("created > TIMESTAMP '2012-06-01'")),
    ] {
        let request = SearchRequest { filter: filter.map(Into::into), ..plain(10) };
        let mut best = [f64::INFINITY; 2];
        for _ in 0..bench.rounds {
            let start = Instant::now();
            for query in queries.chunks_exact(bench.data.dim) {
                let query = Vectors::from_f32(bench.data.dim, query)?;
                bench.collection.search(&query, &request)?;
            }
            best[0] = best[0].min(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            bench.collection.search(&Vectors::from_f32(bench.data.dim, &queries)?, &request)?;
            best[1] = best[1].min(start.elapsed().as_secs_f64() * 1e3);
        }
        println!("| {name} | {:.1} | {:.1} | {:.2} |", best[0], best[1], best[1] / best[0]);
    }
    Ok(())
}

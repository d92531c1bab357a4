//! Selectivity from all to one in ten thousand, three kinds of filters.

use std::collections::HashMap;

use nearfield::SearchRequest;

use crate::Outcome;
use crate::data::{Data, MILLION};
use crate::measure::{Bench, Figure, QUERIES};

const K: usize = 10;

/// A community: its name, mean and size.
pub struct Community {
    name: String,
    mean: Vec<f32>,
    posts: usize,
}

pub fn communities(data: &Data) -> Vec<Community> {
    let mut positions: HashMap<&str, usize> = HashMap::new();
    let mut all: Vec<Community> = Vec::new();
    for (row, name) in data.communities.iter().enumerate() {
        let at = *positions.entry(name).or_insert_with(|| {
            all.push(Community { name: name.clone(), mean: vec![0.0; data.dim], posts: 0 });
            all.len() - 1
        });
        let community = &mut all[at];
        community.posts += 1;
        community.mean.iter_mut().zip(data.row(row)).for_each(|(m, v)| *m += v);
    }
    for community in &mut all {
        let norm = community.mean.iter().map(|v| v * v).sum::<f32>().sqrt();
        community.mean.iter_mut().for_each(|v| *v /= norm.max(f32::MIN_POSITIVE));
    }
    all
}

/// The communities nearest to a query, or farthest, that hold so large a share of the rows.
pub fn own(data: &Data, all: &[Community], query: &[f32], share: f64, nearest: bool) -> String {
    let similarity = |c: &Community| c.mean.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
    let mut order: Vec<(f32, &Community)> = all.iter().map(|c| (similarity(c), c)).collect();
    order.sort_by(|a, b| if nearest { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
    let wanted = share * data.rows() as f64;
    let (mut posts, mut names) = (0, Vec::new());
    for (_, community) in order {
        posts += community.posts;
        names.push(format!("'{}'", community.name));
        if posts as f64 >= wanted {
            break;
        }
    }
    let text = format!("community IN ({})", names.join(","));
    if posts as f64 > 1.2 * wanted {
        // Communities are larger than that.
        let below = wanted / posts as f64 * MILLION as f64;
        return format!("{text} AND shuffled < {below:.0}");
    }
    text
}

pub fn run(bench: &Bench) -> Outcome {
    let all = communities(&bench.data);
    let plain = SearchRequest { threads: Some(1), ..SearchRequest::new(K) };
    let unfiltered = bench.measure(&vec![plain.clone(); QUERIES])?;
    println!("filters: {} rows, k {K}; times in microseconds", bench.data.rows());
    println!(
        "| filter | share | p50 | of none | p99 | recall | wrong | hops | peeks | codes | refined | rescored |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    line("none", 1.0, &unfiltered, &unfiltered);
    for kind in ["correlated", "uncorrelated", "anti-correlated"] {
        for &share in &bench.shares {
            let filter = |i: usize| match kind {
                "uncorrelated" => format!("shuffled < {:.0}", share * MILLION as f64),
                _ => own(&bench.data, &all, bench.data.query(i * 7), share, kind == "correlated"),
            };
            let requests: Vec<SearchRequest> = (0..QUERIES)
                .map(|i| SearchRequest { filter: Some(filter(i)), ..plain.clone() })
                .collect();
            line(kind, share, &bench.measure(&requests)?, &unfiltered);
        }
    }
    Ok(())
}

fn line(kind: &str, share: f64, figure: &Figure, unfiltered: &Figure) {
    let Figure { p50, p99, recall, wrong, hops, peeks, codes, refined, rescored } = *figure;
    println!(
        "| {kind} | {} % | {p50:.0} | {:.2} | {p99:.0} | {recall:.3} | {wrong} | {hops:.0} | {peeks:.0} | {codes:.0} | {refined:.0} | {rescored:.0} |",
        share * 100.0,
        p50 / unfiltered.p50
    );
}

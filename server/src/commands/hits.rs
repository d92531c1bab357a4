//! The hits of a search as a table or as JSON: one row a hit, places without a hit left out.

use std::time::Duration;

use nearfield::{AttributeType, Schema, SearchResults};
use serde_json::{Map, Value, json};

use super::get::layout;
use super::{Result, explain};
use crate::cell::Cell;
use crate::output::{Layout, Output};
use crate::vectors;

/// Where each hit is: its query, its rank from 1, its place in the columns of the results.
fn places(results: &SearchResults) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    results.counts.iter().enumerate().flat_map(move |(query, &count)| {
        (0..count.min(results.k)).map(move |place| (query, place + 1, query * results.k + place))
    })
}

/// Writes the hits as a table; the query's number only where there are several.
pub fn write_table(results: &SearchResults, schema: &Schema, out: &Output) -> Result<()> {
    let many = results.queries > 1;
    let mut columns = vec![
        ("rank", Layout::Right),
        ("id", Layout::Left),
        ("score", Layout::Right),
        ("distance", Layout::Right),
    ];
    if many {
        columns.insert(0, ("query", Layout::Right));
    }
    columns.extend(results.attributes.iter().map(|(name, _)| {
        let kind = schema.position(name).and_then(|at| schema.columns().get(at));
        (name.as_str(), layout(kind.map_or(AttributeType::Text, |(_, kind)| *kind)))
    }));
    let rows = places(results).map(|(query, rank, at)| {
        let mut row = vec![
            rank.to_string(),
            results.ids.get(at).to_string(),
            format!("{:.4}", results.scores[at]),
            format!("{:.4}", results.distances[at]),
        ];
        if many {
            row.insert(0, query.to_string());
        }
        row.extend(results.attributes.iter().map(|(_, column)| Cell::of(column, at).text()));
        row
    });
    Ok(out.table(&columns, rows.collect())?)
}

/// The hits as one object.
pub fn to_json(results: &SearchResults, elapsed: Duration) -> Value {
    let hits = places(results).map(|(query, rank, at)| {
        let attributes = results.attributes.iter();
        let mut hit = json!({
            "query": query,
            "rank": rank,
            "id": results.ids.get(at).to_string(),
            "score": results.scores[at],
            "similarity": results.similarities[at],
            "distance": results.distances[at],
            "attributes": attributes
                .map(|(name, column)| (name.clone(), Cell::of(column, at).json()))
                .collect::<Map<_, _>>(),
        });
        if let Some(vector) = vectors::of_hit(results, at) {
            hit["vector"] = json!(vector);
        }
        hit
    });
    let mut found = json!({
        "hits": hits.collect::<Vec<_>>(),
        "counts": results.counts,
        "seconds": elapsed.as_secs_f64(),
    });
    if !results.explain.is_empty() {
        found["explain"] = results.explain.iter().map(explain::to_json).collect();
    }
    found
}

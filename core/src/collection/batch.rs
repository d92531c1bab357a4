//! Many queries at once: who is eligible may differ from one to the next. Queries that share it
//! are answered together.

use std::collections::HashMap;

use rayon::prelude::*;

use super::plan::{Moment, Narrowed, Plan};
use super::search::{Answered, answers_to, collect};
use super::{Place, Shared, View, pool};
use crate::config::SearchRequest;
use crate::error::{Error, Result};
use crate::results::SearchResults;

/// Answers these queries. What `left_out` has for a query is not eligible for it; it is empty, or
/// has an entry a query.
pub(super) fn search(
    shared: &Shared,
    view: &View,
    vectors: &[f32],
    left_out: &[Vec<Place>],
    request: &SearchRequest,
) -> Result<SearchResults> {
    let at = Moment::of(view, request);
    if request.per_query.is_empty() && left_out.is_empty() {
        let plan = Plan::new(view, request, &Narrowed::of(request), &shared.filters, at)?;
        let found = answered_alike(&plan, vectors)?;
        return collect(&plan, found);
    }
    let found = answered(shared, (view, at), vectors, left_out, request)?;
    // What is laid out doesn't depend on who was eligible.
    let nobody = Narrowed { filter: None, exclude: None, exclude_sets: &[] };
    collect(&Plan::new(view, request, &nobody, &shared.filters, at)?, found)
}

/// The hits of each of these queries, see [`search`].
pub(super) fn answered(
    shared: &Shared,
    (view, at): (&View, Moment),
    vectors: &[f32],
    left_out: &[Vec<Place>],
    request: &SearchRequest,
) -> Result<Vec<Answered>> {
    let filters = &shared.filters;
    let threads = request.threads.unwrap_or(usize::MAX);
    if request.per_query.is_empty() && left_out.is_empty() {
        let plan = Plan::new(view, request, &Narrowed::of(request), filters, at)?;
        return answered_alike(&plan, vectors);
    }
    let dim = view.config.dim;
    let queries = vectors.len() / dim;
    if !request.per_query.is_empty() && request.per_query.len() != queries {
        let expected = format!("{queries} conditions, one a query");
        let found = request.per_query.len().to_string();
        return Err(Error::invalid("per_query", expected, found, ""));
    }
    let groups = groups(request, queries);
    let answer = |(narrowed, rows): &(Narrowed<'_>, Vec<usize>)| {
        let plan = Plan::new(view, request, narrowed, filters, at);
        let plan = plan.map_err(|error| of_query(error, request, rows))?;
        answer_group(&plan, rows, vectors, left_out)
    };
    let answers: Result<Vec<Vec<(usize, Answered)>>> = if threads == 1 {
        groups.iter().map(answer).collect()
    } else {
        let task = groups.len().div_ceil(threads.max(1)).max(1);
        pool::run(pool()?, || groups.par_iter().with_min_len(task).map(answer).collect())
    };
    let mut found: Vec<Answered> = Vec::new();
    found.resize_with(queries, Answered::default);
    for (row, answer) in answers?.into_iter().flatten() {
        found[row] = answer;
    }
    keep_similar(request, &mut found);
    Ok(found)
}

/// Says which query a filter is of, where each has its own.
fn of_query(error: Error, request: &SearchRequest, rows: &[usize]) -> Error {
    let own = rows.first().filter(|row| {
        request.per_query.get(**row).is_some_and(|conditions| conditions.filter.is_some())
    });
    match (error, own) {
        (Error::Filter { message, excerpt }, Some(row)) => {
            Error::Filter { message: format!("query {row}: {message}"), excerpt }
        }
        (error, _) => error,
    }
}

/// The hits of queries for which the same points are eligible.
fn answered_alike(plan: &Plan<'_>, vectors: &[f32]) -> Result<Vec<Answered>> {
    let threads = plan.request.threads.unwrap_or(usize::MAX);
    let mut found = answers_to(plan, vectors, threads)?;
    keep_similar(plan.request, &mut found);
    Ok(found)
}

/// Drops what is less similar than was asked for.
fn keep_similar(request: &SearchRequest, found: &mut [Answered]) {
    if let Some(least) = request.min_score {
        for (hits, _) in found {
            hits.retain(|(_, hit)| hit.similarity >= least);
        }
    }
}

/// Queries of one task.
const TOGETHER: usize = 64;

/// Queries for which the same points are eligible, at most [`TOGETHER`] a group.
fn groups(request: &SearchRequest, queries: usize) -> Vec<(Narrowed<'_>, Vec<usize>)> {
    let mut groups: Vec<(Narrowed<'_>, Vec<usize>)> = Vec::new();
    let mut open: HashMap<(Option<&str>, &[String]), usize> = HashMap::new();
    for row in 0..queries {
        let conditions = request.per_query.get(row);
        let narrowed =
            conditions.map_or_else(|| Narrowed::of(request), |c| Narrowed::of_query(request, c));
        // Lists of ids aren't compared: a query that has its own is a group.
        let shared = conditions.is_none_or(|c| c.exclude.is_none());
        let key = (narrowed.filter, narrowed.exclude_sets);
        let group = open.get(&key).copied().filter(|at| shared && groups[*at].1.len() < TOGETHER);
        if let Some(at) = group {
            groups[at].1.push(row);
            continue;
        }
        if shared {
            open.insert(key, groups.len());
        }
        groups.push((narrowed, vec![row]));
    }
    groups
}

fn answer_group(
    plan: &Plan<'_>,
    rows: &[usize],
    vectors: &[f32],
    left_out: &[Vec<Place>],
) -> Result<Vec<(usize, Answered)>> {
    let dim = plan.view.config.dim;
    let query = |row: usize| &vectors[row * dim..(row + 1) * dim];
    if left_out.is_empty() {
        let together: Vec<f32> = rows.iter().flat_map(|row| query(*row)).copied().collect();
        let answers = answers_to(plan, &together, 1)?;
        return Ok(rows.iter().copied().zip(answers).collect());
    }
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let plan = plan.without(&left_out[*row]);
        all.extend(answers_to(&plan, query(*row), 1)?.into_iter().map(|found| (*row, found)));
    }
    Ok(all)
}

//! What the nearest points are, by comparing every point once, and how many of them a search found.

use std::collections::HashSet;

use nearfield::{Collection, Effort, Ids, SearchRequest, SearchResults};

use super::queries::Queries;
use crate::commands::Result;
use crate::progress::Steps;

/// Queries a call: few enough that Ctrl-C is answered soon.
const CHUNK: usize = 64;

/// The exact answers, as far as recall needs them.
#[derive(Debug, Default)]
pub struct Truth {
    /// Of each query: how many points there are to find, at most k.
    counts: Vec<usize>,
    /// Of each query: the similarity of the last of them.
    least: Vec<f64>,
}

impl Truth {
    /// Steps that [`Truth::compute`] advances by.
    pub fn steps(queries: &Queries) -> usize {
        queries.len().div_ceil(CHUNK)
    }

    /// Compares every query with every point.
    pub fn compute(
        collection: &Collection,
        queries: &Queries,
        request: &SearchRequest,
        steps: &Steps,
    ) -> Result<Self> {
        let request = SearchRequest { effort: Effort::Exact, ..request.clone() };
        let mut truth = Self::default();
        for chunk in queries.chunks(CHUNK) {
            truth.push(&collection.search(&chunk?, &request)?);
            steps.advance()?;
        }
        Ok(truth)
    }

    fn push(&mut self, exact: &SearchResults) {
        for (query, count) in exact.counts.iter().enumerate() {
            self.counts.push(*count);
            let last =
                count.checked_sub(1).and_then(|i| exact.similarities.get(query * exact.k + i));
            self.least.push(last.copied().unwrap_or(f64::INFINITY));
        }
    }

    /// Share of the nearest points that were found. A hit counts when it is as near as the last
    /// of the true ones, so that any of several equally near points will do; a place left empty
    /// or filled with an id for the second time is a miss.
    pub fn recall(&self, found: &SearchResults) -> f64 {
        let hits: usize = (0..self.counts.len()).map(|query| self.hits(query, found)).sum();
        let wanted: usize = self.counts.iter().sum();
        if wanted == 0 { 1.0 } else { hits as f64 / wanted as f64 }
    }

    fn hits(&self, query: usize, found: &SearchResults) -> usize {
        let first = query * found.k;
        let count = found.counts.get(query).map_or(0, |count| *count);
        let near = (first..first + count).filter(|at| found.similarities[*at] >= self.least[query]);
        match &found.ids {
            Ids::U64(ids) => near.map(|at| ids[at]).collect::<HashSet<_>>().len(),
            Ids::Str(ids) => near.map(|at| ids[at].as_str()).collect::<HashSet<_>>().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(k: usize, rows: &[&[(u64, f64)]]) -> SearchResults {
        let mut results = SearchResults {
            queries: rows.len(),
            k,
            counts: rows.iter().map(|row| row.len()).collect(),
            ids: Ids::U64(Vec::new()),
            scores: Vec::new(),
            similarities: Vec::new(),
            distances: Vec::new(),
            attributes: Vec::new(),
            vectors: None,
            counters: nearfield::SearchCounters::default(),
            explain: Vec::new(),
        };
        let mut ids = Vec::new();
        for row in rows {
            let empty = (u64::MAX, f64::NEG_INFINITY);
            for (id, similarity) in row.iter().copied().chain(std::iter::repeat(empty)).take(k) {
                ids.push(id);
                results.similarities.push(similarity);
            }
        }
        results.ids = Ids::U64(ids);
        results
    }

    fn recall(k: usize, truth: &[&[(u64, f64)]], found: &[&[(u64, f64)]]) -> f64 {
        let mut exact = Truth::default();
        exact.push(&results(k, truth));
        exact.recall(&results(k, found))
    }

    fn close(recall: f64, expected: f64) {
        assert!((recall - expected).abs() < 1e-12, "{recall} is not {expected}");
    }

    #[test]
    fn equally_near_points_count_and_others_do_not() {
        let truth: &[&[_]] = &[&[(1, 0.9), (2, 0.5)]];
        close(recall(2, truth, truth), 1.0);
        close(recall(2, truth, &[&[(1, 0.9), (7, 0.5)]]), 1.0);
        close(recall(2, truth, &[&[(1, 0.9), (7, 0.4)]]), 0.5);
    }

    #[test]
    fn missing_and_repeated_hits_are_misses() {
        let truth: &[&[_]] = &[&[(1, 0.9), (2, 0.5)], &[(3, 0.9), (4, 0.5)]];
        close(recall(2, truth, &[&[(1, 0.9)], &[(3, 0.9), (4, 0.5)]]), 0.75);
        close(recall(2, truth, &[&[(1, 0.9), (1, 0.9)], &[]]), 0.25);
    }

    #[test]
    fn fewer_points_than_k_can_all_be_found() {
        close(recall(10, &[&[(1, 0.9)]], &[&[(1, 0.9)]]), 1.0);
        close(recall(10, &[&[]], &[&[]]), 1.0);
    }
}

//! One setting, measured: what it finds, what it costs, how fast it is.

use std::time::{Duration, Instant};

use nearfield::{Collection, Effort, SearchRequest, SearchResults};

use super::queries::Queries;
use super::truth::Truth;
use crate::commands::Result;
use crate::progress::Steps;

/// All queries are asked at least so often, ...
const PASSES: usize = 5;
/// ... and for at least so long, that few queries are asked often enough to tell, ...
const LEAST: Duration = Duration::from_millis(200);
/// ... but not again after so long.
const MOST: Duration = Duration::from_secs(10);
/// Queries asked on this thread before the clock runs.
const WARM_UP: usize = 100;

/// What is measured.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Where to search.
    pub collection: &'a Collection,
    /// What for.
    pub queries: &'a Queries,
    /// What there is to find.
    pub truth: &'a Truth,
    /// What every search asks for; its threads are those of a batch.
    pub request: SearchRequest,
}

/// What one setting reached.
#[derive(Debug)]
pub struct Measured {
    /// The setting.
    pub effort: Effort,
    /// Share of the true neighbours found.
    pub recall: f64,
    /// One query a call, one thread.
    pub single: Rate,
    /// All queries in one call, all threads.
    pub batch: Rate,
    /// Latency of a call with one query, in microseconds: the median, and 99 of 100.
    pub p50_us: f64,
    /// As above.
    pub p99_us: f64,
    /// What an average query did.
    pub work: Work,
}

/// Queries a second over several passes.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Of the fastest pass.
    pub best: f64,
    /// Of the median pass.
    pub median: f64,
    /// Number of passes.
    pub passes: usize,
}

/// What an average query did.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Nodes expanded.
    pub hops: f64,
    /// Codes scored.
    pub codes_scored: f64,
    /// Rows refined from their 8-bit codes.
    pub rows_refined: f64,
    /// Rows rescored from the original vectors.
    pub rows_rescored: f64,
}

impl Bench<'_> {
    /// Steps that [`Bench::measure`] advances by.
    pub const STEPS: usize = 3;

    /// Measures one setting.
    pub fn measure(&self, effort: Effort, steps: &Steps) -> Result<Measured> {
        let batch = SearchRequest { effort, ..self.request.clone() };
        let single = SearchRequest { threads: Some(1), ..batch.clone() };
        // The first call brings pages, caches and threads in; what it finds is what all find.
        let found = self.collection.search(&self.queries.all()?, &batch)?;
        for query in self.queries.chunks(1).take(WARM_UP) {
            self.collection.search(&query?, &single)?;
        }
        steps.advance()?;
        let mut latencies = Vec::new();
        let single = self.passes(|| {
            for query in self.queries.chunks(1) {
                let query = query?;
                let start = Instant::now();
                self.collection.search(&query, &single)?;
                latencies.push(start.elapsed());
                steps.check()?;
            }
            Ok(())
        })?;
        steps.advance()?;
        let batch = self.passes(|| {
            self.collection.search(&self.queries.all()?, &batch)?;
            steps.check()
        })?;
        steps.advance()?;
        latencies.sort_unstable();
        Ok(Measured {
            effort,
            recall: self.truth.recall(&found),
            single,
            batch,
            p50_us: percentile(&latencies, 50),
            p99_us: percentile(&latencies, 99),
            work: work(&found),
        })
    }

    /// Times `pass`, which asks every query once, over and over.
    fn passes(&self, mut pass: impl FnMut() -> Result<()>) -> Result<Rate> {
        let (mut times, begun) = (Vec::new(), Instant::now());
        loop {
            let start = Instant::now();
            pass()?;
            times.push(start.elapsed());
            let elapsed = begun.elapsed();
            if elapsed >= MOST || (times.len() >= PASSES && elapsed >= LEAST) {
                break;
            }
        }
        times.sort_unstable();
        let rate = |time: Option<&Duration>| {
            let seconds = time.map_or(0.0, Duration::as_secs_f64).max(1e-9);
            self.queries.len() as f64 / seconds
        };
        Ok(Rate {
            best: rate(times.first()),
            median: rate(times.get(times.len() / 2)),
            passes: times.len(),
        })
    }
}

/// Microseconds that `percent` of the sorted times do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn work(found: &SearchResults) -> Work {
    let queries = found.queries.max(1) as f64;
    let counters = &found.counters;
    Work {
        hops: counters.hops as f64 / queries,
        codes_scored: counters.codes_scored as f64 / queries,
        rows_refined: counters.rows_refined as f64 / queries,
        rows_rescored: counters.rows_rescored as f64 / queries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = |n: u64| (1..=n).map(Duration::from_micros).collect::<Vec<_>>();
        let at = |n, percent| percentile(&times(n), percent).round() as u64;
        assert_eq!((at(1, 50), at(1, 99)), (1, 1));
        assert_eq!((at(100, 50), at(100, 99)), (50, 99));
        assert_eq!((at(1000, 50), at(1000, 99)), (500, 990));
        assert_eq!(at(0, 99), 0);
    }
}

//! Live recall: a share of the searches is done again exactly, off the way of requests, and what
//! they found is compared. Recent searches count more: each sample weighs a thousandth less than the
//! next.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nearfield::{Effort, PointId, SearchRequest, SearchResults, VectorData, Vectors};

use super::catalog::Served;
use super::metrics::{OfRecall, SharedMetrics};

/// Searches that wait to be done again; more are not measured.
const WAITING: usize = 8;
/// What a sample keeps of its weight when another comes.
const FADING: f64 = 0.999;
/// The thread rests so many times as long as it works: an exact search of a large collection takes
/// what many others take.
const REST: u32 = 9;
/// Longest rest, so that a single slow search is not the last for long.
const REST_MAX: Duration = Duration::from_secs(60);
/// Of a normal distribution, for 95 %.
const Z: f64 = 1.96;

/// Chooses searches, and has them done again.
#[derive(Debug, Clone)]
pub struct Sampler {
    sender: Option<SyncSender<Sample>>,
    /// One in so many.
    every: u64,
    seen: Arc<AtomicU64>,
}

/// A search to do again, and what it found.
#[derive(Debug)]
struct Sample {
    served: Arc<Served>,
    query: Vectors<'static>,
    request: SearchRequest,
    found: HashSet<PointId>,
    points: u64,
}

impl Sampler {
    /// One that measures this share of all searches, 0 to 1, on a thread of its own.
    pub fn new(share: f64, metrics: SharedMetrics) -> Self {
        let mut sampler = Self { sender: None, every: 0, seen: Arc::default() };
        if share > 0.0 {
            let (sender, receiver) = sync_channel(WAITING);
            sampler.every = (1.0 / share.min(1.0)).round() as u64;
            let thread = std::thread::Builder::new().name("nearfield-recall".to_owned());
            // Without the thread nothing is measured, and all else goes on.
            match thread.spawn(move || measure(&receiver, &metrics)) {
                Ok(_) => sampler.sender = Some(sender),
                Err(error) => tracing::error!(%error, "recall is not measured"),
            }
        }
        sampler
    }

    /// Has the first row of a search done again, if it is chosen.
    pub fn offer(
        &self,
        served: &Arc<Served>,
        queries: &Vectors<'static>,
        request: &SearchRequest,
        results: &SearchResults,
    ) {
        let Some(sender) = &self.sender else { return };
        let exact = request.effort == Effort::Exact || request.min_score.is_some();
        let chosen = self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every);
        if exact || !chosen || results.queries == 0 {
            return;
        }
        let mut row = vec![0.0; queries.dim()];
        queries.copy_row(0, &mut row);
        let Ok(query) = Vectors::new(row.len(), VectorData::F32(row.into())) else { return };
        let mut again = SearchRequest {
            effort: Effort::Exact,
            timeout: None,
            stop: None,
            threads: Some(1),
            with_attributes: Vec::new(),
            with_vectors: false,
            explain: false,
            ..request.clone()
        };
        again.per_query.truncate(1);
        let count = results.counts.first().copied().unwrap_or_default();
        let found = (0..count).map(|at| results.ids.get(at)).collect();
        let points = served.collection.len();
        // A full queue is no reason to wait.
        let _ = sender.try_send(Sample {
            served: Arc::clone(served),
            query,
            request: again,
            found,
            points,
        });
    }
}

fn measure(samples: &Receiver<Sample>, metrics: &SharedMetrics) {
    let mut tallies: HashMap<OfRecall, Tally> = HashMap::new();
    while let Ok(sample) = samples.recv() {
        let collection = &sample.served.collection;
        let began = Instant::now();
        let truth = collection.search(&sample.query, &sample.request);
        let rest = (began.elapsed() * REST).min(REST_MAX);
        let Ok(truth) = truth else { continue };
        let wanted = truth.counts.first().copied().unwrap_or_default();
        // What was written meanwhile would count as missed.
        if wanted == 0 || collection.len() != sample.points {
            continue;
        }
        let hits = (0..wanted).filter(|at| sample.found.contains(&truth.ids.get(*at))).count();
        let eligible = truth.counters.rows_rescored as f64 / sample.points.max(1) as f64;
        let label =
            OfRecall { collection: sample.served.name.clone(), selectivity: selectivity(eligible) };
        let tally = tallies.entry(label.clone()).or_default();
        tally.add(hits as f64 / wanted as f64);
        metrics.recall(&label, tally.mean(), tally.interval());
        drop(sample);
        std::thread::sleep(rest);
    }
}

fn selectivity(share: f64) -> &'static str {
    match share {
        _ if share <= 0.001 => "0.001",
        _ if share <= 0.01 => "0.01",
        _ if share <= 0.1 => "0.1",
        _ if share <= 0.5 => "0.5",
        _ => "1",
    }
}

/// Weighted sums of recalls.
#[derive(Debug, Default)]
struct Tally {
    weight: f64,
    /// Of the squares of the weights.
    squares: f64,
    sum: f64,
    sum_squares: f64,
}

impl Tally {
    fn add(&mut self, recall: f64) {
        self.weight = self.weight * FADING + 1.0;
        self.squares = self.squares * FADING * FADING + 1.0;
        self.sum = self.sum * FADING + recall;
        self.sum_squares = self.sum_squares * FADING + recall * recall;
    }

    fn mean(&self) -> f64 {
        self.sum / self.weight
    }

    /// Of the mean.
    fn interval(&self) -> (f64, f64) {
        let samples = self.weight * self.weight / self.squares;
        if samples < 2.0 {
            return (0.0, 1.0);
        }
        let mean = self.mean();
        let variance = (self.sum_squares / self.weight - mean * mean).max(0.0);
        // One miss in all the samples is what can't be ruled out where there was none.
        let floor = mean * (1.0 - mean) / samples + 1.0 / (samples * samples);
        let spread = Z * (variance / (samples - 1.0)).max(floor / samples).sqrt();
        ((mean - spread).max(0.0), (mean + spread).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_mean_and_narrows() {
        let mut tally = Tally::default();
        tally.add(1.0);
        assert_eq!(tally.interval(), (0.0, 1.0));
        let mut width = 1.0;
        for round in 0..5 {
            for at in 0..100 {
                tally.add(if at % 10 == 0 { 0.8 } else { 1.0 });
            }
            let (lower, upper) = tally.interval();
            assert!(lower <= tally.mean() && tally.mean() <= upper);
            assert!(upper - lower < width, "round {round}");
            width = upper - lower;
        }
        assert!((tally.mean() - 0.98).abs() < 0.005, "{}", tally.mean());
    }
}

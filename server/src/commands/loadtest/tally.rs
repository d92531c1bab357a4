//! What requests came to.

use std::time::Duration;

use tonic::Code;

/// One request.
#[derive(Debug, Clone)]
pub struct Done {
    /// From the moment at which it was due.
    pub latency: Duration,
    /// From the moment at which it was sent.
    pub service: Duration,
    /// Its recall, or why there was no answer.
    pub answer: Result<Option<f64>, (Code, String)>,
}

/// What all of them came to.
#[derive(Debug)]
pub struct Summary {
    /// Requests that were answered.
    pub answered: usize,
    /// Of those, a second.
    pub rate: f64,
    /// Queries of those, a second.
    pub queries: f64,
    /// The server was full.
    pub refused: usize,
    /// Their deadline passed.
    pub late: usize,
    /// All else.
    pub failed: usize,
    /// What the first of those was told.
    pub failure: Option<String>,
    /// Median time to a refusal, from when it was sent.
    pub refusal: Duration,
    /// Median from when requests were sent.
    pub service: Duration,
    /// Percentiles from when they were due, by name.
    pub times: Vec<(&'static str, Duration)>,
    /// Of the answers.
    pub recall: Option<f64>,
}

const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Summary {
    /// Of requests of so many queries each, over a time.
    pub fn new(all: &[Done], batch: usize, time: Duration) -> Self {
        let answers: Vec<&Done> = all.iter().filter(|done| done.answer.is_ok()).collect();
        let recalls: Vec<f64> = answers
            .iter()
            .filter_map(|done| done.answer.as_ref().ok().copied().flatten())
            .collect();
        let failures = || all.iter().filter_map(|done| done.answer.as_ref().err());
        let count = |wanted: fn(Code) -> bool| failures().filter(|(code, _)| wanted(*code)).count();
        let full = |code| code == Code::ResourceExhausted;
        let late = |code| matches!(code, Code::DeadlineExceeded | Code::Cancelled);
        let other = |code: Code| {
            !matches!(code, Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled)
        };
        let refusals = all
            .iter()
            .filter(|done| done.answer.as_ref().err().is_some_and(|(code, _)| full(*code)));
        let latencies = sorted(answers.iter().map(|done| done.latency));
        let rate = answers.len() as f64 / time.as_secs_f64().max(1e-9);
        Self {
            answered: answers.len(),
            rate,
            queries: rate * batch as f64,
            refused: count(full),
            late: count(late),
            failed: count(other),
            failure: failures().find(|(code, _)| other(*code)).map(|(_, text)| text.clone()),
            refusal: percentile(&sorted(refusals.map(|done| done.service)), 0.5),
            service: percentile(&sorted(answers.iter().map(|done| done.service)), 0.5),
            times: PERCENTILES.map(|(name, p)| (name, percentile(&latencies, p))).to_vec(),
            recall: (!recalls.is_empty())
                .then(|| recalls.iter().sum::<f64>() / recalls.len() as f64),
        }
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times
}

/// The smallest that so large a share is not above.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_counts_and_failures_are_told_apart() {
        let ms = Duration::from_millis;
        let done = |latency, answer| Done { latency: ms(latency), service: ms(1), answer };
        let mut all: Vec<_> = (1..=100).map(|at| done(at, Ok(Some(0.5)))).collect();
        all.push(done(1, Err((Code::ResourceExhausted, String::new()))));
        all.push(done(1, Err((Code::DeadlineExceeded, String::new()))));
        all.push(done(1, Err((Code::NotFound, "no such".into()))));
        let summary = Summary::new(&all, 4, ms(1000));
        assert_eq!((summary.refused, summary.late, summary.failed), (1, 1, 1));
        assert_eq!(summary.failure.as_deref(), Some("no such"));
        assert!((summary.queries - 400.0).abs() < 1e-9);
        assert_eq!(summary.service, ms(1));
        let times: Vec<_> = summary.times.iter().map(|(_, time)| *time).collect();
        assert_eq!(times, [ms(50), ms(90), ms(99), ms(100), ms(100)]);
        assert_eq!(summary.recall, Some(0.5));
        let none = Summary::new(&[], 1, ms(1000));
        assert_eq!((none.answered, none.recall), (0, None));
    }
}

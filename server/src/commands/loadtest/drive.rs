//! Requests sent in their time, or one after the other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tonic::Status;

use super::tally::{Done, Summary};
use super::target::Target;
use crate::commands::{Error, Result};

/// A client that was refused waits about so long: what the server asks for.
const PAUSE: Duration = Duration::from_millis(50);

type Answer = std::result::Result<Option<f64>, Status>;

/// How much.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// Requests a second.
    Rate(f64),
    /// So many at once.
    Clients(usize),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}/s"),
            Self::Clients(clients) => write!(f, "{clients} clients"),
        }
    }
}

/// One load for a while.
#[derive(Debug)]
pub struct Drive<'a> {
    /// What is asked.
    pub target: &'a Arc<Target>,
    /// How much.
    pub load: Load,
    /// Before it is measured.
    pub warm_up: Duration,
    /// While it is.
    pub time: Duration,
    /// Of the moments.
    pub seed: u64,
}

impl Drive<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// When there was no time for a single request.
    pub fn run(&self, runtime: &Runtime) -> Result<Summary> {
        let done = match self.load {
            Load::Rate(rate) => self.open(runtime, rate),
            Load::Clients(clients) => self.closed(runtime, clients),
        };
        if done.is_empty() {
            return Err(Error::Failed(format!(
                "{}: expected requests, found none in {:?}; give a higher --rate or more --time",
                self.load, self.time
            )));
        }
        Ok(Summary::new(&done, self.target.batch, self.time))
    }

    /// This thread sends each request when it is due: sleeps of an async runtime are as coarse as a
    /// millisecond.
    fn open(&self, runtime: &Runtime, rate: f64) -> Vec<Done> {
        let began = Instant::now();
        let (measured, end) = (began + self.warm_up, began + self.warm_up + self.time);
        let mut random = Random::new(self.seed);
        let (mut due, mut number) = (began, 0);
        let mut open = JoinSet::new();
        let mut all = Vec::new();
        loop {
            due += Duration::from_secs_f64(random.exponential() / rate);
            if due >= end {
                break;
            }
            if let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(wait);
            }
            while let Some(done) = open.try_join_next() {
                all.extend(done.ok().flatten());
            }
            let target = Arc::clone(self.target);
            let ask = async move {
                let sent = Instant::now();
                let answer = target.ask(number).await;
                (due >= measured).then(|| done(due, sent, answer))
            };
            open.spawn_on(ask, runtime.handle());
            number += 1;
        }
        runtime.block_on(async {
            while let Some(done) = open.join_next().await {
                all.extend(done.ok().flatten());
            }
        });
        all
    }

    fn closed(&self, runtime: &Runtime, clients: usize) -> Vec<Done> {
        let began = Instant::now();
        let (measured, end) = (began + self.warm_up, began + self.warm_up + self.time);
        let next = Arc::new(AtomicUsize::new(0));
        let mut open = JoinSet::new();
        for _ in 0..clients {
            let (target, next) = (Arc::clone(self.target), Arc::clone(&next));
            let ask = async move {
                let mut all = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let sent = Instant::now();
                    let answer = target.ask(number).await;
                    let refused = answer.is_err();
                    // What ends after the end is not part of it.
                    if Instant::now() >= end {
                        return all;
                    }
                    if sent >= measured {
                        all.push(done(sent, sent, answer));
                    }
                    if refused {
                        // As a client does that was told to wait; not all at the same moment.
                        tokio::time::sleep(PAUSE.mul_f64(0.5 + (number % 16) as f64 / 16.0)).await;
                    }
                }
            };
            open.spawn_on(ask, runtime.handle());
        }
        runtime.block_on(open.join_all()).into_iter().flatten().collect()
    }
}

fn done(due: Instant, sent: Instant, answer: Answer) -> Done {
    let answer = answer.map_err(|status| (status.code(), status.message().to_owned()));
    Done { latency: due.elapsed(), service: sent.elapsed(), answer }
}

/// Moments that look random.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Of mean 1: times between events that don't know of each other.
    fn exponential(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        -(1.0 - share).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_between_requests_have_the_mean_that_was_asked_for() {
        let mut random = Random::new(7);
        let mean = (0..10_000).map(|_| random.exponential()).sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
    }
}

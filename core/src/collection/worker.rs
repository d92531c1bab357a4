//! The threads of a writer that work beside everything else: one indexes what is growing in memory,
//! one seals it, one merges segments, so that a long merge doesn't keep growing points from their
//! index. What is due is decided in [`super::upkeep`].

use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::{Shared, lock, pool};
use crate::config::Progress;
use crate::error::{Error, Result};
use crate::sync::{Condvar, JoinHandle, Mutex, MutexGuard, spawn};

/// How long it rests after a failed attempt, twice as long after each that follows, and at most.
const REST: Duration = Duration::from_secs(1);
const REST_MOST: Duration = Duration::from_secs(256);
/// How long it sleeps when there is nothing to do.
const SLEEP: Duration = Duration::from_secs(3600);

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Indexes what is growing, in memory.
    Index,
    /// Makes segments of what has grown.
    Seal,
    /// Makes few segments of many.
    Merge,
}

impl Role {
    const ALL: [Self; 3] = [Self::Index, Self::Seal, Self::Merge];

    fn thread(self) -> &'static str {
        match self {
            Self::Index => "nearfield-index",
            Self::Seal => "nearfield-seal",
            Self::Merge => "nearfield-merge",
        }
    }
}

/// How a thread is told what to do, and what it tells.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// Held while it replaces segments, by the thread or by one who does its work.
    right: Mutex<()>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    stop: bool,
    /// There may be something to do since it last looked, or more of what it did.
    woken: bool,
    /// How many wait for the end of the next attempt.
    awaited: usize,
    /// Counts the attempts that ended, well or not.
    rounds: u64,
    /// How many failed one after the other up to now, and why the last did.
    failures: u32,
    failed: Option<Error>,
    /// What is under way.
    job: Option<Progress>,
    /// How many wait to do it by themselves.
    wanted: usize,
}

impl Worker {
    /// Says that there may be something to do.
    pub(super) fn wake(&self) {
        lock(&self.state).woken = true;
        self.changed.notify_all();
    }

    /// Waits for the end of what is under way, and keeps the next one from beginning.
    pub(super) fn wait_its_turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.right)
    }

    /// Takes its place: interrupts what is under way, and keeps the next one from beginning.
    pub(super) fn take_over(&self) -> MutexGuard<'_, ()> {
        {
            let mut state = lock(&self.state);
            state.wanted += 1;
            if let Some(job) = &state.job {
                job.cancel();
            }
        }
        let right = lock(&self.right);
        lock(&self.state).wanted -= 1;
        self.changed.notify_all();
        right
    }

    /// Ends the thread, soon.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stop = true;
        if let Some(job) = &state.job {
            job.cancel();
        }
        self.changed.notify_all();
    }

    /// Waits for so long, or until it is to end; whether it is not to.
    pub(super) fn pause(&self, long: Duration) -> bool {
        let begin = Instant::now();
        let mut state = lock(&self.state);
        while !state.stop && state.wanted == 0 {
            let left = long.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return true;
            }
            state = self.wait(state, left);
        }
        false
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, long: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, long).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Does one piece of work, unless someone else wants to; whether there was one.
    pub(super) fn work(&self, work: impl FnOnce(&Progress) -> Result<bool>) -> Result<bool> {
        let progress = Progress::new();
        {
            // Who wants to go first would else be outrun, again and again.
            let mut state = lock(&self.state);
            while state.wanted > 0 && !state.stop {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let _right = lock(&self.right);
        {
            let mut state = lock(&self.state);
            if state.stop || state.wanted > 0 {
                return Ok(false);
            }
            state.job = Some(progress.clone());
        }
        let done = work(&progress);
        lock(&self.state).job = None;
        match done {
            // By one who goes on with the work, or closes.
            Err(Error::Interrupted { .. } | Error::Closed { .. }) => Ok(false),
            done => done,
        }
    }

    /// Waits until an attempt of the thread has ended; whether there is a thread.
    pub(super) fn wait_for_round(&self) -> Result<bool> {
        let mut state = lock(&self.state);
        let before = state.rounds;
        state.woken = true;
        state.awaited += 1;
        self.changed.notify_all();
        while state.running && !state.stop && state.rounds == before {
            state = self.wait(state, REST);
        }
        match &state.failed {
            Some(error) => Err(error.again().unwrap_or_else(|| Error::Poisoned {
                cause: format!("what is done in the background failed: {error}"),
            })),
            None => Ok(state.running),
        }
    }

    /// Why the last attempt failed.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.state).failed.as_ref().map(ToString::to_string)
    }

    /// Remembers how an attempt ended.
    fn ended(&self, outcome: Result<bool>) {
        let mut state = lock(&self.state);
        state.rounds += 1;
        state.awaited = 0;
        state.woken |= matches!(outcome, Ok(true));
        state.failures = if outcome.is_err() { state.failures + 1 } else { 0 };
        state.failed = outcome.err();
        self.changed.notify_all();
    }

    /// Waits until it is time for the next attempt; whether there is to be one.
    fn rest(&self) -> bool {
        let begin = Instant::now();
        let mut state = lock(&self.state);
        while !state.stop {
            let long = match state.failures {
                0 if state.woken => Duration::ZERO,
                0 => SLEEP,
                // What failed is not tried more often for what comes in meanwhile.
                _ if state.awaited > 0 => REST,
                failures => REST.saturating_mul(1 << (failures - 1).min(16)).min(REST_MOST),
            };
            let left = long.saturating_sub(begin.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        state.woken = false;
        state.running = !state.stop;
        self.changed.notify_all();
        state.running
    }
}

/// Starts the threads of a writer.
pub(super) fn start(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>> {
    Role::ALL.map(|role| start_one(shared, role)).into_iter().collect()
}

fn start_one(shared: &Arc<Shared>, role: Role) -> Result<JoinHandle<()>> {
    lock(&shared.worker(role).state).running = true;
    let weak = Arc::downgrade(shared);
    spawn(role.thread(), move || run(&weak, role)).map_err(|error| {
        lock(&shared.worker(role).state).running = false;
        Error::ResourceLimit {
            what: "threads".to_owned(),
            limit: "what the system allows".to_owned(),
            found: error.to_string(),
            fix: "end other processes".to_owned(),
        }
    })
}

fn run(shared: &Weak<Shared>, role: Role) {
    pool::stand_back();
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let worker = shared.worker(role);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.step(role)));
        let outcome = outcome.unwrap_or_else(|_| {
            let cause = "a merge panicked".to_owned();
            Err(lock(&shared.committer).poison(Error::Poisoned { cause }))
        });
        worker.ended(outcome);
        if !worker.rest() {
            return;
        }
    }
}

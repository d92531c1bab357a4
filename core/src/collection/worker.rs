//! The thread of a writer that seals what has grown and merges segments, beside everything else.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use super::commit::Committer;
use super::{Shared, View, lock, merge, pool};
use crate::compaction::{Meta, plan};
use crate::config::Progress;
use crate::error::{Error, Result};
use crate::segment::SegmentHandle;
use crate::sync::{Condvar, JoinHandle, Mutex, MutexGuard, spawn};

/// Growing points at which they are sealed.
const SEAL_ROWS: u64 = if cfg!(test) { 40 } else { 16_384 };
/// Growing bytes at which they are sealed.
const SEAL_BYTES: u64 = 64 << 20;
/// Files of the log at which what is in them is sealed, however little.
const SEAL_WALS: usize = 8;
/// Pieces of so many points or bytes are frozen: what comes next goes to others.
const ACTIVE_ROWS: u64 = if cfg!(test) { 60 } else { 100_000 };
const ACTIVE_BYTES: u64 = 256 << 20;
/// Frozen generations at which writers wait.
const FROZEN_MAX: usize = 2;
/// Segments at which a call that adds one lets the worker catch up.
const SEGMENTS_MANY: usize = 6;
/// How long a failed attempt rests.
const REST: Duration = Duration::from_secs(1);

/// How the thread is told what to do, and what it tells.
#[derive(Debug, Default)]
pub(super) struct Worker {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    stop: bool,
    /// Something was written since it last looked.
    woken: bool,
    /// Counts the attempts that ended, well or not.
    rounds: u64,
    /// Why the last one failed.
    failed: Option<String>,
    /// The merge that is under way.
    job: Option<Progress>,
    /// How many wait to merge by themselves.
    wanted: usize,
}

impl Worker {
    /// Says that something was written.
    pub(super) fn wake(&self) {
        lock(&self.state).woken = true;
        self.changed.notify_all();
    }

    /// Interrupts the merge that is under way, and keeps the next one from beginning.
    fn yield_to_caller(&self) {
        let mut state = lock(&self.state);
        state.wanted += 1;
        if let Some(job) = &state.job {
            job.cancel();
        }
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

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, long: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, long).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Starts the thread of a writer.
pub(super) fn start(shared: &Arc<Shared>) -> Result<JoinHandle<()>> {
    lock(&shared.worker.state).running = true;
    let weak = Arc::downgrade(shared);
    spawn("nearfield-merge", move || run(&weak)).map_err(|error| {
        lock(&shared.worker.state).running = false;
        Error::ResourceLimit {
            what: "threads".to_owned(),
            limit: "what the system allows".to_owned(),
            found: error.to_string(),
            fix: "end other processes".to_owned(),
        }
    })
}

fn run(shared: &Weak<Shared>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.step()));
        let outcome = outcome.unwrap_or_else(|_| {
            let cause = "a merge panicked".to_owned();
            lock(&shared.committer).poisoned.get_or_insert(cause.clone());
            Err(Error::Poisoned { cause })
        });
        let mut state = lock(&shared.worker.state);
        state.rounds += 1;
        let rest = match &outcome {
            Ok(true) => Duration::ZERO,
            Ok(false) => Duration::from_secs(3600),
            Err(_) => REST,
        };
        state.failed = outcome.err().map(|error| error.to_string());
        shared.worker.changed.notify_all();
        if !rest.is_zero() && !state.woken && !state.stop {
            state = shared.worker.wait(state, rest);
        } else if state.failed.is_some() && !state.stop {
            state = shared.worker.wait(state, REST);
        }
        state.woken = false;
        if state.stop {
            state.running = false;
            shared.worker.changed.notify_all();
            return;
        }
    }
}

/// How much has grown, by file of the log.
struct Grown {
    rows: u64,
    bytes: u64,
    /// Of the pieces that are written to.
    active_rows: u64,
    active_bytes: u64,
    /// Generations that are not written to any more.
    frozen: usize,
}

impl Grown {
    fn of(segments: &[Arc<SegmentHandle>], active: u64) -> Self {
        let mut grown = Self { rows: 0, bytes: 0, active_rows: 0, active_bytes: 0, frozen: 0 };
        let mut before = active;
        for (wal, handle) in segments.iter().filter_map(|h| Some((h.wal()?, h))) {
            let (rows, bytes) = (u64::from(handle.segment.rows()), handle.segment.file_bytes());
            grown.rows += rows;
            grown.bytes += bytes;
            if wal == active {
                grown.active_rows += rows;
                grown.active_bytes += bytes;
            } else if wal != before {
                grown.frozen += 1;
            }
            before = wal;
        }
        grown
    }

    fn is_full(&self) -> bool {
        self.active_rows >= ACTIVE_ROWS || self.active_bytes >= ACTIVE_BYTES
    }
}

impl Shared {
    /// Does the most urgent piece of upkeep; whether there was one.
    pub(super) fn step(&self) -> Result<bool> {
        let progress = Progress::new();
        let _merging = lock(&self.merging);
        {
            let mut state = lock(&self.worker.state);
            if state.stop || state.wanted > 0 {
                return Ok(false);
            }
            state.job = Some(progress.clone());
        }
        let done = self.upkeep(&progress);
        lock(&self.worker.state).job = None;
        match done {
            // By one who goes on with the work, or closes.
            Err(Error::Interrupted { .. } | Error::Closed { .. }) => Ok(false),
            done => done,
        }
    }

    fn upkeep(&self, progress: &Progress) -> Result<bool> {
        let inputs = {
            let mut committer = lock(&self.committer);
            committer.check("merge")?;
            let view = self.view("merge")?;
            let grown = Grown::of(&view.segments, committer.active);
            let wals = committer.wals.len();
            if grown.rows >= SEAL_ROWS
                || grown.bytes >= SEAL_BYTES
                || (wals >= SEAL_WALS && grown.rows > 0)
            {
                committer.freeze()?;
                view.segments.iter().filter(|h| h.wal().is_some()).cloned().collect()
            } else {
                let sealed: Vec<_> = view.segments.iter().filter(|h| h.wal().is_none()).collect();
                let metas: Vec<Meta> = sealed.iter().map(|h| meta(h)).collect();
                let Some(chosen) = plan(&metas) else { return Ok(false) };
                let chosen = chosen.iter().filter_map(|at| sealed.get(*at));
                chosen.map(|h| Arc::clone(h)).collect::<Vec<_>>()
            }
        };
        merge::merge(self, &inputs, pool::background()?, progress, "merge")?;
        Ok(true)
    }

    /// Seals what has grown, however little.
    #[cfg(test)]
    pub(super) fn seal(&self) -> Result<()> {
        let _merging = lock(&self.merging);
        let inputs: Vec<_> = {
            let mut committer = lock(&self.committer);
            committer.check("merge")?;
            committer.freeze()?;
            let view = self.view("merge")?;
            view.segments.iter().filter(|h| h.wal().is_some()).cloned().collect()
        };
        if inputs.is_empty() {
            return Ok(());
        }
        merge::merge(self, &inputs, pool::background()?, &Progress::new(), "merge")
    }

    /// The right to merge; interrupts a merge in the background.
    pub(super) fn begin_merge(&self) -> MutexGuard<'_, ()> {
        self.worker.yield_to_caller();
        let merging = lock(&self.merging);
        lock(&self.worker.state).wanted -= 1;
        merging
    }

    /// The committer, once there is room for more growing points. Waits while they are sealed.
    pub(super) fn wait_for_room(&self) -> Result<MutexGuard<'_, Committer>> {
        loop {
            let mut committer = lock(&self.committer);
            committer.check("write")?;
            let grown = Grown::of(&self.view("write")?.segments, committer.active);
            if !grown.is_full() {
                return Ok(committer);
            }
            if grown.frozen < FROZEN_MAX {
                committer.freeze()?;
                return Ok(committer);
            }
            drop(committer);
            self.wait_for_worker()?;
        }
    }

    /// Lets the worker catch up with calls that each add a segment.
    pub(super) fn keep_few_segments(&self) {
        let many = |view: &View| view.segments.len() >= SEGMENTS_MANY;
        if self.view("merge").is_ok_and(|view| many(&view)) {
            // What was added is there; that it can't be merged now is the worker's to say.
            let _ = self.wait_for_worker();
        }
    }

    /// Waits until an attempt of the worker has ended; does the work itself if there is none.
    fn wait_for_worker(&self) -> Result<()> {
        let mut state = lock(&self.worker.state);
        let before = state.rounds;
        state.woken = true;
        self.worker.changed.notify_all();
        while state.running && !state.stop && state.rounds == before {
            state = self.worker.wait(state, REST);
        }
        if let Some(cause) = &state.failed {
            return Err(Error::Poisoned { cause: format!("sealing failed: {cause}") });
        }
        let alone = !state.running;
        drop(state);
        if alone {
            self.step()?;
        }
        Ok(())
    }
}

fn meta(handle: &SegmentHandle) -> Meta {
    Meta {
        rows: u64::from(handle.segment.rows()),
        alive: u64::from(handle.alive()),
        indexed: handle.segment.index().is_some(),
    }
}

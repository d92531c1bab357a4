//! Long calls: core works on a thread of its own while the calling thread listens to Ctrl-C and
//! moves the progress bar.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use nearfield::{Error, Progress, Result, SearchRequest};
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// Time between two looks at signals and progress.
const TICK: Duration = Duration::from_millis(100);

/// Who is told how far a call is.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Called as `tick(done, total)`, about ten times a second and once at the end.
    pub tick: Option<Py<PyAny>>,
    /// The total while core does not know one.
    pub expected: u64,
}

impl Watcher {
    /// One that knows no total.
    pub fn new(tick: Option<Py<PyAny>>) -> Self {
        Self { tick, expected: 0 }
    }

    /// Lets signal handlers run and the bar move.
    fn look(&self, py: Python<'_>, progress: &Progress) -> PyResult<()> {
        py.check_signals()?;
        if let Some(tick) = &self.tick {
            let (done, total) = progress.get();
            tick.call1(py, (done, if total == 0 { self.expected } else { total }))?;
        }
        Ok(())
    }

    /// Shows that the call is over, whatever steps it found that it needn't take.
    fn finish(&self, py: Python<'_>, progress: &Progress) -> PyResult<()> {
        py.check_signals()?;
        if let Some(tick) = &self.tick {
            let (done, total) = progress.get();
            let all = done.max(total);
            tick.call1(py, (all, all))?;
        }
        Ok(())
    }
}

/// Runs `work` without the GIL and waits for it.
///
/// What a signal handler or the watcher raises cancels the work; it is raised once the work has
/// stopped.
pub fn run<T: Send>(
    py: Python<'_>,
    watcher: &Watcher,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> PyResult<T> {
    let progress = Progress::new();
    let (outcome, raised) = py.detach(|| watched(&progress, watcher, work));
    if let Some(raised) = raised {
        return Err(raised);
    }
    let value = outcome.or_raise(py)?;
    watcher.finish(py, &progress)?;
    Ok(value)
}

/// Runs a search without the GIL. One that may be `long` is stopped by what a signal handler raises;
/// others are over before a thread for that were up.
pub fn search<T: Send>(
    py: Python<'_>,
    long: bool,
    request: &mut SearchRequest,
    work: impl FnOnce(&SearchRequest) -> Result<T> + Send,
) -> PyResult<T> {
    if !long {
        return py.detach(|| work(request)).or_raise(py);
    }
    run(py, &Watcher::default(), |progress| {
        request.stop = Some(progress.clone());
        work(request)
    })
}

fn watched<T: Send>(
    progress: &Progress,
    watcher: &Watcher,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> (Result<T>, Option<PyErr>) {
    thread::scope(|scope| {
        let (done, finished) = sync_channel::<()>(1);
        let job = move || {
            let outcome = work(progress);
            // The receiver outlives the scope; a panic drops `done`, which wakes it as well.
            let _ = done.send(());
            outcome
        };
        let named = thread::Builder::new().name("nearfield-call".into());
        let worker = match named.spawn_scoped(scope, job) {
            Ok(worker) => worker,
            Err(error) => return (Err(no_thread(&error)), None),
        };
        let mut raised = None;
        while finished.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            if raised.is_none() {
                raised = Python::attach(|py| watcher.look(py, progress)).err();
                if raised.is_some() {
                    progress.cancel();
                }
            }
        }
        (worker.join().unwrap_or_else(|panic| resume_unwind(panic)), raised)
    })
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::ResourceLimit {
        what: "threads".into(),
        limit: "what the system allows".into(),
        found: error.to_string(),
        fix: "end other work or raise the limit".into(),
    }
}

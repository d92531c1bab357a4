//! The threads of this process that build, search and sort.

use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::environment::variable;
use crate::error::{Error, Result};
use crate::kernels::Isa;
use crate::memory;

const THREADS: &str = "NEARFIELD_THREADS";
const RAYON_THREADS: &str = "RAYON_NUM_THREADS";
const THREADS_MAX: usize = 1_024;

/// A pool and the process it was made in: threads don't survive a fork.
type Slot = Mutex<Option<(u32, &'static ThreadPool)>>;

static POOL: Slot = Mutex::new(None);
static BACKGROUND: Slot = Mutex::new(None);
static SEALING: Slot = Mutex::new(None);
static INDEXING: Slot = Mutex::new(None);
static ENCODING: Slot = Mutex::new(None);

/// The pool of this process, of [`threads`] threads; made at its first use, kept for ever.
pub(crate) fn pool() -> Result<&'static ThreadPool> {
    of_process(&POOL, "nearfield", threads, || {})
}

/// The pool for merges beside queries: a quarter of the threads, at least one.
pub(crate) fn background() -> Result<&'static ThreadPool> {
    of_process(&BACKGROUND, "nearfield-merge", a_quarter, stand_back)
}

/// The pool that indexes what is growing: a quarter of the threads, at least one.
pub(super) fn indexing() -> Result<&'static ThreadPool> {
    of_process(&INDEXING, "nearfield-index", a_quarter, stand_back)
}

/// The pool that seals what has grown: half of the threads, at least one, so that writers needn't
/// wait for it at some thousand points a second.
pub(super) fn sealing() -> Result<&'static ThreadPool> {
    of_process(&SEALING, "nearfield-seal", || Ok((threads()? / 2).max(1)), stand_back)
}

/// The thread that encodes what is growing: short work that waits for nothing else.
pub(super) fn encoding() -> Result<&'static ThreadPool> {
    of_process(&ENCODING, "nearfield-encode", || Ok(1), || {})
}

fn a_quarter() -> Result<usize> {
    Ok((threads()? / 4).max(1))
}

/// How far a thread stands back: a tenth of a core that another wants too. With less, growing points
/// pile up where all cores are busy, and searches pay for it.
#[cfg(all(target_os = "linux", not(test)))]
const BACK: i32 = 10;

/// Lets everything else have most of the cores from now on: what this thread does can wait, a search
/// beside it can't.
pub(super) fn stand_back() {
    // Of this thread only, on Linux; elsewhere of the process, which must stay as it is. Refusal
    // costs searches some time.
    #[cfg(all(target_os = "linux", not(test)))]
    let _ = rustix::process::nice(BACK);
}

/// Runs `work` on the threads of a pool. A thread of another pool waits for it and takes up nothing
/// else meanwhile: what it took up could wait for what its call holds.
pub(super) fn run<T: Send>(pool: &ThreadPool, work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_none() || pool.current_thread_index().is_some() {
        return pool.install(work);
    }
    let waited = std::thread::scope(|scope| scope.spawn(|| pool.install(work)).join());
    waited.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn of_process(
    slot: &Slot,
    name: &'static str,
    threads: fn() -> Result<usize>,
    begin: fn(),
) -> Result<&'static ThreadPool> {
    let mut pool = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, pool)) = *pool
        && owner == process
    {
        return Ok(pool);
    }
    let built = ThreadPoolBuilder::new()
        .num_threads(threads()?)
        .thread_name(move |i| format!("{name}-{i}"))
        .start_handler(move |_| begin())
        .build()
        .map_err(|e| Error::ResourceLimit {
            what: "threads".to_owned(),
            limit: "what the system allows".to_owned(),
            found: e.to_string(),
            fix: "set NEARFIELD_THREADS to a smaller number".to_owned(),
        })?;
    let built: &'static ThreadPool = Box::leak(Box::new(built));
    *pool = Some((process, built));
    Ok(built)
}

/// Refuses variables of the environment that can't be used, before anything is opened with them.
pub(super) fn check_environment() -> Result<()> {
    Isa::check()?;
    memory::check()?;
    let made = POOL.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    // Once there is a pool, the variables have been read.
    if made { Ok(()) } else { threads().map(drop) }
}

/// `NEARFIELD_THREADS`, else `RAYON_NUM_THREADS`, else the number of cores.
pub(super) fn threads() -> Result<usize> {
    if let Some(text) = variable(THREADS)? {
        return parse(THREADS, &text);
    }
    match variable(RAYON_THREADS)? {
        // As rayon has it, 0 leaves the choice open.
        Some(text) if text != "0" => parse(RAYON_THREADS, &text),
        _ => Ok(std::thread::available_parallelism().map_or(1, Into::into)),
    }
}

fn parse(name: &'static str, text: &str) -> Result<usize> {
    text.parse().ok().filter(|n| (1..=THREADS_MAX).contains(n)).ok_or_else(|| {
        let expected = format!("a number of threads, 1 to {THREADS_MAX}");
        Error::invalid(name, expected, format!("{text:?}"), "unset it for one a core")
    })
}

//! The threads of this process that build, search and sort.

use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// The pool and the process it was made in: threads don't survive a fork.
static POOL: Mutex<Option<(u32, &'static ThreadPool)>> = Mutex::new(None);

/// The pool of this process, of [`threads`] threads; made at its first use, kept for ever.
pub(crate) fn pool() -> Result<&'static ThreadPool> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, pool)) = *pool
        && owner == process
    {
        return Ok(pool);
    }
    let built = ThreadPoolBuilder::new()
        .num_threads(threads())
        .thread_name(|i| format!("nearfield-{i}"))
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

/// `NEARFIELD_THREADS`, else `RAYON_NUM_THREADS`, else the number of cores.
fn threads() -> usize {
    ["NEARFIELD_THREADS", "RAYON_NUM_THREADS"]
        .iter()
        .filter_map(|name| std::env::var(name).ok()?.trim().parse().ok())
        .find(|n| (1..=1024).contains(n))
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1)
}

//! What a collection is after power cuts, failed calls and long runs of random operations, compared
//! with a map in memory. On the disk of `vfs::fault`: thousands of cases a second.
//!
//! A [`workload`](workloads) is a list of steps. It runs once, recorded; then every prefix of what
//! it did to the disk is turned into what a power cut may leave, opened, and compared with the
//! states that the acknowledged steps allow. The runners print how many distinct cases they saw.

mod canaries;
mod churn;
mod crashes;
mod damage;
mod data;
mod faults;
mod fuzz;
mod growing;
mod leftovers;
mod model;
mod oracle;
mod panics;
mod schedules;
mod workloads;
mod world;

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many times as many cases as in `make test`: `NEARFIELD_SOAK`, else 1.
fn soak() -> u64 {
    std::env::var("NEARFIELD_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// What random choices begin with: `NEARFIELD_TEST_SEED`, else 0.
fn seed() -> u64 {
    std::env::var("NEARFIELD_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Says what was tested, past the capture of the test runner.
fn report(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How many cases are tried at once: `NEARFIELD_TEST_THREADS`, else one a core.
fn threads() -> usize {
    let chosen = std::env::var("NEARFIELD_TEST_THREADS").ok().and_then(|n| n.parse().ok());
    chosen.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from))
}

/// Does this to all items, on threads of its own (those of the pool would start the next item
/// while they wait for a part of this one); the first failure.
fn on_all<T: Sync>(
    items: &[T],
    one: impl Fn(usize, &T) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some((number, item)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            items.get(number).map(|item| (number, item))
        } {
            if let Err(error) = one(number, item) {
                next.store(items.len(), Ordering::Relaxed);
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(work);
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

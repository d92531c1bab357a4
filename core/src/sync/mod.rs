//! The locks and threads of a collection: the standard library's.
//!
//! In this crate's own unit tests they ask where they are made: inside of
//! [`scheduled::schedules`] they are those of `shuttle`, which runs all threads in turn and decides
//! at every lock who goes on, so that a test sees thousands of orders; elsewhere, and in every
//! other build, they are the standard library's. Shuttle rather than loom: what is tested is a
//! collection on a disk, far too much for trying all orders; and a switch at run time rather than a
//! feature: one build serves all tests.

#[cfg(test)]
pub(crate) mod scheduled;

#[cfg(test)]
pub(crate) use scheduled::{Condvar, JoinHandle, Mutex, MutexGuard, RwLock, is_real, spawn};
#[cfg(not(test))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(test))]
pub(crate) use std::thread::JoinHandle;

/// Whether threads are the system's, so that more may be started anywhere.
#[cfg(not(test))]
pub(crate) fn is_real() -> bool {
    true
}

/// Starts a thread.
#[cfg(not(test))]
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

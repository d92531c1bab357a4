//! Locks and threads that are the standard library's or shuttle's, by where they are made.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

/// Bytes of stack of a thread that shuttle runs.
const STACK: usize = 4 << 20;

thread_local! {
    static SCHEDULED: Cell<bool> = const { Cell::new(false) };
}

fn is_scheduled() -> bool {
    SCHEDULED.get()
}

/// Whether threads are the system's, so that more may be started anywhere.
pub(crate) fn is_real() -> bool {
    !is_scheduled()
}

/// Runs a test in so many orders of its threads: half of them random at every lock, half with a
/// few changes of priority, which finds what takes a thread that rests for long.
pub(crate) fn schedules(seed: u64, count: usize, test: impl Fn() + Send + Sync + Clone + 'static) {
    fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) {
        let mut config = shuttle::Config::new();
        config.stack_size = STACK;
        config.silence_warnings = true;
        shuttle::Runner::new(scheduler, config).run(test);
    }
    SCHEDULED.set(true);
    run(RandomScheduler::new_from_seed(seed, count.div_ceil(2)), test.clone());
    run(PctScheduler::new_from_seed(seed, 3, count / 2), test);
    SCHEDULED.set(false);
}

/// A place where another thread may go on; outside of [`schedules`] it is none.
pub(crate) fn point() {
    if is_scheduled() {
        // Not `yield_now`: whoever has the highest priority may go on.
        shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
    }
}

/// A lock.
#[derive(Debug)]
pub(crate) enum Mutex<T> {
    Std(std::sync::Mutex<T>),
    Scheduled(shuttle::sync::Mutex<T>),
}

pub(crate) enum MutexGuard<'a, T> {
    Std(std::sync::MutexGuard<'a, T>),
    Scheduled(shuttle::sync::MutexGuard<'a, T>),
}

fn map<A, B>(result: LockResult<A>, wrap: impl FnOnce(A) -> B) -> LockResult<B> {
    match result {
        Ok(guard) => Ok(wrap(guard)),
        Err(error) => Err(PoisonError::new(wrap(error.into_inner()))),
    }
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        if is_scheduled() {
            return Self::Scheduled(shuttle::sync::Mutex::new(value));
        }
        Self::Std(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self {
            Self::Std(mutex) => map(mutex.lock(), MutexGuard::Std),
            Self::Scheduled(mutex) => map(mutex.lock(), MutexGuard::Scheduled),
        }
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        fn map<A, B>(result: TryLockResult<A>, wrap: impl FnOnce(A) -> B) -> TryLockResult<B> {
            match result {
                Ok(guard) => Ok(wrap(guard)),
                Err(TryLockError::Poisoned(error)) => {
                    Err(PoisonError::new(wrap(error.into_inner())).into())
                }
                Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            }
        }
        match self {
            Self::Std(mutex) => map(mutex.try_lock(), MutexGuard::Std),
            Self::Scheduled(mutex) => map(mutex.try_lock(), MutexGuard::Scheduled),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Std(guard) => guard,
            Self::Scheduled(guard) => guard,
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::Std(guard) => guard,
            Self::Scheduled(guard) => guard,
        }
    }
}

/// Where threads wait for a change.
#[derive(Debug)]
pub(crate) enum Condvar {
    Std(std::sync::Condvar),
    Scheduled(shuttle::sync::Condvar),
}

impl Default for Condvar {
    fn default() -> Self {
        if is_scheduled() {
            return Self::Scheduled(shuttle::sync::Condvar::new());
        }
        Self::Std(std::sync::Condvar::new())
    }
}

impl Condvar {
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        match (self, guard) {
            (Self::Std(condvar), MutexGuard::Std(guard)) => {
                map(condvar.wait(guard), MutexGuard::Std)
            }
            (Self::Scheduled(condvar), MutexGuard::Scheduled(guard)) => {
                map(condvar.wait(guard), MutexGuard::Scheduled)
            }
            _ => unreachable!("made in different places"),
        }
    }

    /// Under shuttle no time passes: who relies on the timeout waits for ever, and the test fails.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        long: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        match (self, guard) {
            (Self::Std(condvar), MutexGuard::Std(guard)) => {
                map(condvar.wait_timeout(guard, long), |(guard, _)| (MutexGuard::Std(guard), ()))
            }
            (Self::Scheduled(_), guard) => map(self.wait(guard), |guard| (guard, ())),
            _ => unreachable!("made in different places"),
        }
    }

    pub(crate) fn notify_all(&self) {
        match self {
            Self::Std(condvar) => condvar.notify_all(),
            Self::Scheduled(condvar) => condvar.notify_all(),
        }
    }
}

/// A lock that readers share.
#[derive(Debug)]
pub(crate) enum RwLock<T> {
    Std(std::sync::RwLock<T>),
    Scheduled(shuttle::sync::RwLock<T>),
}

pub(crate) enum Read<'a, T> {
    Std(std::sync::RwLockReadGuard<'a, T>),
    Scheduled(shuttle::sync::RwLockReadGuard<'a, T>),
}

pub(crate) enum Write<'a, T> {
    Std(std::sync::RwLockWriteGuard<'a, T>),
    Scheduled(shuttle::sync::RwLockWriteGuard<'a, T>),
}

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        if is_scheduled() {
            return Self::Scheduled(shuttle::sync::RwLock::new(value));
        }
        Self::Std(std::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> LockResult<Read<'_, T>> {
        match self {
            Self::Std(lock) => map(lock.read(), Read::Std),
            Self::Scheduled(lock) => map(lock.read(), Read::Scheduled),
        }
    }

    pub(crate) fn write(&self) -> LockResult<Write<'_, T>> {
        match self {
            Self::Std(lock) => map(lock.write(), Write::Std),
            Self::Scheduled(lock) => map(lock.write(), Write::Scheduled),
        }
    }
}

impl<T> Deref for Read<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Std(guard) => guard,
            Self::Scheduled(guard) => guard,
        }
    }
}

impl<T> Deref for Write<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Std(guard) => guard,
            Self::Scheduled(guard) => guard,
        }
    }
}

impl<T> DerefMut for Write<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::Std(guard) => guard,
            Self::Scheduled(guard) => guard,
        }
    }
}

/// A thread that can be waited for.
pub(crate) enum JoinHandle<T> {
    Std(std::thread::JoinHandle<T>),
    Scheduled(shuttle::thread::JoinHandle<T>),
}

impl<T> JoinHandle<T> {
    pub(crate) fn join(self) -> std::thread::Result<T> {
        match self {
            Self::Std(thread) => thread.join(),
            Self::Scheduled(thread) => thread.join(),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinHandle")
    }
}

/// Starts a thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    if is_scheduled() {
        return Ok(JoinHandle::Scheduled(shuttle::thread::spawn(work)));
    }
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(JoinHandle::Std)
}

//! Where searches run: on threads of their own, as many at once as the machine has cores, with a
//! bounded queue in front.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tonic::Status;

/// Requests that may wait for each one that runs.
const WAITING_PER_THREAD: usize = 64;

/// A bound on how many calls run and wait.
#[derive(Debug, Clone)]
pub struct Pool {
    /// One permit for each call that runs or waits.
    admitted: Arc<Semaphore>,
    /// One permit for each call that runs.
    running: Arc<Semaphore>,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(available_parallelism().map_or(1, usize::from), WAITING_PER_THREAD)
    }
}

impl Pool {
    /// At most `threads` calls at once, and `waiting` in the queue for each of them.
    pub fn new(threads: usize, waiting: usize) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(threads * (1 + waiting))),
            running: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Runs `work` off the threads that serve connections. A caller that goes away leaves the
    /// queue; work that has begun finishes and holds its permit until then.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` at once when the queue is full; `INTERNAL` when `work` panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Status> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted("the server is full; retry after a pause, with backoff")
        })?;
        let stopping = |_| Status::unavailable("the server is stopping; retry elsewhere");
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(stopping)?;
        let finished = spawn_blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        });
        finished.await.map_err(|_| Status::internal("the search failed unexpectedly; see the log"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_recovers() {
        let pool = Pool::new(1, 0);
        let (go, wait) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    let _ = began.send(());
                    wait.recv()
                })
                .await
            }
        });
        begun.await.expect("the work begins");
        let refused = pool.run(|| ()).await.expect_err("the pool is full");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        drop(go);
        busy.await.expect("a result").expect("ran").expect_err("the sender is gone");
        pool.run(|| ()).await.expect("there is room again");
    }

    #[tokio::test]
    async fn a_panic_is_a_status_and_frees_its_place() {
        let pool = Pool::new(1, 0);
        let status = pool.run(|| panic!("on purpose")).await.expect_err("it panics");
        assert_eq!(status.code(), Code::Internal);
        pool.run(|| ()).await.expect("there is room again");
    }
}

//! Where calls do their work: on threads of their own, so many at once, with a bounded queue in
//! front. Who doesn't fit is refused at once, and told when to try again.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tonic::{Code, Status};

use super::caller::Call;
use super::metrics::GateMetrics;
use super::status::{RETRY_FULL, refused, retry, stopping, too_late};

/// A bound on how many calls run and wait.
#[derive(Debug, Clone)]
pub struct Gate {
    /// One permit for each call that runs or waits.
    admitted: Arc<Semaphore>,
    /// One permit for each call that runs.
    running: Arc<Semaphore>,
    metrics: GateMetrics,
}

impl Gate {
    /// At most `threads` calls at once, and `waiting` more in the queue.
    pub fn new(threads: usize, waiting: usize, metrics: GateMetrics) -> Self {
        let (threads, waiting) = (threads.clamp(1, 4096), waiting.min(1 << 20));
        Self {
            admitted: Arc::new(Semaphore::new(threads + waiting)),
            running: Arc::new(Semaphore::new(threads)),
            metrics,
        }
    }

    /// Runs `work` off the threads that serve connections. A caller that goes away, or whose time is
    /// up, leaves the queue; work that has begun holds its place until it ends.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` at once when the queue is full; `DEADLINE_EXCEEDED`; `INTERNAL` when
    /// `work` panics.
    pub async fn run<T: Send + 'static>(
        &self,
        call: &Call,
        work: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let began = Instant::now();
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| {
            self.metrics.refused.inc();
            let message = "the server is full; retry after a pause, with backoff";
            retry(Code::ResourceExhausted, "FULL", message, RETRY_FULL)
        })?;
        let running = Arc::clone(&self.running).acquire_owned();
        let running = until(call, running).await?.map_err(|_| stopping())?;
        self.metrics.wait.observe(began.elapsed().as_secs_f64());
        let finished = spawn_blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        });
        until(call, finished).await?.map_err(|failure| {
            tracing::error!(%failure, "a call panicked");
            refused(Code::Internal, "INTERNAL", "the call failed unexpectedly; see the log")
        })?
    }
}

/// What comes before the call's time is up.
async fn until<T>(call: &Call, future: impl Future<Output = T>) -> Result<T, Status> {
    match call.deadline {
        None => Ok(future.await),
        Some(deadline) => {
            tokio::time::timeout_at(deadline.into(), future).await.map_err(|_| too_late())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use nearfield::Progress;

    use super::super::caller::Caller;
    use super::*;

    fn call(time: Option<Duration>) -> Call {
        let deadline = time.map(|time| Instant::now() + time);
        let (caller, held) = (Arc::new(Caller::anyone()), Arc::default());
        Call { caller, deadline, stop: Progress::new(), held }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_recovers() {
        let gate = Gate::new(1, 0, GateMetrics::default());
        let (go, wait) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let busy = tokio::spawn({
            let gate = gate.clone();
            async move {
                let work = move || {
                    let _ = began.send(());
                    Ok(wait.recv().is_err())
                };
                gate.run(&call(None), work).await
            }
        });
        begun.await.expect("the work begins");
        // The quickest of some: the machine may have been busy elsewhere.
        let mut quickest = Duration::MAX;
        for _ in 0..20 {
            let asked = Instant::now();
            gate.run(&call(None), || Ok(())).await.expect_err("it is full");
            quickest = quickest.min(asked.elapsed());
        }
        assert!(quickest < Duration::from_millis(10), "{quickest:?}");
        let refused = gate.run(&call(None), || Ok(())).await.expect_err("it is full");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.metadata().contains_key("retry-after-ms"));
        drop(go);
        assert!(busy.await.expect("a result").expect("ran"));
        gate.run(&call(None), || Ok(())).await.expect("there is room again");
    }

    #[tokio::test]
    async fn time_that_is_up_in_the_queue_ends_the_wait() {
        let gate = Gate::new(1, 1, GateMetrics::default());
        let (go, wait) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let busy = tokio::spawn({
            let gate = gate.clone();
            async move {
                let work = move || {
                    let _ = began.send(());
                    Ok(wait.recv().is_err())
                };
                gate.run(&call(None), work).await
            }
        });
        begun.await.expect("the work begins");
        let short = call(Some(Duration::from_millis(20)));
        let late = gate.run(&short, || Ok(())).await.expect_err("it waits");
        assert_eq!(late.code(), Code::DeadlineExceeded);
        drop(go);
        busy.await.expect("a result").expect("ran");
    }

    #[tokio::test]
    async fn a_panic_is_a_status_and_frees_its_place() {
        let gate = Gate::new(1, 0, GateMetrics::default());
        let panics = || -> Result<(), Status> { panic!("on purpose") };
        let status = gate.run(&call(None), panics).await.expect_err("it panics");
        assert_eq!(status.code(), Code::Internal);
        gate.run(&call(None), || Ok(())).await.expect("there is room again");
    }
}

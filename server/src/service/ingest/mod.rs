//! `PointService.Ingest`: one task a stream reads what comes, one thread applies it in order.
//!
//! The task holds no more bytes than it gave credit for, and ends when the client is silent for too
//! long, the server stops, or the same stream is opened again by another connection. What was
//! acknowledged is in the collection or in the stream's [`journal`] by then.

mod batches;
mod journal;
mod session;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::backend::Backend;
use super::caller::{Call, Scope};
use super::catalog::check_name;
use super::status::{RETRY_FULL, bad_field, of_transport, refused, retry, stopping, too_late};
use super::stop::Stop;
use crate::v1::ingest_request::Message as Asked;
use crate::v1::ingest_response::Message as Told;
use crate::v1::{IngestBatch, IngestCommit, IngestMode, IngestOpen, IngestRequest, IngestResponse};

use session::{Key, Session};

/// What the client gets.
pub type Responses = Pin<Box<dyn Stream<Item = Result<IngestResponse, Status>> + Send>>;

/// Answers that a client has not taken yet: more means that it takes none.
const ANSWERS: usize = 4096;
/// Batches that wait for those before them.
const BATCHES: usize = 1024;

/// The streams that are open.
#[derive(Debug, Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    open: Arc<Mutex<HashMap<Key, Stop>>>,
}

impl Streams {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), open: Arc::default() }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = "too many Ingest streams are open; retry after a pause, with backoff";
            retry(Code::ResourceExhausted, "FULL", message, Duration::from_secs(1))
        })
    }

    /// Takes a stream; whoever has it is asked to let go of it.
    fn take(&self, key: &Key) -> Result<Taken, Status> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = open.get(key) {
            other.set();
            let message = "stream_id: the stream is open elsewhere, which is being ended; retry";
            return Err(retry(Code::Aborted, "STREAM_OPEN", message, RETRY_FULL));
        }
        let end = Stop::default();
        open.insert(key.clone(), end.clone());
        Ok(Taken { streams: self.clone(), key: key.clone(), end })
    }
}

/// The right to a stream.
struct Taken {
    streams: Streams,
    key: Key,
    end: Stop,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.streams.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Serves one stream.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` where too many are open.
pub fn begin(
    backend: Backend,
    call: Call,
    requests: Streaming<IngestRequest>,
) -> Result<Responses, Status> {
    let place = backend.streams.place()?;
    let (answers, receiver) = channel(ANSWERS);
    tokio::spawn(async move {
        let (stop, ended) = (backend.stop.clone(), answers.clone());
        let deadline = call.deadline;
        let end = tokio::select! {
            end = serve(backend, &call, requests, answers) => end,
            () = stop.wait() => Err(stopping()),
            () = until(deadline) => Err(too_late()),
            () = ended.closed() => Ok(()),
        };
        // Interrupts a commit that is under way.
        call.stop.cancel();
        if let Err(status) = end {
            // A client that takes nothing is not told.
            let _ = ended.try_send(Err(status));
        }
        drop(place);
    });
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

type Answers = Sender<Result<IngestResponse, Status>>;

async fn serve(
    backend: Backend,
    call: &Call,
    mut requests: Streaming<IngestRequest>,
    answers: Answers,
) -> Result<(), Status> {
    let idle = backend.limits.time_max;
    let Some(Asked::Open(open)) = next(&mut requests, idle).await? else {
        return Err(bad_field("message", "expected open first"));
    };
    let IngestOpen { collection, stream_id, mode } = open;
    let served = backend.catalog.find(&call.caller, &collection, Scope::Write)?;
    check_name("stream_id", &stream_id)?;
    let mode = IngestMode::try_from(mode)
        .map_err(|_| bad_field("mode", format!("expected a mode, found the number {mode}")))?;
    let key = (served.path.clone(), stream_id);
    let taken = backend.streams.take(&key)?;
    let end = taken.end.clone();
    let credit = backend.limits.ingest_bytes;
    let (batches, receiver) = channel(BATCHES);
    let held = Arc::new(AtomicUsize::new(0));
    let worker = Worker {
        backend: backend.clone(),
        call: call.clone(),
        answers: answers.clone(),
        held: Arc::clone(&held),
    };
    let work = spawn_blocking(move || {
        let taken = taken;
        let (session, opened) = Session::open(served, &taken.key, mode, credit as u64)?;
        worker.run(session, opened, receiver)
    });
    let reading = async {
        while let Some(message) = next(&mut requests, idle).await? {
            let (size, last) = match &message {
                Asked::Open(_) => return Err(bad_field("message", "expected open only once")),
                Asked::Batch(batch) => (batch.rows.len(), false),
                Asked::Commit(_) => (0, true),
            };
            let before = held.fetch_add(size, Ordering::Relaxed);
            if before > 0 && before + size > credit {
                let message = format!(
                    "expected at most {credit} bytes of rows on the way, found {}; wait for \
                     acknowledgements",
                    before + size
                );
                return Err(refused(Code::ResourceExhausted, "NO_CREDIT", message));
            }
            if batches.send(message).await.is_err() || last {
                break;
            }
        }
        // The worker ends with what it has got.
        drop(batches);
        Ok(())
    };
    let work = async {
        work.await.map_err(|failure| {
            tracing::error!(%failure, "an Ingest stream panicked");
            refused(Code::Internal, "INTERNAL", "the stream failed unexpectedly; see the log")
        })?
    };
    let elsewhere = async {
        end.wait().await;
        let message = "the stream was opened elsewhere";
        Err(refused(Code::Aborted, "STREAM_OPEN", message))
    };
    tokio::pin!(work);
    tokio::select! {
        read = reading => match read {
            Ok(()) => work.await,
            Err(status) => Err(status),
        },
        worked = &mut work => worked,
        taken = elsewhere => taken,
    }
}

/// The next message; `None` at the end.
async fn next(
    requests: &mut Streaming<IngestRequest>,
    idle: Duration,
) -> Result<Option<Asked>, Status> {
    let message = tokio::time::timeout(idle, requests.message()).await.map_err(|_| too_late())?;
    match message.map_err(of_transport)? {
        None => Ok(None),
        Some(IngestRequest { message: Some(message) }) => Ok(Some(message)),
        Some(IngestRequest { message: None }) => {
            Err(bad_field("message", "expected one of open, batch, commit; found none"))
        }
    }
}

/// Applies what comes, in order, on a thread of its own.
struct Worker {
    backend: Backend,
    call: Call,
    answers: Answers,
    /// Bytes that were read and are not acknowledged.
    held: Arc<AtomicUsize>,
}

impl Worker {
    fn run(
        &self,
        mut session: Session,
        opened: Told,
        mut messages: Receiver<Asked>,
    ) -> Result<(), Status> {
        self.tell(opened)?;
        while let Some(message) = messages.blocking_recv() {
            // What the stream's task gave up is not applied any more: it may be open elsewhere.
            if self.answers.is_closed() || self.call.stop.is_cancelled() {
                return Ok(());
            }
            match message {
                Asked::Open(_) => {}
                Asked::Batch(batch) => self.batch(&mut session, &batch)?,
                Asked::Commit(IngestCommit { offset }) => {
                    let told = session.commit(offset, &self.call.stop)?;
                    return self.tell(told);
                }
            }
        }
        Ok(())
    }

    fn batch(&self, session: &mut Session, batch: &IngestBatch) -> Result<(), Status> {
        let size = batch.rows.len();
        let (told, points) = session.batch(batch)?;
        self.backend.metrics.ingested(session.collection(), points);
        self.held.fetch_sub(size, Ordering::Relaxed);
        self.tell(told)
    }

    fn tell(&self, message: Told) -> Result<(), Status> {
        let answer = IngestResponse { message: Some(message) };
        self.answers.try_send(Ok(answer)).map_err(|_| {
            refused(Code::Aborted, "NO_READER", "expected the client to take what it is told")
        })
    }
}

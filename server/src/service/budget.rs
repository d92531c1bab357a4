//! Memory that messages may take together: requests from their first byte until their work is done,
//! answers until the client has taken them. What goes beyond is refused; answers that a client asked
//! for and doesn't take are given up with its connection.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::{Code, Status};

use super::status::{RETRY_FULL, retry};

/// Answers below this are handed to the transport whole, and are not counted.
const SMALL: usize = 64 << 10;

/// Bytes that are left for messages.
#[derive(Debug, Clone)]
pub struct Budget {
    left: Arc<Semaphore>,
    most: usize,
}

/// Bytes that were taken; they return when it is dropped.
#[derive(Debug, Default)]
pub struct Held(Mutex<Option<OwnedSemaphorePermit>>);

impl Budget {
    /// So many bytes.
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { left: Arc::new(Semaphore::new(most)), most }
    }

    /// Takes bytes for an answer. Small ones are not counted.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` where they are not there.
    pub fn answer(&self, bytes: usize) -> Result<Option<Arc<Held>>, Status> {
        if bytes < SMALL {
            return Ok(None);
        }
        let held = Held::default();
        held.take(self, bytes)?;
        Ok(Some(Arc::new(held)))
    }

    /// The body of a request, which takes bytes as they come.
    pub fn request(&self, body: Body, held: Arc<Held>) -> Body {
        Body::new(Incoming { body, budget: self.clone(), held })
    }
}

impl Held {
    fn take(&self, budget: &Budget, bytes: usize) -> Result<(), Status> {
        let full = |_| {
            let message = format!(
                "expected at most {} bytes of messages in memory, found more; retry after a pause, \
                 with backoff",
                budget.most
            );
            retry(Code::ResourceExhausted, "FULL", message, RETRY_FULL)
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = Arc::clone(&budget.left).try_acquire_many_owned(bytes).map_err(full)?;
        let mut permit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match permit.as_mut() {
            Some(permit) => permit.merge(more),
            None => *permit = Some(more),
        }
        Ok(())
    }
}

struct Incoming {
    body: Body,
    budget: Budget,
    held: Arc<Held>,
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            if let Some(data) = frame.data_ref() {
                self.held.take(&self.budget, data.len())?;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answers of a connection that its client hasn't taken yet: when each is given up.
#[derive(Debug, Clone, Default)]
pub struct Untaken(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    until: BTreeMap<u64, Instant>,
}

impl Untaken {
    /// Whether the time of any of them is up.
    pub fn too_long(&self) -> bool {
        let waiting = self.lock();
        let first = waiting.until.values().min();
        first.is_some_and(|until| Instant::now() >= *until)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, until: Instant) -> u64 {
        let mut waiting = self.lock();
        waiting.next += 1;
        let number = waiting.next;
        waiting.until.insert(number, until);
        number
    }

    fn set(&self, number: u64, until: Instant) {
        self.lock().until.insert(number, until);
    }

    fn end(&self, number: u64) {
        self.lock().until.remove(&number);
    }
}

/// An answer on its way: in pieces, as the client takes them. `keep` is dropped with its last byte.
pub struct Outgoing<K> {
    body: Body,
    piece: Bytes,
    watched: Option<Watched>,
    _keep: K,
}

struct Watched {
    untaken: Untaken,
    number: u64,
    patience: Duration,
    /// However much the client takes until then.
    last: Option<Instant>,
    _held: Arc<Held>,
}

impl Watched {
    fn until(patience: Duration, last: Option<Instant>) -> Instant {
        let now = Instant::now();
        let soon = now.checked_add(patience).unwrap_or(now);
        last.map_or(soon, |last| soon.min(last))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.untaken.end(self.number);
    }
}

impl<K: Send + Unpin + 'static> Outgoing<K> {
    /// One that the client takes some of every `patience`, and all of by `last`, if it is large.
    pub fn wrap(
        body: Body,
        large: Option<(Arc<Held>, Untaken)>,
        patience: Duration,
        last: Option<Instant>,
        keep: K,
    ) -> Body {
        let watched = large.map(|(held, untaken)| {
            let number = untaken.begin(Watched::until(patience, last));
            Watched { untaken, number, patience, last, _held: held }
        });
        Body::new(Self { body, piece: Bytes::new(), watched, _keep: keep })
    }
}

impl<K: Unpin> HttpBody for Outgoing<K> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(Watched { untaken, number, patience, last, .. }) = &self.watched {
            untaken.set(*number, Watched::until(*patience, *last));
        }
        if self.piece.is_empty() {
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.piece = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let size = self.piece.len().min(SMALL);
        let piece = self.piece.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_returns() {
        let budget = Budget::new(SMALL + 10);
        let first = budget.answer(SMALL).expect("there is room").expect("counted");
        assert!(budget.answer(SMALL - 1).expect("small").is_none());
        let status = budget.answer(SMALL).expect_err("full");
        assert_eq!(status.code(), Code::ResourceExhausted);
        first.take(&budget, 10).expect("the rest");
        first.take(&budget, 1).expect_err("full");
        drop(first);
        budget.answer(SMALL + 10).expect("all is back");
    }

    #[test]
    fn time_is_up_when_nothing_is_taken() {
        let untaken = Untaken::default();
        assert!(!untaken.too_long());
        let now = Instant::now();
        let number = untaken.begin(now);
        assert!(untaken.too_long());
        untaken.set(number, now + Duration::from_secs(60));
        assert!(!untaken.too_long());
        untaken.begin(now);
        untaken.end(number);
        assert!(untaken.too_long());
    }
}

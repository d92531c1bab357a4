//! Bulk loads: batches over one stream, taken up again where they broke off.

use std::collections::VecDeque;

use prost::Message;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::v1::ingest_request::Message as Asked;
use crate::v1::ingest_response::Message as Told;
use crate::v1::point_service_client::PointServiceClient;
use crate::v1::{self, IngestBatch, IngestCommit, IngestMode, IngestOpen, IngestRequest};
use crate::{Client, Error, Result};

/// Batches that may be on the way: more keep neither side busier.
const ON_THE_WAY: usize = 64;

/// A load that is under way.
///
/// [`send`](Self::send) batches in the same order each time; those that an earlier attempt made
/// durable are passed over. [`commit`](Self::commit) at the end.
#[derive(Debug)]
pub struct Ingest {
    client: Client,
    open: IngestOpen,
    wire: Option<Wire>,
    /// The next batch of the caller, and the points before it.
    next: (u64, u64),
    /// The server has those before this one.
    durable: u64,
    committed: bool,
    credit: u64,
    /// Not acknowledged, in order; the first so many are on the way.
    waiting: VecDeque<IngestBatch>,
    sent: usize,
    skipped: u64,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Points that were given.
    pub points: u64,
    /// Batches that were there already.
    pub skipped_batches: u64,
}

#[derive(Debug)]
struct Wire {
    requests: Sender<IngestRequest>,
    answers: Streaming<v1::IngestResponse>,
}

impl Ingest {
    pub(crate) async fn begin(
        client: Client,
        collection: String,
        stream_id: String,
        mode: IngestMode,
    ) -> Result<Self> {
        let open = IngestOpen { collection, stream_id, mode: mode.into() };
        let mut ingest = Self {
            client,
            open,
            wire: None,
            next: (0, 0),
            durable: 0,
            committed: false,
            credit: 0,
            waiting: VecDeque::new(),
            sent: 0,
            skipped: 0,
        };
        ingest.again(0, None).await?;
        Ok(ingest)
    }

    /// Sends a batch of points; waits where the server has enough to do.
    ///
    /// # Errors
    /// [`Error::Refused`] where a batch can't be used, maybe an earlier one.
    pub async fn send(&mut self, rows: &v1::Rows) -> Result<()> {
        let (sequence, offset) = self.next;
        let points =
            rows.ids.as_ref().and_then(|ids| ids.kind.as_ref()).map_or(0, |kind| match kind {
                v1::ids::Kind::U64(list) => list.values.len() as u64,
                v1::ids::Kind::Str(list) => list.values.len() as u64,
            });
        self.next = (sequence + 1, offset + points);
        if sequence < self.durable {
            self.skipped += 1;
            return Ok(());
        }
        let rows = rows.encode_to_vec();
        let crc32c = crc32c::crc32c(&rows);
        self.waiting.push_back(IngestBatch { sequence, offset, crc32c, rows: rows.into() });
        self.until(|ingest| ingest.sent == ingest.waiting.len() && ingest.sent < ON_THE_WAY).await
    }

    /// Waits until all of it is durable and visible.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn commit(mut self) -> Result<Loaded> {
        self.until(|ingest| ingest.waiting.is_empty()).await?;
        let mut attempt = 0;
        while !self.committed {
            let last = Asked::Commit(IngestCommit { offset: self.next.1 });
            let told = match self.tell(last).await {
                Ok(()) => self.hear().await,
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                attempt += 1;
                self.again(attempt, Some(error)).await?;
            }
        }
        Ok(Loaded { points: self.next.1, skipped_batches: self.skipped })
    }

    /// Sends and listens until it is so.
    async fn until(&mut self, done: impl Fn(&Self) -> bool) -> Result<()> {
        let mut attempt = 0;
        loop {
            let before = self.durable;
            let Err(error) = self.step(&done).await else { return Ok(()) };
            attempt = if self.durable > before { 1 } else { attempt + 1 };
            self.again(attempt, Some(error)).await?;
        }
    }

    async fn step(&mut self, done: &impl Fn(&Self) -> bool) -> Result<()> {
        loop {
            while let Some(batch) = self.waiting.get(self.sent) {
                let size = batch.rows.len() as u64;
                if self.sent >= ON_THE_WAY || size > self.credit && self.sent > 0 {
                    break;
                }
                let batch = Asked::Batch(batch.clone());
                self.credit = self.credit.saturating_sub(size);
                self.sent += 1;
                self.tell(batch).await?;
            }
            if done(self) {
                return Ok(());
            }
            self.hear().await?;
        }
    }

    async fn tell(&mut self, message: Asked) -> Result<()> {
        let wire = self.wire.as_mut().ok_or(Error::Answer("the stream has ended"))?;
        // A stream that has ended says why when it is read.
        let _ = wire.requests.send(IngestRequest { message: Some(message) }).await;
        Ok(())
    }

    async fn hear(&mut self) -> Result<()> {
        let wire = self.wire.as_mut().ok_or(Error::Answer("the stream has ended"))?;
        let answer = wire.answers.message().await?.ok_or(Error::Answer("the stream has ended"))?;
        match answer.message {
            Some(Told::Opened(opened)) => {
                self.durable = self.durable.max(opened.next_sequence);
                self.credit = opened.credit_bytes;
                self.committed = opened.committed;
            }
            Some(Told::Ack(ack)) => {
                self.durable = self.durable.max(ack.sequence + 1);
                self.credit += ack.credit_bytes;
            }
            Some(Told::Committed(_)) => self.committed = true,
            None => return Err(Error::Answer("an empty message")),
        }
        while self.waiting.front().is_some_and(|batch| batch.sequence < self.durable) {
            self.waiting.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
        Ok(())
    }

    /// Opens the stream, again after a failure that allows it.
    async fn again(&mut self, mut attempt: u32, mut failure: Option<Error>) -> Result<()> {
        loop {
            if let Some(error) = failure.take() {
                let may = matches!(error.code(), Some(Code::Unavailable | Code::Aborted))
                    || error.reason() == "FULL";
                // What is durable the server knows, so repeating is safe.
                let away = Error::Unreachable(String::new());
                let pause = self.client.retry().after(attempt.max(1), &away, true);
                let (true, Some(pause)) = (may, pause) else { return Err(error) };
                tokio::time::sleep(pause.max(error.retry_after().unwrap_or_default())).await;
            }
            match self.open().await {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(error),
            }
            attempt += 1;
        }
    }

    async fn open(&mut self) -> Result<()> {
        self.wire = None;
        self.sent = 0;
        let (requests, receiver) = channel(ON_THE_WAY + 2);
        let open = IngestRequest { message: Some(Asked::Open(self.open.clone())) };
        let mut client = PointServiceClient::new(self.client.channel.clone());
        // There is room: nothing was sent yet.
        let _ = requests.send(open).await;
        let request = self.client.request(ReceiverStream::new(receiver), None);
        let answers = client.ingest(request).await?.into_inner();
        self.wire = Some(Wire { requests, answers });
        self.hear().await
    }
}

//! One stream: what to do with each of its messages.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use nearfield::{Durability, Error, LoadOptions, Progress};
use prost::Message;
use tonic::{Code, Status};

use super::batches::record_batches;
use super::journal::{Journal, State};
use crate::service::catalog::Served;
use crate::service::points::Given;
use crate::service::status::{bad_field, refused, status};
use crate::v1::ingest_response::Message as Told;
use crate::v1::{IngestAck, IngestBatch, IngestCommitted, IngestMode, IngestOpened, Rows};

/// The directory of a collection and the name of a stream.
pub type Key = (PathBuf, String);

const LIVE: u8 = 1;
const PENDING: u8 = 2;

/// An open stream.
#[derive(Debug)]
pub struct Session {
    served: Arc<Served>,
    journal: Journal,
}

impl Session {
    /// Begins a stream or goes on with it; and what to tell the client.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` where the collection can't be written to, or the mode is another.
    pub fn open(
        served: Arc<Served>,
        key: &Key,
        mode: IngestMode,
        credit_bytes: u64,
    ) -> Result<(Self, Told), Status> {
        if !served.collection.is_writable() {
            return Err(status(&Error::ReadOnly { operation: "ingest" }));
        }
        let mode = match mode {
            IngestMode::Unspecified | IngestMode::Live => LIVE,
            IngestMode::Pending => PENDING,
        };
        let path = served.path.join("ingest").join(format!("{}.stream", key.1));
        let journal = Journal::open(&path, mode).map_err(|error| failed("open", error))?;
        if journal.mode() != mode {
            let message = "mode: expected that in which the stream was begun, found the other";
            return Err(refused(Code::FailedPrecondition, "MODE", message));
        }
        let State { sequence, offset, committed } = journal.state();
        let opened =
            IngestOpened { next_sequence: sequence, next_offset: offset, credit_bytes, committed };
        Ok((Self { served, journal }, Told::Opened(opened)))
    }

    /// The name of the collection.
    pub fn collection(&self) -> &str {
        &self.served.name
    }

    /// Makes a batch durable; what to tell the client, and how many points are new.
    ///
    /// # Errors
    /// `OUT_OF_RANGE`, `DATA_LOSS`, `INVALID_ARGUMENT`; nothing of the batch is applied.
    pub fn batch(&mut self, batch: &IngestBatch) -> Result<(Told, u64), Status> {
        let State { sequence, offset, committed } = self.journal.state();
        let number = batch.sequence;
        if number < sequence {
            return Ok((self.ack(batch.rows.len()), 0));
        }
        if committed {
            let message = "the stream was committed; begin another, with another stream_id";
            return Err(refused(Code::FailedPrecondition, "COMMITTED", message));
        }
        if (number, batch.offset) != (sequence, offset) {
            let message = format!(
                "batch: expected sequence {sequence} at offset {offset}, found {number} at {}",
                batch.offset
            );
            return Err(refused(Code::OutOfRange, "SEQUENCE", message));
        }
        if crc32c::crc32c(&batch.rows) != batch.crc32c {
            let message = format!("batch {number}: its checksum does not fit; send it again");
            return Err(refused(Code::DataLoss, "CHECKSUM", message));
        }
        let rows = Rows::decode(batch.rows.clone()).map_err(|error| {
            bad_field("rows", format!("batch {number}: expected a serialised Rows: {error}"))
        })?;
        let points = self.apply(rows).map_err(|error| at(number, &status(&error)))?;
        let pending = self.journal.mode() == PENDING;
        let kept: &[u8] = if pending { &batch.rows } else { &[] };
        self.journal.batch(points, kept).map_err(|error| failed("append to", error))?;
        Ok((self.ack(batch.rows.len()), points))
    }

    /// Writes a batch, or checks that it could be written; how many points it has.
    fn apply(&self, rows: Rows) -> nearfield::Result<u64> {
        let collection = &self.served.collection;
        let config = collection.config();
        let Given { ids, vectors, attributes } = Given::of(rows, &config)?;
        let attributes = attributes.as_ref();
        if self.journal.mode() == PENDING {
            collection.check_upsert(&ids, &vectors, attributes)?;
        } else {
            collection.upsert(&ids, &vectors, attributes, &Progress::new())?;
            if config.durability == Durability::Buffered {
                collection.flush()?;
            }
        }
        Ok(ids.len() as u64)
    }

    fn ack(&self, bytes: usize) -> Told {
        let State { sequence, offset, .. } = self.journal.state();
        let sequence = sequence.saturating_sub(1);
        Told::Ack(IngestAck { sequence, offset, credit_bytes: bytes as u64 })
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// `OUT_OF_RANGE` where points are missing; those of writing them. The stream stays open to
    /// another attempt then.
    pub fn commit(&mut self, offset: u64, stop: &Progress) -> Result<Told, Status> {
        let state = self.journal.state();
        if offset != state.offset {
            let message = format!("commit: expected offset {}, found {offset}", state.offset);
            return Err(refused(Code::OutOfRange, "SEQUENCE", message));
        }
        if !state.committed {
            if self.journal.mode() == PENDING {
                let rows = self.journal.rows().map_err(|error| failed("read", error))?;
                let collection = &self.served.collection;
                let batches = record_batches(rows, collection.config());
                let replaced = collection.replace(batches, &LoadOptions::default(), stop);
                replaced.map_err(|error| status(&error))?;
            }
            self.journal.commit().map_err(|error| failed("write", error))?;
        }
        Ok(Told::Committed(IngestCommitted { offset }))
    }
}

fn failed(operation: &'static str, error: io::Error) -> Status {
    tracing::error!(%error, operation, "the file of a stream");
    status(&Error::io(PathBuf::new(), operation, error))
}

/// The same status, with the number of the batch.
fn at(number: u64, status: &Status) -> Status {
    let message = format!("batch {number}: {}", status.message());
    Status::with_details(status.code(), message, status.details().to_vec().into())
}

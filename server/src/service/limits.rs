//! Bounds on everything that a client decides: one struct, every default in `--help`.

use std::time::Duration;

use prost::Message;
use tonic::Status;

use super::backend::too_large;

/// The bounds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest message of a request that writes, in bytes.
    pub write_bytes: usize,
    /// Largest message of any other request, in bytes.
    pub read_bytes: usize,
    /// Largest answer, in bytes.
    pub answer_bytes: usize,
    /// Requests and answers in memory at once, in bytes; those of Ingest are not among them.
    pub memory_bytes: usize,
    /// Bytes of one Ingest stream that may be on the way.
    pub ingest_bytes: usize,
    /// Ingest streams at once.
    pub ingest_streams: usize,
    /// Connections at once.
    pub connections: usize,
    /// Calls at once a connection.
    pub streams: u32,
    /// Calls at once.
    pub calls: usize,
    /// All headers of a request, in bytes.
    pub header_bytes: u32,
    /// Time for the TLS handshake and the first bytes of HTTP/2; a connection whose client takes
    /// nothing for three times as long is given up.
    pub handshake: Duration,
    /// A connection that is silent for so long is asked whether it is there.
    pub keepalive: Duration,
    /// Time for its answer.
    pub keepalive_timeout: Duration,
    /// Time of a call that doesn't say.
    pub time_default: Duration,
    /// Most time of a call that isn't a stream or a merge.
    pub time_max: Duration,
    /// Time for calls under way once the server is asked to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            write_bytes: 32 << 20,
            read_bytes: 4 << 20,
            answer_bytes: 64 << 20,
            memory_bytes: 1 << 30,
            ingest_bytes: 32 << 20,
            ingest_streams: 16,
            connections: 1024,
            streams: 128,
            calls: 1024,
            header_bytes: 16 << 10,
            handshake: Duration::from_secs(10),
            keepalive: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            time_default: Duration::from_secs(30),
            time_max: Duration::from_secs(300),
            drain: Duration::from_secs(10),
        }
    }
}

/// A client that takes nothing for so many times the time of the handshake is gone.
const STALLED: u32 = 3;

impl Limits {
    /// How long a client may take nothing of what it is sent.
    pub fn patience(&self) -> Duration {
        self.handshake * STALLED
    }

    /// The bytes of an answer; refuses one that can't be sent.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub fn check_answer(&self, answer: &impl Message) -> Result<usize, Status> {
        let found = answer.encoded_len();
        if found <= self.answer_bytes {
            return Ok(found);
        }
        Err(too_large("answer", self.answer_bytes, found))
    }

    /// Refuses to look for hits that can't be sent: so many, of so many bytes each.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub fn check_hits(&self, hits: usize, bytes: usize) -> Result<(), Status> {
        let found = hits.saturating_mul(bytes);
        if found <= self.answer_bytes {
            return Ok(());
        }
        Err(too_large("hits", self.answer_bytes, found))
    }
}

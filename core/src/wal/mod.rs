//! The write-ahead log: what was acknowledged and is not in a sealed segment yet.
//!
//! Owns how payloads become records of a file and come back; knows nothing of what they mean.
//!
//! ```text
//!  file    := header record*
//!  unit    := record+ commit                     all of it is applied, or nothing
//!  record  := head payload zeros                 to a multiple of 8 bytes
//!
//!  head:   0        4      8         16       20            24   28         32
//!          | length | kind | durable | before | payload crc | tag | chain |
//! ```
//!
//! `chain` is a checksum of the head and of the file's salt, `tag` a part of that salt. `before` is
//! the chain of the record before (of the first: the crc of the file's head). `durable` is a length of this file that had been synced when the
//! record was written: bytes below it can't be a torn tail.
//!
//! A file is named by the manifest before its first record. The manifest also keeps a *mark*, a
//! length and the chain there: a file that is shorter, or different up to there, is damaged. Past
//! the mark, the last file may end in a record that isn't whole, and is cut there in reading;
//! unless a later record proves that the place had been synced.

mod reader;
mod record;
mod writer;

use bincode::{Decode, Encode};

pub(crate) use reader::Reader;
pub(crate) use record::{Kind, PAYLOAD_MAX, Payload};
pub(crate) use writer::Writer;

/// A file of the log, as a manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Mark {
    /// The file is `wal/<id>.log`.
    pub(crate) id: u64,
    /// Bytes that are there for certain; a boundary between units.
    pub(crate) length: u64,
    /// The chain at that length.
    pub(crate) chain: u32,
}

impl Mark {
    /// The name of the file, below the collection's directory.
    pub(crate) fn file(&self) -> String {
        wal_file(self.id)
    }
}

pub(crate) fn wal_file(id: u64) -> String {
    format!("wal/{id}.log")
}

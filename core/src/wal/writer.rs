//! Appends units to the last file of the log.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::record::{Payload, Salt, commit_payload, encode, encode_file_head};
use super::{Mark, wal_file};
use crate::canary::sings;
use crate::error::Result;
use crate::vfs::{Directory, FileWriter};

/// Records gathered before they are written.
const BUFFER_BYTES: usize = 4 << 20;

/// The last file of the log, open for appending.
pub(crate) struct Writer {
    file: FileWriter,
    at: Mark,
    /// How far it is synced.
    durable: Mark,
    salt: Salt,
    next_unit: u64,
    buffer: Vec<u8>,
}

impl Writer {
    /// Starts the file of this id: written and synced, its directory too. No manifest names it yet.
    pub(crate) fn create(directory: &Directory, id: u64, first_unit: u64) -> Result<Self> {
        let salt = Salt::new();
        let (head, chain) = encode_file_head(id, first_unit, salt);
        let mut file = directory.start(&wal_file(id))?;
        let written = file.append(&head).and_then(|()| file.sync());
        if let Err(error) = written.and_then(|()| directory.sync("wal")) {
            drop(file);
            directory.remove_if_there(&wal_file(id));
            return Err(error);
        }
        let at = Mark { id, length: head.len() as u64, chain };
        Ok(Self { file, at, durable: at, salt, next_unit: first_unit, buffer: Vec::new() })
    }

    /// Adds a unit. It is on disk after [`Self::write`], and there to stay after [`Self::sync`].
    pub(crate) fn add(&mut self, payloads: &[Payload]) -> Result<()> {
        let commit = commit_payload(self.next_unit, payloads.len() as u64);
        for payload in payloads.iter().chain([&commit]) {
            let before = self.buffer.len();
            let (durable, chain) = (self.durable.length, self.at.chain);
            self.at.chain = encode(payload, durable, chain, self.salt, &mut self.buffer);
            self.at.length += (self.buffer.len() - before) as u64;
            if self.buffer.len() >= BUFFER_BYTES {
                self.write()?;
            }
        }
        self.next_unit += 1;
        Ok(())
    }

    /// Hands what was added to the system.
    pub(crate) fn write(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Makes everything added durable; does nothing if it is.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.write()?;
        if self.durable != self.at {
            if sings("sync again after a failed sync") && self.file.sync_data().is_ok() {
                self.durable = self.at;
                return Ok(());
            }
            if !sings("acknowledge before the log is synced") {
                self.file.sync_data()?;
            }
            self.durable = self.at;
        }
        Ok(())
    }

    /// How far it is synced.
    pub(crate) fn durable(&self) -> Mark {
        self.durable
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.at.length
    }
}

//! Where a Parquet file's bytes come from; a range is checked before memory is taken for it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Blame, Result};
use crate::raw::open_file;

/// A file, or bytes in memory.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    bytes: Backing,
    len: u64,
}

#[derive(Debug, Clone)]
enum Backing {
    File(Arc<File>),
    Memory(Bytes),
}

impl Input {
    pub(crate) fn file(path: &Path, blame: &Blame) -> Result<Self> {
        let (file, len) = open_file(path, blame)?;
        Ok(Self { bytes: Backing::File(Arc::new(file)), len })
    }

    pub(crate) fn memory(bytes: Bytes) -> Self {
        Self { len: bytes.len() as u64, bytes: Backing::Memory(bytes) }
    }

    fn check(&self, start: u64, length: u64) -> ParquetResult<()> {
        if start.checked_add(length).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(ParquetError::EOF(format!(
            "{length} bytes at byte {start} of a file of {} bytes",
            self.len
        )))
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Input {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.check(start, 0)?;
        Ok(match &self.bytes {
            Backing::File(file) => Box::new(file.get_read(start)?),
            Backing::Memory(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.check(start, length as u64)?;
        match &self.bytes {
            Backing::File(file) => file.get_bytes(start, length),
            Backing::Memory(bytes) => bytes.get_bytes(start, length),
        }
    }
}

//! A file read front to back, with errors that name the file and the place.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const BUFFER: usize = 1 << 20;

/// A file, and how far it was read.
#[derive(Debug)]
pub(super) struct Bytes {
    from: BufReader<File>,
    path: PathBuf,
    at: u64,
    length: u64,
}

impl Bytes {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::io(path, "open", source);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            from: BufReader::with_capacity(BUFFER, file),
            path: path.to_owned(),
            at: 0,
            length,
        })
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn left(&self) -> u64 {
        self.length - self.at
    }

    /// The error for bytes that aren't what the format has here.
    pub(super) fn damaged(
        &self,
        what: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        let place = format!("{}, byte {}, {what}", self.path.display(), self.at);
        Error::invalid(place, expected, found, "dump the index again with Hnsw::file_dump")
    }

    /// The error for what a sound dump may hold, but a collection can't.
    pub(super) fn unsuitable(&self, expected: &str, found: impl Into<String>, fix: &str) -> Error {
        Error::invalid(self.path.display().to_string(), expected, found, fix)
    }

    /// Fills `out`; `what` is what it holds.
    pub(super) fn fill(&mut self, what: &str, out: &mut [u8]) -> Result<()> {
        let bytes = out.len() as u64;
        if bytes > self.left() {
            let found = format!("the end of the file after {}", self.left());
            return Err(self.damaged(what, format!("{bytes} bytes"), found));
        }
        self.from.read_exact(out).map_err(|source| Error::io(&self.path, "read", source))?;
        self.at += bytes;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut out = [0; N];
        self.fill(what, &mut out)?;
        Ok(out)
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self, what: &str) -> Result<i32> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(super) fn f64(&mut self, what: &str) -> Result<f64> {
        self.array(what).map(f64::from_le_bytes)
    }

    /// A text behind its length, at most 256 bytes long, as the crate writes them.
    pub(super) fn text(&mut self, what: &str) -> Result<String> {
        let length = self.u64(what)?;
        if length > 256 {
            return Err(self.damaged(what, "a length of at most 256", length.to_string()));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(what, &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| self.damaged(what, "a name in UTF-8", "other bytes"))
    }

    /// Checks for a fixed word.
    pub(super) fn magic(&mut self, what: &str, expected: u32) -> Result<()> {
        let found = self.u32(what)?;
        if found == expected {
            return Ok(());
        }
        Err(self.damaged(what, format!("{expected:08x} before it"), format!("{found:08x}")))
    }

    /// Passes over bytes.
    pub(super) fn skip(&mut self, what: &str, bytes: u64) -> Result<()> {
        if bytes > self.left() {
            let found = format!("the end of the file after {}", self.left());
            return Err(self.damaged(what, format!("{bytes} bytes"), found));
        }
        // A skip is a few hundred bytes: mostly inside the buffer.
        let failed = |source| Error::io(&self.path, "read", source);
        self.from.seek_relative(bytes as i64).map_err(failed)?;
        self.at += bytes;
        Ok(())
    }

    /// Goes back to a place that was read before.
    pub(super) fn back_to(&mut self, at: u64) -> Result<()> {
        let failed = |source| Error::io(&self.path, "read", source);
        self.from.seek(SeekFrom::Start(at)).map_err(failed)?;
        self.at = at;
        Ok(())
    }
}

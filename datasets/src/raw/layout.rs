//! Where the rows of a raw file are, and the file itself, read front to back.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field};

use crate::error::{Blame, Position, Result};
use crate::options::DIM_MAX;
use crate::raw::element::Element;

/// The shape of a raw file: `rows` records of `prefix + dim * element` bytes from `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Offset of the first row.
    pub(crate) start: u64,
    pub(crate) rows: u64,
    /// Components of a vector, 1 to [`DIM_MAX`].
    pub(crate) dim: usize,
    pub(crate) element: Element,
    /// Whether each row begins with its dimension, as an i32.
    pub(crate) prefixed: bool,
}

impl Layout {
    /// Bytes of one row.
    pub(crate) fn record(&self) -> usize {
        self.dim * self.element.bytes() + if self.prefixed { 4 } else { 0 }
    }

    pub(crate) fn position(&self, row: u64) -> Position {
        Position::row(row, self.start.saturating_add(row.saturating_mul(self.record() as u64)))
    }

    pub(crate) fn field(&self, name: &str) -> Field {
        let item = Arc::new(Field::new("item", self.element.data_type(), false));
        Field::new(name, DataType::FixedSizeList(item, self.dim as i32), false)
    }

    /// Checks the layout against the length of the file: every byte is accounted for.
    pub(crate) fn check(self, file: &RawFile, header_at: u64) -> Result<Self> {
        let payload = self.rows.checked_mul(self.record() as u64);
        let end = payload.and_then(|bytes| bytes.checked_add(self.start));
        if end == Some(file.len) {
            return Ok(self);
        }
        let promised = end.map_or("more than fits a file".into(), |bytes| bytes.to_string());
        let complete = file.len.saturating_sub(self.start) / self.record() as u64;
        let (at, fix) = if end.is_none_or(|bytes| bytes > file.len) {
            (self.position(complete), "the file is cut off; copy it again")
        } else {
            (Position::byte(header_at), "the file holds more than one array, or is damaged")
        };
        Err(file.blame.malformed(
            at,
            format!("{promised} bytes ({} rows of {} components)", self.rows, self.dim),
            format!("{} bytes", file.len),
            fix,
        ))
    }
}

/// Refuses dimensions that no vector has.
pub(crate) fn check_dim(dim: u64, at: u64, blame: &Blame) -> Result<usize> {
    usize::try_from(dim).ok().filter(|dim| (1..=DIM_MAX).contains(dim)).ok_or_else(|| {
        blame.malformed(
            Position::byte(at),
            format!("a dimension of 1 to {DIM_MAX}"),
            dim.to_string(),
            "check that the file is of the format that its extension names",
        )
    })
}

/// A file that is read front to back.
#[derive(Debug)]
pub(crate) struct RawFile {
    reader: BufReader<File>,
    /// Length when it was opened.
    pub(crate) len: u64,
    pub(crate) blame: Blame,
}

impl RawFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let blame = Blame::new(path);
        let (file, len) = open_file(path, &blame)?;
        Ok(Self { reader: BufReader::new(file), len, blame })
    }

    /// Fills `buffer` from the current offset; `at` is where that is.
    pub(crate) fn read(&mut self, buffer: &mut [u8], at: Position) -> Result<()> {
        self.reader.read_exact(buffer).map_err(|e| self.blame.io(at, "read", e))
    }

    /// Reads `N` bytes of a header at `at`.
    pub(crate) fn header<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read(&mut bytes, Position::byte(at))?;
        Ok(bytes)
    }

    pub(crate) fn seek(&mut self, to: u64) -> Result<()> {
        let moved = self.reader.seek(SeekFrom::Start(to));
        moved.map(|_| ()).map_err(|e| self.blame.io(Position::byte(to), "seek", e))
    }
}

/// Opens a regular file and returns it with its length.
pub(crate) fn open_file(path: &Path, blame: &Blame) -> Result<(File, u64)> {
    let failed = |e| blame.io(Position::UNKNOWN, "open", e);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(blame.unsupported(
            Position::UNKNOWN,
            "a regular file",
            if metadata.is_dir() { "a directory" } else { "a device or pipe" },
            "for the files of a directory give a pattern, such as \"dir/*.parquet\"",
        ));
    }
    Ok((file, metadata.len()))
}

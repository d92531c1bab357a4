//! Bytes of files: headers, section tables, checksums. Pure encoding and decoding, no I/O.
//!
//! Invariant: decoding any bytes ends in a value or a [`Fault`]; nothing is allocated from a
//! count before the count was compared with the length of the file. `docs/format.md` draws it.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod checksum;
mod header;
mod table;

use std::path::Path;

pub(crate) use checksum::{BLOCK, BlockSums, crc};
pub(crate) use header::{FileKind, HEADER_BYTES, decode_header, encode_header};
pub(crate) use table::{Entry, Layout, Planned, SectionKind, Table};

use crate::error::Error;

/// The newest format version that this build reads, and the one that it writes.
pub(crate) const VERSION: u32 = 1;

/// What decoding gives.
pub(crate) type Decoded<T> = Result<T, Fault>;

/// What is wrong with the bytes of a file.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// They aren't what was written.
    Damage { offset: u64, section: String, expected: String, found: String },
    /// They are of a newer format.
    Newer { found: String, supported: String },
}

impl Fault {
    pub(crate) fn damage(
        offset: u64,
        section: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Damage {
            offset,
            section: section.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// The error about this file.
    pub(crate) fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Damage { offset, section, expected, found } => {
                Error::Corruption { path, offset, section, expected, found }
            }
            Self::Newer { found, supported } => {
                Error::UnsupportedVersion { path, found, supported }
            }
        }
    }
}

/// The little-endian u32 at an offset, if it is within the bytes.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The little-endian u64 at an offset, if it is within the bytes.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Whether all of these bytes are zero; else the position of the first that isn't.
pub(crate) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    // Chunks let the compiler compare many bytes at once.
    let (chunks, rest) = bytes.as_chunks::<64>();
    let zeros = chunks.iter().take_while(|c| **c == [0; 64]).count() * 64;
    if zeros < chunks.len() * 64 {
        return bytes.iter().skip(zeros).position(|b| *b != 0).map(|at| zeros + at);
    }
    rest.iter().position(|b| *b != 0).map(|at| zeros + at)
}

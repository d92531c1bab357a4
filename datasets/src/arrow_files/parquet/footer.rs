//! A look at a Parquet footer before the decoder sees it.
//!
//! ```text
//! 'PAR1' | pages | footer: a Thrift struct, compact protocol | its length: u32 | 'PAR1'
//! ```
//!
//! The decoder takes memory by the counts that the footer claims, and descends as deep as it says;
//! [`thrift`] proves both harmless.

use parquet::file::reader::{ChunkReader, Length};

use super::input::Input;
use super::{FIX, thrift};
use crate::error::{Blame, Position, Result};

const MAGIC: [u8; 4] = *b"PAR1";
const TAIL: u64 = 8;

/// Checks the end of the file and returns where the footer begins.
pub(crate) fn check(input: &Input, blame: &Blame) -> Result<u64> {
    let len = input.len();
    let broken = |at: u64, expected: &str, found: String| {
        Err(blame.malformed(Position::byte(at), expected, found, FIX))
    };
    let Some(tail_at) = len.checked_sub(TAIL) else {
        return broken(0, "a Parquet file of at least 12 bytes", format!("{len} bytes"));
    };
    let read = |at: u64, length: usize| {
        input.get_bytes(at, length).map_err(|e| {
            blame.malformed(Position::byte(at), format!("{length} bytes"), e.to_string(), FIX)
        })
    };
    let tail = read(tail_at, TAIL as usize)?;
    let Some((length, magic)) = tail.split_first_chunk::<4>() else {
        return broken(tail_at, "a length and \"PAR1\"", "less".into());
    };
    if magic != MAGIC {
        let found = format!("\"{}\"", magic.escape_ascii());
        return broken(tail_at + 4, "\"PAR1\" at the end", found);
    }
    let length = u32::from_le_bytes(*length);
    let Some(start) = tail_at.checked_sub(u64::from(length)).filter(|&at| at >= 4) else {
        return broken(tail_at, "a footer that fits the file", format!("{length} bytes"));
    };
    let footer = read(start, length as usize)?;
    match thrift::check_footer(&footer) {
        Ok(()) => Ok(start),
        Err(at) => broken(start + at as u64, "a footer", "counts beyond its end".into()),
    }
}

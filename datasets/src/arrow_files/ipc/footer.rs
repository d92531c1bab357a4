//! The footer of the IPC file format.
//!
//! ```text
//! 'ARROW1' 00 00 | messages | footer: FlatBuffer | its length: i32 | 'ARROW1'
//! ```

use std::collections::VecDeque;

use arrow_ipc::{Block, root_as_footer};
use arrow_schema::SchemaRef;

use super::{FIX, MAGIC, convert_schema, message};
use crate::error::{Position, Result};
use crate::raw::RawFile;

/// Length and magic.
const TAIL: u64 = 10;
const START: u64 = 8;

/// What the footer says; offsets are of messages.
pub(crate) struct Footer {
    pub(crate) schema: SchemaRef,
    pub(crate) dictionaries: VecDeque<u64>,
    pub(crate) batches: VecDeque<u64>,
}

pub(crate) fn read(file: &mut RawFile) -> Result<Footer> {
    let tail_at = file.len.saturating_sub(TAIL).max(START);
    file.seek(tail_at)?;
    let length = i32::from_le_bytes(file.header(tail_at)?);
    let magic: [u8; 6] = file.header(tail_at + 4)?;
    if magic != MAGIC {
        let found = format!("\"{}\"", magic.escape_ascii());
        let at = Position::byte(tail_at + 4);
        return Err(file.blame.malformed(at, "\"ARROW1\" at the end", found, FIX));
    }
    let room = tail_at - START;
    let Some(length) = usize::try_from(length).ok().filter(|&length| length as u64 <= room) else {
        let expected = format!("a footer of at most {room} bytes");
        let found = format!("{length} bytes");
        return Err(file.blame.malformed(Position::byte(tail_at), expected, found, FIX));
    };
    let at = tail_at - length as u64;
    let mut bytes = vec![0; length];
    file.seek(at)?;
    file.read(&mut bytes, Position::byte(at))?;
    let footer = root_as_footer(&bytes)
        .map_err(|e| file.blame.malformed(Position::byte(at), "a footer", e.to_string(), FIX))?;
    let Some(schema) = footer.schema() else {
        let expected = "a schema in the footer";
        return Err(file.blame.malformed(Position::byte(at), expected, "none", FIX));
    };
    let offsets = |blocks: Option<_>| offsets(blocks, file, at);
    Ok(Footer {
        schema: convert_schema(schema, &file.blame, at)?,
        dictionaries: offsets(footer.dictionaries().map(|blocks| blocks.iter().collect()))?,
        batches: offsets(footer.recordBatches().map(|blocks| blocks.iter().collect()))?,
    })
}

fn offsets(blocks: Option<Vec<&Block>>, file: &RawFile, footer_at: u64) -> Result<VecDeque<u64>> {
    let offset = |block: &Block| {
        let at = u64::try_from(block.offset()).ok().filter(|&at| at >= START && at < footer_at);
        at.ok_or_else(|| {
            let expected = "messages before the footer";
            let found = format!("one at byte {}", block.offset());
            file.blame.malformed(Position::byte(footer_at), expected, found, FIX)
        })
    };
    blocks.unwrap_or_default().into_iter().map(offset).collect()
}

impl Footer {
    /// Rows of all batches, from their metadata.
    pub(crate) fn rows(&self, file: &mut RawFile) -> Result<u64> {
        let mut rows = 0u64;
        for &at in &self.batches {
            let header = message::read_header(file, at)?;
            let batch = header.as_ref().and_then(|(h, _)| h.as_ref().header_as_record_batch());
            let Some(batch) = batch else {
                let expected = "a record batch, as the footer says";
                return Err(file.blame.malformed(Position::byte(at), expected, "none", FIX));
            };
            let counted = message::check_rows(batch.length(), &file.blame, Position::byte(at))?;
            rows = rows.saturating_add(counted);
        }
        Ok(rows)
    }
}

//! The frame of an IPC message, checked against the file before memory is taken for it.
//!
//! ```text
//! [FF FF FF FF] | length of the metadata: i32 | metadata: FlatBuffer | body
//! ```
//!
//! The first four bytes are missing in files of before 2019; a length of 0 ends a stream, and so
//! does the end of the file.

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::MessageBuffer;
use arrow_ipc::{Message, RecordBatch};

use super::FIX;
use crate::error::{Blame, Position, Result};
use crate::raw::RawFile;

const CONTINUATION: u32 = u32::MAX;
/// Rows of one batch, as Arrow's own limit for portable arrays.
const ROWS_MAX: i64 = i32::MAX as i64;
/// A buffer may grow this much when it is decompressed; real data stays far below.
const GROWTH_MAX: u64 = 1024;
/// Small buffers may grow to this in any case.
const GROWTH_FREE: u64 = 64 << 20;

/// A message, whole.
pub(crate) struct Frame {
    /// Offset of the frame.
    pub(crate) at: u64,
    header: MessageBuffer,
    body_at: u64,
    pub(crate) body: Buffer,
}

impl Frame {
    pub(crate) fn header(&self) -> Message<'_> {
        self.header.as_ref()
    }

    /// Where the next message of a stream begins.
    pub(crate) fn end(&self) -> u64 {
        self.body_at + self.body.len() as u64
    }

    /// Checks that every buffer lies in the body, and what it claims to become when it is
    /// decompressed.
    pub(crate) fn check_buffers(
        &self,
        batch: &RecordBatch<'_>,
        blame: &Blame,
        at: Position,
    ) -> Result<()> {
        let compressed = batch.compression().is_some();
        for buffer in batch.buffers().iter().flatten() {
            let range = usize::try_from(buffer.offset())
                .ok()
                .zip(usize::try_from(buffer.length()).ok())
                .and_then(|(from, length)| self.body.get(from..from.checked_add(length)?));
            let Some(bytes) = range else {
                let found = format!("{} bytes at {}", buffer.length(), buffer.offset());
                let expected = format!("buffers within a body of {} bytes", self.body.len());
                return Err(blame.malformed(at, expected, found, FIX));
            };
            let Some((length, data)) = bytes.split_first_chunk::<8>().filter(|_| compressed) else {
                continue;
            };
            // -1 says that this buffer is not compressed.
            let length = i64::from_le_bytes(*length);
            let limit = (data.len() as u64).saturating_mul(GROWTH_MAX).max(GROWTH_FREE);
            if length < -1 || u64::try_from(length).is_ok_and(|length| length > limit) {
                let expected = format!("at most {limit} bytes from {} compressed", data.len());
                return Err(blame.malformed(at, expected, format!("{length}"), FIX));
            }
        }
        Ok(())
    }
}

/// Checks the rows that a batch claims.
pub(crate) fn check_rows(rows: i64, blame: &Blame, at: Position) -> Result<u64> {
    if let (true, Ok(checked)) = (rows <= ROWS_MAX, u64::try_from(rows)) {
        return Ok(checked);
    }
    Err(blame.malformed(at, format!("0 to {ROWS_MAX} rows"), rows.to_string(), FIX))
}

/// Reads the message at `at`; `None` at the end of a stream.
pub(crate) fn read(file: &mut RawFile, at: u64) -> Result<Option<Frame>> {
    let Some((header, body_at)) = read_header(file, at)? else { return Ok(None) };
    let length = header.as_ref().bodyLength();
    let left = file.len.saturating_sub(body_at);
    let body = usize::try_from(length).ok().filter(|&length| length as u64 <= left);
    let Some(body) = body else {
        let expected = format!("a body of at most {left} bytes");
        return Err(file.blame.malformed(Position::byte(at), expected, length.to_string(), FIX));
    };
    // Aligned as Arrow likes it, so that vectors need no further copy.
    let mut bytes = MutableBuffer::from_len_zeroed(body);
    file.seek(body_at)?;
    file.read(bytes.as_slice_mut(), Position::byte(body_at))?;
    Ok(Some(Frame { at, header, body_at, body: bytes.into() }))
}

/// Reads the metadata of the message at `at`, and where its body begins.
pub(crate) fn read_header(file: &mut RawFile, at: u64) -> Result<Option<(MessageBuffer, u64)>> {
    if at == file.len {
        return Ok(None);
    }
    file.seek(at)?;
    let mut start = at + 4;
    let mut length = u32::from_le_bytes(file.header(at)?);
    if length == CONTINUATION {
        length = u32::from_le_bytes(file.header(start)?);
        start += 4;
    }
    if length == 0 {
        return Ok(None);
    }
    let left = file.len.saturating_sub(start);
    if u64::from(length) > left {
        let expected = format!("metadata of at most {left} bytes");
        return Err(file.blame.malformed(Position::byte(at), expected, length.to_string(), FIX));
    }
    let mut bytes = MutableBuffer::from_len_zeroed(length as usize);
    file.read(bytes.as_slice_mut(), Position::byte(start))?;
    let header = MessageBuffer::try_new(bytes.into()).map_err(|e| {
        file.blame.malformed(Position::byte(start), "a message", e.to_string(), FIX)
    })?;
    Ok(Some((header, start + u64::from(length))))
}

//! The vectors of a dump: the data file.

use std::borrow::Cow;

use super::bytes::Bytes;
use super::head::Head;
use crate::error::Result;
use crate::types::{Dtype, VectorData, Vectors};

const MAGIC: u32 = 0xa67f_0000;
/// Bytes before the first vector, and before each.
const HEAD: u64 = 4 + 8;
const RECORD: u64 = 4 + 8 + 8;
/// Bytes of vectors that are handed over at once.
const BATCH_BYTES: usize = 1 << 20;

/// Checks that the file begins as it should and is as long as the graph file says.
pub(super) fn check(data: &mut Bytes, head: &Head) -> Result<()> {
    data.magic("the head", MAGIC)?;
    let dim = data.u64("the dimension")?;
    if dim != head.dim as u64 {
        let expected = format!("{}, as in the graph file", head.dim);
        return Err(data.damaged("the dimension", expected, dim.to_string()));
    }
    let vector = (head.dim * head.dtype.bytes()) as u64;
    let expected = (head.points as u64).checked_mul(RECORD + vector).map(|all| HEAD + all);
    if expected != Some(data.length()) {
        let points = head.points;
        let expected = expected.map_or("less".to_owned(), |bytes| format!("{bytes} bytes"));
        let found = format!("{} bytes", data.length());
        return Err(data.damaged(&format!("the length for {points} points"), expected, found));
    }
    Ok(())
}

/// Vectors in batches.
pub(crate) struct Rows<'a> {
    data: &'a mut Bytes,
    dim: usize,
    dtype: Dtype,
    /// Of the vectors that are left.
    ids: &'a [u64],
}

impl<'a> Rows<'a> {
    pub(super) fn new(data: &'a mut Bytes, head: &Head, ids: &'a [u64]) -> Self {
        Self { data, dim: head.dim, dtype: head.dtype, ids }
    }

    /// The next few vectors; `None` after the last.
    pub(crate) fn next_batch(&mut self) -> Result<Option<Vectors<'static>>> {
        let bytes = self.dim * self.dtype.bytes();
        let rows = (BATCH_BYTES / bytes).clamp(1, self.ids.len().max(1));
        let Some((ids, rest)) = self.ids.split_at_checked(rows) else { return Ok(None) };
        self.ids = rest;
        let mut batch = vec![0; rows * bytes];
        for (id, out) in ids.iter().zip(batch.chunks_exact_mut(bytes)) {
            let data = &mut *self.data;
            data.magic("a vector", MAGIC)?;
            let found = data.u64("the id of a vector")?;
            if found != *id {
                let expected = format!("{id}, as in the graph file");
                return Err(data.damaged("the id of a vector", expected, found.to_string()));
            }
            let length = data.u64("the length of a vector")?;
            if length != bytes as u64 {
                let expected = format!("{bytes} bytes");
                return Err(data.damaged("the length of a vector", expected, length.to_string()));
            }
            data.fill("a vector", out)?;
        }
        Vectors::new(self.dim, components(self.dtype, batch)).map(Some)
    }
}

fn components(dtype: Dtype, bytes: Vec<u8>) -> VectorData<'static> {
    match dtype {
        Dtype::U8 => VectorData::U8(Cow::Owned(bytes)),
        Dtype::I8 => VectorData::I8(Cow::Owned(bytes.into_iter().map(|b| b as i8).collect())),
        // No dump has 16-bit floats: see `Head`.
        Dtype::F32 | Dtype::F16 => {
            let floats = bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c));
            VectorData::F32(Cow::Owned(floats.collect()))
        }
    }
}

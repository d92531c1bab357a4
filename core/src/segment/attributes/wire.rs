//! A column as bytes that are read whole, front to back: in the log and in attribute files.
//!
//! ```text
//!  validity, a bit a row, in bytes; then for a row
//!    keyword, text:          u32 length; then all bytes
//!    keyword[]:              u32 items; then a u32 length an item; then all bytes
//!    i64, f64, timestamp:    8 bytes
//!    bool:                   a bit, in bytes
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::types::AttributeType;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ValueRef<'a> {
    Null,
    /// `i64`, `f64` and timestamps: their bits.
    Number(u64),
    Bool(bool),
    /// A keyword or a text.
    Text(&'a str),
    List(&'a [&'a str]),
}

/// Puts a column together, value after value.
#[derive(Debug)]
pub(crate) struct WireWriter {
    kind: AttributeType,
    rows: usize,
    validity: Vec<u8>,
    /// Lengths, or numbers.
    fixed: Vec<u8>,
    items: Vec<u8>,
    bytes: Vec<u8>,
}

fn push_bit(bits: &mut Vec<u8>, position: usize, bit: bool) {
    if position.is_multiple_of(8) {
        bits.push(0);
    }
    if let Some(byte) = bits.last_mut() {
        *byte |= u8::from(bit) << (position % 8);
    }
}

impl WireWriter {
    pub(crate) fn new(kind: AttributeType) -> Self {
        let (validity, fixed, items, bytes) = Default::default();
        Self { kind, rows: 0, validity, fixed, items, bytes }
    }

    /// Appends a value of the column's type.
    pub(crate) fn push(&mut self, value: ValueRef<'_>) {
        push_bit(&mut self.validity, self.rows, value != ValueRef::Null);
        let count = |n: usize| (n as u32).to_le_bytes();
        match (self.kind, value) {
            (AttributeType::Keyword | AttributeType::Text, value) => {
                let text = if let ValueRef::Text(text) = value { text } else { "" };
                self.fixed.extend_from_slice(&count(text.len()));
                self.bytes.extend_from_slice(text.as_bytes());
            }
            (AttributeType::KeywordList, value) => {
                let list = if let ValueRef::List(list) = value { list } else { &[] };
                self.fixed.extend_from_slice(&count(list.len()));
                for item in list {
                    self.items.extend_from_slice(&count(item.len()));
                    self.bytes.extend_from_slice(item.as_bytes());
                }
            }
            (AttributeType::Bool, value) => {
                push_bit(&mut self.fixed, self.rows, value == ValueRef::Bool(true));
            }
            (AttributeType::I64 | AttributeType::F64 | AttributeType::Timestamp, value) => {
                let bits = if let ValueRef::Number(bits) = value { bits } else { 0 };
                self.fixed.extend_from_slice(&bits.to_le_bytes());
            }
        }
        self.rows += 1;
    }

    /// Appends the column's bytes.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        for part in [&self.validity, &self.fixed, &self.items, &self.bytes] {
            out.extend_from_slice(part);
        }
    }
}

/// Takes bytes from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.take(8)?.first_chunk()?))
    }

    /// `n` lengths and their sum.
    fn lengths(&mut self, n: usize) -> Option<(&'a [[u8; 4]], usize)> {
        let lengths = self.take(n.checked_mul(4)?)?.as_chunks::<4>().0;
        let sum = lengths
            .iter()
            .try_fold(0_usize, |sum, n| sum.checked_add(u32::from_le_bytes(*n) as usize))?;
        Some((lengths, sum))
    }
}

/// Calls `each` with the values of a column of so many rows. `None` if the bytes are none.
pub(crate) fn read(
    kind: AttributeType,
    rows: usize,
    from: &mut Bytes<'_>,
    mut each: impl FnMut(ValueRef<'_>),
) -> Option<()> {
    let validity = from.take(rows.div_ceil(8))?;
    let bit = |bits: &[u8], row: usize| bits.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1);
    let mut give = |row: usize, value: ValueRef<'_>| {
        each(if bit(validity, row) { value } else { ValueRef::Null });
    };
    match kind {
        AttributeType::Keyword | AttributeType::Text => {
            let (lengths, sum) = from.lengths(rows)?;
            let mut bytes = Bytes(from.take(sum)?);
            for (row, length) in lengths.iter().enumerate() {
                let text = std::str::from_utf8(bytes.take(u32::from_le_bytes(*length) as usize)?);
                give(row, ValueRef::Text(text.ok()?));
            }
        }
        AttributeType::KeywordList => {
            let (counts, items) = from.lengths(rows)?;
            let (lengths, sum) = from.lengths(items)?;
            let mut bytes = Bytes(from.take(sum)?);
            let mut lengths = lengths.iter();
            let mut list = Vec::new();
            for (row, count) in counts.iter().enumerate() {
                list.clear();
                for length in lengths.by_ref().take(u32::from_le_bytes(*count) as usize) {
                    let text = bytes.take(u32::from_le_bytes(*length) as usize)?;
                    list.push(std::str::from_utf8(text).ok()?);
                }
                give(row, ValueRef::List(&list));
            }
        }
        AttributeType::Bool => {
            let bits = from.take(rows.div_ceil(8))?;
            (0..rows).for_each(|row| give(row, ValueRef::Bool(bit(bits, row))));
        }
        AttributeType::I64 | AttributeType::F64 | AttributeType::Timestamp => {
            let numbers = from.take(rows.checked_mul(8)?)?.as_chunks::<8>().0;
            for (row, number) in numbers.iter().enumerate() {
                give(row, ValueRef::Number(u64::from_le_bytes(*number)));
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_and_truncations_are_refused() {
        let list: &[&str] = &["a", "", "ä"];
        let cases: [(AttributeType, Vec<ValueRef<'_>>); 5] = [
            (AttributeType::Keyword, vec![ValueRef::Text("x"), ValueRef::Null, ValueRef::Text("")]),
            (
                AttributeType::KeywordList,
                vec![ValueRef::Null, ValueRef::List(list), ValueRef::List(&[])],
            ),
            (AttributeType::I64, vec![ValueRef::Number(u64::MAX), ValueRef::Null]),
            (
                AttributeType::Bool,
                vec![ValueRef::Bool(true), ValueRef::Null, ValueRef::Bool(false)],
            ),
            (AttributeType::Text, vec![ValueRef::Text("long text"); 9]),
        ];
        for (kind, values) in cases {
            let mut writer = WireWriter::new(kind);
            for value in &values {
                writer.push(*value);
            }
            let mut out = Vec::new();
            writer.finish(&mut out);
            for length in 0..=out.len() {
                let mut bytes = Bytes(&out[..length]);
                let mut texts = Vec::new();
                let read = read(kind, values.len(), &mut bytes, |v| texts.push(format!("{v:?}")));
                assert_eq!(read.is_some(), length == out.len(), "{kind} cut at {length}");
                if read.is_some() {
                    let expected: Vec<_> = values.iter().map(|v| format!("{v:?}")).collect();
                    assert_eq!(texts, expected);
                }
            }
        }
    }
}

//! The file of a segment's replaced attribute values: one generation, whole.
//!
//! ```text
//!  0        32     40        48                       n - 4   n
//!  | header | rows | columns | columns one by one ... | crc   |
//!
//!  column:  0          4      8       16      24          24 + 4 n
//!           | position | type | n     | bytes | n slots   | values (see attributes::wire)
//! ```
//!
//! `crc` is the CRC32C of everything before it.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::attributes::Patch;
use super::attributes::wire::{self, Bytes, WireWriter};
use crate::format::{
    Decoded, Fault, FileKind, HEADER_BYTES, crc, decode_header, encode_header, u32_at,
};
use crate::types::{AttributeType, Schema};

/// The file for a segment of `rows`.
pub(crate) fn encode(patch: &Patch, rows: u32, schema: &Schema) -> Vec<u8> {
    let mut body = u64::from(rows).to_le_bytes().to_vec();
    body.extend_from_slice(&(patch.columns().count() as u64).to_le_bytes());
    for (position, column) in patch.columns() {
        let Some((_, kind)) = schema.columns().get(position) else { continue };
        let mut writer = WireWriter::new(*kind);
        let mut slots = Vec::with_capacity(column.len() * 4);
        for (slot, value) in column.iter() {
            slots.extend_from_slice(&slot.to_le_bytes());
            value.with(|value| writer.push(value));
        }
        let mut values = Vec::new();
        writer.finish(&mut values);
        let code = AttributeType::ALL.iter().position(|k| k == kind).unwrap_or_default();
        body.extend_from_slice(&(position as u32).to_le_bytes());
        body.extend_from_slice(&(code as u32).to_le_bytes());
        body.extend_from_slice(&(column.len() as u64).to_le_bytes());
        body.extend_from_slice(&(values.len() as u64).to_le_bytes());
        body.extend_from_slice(&slots);
        body.extend_from_slice(&values);
    }
    let length = HEADER_BYTES + body.len() + 4;
    let mut file = encode_header(FileKind::Attributes, length as u64).to_vec();
    file.extend_from_slice(&body);
    file.extend_from_slice(&crc(&file).to_le_bytes());
    file
}

/// The checksum at the end of a file, by which a manifest knows it.
pub(crate) fn seal(file: &[u8]) -> u32 {
    u32_at(file, file.len().saturating_sub(4)).unwrap_or_default()
}

/// The replaced values of a segment of `rows`.
pub(crate) fn decode(file: &[u8], rows: u32, schema: &Schema) -> Decoded<Patch> {
    decode_header(FileKind::Attributes, file)?;
    let end = file.len().saturating_sub(4);
    let body = file.get(..end).unwrap_or_default();
    let (sum, stated) = (crc(body), seal(file));
    let bad = |expected: String, found: String| {
        Fault::damage(HEADER_BYTES as u64, "attributes", expected, found)
    };
    if sum != stated {
        return Err(bad(format!("crc {stated:08x}"), format!("crc {sum:08x}")));
    }
    let mut bytes = Bytes(body.get(HEADER_BYTES..).unwrap_or_default());
    let patch = columns(&mut bytes, rows, schema).filter(|_| bytes.0.is_empty());
    patch.ok_or_else(|| bad(format!("values for {rows} rows"), "others".to_owned()))
}

fn columns(bytes: &mut Bytes<'_>, rows: u32, schema: &Schema) -> Option<Patch> {
    let mut patch = Patch::default();
    if bytes.u64()? != u64::from(rows) {
        return None;
    }
    let count = bytes.u64()?;
    let mut before = None;
    for _ in 0..count {
        let (position, code) = (bytes.u32()? as usize, bytes.u32()? as usize);
        let (values, length) = (bytes.u64()? as usize, bytes.u64()? as usize);
        let (_, kind) = schema.columns().get(position)?;
        if AttributeType::ALL.get(code) != Some(kind) || before.is_some_and(|b| b >= position) {
            return None;
        }
        before = Some(position);
        let slots = bytes.take(values.checked_mul(4)?)?.as_chunks::<4>().0;
        let slots: Vec<u32> = slots.iter().map(|s| u32::from_le_bytes(*s)).collect();
        let sound = slots.is_sorted_by(|a, b| a < b) && slots.last().is_none_or(|s| *s < rows);
        if !sound {
            return None;
        }
        let mut content = Bytes(bytes.take(length)?);
        let mut at = slots.iter();
        wire::read(*kind, values, &mut content, |value| {
            if let Some(slot) = at.next() {
                patch.set(position, *slot, &value);
            }
        })?;
        if !content.0.is_empty() {
            return None;
        }
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::attributes::ValueRef;

    #[test]
    fn changes_come_back_and_every_flip_is_found() {
        let columns = [("a", AttributeType::I64), ("b", AttributeType::KeywordList)];
        let schema = Schema::new(columns.map(|(n, k)| (n.to_owned(), k))).unwrap();
        let mut patch = Patch::default();
        patch.set(1, 7, &ValueRef::List(&["x", "yy"]));
        patch.set(0, 900, &ValueRef::Null);
        patch.set(0, 3, &ValueRef::Number(12));
        let good = encode(&patch, 1000, &schema);
        let read = decode(&good, 1000, &schema).unwrap();
        assert_eq!(encode(&read, 1000, &schema), good);
        assert!(decode(&good, 900, &schema).is_err());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(decode(&bad, 1000, &schema).is_err(), "byte {at}");
            assert!(decode(&good[..at], 1000, &schema).is_err(), "length {at}");
        }
    }
}

//! What a call changes, resolved to ids and values, as payloads of the log and back.
//!
//! ```text
//!  ids:     u64 ids: 8 bytes each; strings: a u32 length each, then all bytes
//!  upsert:  u32 rows, u32 columns, ids, vectors as stored, then a column: u32 type, values
//!  delete:  u32 rows, ids
//!  update:  u32 rows, u32 columns, ids, then a column: u32 position, u32 type, values
//!  exclude: u32 rows, i64 time at which the ids leave the set, u32 length of its name, name, ids
//!  clear:   u32 length of the name, name
//! ```
//!
//! Values are as in `segment::attributes::wire`.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

use std::ops::Range;

use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::exclusions::check_name;
use crate::segment::Rows;
use crate::segment::attributes::ColumnBuffer;
use crate::segment::attributes::wire::{self, Bytes, WireWriter};
use crate::types::{AttributeType, IdType, Ids, STRING_ID_BYTES_MAX};
use crate::wal::{Kind, PAYLOAD_MAX, Payload};

/// Bytes at which a long operation begins another record.
const RECORD_BYTES: usize = if cfg!(test) { 300 } else { 16 << 20 };

/// New values of some columns.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) ids: Ids,
    /// Positions in the schema, ascending, and a value an id.
    pub(super) columns: Vec<(usize, ColumnBuffer)>,
}

/// One step of a unit.
#[derive(Debug)]
pub(super) enum Operation {
    Upsert(Rows),
    Delete(Ids),
    Update(Update),
    /// Ids for a set, and when they leave it, in microseconds since 1970.
    Exclude {
        set: String,
        ids: Ids,
        until_us: i64,
    },
    /// Empties a set.
    Clear(String),
}

fn kind_code(kind: AttributeType) -> u32 {
    AttributeType::ALL.iter().position(|k| *k == kind).unwrap_or_default() as u32
}

fn put_ids(ids: &Ids, rows: Range<usize>, out: &mut Vec<u8>) {
    match ids {
        Ids::U64(ids) => out.extend(ids[rows].iter().flat_map(|id| id.to_le_bytes())),
        Ids::Str(ids) => {
            let ids = &ids[rows];
            out.extend(ids.iter().flat_map(|id| (id.len() as u32).to_le_bytes()));
            for id in ids {
                out.extend_from_slice(id.as_bytes());
            }
        }
    }
}

fn id_bytes(ids: &Ids, row: usize) -> usize {
    match ids {
        Ids::U64(_) => 8,
        Ids::Str(ids) => 4 + ids[row].len(),
    }
}

fn put_column(column: &ColumnBuffer, rows: Range<usize>, out: &mut Vec<u8>) {
    out.extend_from_slice(&kind_code(column.kind()).to_le_bytes());
    let mut writer = WireWriter::new(column.kind());
    column.values(rows, |value| writer.push(value));
    writer.finish(out);
}

/// Cuts rows into ranges that fit a record each.
fn pieces(rows: usize, bytes_of: impl Fn(usize) -> usize) -> Result<Vec<Range<usize>>> {
    let mut pieces = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for row in 0..rows {
        let more = bytes_of(row);
        if more > PAYLOAD_MAX - 4096 {
            return Err(Error::ResourceLimit {
                what: format!("row {row}, its bytes"),
                limit: format!("{} bytes", PAYLOAD_MAX - 4096),
                found: format!("{more} bytes"),
                fix: "keep long texts elsewhere".to_owned(),
            });
        }
        if bytes + more > RECORD_BYTES && row > start {
            pieces.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes += more;
    }
    pieces.push(start..rows);
    Ok(pieces)
}

/// The records of an upsert.
pub(super) fn encode_upsert(rows: &Rows) -> Result<Vec<Payload>> {
    let row_bytes = rows.vectors.len() / rows.len().max(1);
    let bytes_of = |row: usize| {
        let columns: usize = rows.columns.iter().map(|c| c.row_bytes(row)).sum();
        id_bytes(&rows.ids, row) + row_bytes + columns
    };
    let encode = |range: Range<usize>| {
        let mut out = Vec::with_capacity(64 + range.len() * (row_bytes + 16));
        out.extend_from_slice(&(range.len() as u32).to_le_bytes());
        out.extend_from_slice(&(rows.columns.len() as u32).to_le_bytes());
        put_ids(&rows.ids, range.clone(), &mut out);
        out.extend_from_slice(&rows.vectors[range.start * row_bytes..range.end * row_bytes]);
        rows.columns.iter().for_each(|column| put_column(column, range.clone(), &mut out));
        Payload::new(Kind::Upsert, out)
    };
    Ok(pieces(rows.len(), bytes_of)?.into_iter().map(encode).collect())
}

/// The records of a delete.
pub(super) fn encode_delete(ids: &Ids) -> Result<Vec<Payload>> {
    let encode = |range: Range<usize>| {
        let mut out = (range.len() as u32).to_le_bytes().to_vec();
        put_ids(ids, range, &mut out);
        Payload::new(Kind::Delete, out)
    };
    Ok(pieces(ids.len(), |row| id_bytes(ids, row))?.into_iter().map(encode).collect())
}

/// The records of an update.
pub(super) fn encode_update(update: &Update) -> Result<Vec<Payload>> {
    let bytes_of = |row: usize| {
        let columns: usize = update.columns.iter().map(|(_, c)| c.row_bytes(row)).sum();
        id_bytes(&update.ids, row) + columns
    };
    let encode = |range: Range<usize>| {
        let mut out = (range.len() as u32).to_le_bytes().to_vec();
        out.extend_from_slice(&(update.columns.len() as u32).to_le_bytes());
        put_ids(&update.ids, range.clone(), &mut out);
        for (position, column) in &update.columns {
            out.extend_from_slice(&(*position as u32).to_le_bytes());
            put_column(column, range.clone(), &mut out);
        }
        Payload::new(Kind::Update, out)
    };
    Ok(pieces(update.ids.len(), bytes_of)?.into_iter().map(encode).collect())
}

/// The records of ids for a set.
pub(super) fn encode_exclude(set: &str, ids: &Ids, until_us: i64) -> Result<Vec<Payload>> {
    let encode = |range: Range<usize>| {
        let mut out = (range.len() as u32).to_le_bytes().to_vec();
        out.extend_from_slice(&until_us.to_le_bytes());
        out.extend_from_slice(&(set.len() as u32).to_le_bytes());
        out.extend_from_slice(set.as_bytes());
        put_ids(ids, range, &mut out);
        Payload::new(Kind::Exclude, out)
    };
    Ok(pieces(ids.len(), |row| id_bytes(ids, row))?.into_iter().map(encode).collect())
}

/// The record of a set that is emptied.
pub(super) fn encode_clear(set: &str) -> Vec<Payload> {
    let mut out = (set.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(set.as_bytes());
    vec![Payload::new(Kind::Clear, out)]
}

fn take_name(length: usize, bytes: &mut Bytes<'_>) -> Option<String> {
    let name = std::str::from_utf8(bytes.take(length)?).ok()?;
    check_name("", name).is_ok().then(|| name.to_owned())
}

fn exclude(rows: usize, bytes: &mut Bytes<'_>, config: &CollectionConfig) -> Option<Operation> {
    let until_us = i64::from_le_bytes(*bytes.take(8)?.first_chunk()?);
    let length = bytes.u32()? as usize;
    let set = take_name(length, bytes)?;
    Some(Operation::Exclude { set, ids: take_ids(rows, bytes, config.id_type)?, until_us })
}

/// The operation of a record; `None` if the bytes are none of this collection.
pub(super) fn decode(kind: Kind, payload: &[u8], config: &CollectionConfig) -> Option<Operation> {
    let mut bytes = Bytes(payload);
    let rows = bytes.u32()? as usize;
    let operation = match kind {
        Kind::Commit => None,
        Kind::Upsert => upsert(rows, &mut bytes, config),
        Kind::Delete => Some(Operation::Delete(take_ids(rows, &mut bytes, config.id_type)?)),
        Kind::Update => update(rows, &mut bytes, config),
        Kind::Exclude => exclude(rows, &mut bytes, config),
        Kind::Clear => take_name(rows, &mut bytes).map(Operation::Clear),
    };
    operation.filter(|_| bytes.0.is_empty())
}

fn take_ids(rows: usize, bytes: &mut Bytes<'_>, id_type: IdType) -> Option<Ids> {
    match id_type {
        IdType::U64 => {
            let ids = bytes.take(rows.checked_mul(8)?)?.as_chunks::<8>().0;
            let ids: Vec<u64> = ids.iter().map(|id| u64::from_le_bytes(*id)).collect();
            (!ids.contains(&u64::MAX)).then_some(Ids::U64(ids))
        }
        IdType::Str => {
            let lengths = bytes.take(rows.checked_mul(4)?)?.as_chunks::<4>().0;
            let id = |length: &[u8; 4]| {
                let length = u32::from_le_bytes(*length) as usize;
                let text = std::str::from_utf8(bytes.take(length)?).ok()?;
                (1..=STRING_ID_BYTES_MAX).contains(&length).then(|| text.to_owned())
            };
            Some(Ids::Str(lengths.iter().map(id).collect::<Option<_>>()?))
        }
    }
}

/// A column of this type.
fn take_column(kind: AttributeType, rows: usize, bytes: &mut Bytes<'_>) -> Option<ColumnBuffer> {
    if bytes.u32()? != kind_code(kind) {
        return None;
    }
    let mut column = ColumnBuffer::new(kind);
    wire::read(kind, rows, bytes, |value| column.push(value))?;
    Some(column)
}

fn upsert(rows: usize, bytes: &mut Bytes<'_>, config: &CollectionConfig) -> Option<Operation> {
    let columns = bytes.u32()? as usize;
    let mut out = Rows::new(config);
    out.ids = take_ids(rows, bytes, config.id_type)?;
    let row_bytes = config.dim * config.dtype.bytes();
    out.vectors = bytes.take(rows.checked_mul(row_bytes)?)?.to_vec();
    if columns > out.columns.len() {
        return None;
    }
    for (position, column) in out.columns.iter_mut().enumerate() {
        if position < columns {
            *column = take_column(column.kind(), rows, bytes)?;
        } else {
            // Added after this was written.
            column.append_nulls(rows);
        }
    }
    Some(Operation::Upsert(out))
}

fn update(rows: usize, bytes: &mut Bytes<'_>, config: &CollectionConfig) -> Option<Operation> {
    let count = bytes.u32()?;
    let ids = take_ids(rows, bytes, config.id_type)?;
    let mut columns: Vec<(usize, ColumnBuffer)> = Vec::new();
    for _ in 0..count {
        let position = bytes.u32()? as usize;
        let (_, kind) = config.schema.columns().get(position)?;
        if columns.last().is_some_and(|(before, _)| *before >= position) {
            return None;
        }
        columns.push((position, take_column(*kind, rows, bytes)?));
    }
    Some(Operation::Update(Update { ids, columns }))
}

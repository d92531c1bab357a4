//! One record: its head, its checksums, and the header of the file.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::hash::{BuildHasher, RandomState};

use crate::canary::sings;
use crate::format::{
    Decoded, Fault, FileKind, HEADER_BYTES, crc, decode_header, encode_header, first_nonzero,
    u32_at, u64_at,
};

/// Most bytes of a payload.
pub(crate) const PAYLOAD_MAX: usize = 64 << 20;
/// Bytes of a record's head.
pub(super) const HEAD_BYTES: usize = 32;
/// Bytes of a file before its first record.
pub(super) const FILE_HEAD_BYTES: usize = HEADER_BYTES + 32;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ends a unit. The payload: its number and how many records it has, both u64.
    Commit,
    /// Whole points.
    Upsert,
    /// Ids of points that were there.
    Delete,
    /// New values of some columns.
    Update,
    /// Ids for an exclusion set.
    Exclude,
    /// An exclusion set that is emptied.
    Clear,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Commit, Self::Upsert, Self::Delete, Self::Update, Self::Exclude, Self::Clear];

    fn code(self) -> u32 {
        Self::ALL.iter().position(|k| *k == self).unwrap_or_default() as u32 + 1
    }

    fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get((code as usize).checked_sub(1)?).copied()
    }
}

/// A payload with its checksum, ready to be chained.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    pub(super) crc: u32,
}

impl Payload {
    /// At most [`PAYLOAD_MAX`] bytes, which the caller sees to.
    pub(crate) fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        let crc = crc(&bytes);
        Self { kind, bytes, crc }
    }

    /// Bytes of the record.
    pub(crate) fn record_bytes(&self) -> usize {
        HEAD_BYTES + self.bytes.len().next_multiple_of(8)
    }
}

/// Bytes of the payload in which a unit's commit states its number and its records.
pub(super) fn commit_payload(unit: u64, records: u64) -> Payload {
    let mut bytes = unit.to_le_bytes().to_vec();
    bytes.extend_from_slice(&records.to_le_bytes());
    Payload::new(Kind::Commit, bytes)
}

/// A number of each file that nobody can guess. What users write can look like the head of a
/// record, but not of one in this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt([u8; 8]);

impl Salt {
    pub(super) fn new() -> Self {
        // Keys of hash maps are random.
        Self(RandomState::new().hash_one(std::process::id()).to_le_bytes())
    }

    /// The half that every head shows.
    fn tag(self) -> u32 {
        u32_at(&self.0, 4).unwrap_or_default()
    }

    /// The chain after a head that ends in its own checksum.
    fn chain(self, head: &[u8]) -> u32 {
        let mut salted = [0; HEAD_BYTES + 4];
        for (to, from) in salted.iter_mut().zip(head.iter().take(HEAD_BYTES - 4).chain(&self.0)) {
            *to = *from;
        }
        crc(&salted)
    }
}

/// Appends a record; the chain after it.
pub(super) fn encode(
    payload: &Payload,
    durable: u64,
    before: u32,
    salt: Salt,
    out: &mut Vec<u8>,
) -> u32 {
    let start = out.len();
    out.extend_from_slice(&(payload.bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&payload.kind.code().to_le_bytes());
    out.extend_from_slice(&durable.to_le_bytes());
    out.extend_from_slice(&before.to_le_bytes());
    out.extend_from_slice(&payload.crc.to_le_bytes());
    out.extend_from_slice(&salt.tag().to_le_bytes());
    let chain = salt.chain(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&chain.to_le_bytes());
    out.extend_from_slice(&payload.bytes);
    out.resize(start + payload.record_bytes(), 0);
    chain
}

/// A record's head whose own checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: Option<Kind>,
    pub(super) durable: u64,
    pub(super) before: u32,
    pub(super) payload_crc: u32,
    pub(super) chain: u32,
}

impl Head {
    /// The head at a position of the file with this salt; `None` if there is none.
    pub(super) fn at(file: &[u8], position: usize, salt: Salt) -> Option<Self> {
        let bytes = file.get(position..)?.first_chunk::<HEAD_BYTES>()?;
        let chain = u32_at(bytes, 28)?;
        let length = u32_at(bytes, 0)? as usize;
        // Cheap before dear: this also runs at every place after a torn record.
        if length > PAYLOAD_MAX || u32_at(bytes, 24)? != salt.tag() || salt.chain(bytes) != chain {
            return None;
        }
        Some(Self {
            length,
            kind: Kind::from_code(u32_at(bytes, 4)?),
            durable: u64_at(bytes, 8)?,
            before: u32_at(bytes, 16)?,
            payload_crc: u32_at(bytes, 20)?,
            chain,
        })
    }

    /// The payload of the head at a position; `None` if it isn't whole.
    pub(super) fn payload<'a>(&self, file: &'a [u8], position: usize) -> Option<&'a [u8]> {
        let start = position.checked_add(HEAD_BYTES)?;
        let record = file.get(start..start.checked_add(self.length.next_multiple_of(8))?)?;
        let (payload, padding) = record.split_at_checked(self.length)?;
        let right = crc(payload) == self.payload_crc || sings("ignore the checksum of a record");
        (right && first_nonzero(padding).is_none()).then_some(payload)
    }
}

/// The start of the file of this id whose first unit has this number; and the chain there.
pub(super) fn encode_file_head(id: u64, first_unit: u64, salt: Salt) -> (Vec<u8>, u32) {
    let mut head = encode_header(FileKind::Wal, 0).to_vec();
    head.extend_from_slice(&id.to_le_bytes());
    head.extend_from_slice(&first_unit.to_le_bytes());
    head.extend_from_slice(&salt.0);
    head.extend_from_slice(&[0; 4]);
    let chain = crc(&head);
    head.extend_from_slice(&chain.to_le_bytes());
    (head, chain)
}

/// Checks the start of a file of this id: the number of its first unit, the chain there, and its
/// salt.
pub(super) fn decode_file_head(file: &[u8], id: u64) -> Decoded<(u64, u32, Salt)> {
    let start = file.get(..FILE_HEAD_BYTES).unwrap_or(file);
    decode_header(FileKind::Wal, start)?;
    let fault = |expected: String, found: String| {
        Fault::damage(HEADER_BYTES as u64, "log header", expected, found)
    };
    let word = |at| u64_at(start, at).unwrap_or_default();
    let chain = u32_at(start, FILE_HEAD_BYTES - 4).unwrap_or_default();
    let sum = crc(start.get(..FILE_HEAD_BYTES - 4).unwrap_or_default());
    if start.len() < FILE_HEAD_BYTES || sum != chain {
        return Err(fault(format!("crc {chain:08x}"), format!("crc {sum:08x}")));
    }
    if word(HEADER_BYTES) != id {
        return Err(fault(format!("log {id}"), format!("log {}", word(HEADER_BYTES))));
    }
    Ok((word(HEADER_BYTES + 8), chain, Salt(word(HEADER_BYTES + 16).to_le_bytes())))
}

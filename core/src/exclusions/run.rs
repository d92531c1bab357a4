//! A run: sets in the order of their names, the same bytes in memory and in a file.
//!
//! ```text
//!  0        32                                          n - 24
//!  | header | block* | (u64 end, u32 crc) a block, end from 32 | footer |
//!
//!  footer  := u64 newest, u64 blocks, u32 id type, u32 crc of header, table and footer so far
//!  block   := entry+                             cut after 4 KiB; an entry is in one block
//!  entry   := shared rest-length rest length body       the name as against the one before
//!  body    := u8 cleared, version, members              see `members`
//! ```
//!
//! Blocks are compared with their checksums at their first use, once each.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::NAME_BYTES_MAX;
use super::bytes::{Reader, put};
use crate::canary::sings;
use crate::error::Result;
use crate::format::{
    Decoded, Fault, FileKind, HEADER_BYTES, crc, decode_header, encode_header, u32_at, u64_at,
};
use crate::manifest::RunRecord;
use crate::types::IdType;
use crate::vfs::Bytes;

/// Bytes after which a block ends.
const BLOCK: usize = if cfg!(test) { 64 } else { 4096 };
const FOOTER: usize = 24;
/// Bytes of a block in the table.
const ROW: usize = 12;

/// What a run says of one set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry<'a> {
    /// Nothing of older runs is in the set any more.
    pub(super) cleared: bool,
    /// Grows with every change of the set.
    pub(super) version: u64,
    /// See [`super::members`].
    pub(super) members: &'a [u8],
}

/// Where the bytes of a run are.
#[derive(Debug)]
enum Place {
    File(Bytes),
    Memory(Vec<u8>),
}

impl Deref for Place {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::File(bytes) => bytes,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// Sets, sorted by name.
#[derive(Debug)]
pub(crate) struct Run {
    bytes: Place,
    path: PathBuf,
    id_type: IdType,
    /// The largest version in it.
    pub(super) newest: u64,
    blocks: usize,
    /// Where the table begins.
    table: usize,
    /// A bit a block that was compared with its checksum.
    right: Vec<AtomicU64>,
    /// The file, once there is one.
    pub(crate) record: Option<RunRecord>,
}

fn code(id_type: IdType) -> u32 {
    IdType::ALL.iter().position(|t| *t == id_type).unwrap_or_default() as u32
}

/// The checksum of all but the blocks, whose checksums it covers: what a manifest knows a file by.
fn sum(bytes: &[u8], table: usize) -> u32 {
    let end = bytes.len().saturating_sub(4);
    let head = crc32c::crc32c(bytes.get(..HEADER_BYTES).unwrap_or_default());
    crc32c::crc32c_append(head, bytes.get(table..end).unwrap_or_default())
}

impl Run {
    /// Opens the bytes of a file.
    pub(crate) fn open(bytes: Bytes, path: &Path, id_type: IdType) -> Result<Self> {
        Self::new(Place::File(bytes), path, id_type).map_err(|f| f.at(path))
    }

    fn new(bytes: Place, path: &Path, id_type: IdType) -> Decoded<Self> {
        decode_header(FileKind::Exclusions, &bytes)?;
        let footer = bytes.len().saturating_sub(FOOTER);
        let bad =
            |expected: &str, found: String| Fault::damage(footer as u64, "footer", expected, found);
        let blocks = u64_at(&bytes, footer + 8).unwrap_or_default();
        let rows = usize::try_from(blocks).ok().and_then(|blocks| blocks.checked_mul(ROW));
        let table = rows
            .and_then(|rows| footer.checked_sub(rows))
            .filter(|table| *table >= HEADER_BYTES)
            .ok_or_else(|| bad("no more blocks than fit", blocks.to_string()))?;
        let (stated, found) =
            (u32_at(&bytes, bytes.len() - 4).unwrap_or_default(), sum(&bytes, table));
        if stated != found && !sings("ignore the checksum of exclusion sets") {
            return Err(bad(&format!("crc {stated:08x}"), format!("crc {found:08x}")));
        }
        let kind = u32_at(&bytes, footer + 16).unwrap_or_default();
        if kind != code(id_type) {
            return Err(bad(&format!("ids of type {}", code(id_type)), kind.to_string()));
        }
        let blocks = blocks as usize;
        let newest = u64_at(&bytes, footer).unwrap_or_default();
        if newest >= 1 << 62 {
            return Err(bad("a version that can be counted up", newest.to_string()));
        }
        let right = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let path = path.to_owned();
        let run = Self { bytes, path, id_type, newest, blocks, table, right, record: None };
        let mut before = 0;
        for block in 0..blocks {
            let end = run.end(block);
            if end <= before || end > (table - HEADER_BYTES) as u64 {
                let at = (table + block * ROW) as u64;
                let expected = format!("an end above {before}");
                return Err(Fault::damage(at, "table", expected, end.to_string()));
            }
            before = end;
        }
        if HEADER_BYTES as u64 + before != table as u64 {
            return Err(bad("blocks up to the table", before.to_string()));
        }
        Ok(run)
    }

    /// Bytes of the run.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where it is, for errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn seal(&self) -> u32 {
        sum(&self.bytes, self.table)
    }

    fn end(&self, block: usize) -> u64 {
        u64_at(&self.bytes, self.table + block * ROW).unwrap_or_default()
    }

    /// A block, right as far as its checksum says, and its offset in the file.
    fn block(&self, block: usize) -> Decoded<(&[u8], u64)> {
        let start = if block == 0 { 0 } else { self.end(block - 1) };
        let range = HEADER_BYTES + start as usize..HEADER_BYTES + self.end(block) as usize;
        let at = range.start as u64;
        let bytes = self.bytes.get(range).unwrap_or_default();
        let (word, bit) = (self.right.get(block / 64), 1 << (block % 64));
        if word.is_some_and(|word| word.load(Ordering::Acquire) & bit != 0) {
            return Ok((bytes, at));
        }
        let stated = u32_at(&self.bytes, self.table + block * ROW + 8).unwrap_or_default();
        let found = crc(bytes);
        if stated != found && !sings("ignore the checksum of exclusion sets") {
            let expected = format!("crc {stated:08x} of {} bytes", bytes.len());
            return Err(Fault::damage(at, "sets", expected, format!("crc {found:08x}")));
        }
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Release);
        }
        Ok((bytes, at))
    }

    /// What it says of a set.
    pub(super) fn find(&self, name: &str) -> Decoded<Option<Entry<'_>>> {
        // The last block whose first name is not above this one.
        let (mut low, mut high) = (0, self.blocks);
        while low < high {
            let middle = low.midpoint(high);
            let (bytes, at) = self.block(middle)?;
            let mut entries = Entries { reader: Reader(bytes), at, name: Vec::new() };
            let above = entries.next()?.is_none_or(|_| entries.name.as_slice() > name.as_bytes());
            if above { high = middle } else { low = middle + 1 }
        }
        let Some(block) = low.checked_sub(1) else { return Ok(None) };
        let (bytes, at) = self.block(block)?;
        let mut entries = Entries { reader: Reader(bytes), at, name: Vec::new() };
        while let Some(entry) = entries.next()? {
            match entries.name.as_slice().cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(entry)),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// All of it, in order.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        let entries = Entries { reader: Reader(&[]), at: 0, name: Vec::new() };
        Cursor { run: self, next: 0, entries, entry: None }
    }

    /// Reads every byte; how many blocks there are.
    pub(crate) fn verify(&self) -> Result<u64> {
        self.check_all().map_err(|f| f.at(&self.path))
    }

    fn check_all(&self) -> Decoded<u64> {
        let mut cursor = self.cursor();
        let mut before: Option<Vec<u8>> = None;
        while cursor.advance()? {
            let at = cursor.entries.at;
            let wrong = |found: &str| Fault::damage(at, "sets", "what a writer wrote", found);
            if before.is_some_and(|before| before.as_slice() >= cursor.name()) {
                return Err(wrong("names that don't ascend"));
            }
            let entry = cursor.entry.ok_or_else(|| wrong("no entry"))?;
            super::members::each_member(entry.members, self.id_type, i64::MIN, |_, _| {})
                .ok_or_else(|| wrong("other members"))?;
            if entry.version > self.newest {
                return Err(wrong("a version above the newest"));
            }
            before = Some(cursor.name().to_vec());
        }
        Ok(self.blocks as u64)
    }
}

/// The entries of a block.
struct Entries<'a> {
    reader: Reader<'a>,
    /// Where the block is in the file.
    at: u64,
    /// Of the entry that was read last.
    name: Vec<u8>,
}

impl<'a> Entries<'a> {
    fn next(&mut self) -> Decoded<Option<Entry<'a>>> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let entry = self.read();
        let found = "other bytes";
        entry.map(Some).ok_or_else(|| Fault::damage(self.at, "sets", "a set", found))
    }

    fn read(&mut self) -> Option<Entry<'a>> {
        let shared = self.reader.length()?;
        let rest = self.reader.length()?;
        if shared > self.name.len() || rest > NAME_BYTES_MAX || shared + rest > NAME_BYTES_MAX {
            return None;
        }
        self.name.truncate(shared);
        self.name.extend_from_slice(self.reader.take(rest)?);
        let length = self.reader.length()?;
        let mut body = Reader(self.reader.take(length)?);
        let cleared = match body.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Entry { cleared, version: body.number()?, members: body.0 })
    }
}

/// Walks through a run.
pub(super) struct Cursor<'a> {
    run: &'a Run,
    next: usize,
    entries: Entries<'a>,
    entry: Option<Entry<'a>>,
}

impl<'a> Cursor<'a> {
    /// The entry that it stands at, after [`Self::advance`].
    pub(super) fn entry(&self) -> Option<Entry<'a>> {
        self.entry
    }

    /// The name of that entry.
    pub(super) fn name(&self) -> &[u8] {
        &self.entries.name
    }

    /// Goes to the next entry, if there is one.
    pub(super) fn advance(&mut self) -> Decoded<bool> {
        loop {
            self.entry = self.entries.next()?;
            if self.entry.is_some() {
                return Ok(true);
            }
            if self.next >= self.run.blocks {
                return Ok(false);
            }
            let (bytes, at) = self.run.block(self.next)?;
            self.entries = Entries { reader: Reader(bytes), at, name: Vec::new() };
            self.next += 1;
        }
    }
}

/// Puts a run together, set by set in the order of their names.
#[derive(Debug)]
pub(super) struct Builder {
    id_type: IdType,
    /// Room for the header, then blocks.
    bytes: Vec<u8>,
    table: Vec<u8>,
    block: usize,
    name: Vec<u8>,
    newest: u64,
}

impl Builder {
    pub(super) fn new(id_type: IdType) -> Self {
        let bytes = vec![0; HEADER_BYTES];
        Self { id_type, bytes, table: Vec::new(), block: HEADER_BYTES, name: Vec::new(), newest: 0 }
    }

    pub(super) fn push(&mut self, name: &[u8], entry: Entry<'_>) {
        let shared = self.name.iter().zip(name).take_while(|(a, b)| a == b).count();
        let rest = name.get(shared..).unwrap_or_default();
        put(shared as u64, &mut self.bytes);
        put(rest.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(rest);
        let mut head = vec![u8::from(entry.cleared)];
        put(entry.version, &mut head);
        put((head.len() + entry.members.len()) as u64, &mut self.bytes);
        self.bytes.append(&mut head);
        self.bytes.extend_from_slice(entry.members);
        self.newest = self.newest.max(entry.version);
        name.clone_into(&mut self.name);
        if self.bytes.len() - self.block >= BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        let block = self.bytes.get(self.block..).unwrap_or_default();
        if block.is_empty() {
            return;
        }
        let end = (self.bytes.len() - HEADER_BYTES) as u64;
        self.table.extend_from_slice(&end.to_le_bytes());
        self.table.extend_from_slice(&crc(block).to_le_bytes());
        self.block = self.bytes.len();
        self.name.clear();
    }

    /// The run, in memory; `None` without a set.
    pub(super) fn finish(mut self) -> Option<Run> {
        self.end_block();
        let blocks = self.table.len() / ROW;
        let table = self.bytes.len();
        if blocks == 0 {
            return None;
        }
        self.bytes.append(&mut self.table);
        self.bytes.extend_from_slice(&self.newest.to_le_bytes());
        self.bytes.extend_from_slice(&(blocks as u64).to_le_bytes());
        self.bytes.extend_from_slice(&code(self.id_type).to_le_bytes());
        let header = encode_header(FileKind::Exclusions, self.bytes.len() as u64 + 4);
        if let Some(room) = self.bytes.first_chunk_mut() {
            *room = header;
        }
        self.bytes.extend_from_slice(&[0; 4]);
        let seal = sum(&self.bytes, table);
        let end = self.bytes.len() - 4;
        self.bytes.truncate(end);
        self.bytes.extend_from_slice(&seal.to_le_bytes());
        Some(Run {
            bytes: Place::Memory(self.bytes),
            path: PathBuf::from("(in memory)"),
            id_type: self.id_type,
            newest: self.newest,
            blocks,
            table,
            // Nobody else has seen these bytes.
            right: (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(u64::MAX)).collect(),
            record: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sets: u32) -> Run {
        let mut builder = Builder::new(IdType::U64);
        for set in 0..sets {
            let members = [0, 1, 1, set as u8 & 0x7f];
            let name = format!("user:{set:04}:seen");
            let entry = Entry { cleared: set % 3 == 0, version: u64::from(set), members: &members };
            builder.push(name.as_bytes(), entry);
        }
        builder.finish().unwrap()
    }

    #[test]
    fn sets_are_found_by_name() {
        assert!(Builder::new(IdType::U64).finish().is_none());
        let run = run(200);
        assert_eq!(run.verify().unwrap(), run.blocks as u64);
        for set in 0..200_u32 {
            let entry = run.find(&format!("user:{set:04}:seen")).unwrap().unwrap();
            assert_eq!((entry.version, entry.cleared), (u64::from(set), set % 3 == 0));
            assert_eq!(run.find(&format!("user:{set:04}:saw")).unwrap(), None);
        }
        for name in ["", "a", "user:", "user:9999", "zebra"] {
            assert_eq!(run.find(name).unwrap(), None);
        }
    }

    #[test]
    fn every_flip_and_truncation_is_found() {
        let good = run(20).bytes().to_vec();
        let sound = |bytes: &[u8]| {
            let run = Run::new(Place::Memory(bytes.to_vec()), Path::new("x"), IdType::U64);
            run.is_ok_and(|run| run.verify().is_ok())
        };
        assert!(sound(&good));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(!sound(&bad), "byte {at}");
            assert!(!sound(&good[..at]), "length {at}");
        }
        assert!(Run::new(Place::Memory(good), Path::new("x"), IdType::Str).is_err());
    }
}

//! The section table and the footer of a segment: where its sections are.
//!
//! ```text
//!  0        32        36          40   64                 64 + 32 n    next 4 KiB
//!  | header | n       | block     | 0  | n entries        | zeros      | sections ...
//!
//!  entry:   0      4        8        16       24   32
//!           | kind | column | offset | length | 0  |
//!
//!  footer:  0             8           12          16       24     32
//!           | file length | table crc | sums crc  | 0      | end   |
//! ```
//!
//! Sections start at multiples of 4 KiB, hot ones (codes, edges) of 2 MiB once they are that
//! long; zeros lie between them. The last one holds the checksums of the others; the footer
//! follows it at the next multiple of 32 and ends the file. `table crc` covers everything before
//! the first section, so the header, the table and the zeros after it.

use std::collections::HashMap;
use std::ops::Range;

use super::{
    BLOCK, Fault, FileKind, HEADER_BYTES, crc, decode_header, encode_header, first_nonzero, u32_at,
    u64_at,
};

/// Bytes of the footer.
const FOOTER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 32;
const ENTRIES_AT: usize = 64;
const PAGE: u64 = 4096;
const HUGE_PAGE: u64 = 2 << 20;
/// Most sections of a file: keeps a hostile table from costing more than the file.
const SECTIONS_MAX: usize = 1 << 16;
const END: [u8; 8] = *b"NEAREND\0";

/// Declares the kinds of sections: their codes in files and their names in messages.
macro_rules! section_kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)+) => {
        /// What a section holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum SectionKind { $($(#[$doc])* $variant),+ }

        impl SectionKind {
            pub(crate) fn code(self) -> u32 {
                match self { $(Self::$variant => $code),+ }
            }

            fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

section_kinds! {
    /// `SegmentMeta` through the codec.
    Meta = 1 "meta",
    /// Code records, by slot; hot.
    Codes = 2 "codes",
    /// Out-edges, by slot; hot.
    Edges = 3 "edges",
    /// 8-bit rows, by slot; warm.
    Refine = 4 "refine",
    /// u64 ids by slot, or the bytes of string ids; warm.
    Ids = 5 "ids",
    /// `rows + 1` u64: where each string id starts in `ids`.
    IdOffsets = 6 "id offsets",
    /// Slots in ascending order of their ids, u32.
    IdOrder = 7 "id order",
    /// Original vectors, by slot; cold.
    Vectors = 8 "vectors",
    /// Values by slot: 8 bytes a number, a bit a bool, the bytes of a text.
    Values = 16 "values",
    /// One bit a slot, 1 where there is a value, in u64 words.
    Validity = 17 "validity",
    /// `rows + 1` u64: where each text starts in `values`, or each list in `keyword codes`.
    Offsets = 18 "offsets",
    /// u32 positions in the dictionary; `u32::MAX` is null.
    KeywordCodes = 19 "keyword codes",
    /// `n + 1` u64: where each keyword starts in `dictionary`.
    DictionaryOffsets = 20 "dictionary offsets",
    /// The bytes of the keywords, ascending.
    Dictionary = 21 "dictionary",
    /// The CRC32C of each block of each section before, u32.
    Checksums = 32 "checksums",
}

impl SectionKind {
    fn alignment(self, length: u64) -> u64 {
        let hot = matches!(self, Self::Codes | Self::Edges);
        if hot && length >= HUGE_PAGE { HUGE_PAGE } else { PAGE }
    }
}

/// Number of checksummed blocks of a section.
fn block_count(length: u64) -> u64 {
    length.div_ceil(BLOCK as u64)
}

/// A section to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) kind: SectionKind,
    /// Position of the attribute column; 0 for what belongs to none.
    pub(crate) column: u32,
    pub(crate) length: u64,
}

/// A section of a file. Its range is within the file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) kind: SectionKind,
    pub(crate) column: u32,
    pub(crate) range: Range<usize>,
    /// Position of its first block among all blocks.
    pub(crate) first_block: usize,
}

impl Entry {
    /// The name in messages.
    pub(crate) fn name(&self) -> String {
        if self.kind.code() >= SectionKind::Values.code() && self.kind != SectionKind::Checksums {
            format!("{} of column {}", self.kind.name(), self.column)
        } else {
            self.kind.name().to_owned()
        }
    }
}

/// Where everything of a file to be written goes.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Offsets of the planned sections, then of the checksums.
    pub(crate) offsets: Vec<u64>,
    pub(crate) footer_at: u64,
    /// The header, the table and the zeros up to the first section.
    pub(crate) head: Vec<u8>,
    pub(crate) file_length: u64,
}

impl Layout {
    /// Lays out these sections in this order, with the checksums after them.
    pub(crate) fn new(sections: &[Planned]) -> Self {
        let blocks: u64 = sections.iter().map(|s| block_count(s.length)).sum();
        let sums = Planned { kind: SectionKind::Checksums, column: 0, length: blocks * 4 };
        let all: Vec<Planned> = sections.iter().copied().chain([sums]).collect();
        let table_end = (ENTRIES_AT + all.len() * ENTRY_BYTES) as u64;
        let head_end = table_end.next_multiple_of(PAGE);

        let mut at = head_end;
        let mut offsets = Vec::with_capacity(all.len());
        for section in &all {
            at = at.next_multiple_of(section.kind.alignment(section.length));
            offsets.push(at);
            at += section.length;
        }
        let footer_at = at.next_multiple_of(FOOTER_BYTES as u64);
        let file_length = footer_at + FOOTER_BYTES as u64;

        let mut head = encode_header(FileKind::Segment, file_length).to_vec();
        head.extend_from_slice(&(all.len() as u32).to_le_bytes());
        head.extend_from_slice(&(BLOCK as u32).to_le_bytes());
        head.resize(ENTRIES_AT, 0);
        for (section, offset) in all.iter().zip(&offsets) {
            head.extend_from_slice(&section.kind.code().to_le_bytes());
            head.extend_from_slice(&section.column.to_le_bytes());
            head.extend_from_slice(&offset.to_le_bytes());
            head.extend_from_slice(&section.length.to_le_bytes());
            head.extend_from_slice(&[0; 8]);
        }
        head.resize(head_end as usize, 0);
        Self { offsets, footer_at, head, file_length }
    }

    /// The footer, given the bytes of the checksums section.
    pub(crate) fn footer(&self, sums: &[u8]) -> Vec<u8> {
        let mut footer = self.file_length.to_le_bytes().to_vec();
        footer.extend_from_slice(&crc(&self.head).to_le_bytes());
        footer.extend_from_slice(&crc(sums).to_le_bytes());
        footer.extend_from_slice(&[0; 8]);
        footer.extend_from_slice(&END);
        footer
    }
}

/// The sections of a file, checked against its length and against each other.
#[derive(Debug)]
pub(crate) struct Table {
    /// Ascending by offset, the checksums last.
    pub(crate) entries: Vec<Entry>,
    /// End of the header, the table and the zeros after it.
    pub(crate) head_end: usize,
    pub(crate) footer_at: usize,
    /// Positions by kind and column.
    index: HashMap<(SectionKind, u32), usize>,
}

impl Table {
    /// Reads and checks header, table and footer in time proportional to the sections.
    pub(crate) fn decode(file: &[u8]) -> Result<Self, Fault> {
        decode_header(FileKind::Segment, file)?;
        let footer_at = file.len().saturating_sub(FOOTER_BYTES);
        let footer = file.get(footer_at..).unwrap_or_default();
        let short = || Fault::damage(file.len() as u64, "table", "a longer file", "its end");
        if footer_at < ENTRIES_AT || footer.len() < FOOTER_BYTES {
            return Err(short());
        }
        check_footer(footer, footer_at as u64, file.len() as u64)?;

        let count = u32_at(file, HEADER_BYTES).ok_or_else(short)? as usize;
        let head_end = count
            .checked_mul(ENTRY_BYTES)
            .and_then(|n| n.checked_add(ENTRIES_AT))
            .and_then(|n| n.checked_next_multiple_of(PAGE as usize));
        let head = head_end.and_then(|end| file.get(..end.min(footer_at))).unwrap_or_default();
        let (sum, stated) = (crc(head), u32_at(footer, 8).unwrap_or_default());
        if sum != stated {
            let (expected, found) = (format!("crc {stated:08x}"), format!("crc {sum:08x}"));
            return Err(Fault::damage(0, "table", expected, found));
        }
        let head_end = head_end
            .filter(|end| *end <= footer_at && (1..=SECTIONS_MAX).contains(&count))
            .ok_or_else(|| {
                let at = HEADER_BYTES as u64;
                Fault::damage(
                    at,
                    "table",
                    "a count that fits the file",
                    format!("{count} sections"),
                )
            })?;
        let block = u32_at(file, HEADER_BYTES + 4).unwrap_or_default();
        if block != BLOCK as u32 {
            let (expected, found) = (format!("blocks of {BLOCK}"), format!("blocks of {block}"));
            return Err(Fault::damage(HEADER_BYTES as u64 + 4, "table", expected, found));
        }
        let table_end = ENTRIES_AT + count * ENTRY_BYTES;
        for zeros in [HEADER_BYTES + 8..ENTRIES_AT, table_end..head_end] {
            let start = zeros.start;
            if let Some(at) = first_nonzero(file.get(zeros).unwrap_or_default()) {
                return Err(Fault::damage((start + at) as u64, "table", "zero", "another byte"));
            }
        }
        let raw = file.get(ENTRIES_AT..table_end).unwrap_or_default();
        let (entries, index) = decode_entries(raw, head_end as u64, footer_at as u64)?;
        let table = Self { entries, head_end, footer_at, index };
        table.check_sums(file, u32_at(footer, 12).unwrap_or_default())?;
        Ok(table)
    }

    /// Checks that the last section holds one sum a block, and its own checksum.
    fn check_sums(&self, file: &[u8], stated: u32) -> Result<(), Fault> {
        let sums = self.sums(file);
        let blocks = self.entries.last().map_or(0, |e| e.first_block);
        let at = self.entries.last().map_or(0, |e| e.range.start as u64);
        if sums.len() != blocks * 4 {
            let (expected, found) = (format!("{blocks} sums"), format!("{} bytes", sums.len()));
            return Err(Fault::damage(at, "checksums", expected, found));
        }
        let sum = crc(sums);
        if sum != stated {
            let (expected, found) = (format!("crc {stated:08x}"), format!("crc {sum:08x}"));
            return Err(Fault::damage(at, "checksums", expected, found));
        }
        Ok(())
    }

    /// The bytes of the checksums section.
    pub(crate) fn sums<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        self.entries.last().and_then(|e| file.get(e.range.clone())).unwrap_or_default()
    }

    /// The section of this kind and column.
    pub(crate) fn find(&self, kind: SectionKind, column: u32) -> Option<usize> {
        self.index.get(&(kind, column)).copied()
    }
}

type Entries = (Vec<Entry>, HashMap<(SectionKind, u32), usize>);

fn check_footer(footer: &[u8], at: u64, file_length: u64) -> Result<(), Fault> {
    if !footer.ends_with(&END) {
        return Err(Fault::damage(at + 24, "footer", "the end mark", "other bytes"));
    }
    let length = u64_at(footer, 0).unwrap_or_default();
    if length != file_length {
        let (expected, found) = (format!("{file_length} bytes"), format!("{length} bytes"));
        return Err(Fault::damage(at, "footer", expected, found));
    }
    if u64_at(footer, 16) != Some(0) {
        return Err(Fault::damage(at + 16, "footer", "zero", "another number"));
    }
    Ok(())
}

/// The entries: known kinds, each once, sorted, aligned, apart, between head and footer.
fn decode_entries(raw: &[u8], head_end: u64, footer_at: u64) -> Result<Entries, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut index = HashMap::new();
    let (mut end, mut blocks) = (head_end, 0_usize);
    let chunks = raw.as_chunks::<ENTRY_BYTES>().0;
    for (position, raw) in chunks.iter().enumerate() {
        let at = (ENTRIES_AT + position * ENTRY_BYTES) as u64;
        let bad = |expected: &str, found: String| Fault::damage(at, "table", expected, found);
        let code = u32_at(raw, 0).unwrap_or_default();
        let kind = SectionKind::from_code(code)
            .ok_or_else(|| bad("a known kind of section", format!("kind {code}")))?;
        let column = u32_at(raw, 4).unwrap_or_default();
        let offset = u64_at(raw, 8).unwrap_or_default();
        let length = u64_at(raw, 16).unwrap_or_default();
        if u64_at(raw, 24) != Some(0) {
            return Err(bad("zero at the end of the entry", "another number".to_owned()));
        }
        if offset != end.next_multiple_of(kind.alignment(length)) {
            return Err(bad("a section right after the one before", format!("offset {offset}")));
        }
        end = offset
            .checked_add(length)
            .filter(|end| *end <= footer_at)
            .ok_or_else(|| bad("a section within the file", format!("{length} bytes")))?;
        if index.insert((kind, column), position).is_some() {
            return Err(bad("every section once", kind.name().to_owned()));
        }
        let checksums = kind == SectionKind::Checksums;
        if checksums != (position + 1 == chunks.len()) || (checksums && column != 0) {
            return Err(bad("the checksums last", kind.name().to_owned()));
        }
        entries.push(Entry {
            kind,
            column,
            range: offset as usize..end as usize,
            first_block: blocks,
        });
        blocks += block_count(length) as usize;
    }
    if end.next_multiple_of(FOOTER_BYTES as u64) != footer_at {
        let (expected, found) = (format!("the footer after byte {end}"), footer_at.to_string());
        return Err(Fault::damage(footer_at, "footer", expected, found));
    }
    Ok((entries, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lengths: &[(SectionKind, u64)]) -> Vec<u8> {
        let planned: Vec<Planned> = lengths
            .iter()
            .map(|(kind, length)| Planned { kind: *kind, column: 0, length: *length })
            .collect();
        let layout = Layout::new(&planned);
        let mut sums = crate::format::BlockSums::default();
        for section in &planned {
            sums.add(&vec![0; section.length as usize]);
            sums.end_section();
        }
        let sums = sums.into_bytes();
        let mut file = layout.head.clone();
        file.resize(*layout.offsets.last().unwrap() as usize, 0);
        file.extend_from_slice(&sums);
        file.resize(layout.footer_at as usize, 0);
        file.extend_from_slice(&layout.footer(&sums));
        file
    }

    #[test]
    fn a_table_comes_back_and_hot_sections_lie_on_huge_pages() {
        let bytes = file(&[
            (SectionKind::Meta, 100),
            (SectionKind::Codes, HUGE_PAGE + 1),
            (SectionKind::Edges, 10),
            (SectionKind::Ids, 0),
        ]);
        let table = Table::decode(&bytes).unwrap();
        let starts: Vec<_> = table.entries.iter().map(|e| e.range.start as u64).collect();
        assert_eq!(starts[..2], [PAGE, HUGE_PAGE]);
        assert_eq!(starts[2] % PAGE, 0);
        assert_eq!(table.entries.len(), 5);
        assert_eq!(table.entries[1].range.len() as u64, HUGE_PAGE + 1);
    }

    #[test]
    fn flips_and_truncations_of_head_and_footer_are_found() {
        let good = file(&[(SectionKind::Meta, 100), (SectionKind::Ids, 5000)]);
        let table = Table::decode(&good).unwrap();
        let head = (0..table.head_end).chain(table.footer_at..good.len());
        for at in head {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(Table::decode(&bad).is_err(), "byte {at}");
        }
        for length in (0..good.len()).step_by(61) {
            assert!(Table::decode(&good[..length]).is_err(), "length {length}");
        }
    }
}

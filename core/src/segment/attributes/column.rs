//! An attribute column of a segment, read in place.
//!
//! Invariant: the bytes behind a [`Column`] were compared with their checksums (text: are, block
//! by block, when read) and every code and offset in them is within bounds.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::{Cell, ColumnPatch, Items, bit_at};
use crate::error::Result;
use crate::format::Fault;
use crate::segment::checked::Checked;
use crate::segment::ids::string_at;
use crate::types::AttributeType;

/// The keyword code of a null.
pub(crate) const NULL_CODE: u32 = u32::MAX;

/// A column, by slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(super) kind: AttributeType,
    /// One bit a slot; `None` when there are no nulls, or the codes say so.
    pub(super) validity: Option<&'a [[u8; 8]]>,
    pub(super) values: Values<'a>,
    /// Values that replace these.
    pub(super) patch: Option<&'a ColumnPatch>,
}

/// The values, by type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values<'a> {
    /// The column was added after the segment was sealed: all null.
    Missing,
    Keyword {
        codes: &'a [[u8; 4]],
        dictionary: Dictionary<'a>,
    },
    KeywordList {
        offsets: &'a [[u8; 8]],
        codes: &'a [[u8; 4]],
        dictionary: Dictionary<'a>,
    },
    /// `i64`, `f64` and timestamps: their bits.
    Number(&'a [[u8; 8]]),
    Bool(&'a [[u8; 8]]),
    Text {
        offsets: LazyBytes<'a>,
        bytes: LazyBytes<'a>,
    },
}

/// The distinct keywords of a column, ascending bytewise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dictionary<'a> {
    offsets: &'a [[u8; 8]],
    bytes: &'a [u8],
}

/// A section that is checked block by block as it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LazyBytes<'a> {
    pub(crate) section: &'a Checked,
    pub(crate) file: &'a [u8],
    pub(crate) sums: &'a [u8],
    pub(crate) path: &'a std::path::Path,
}

impl<'a> LazyBytes<'a> {
    fn get(&self, start: usize, end: usize) -> Result<&'a [u8]> {
        self.section.part(self.file, self.sums, start..end).map_err(|f| f.at(self.path))
    }

    fn word(&self, position: usize) -> Result<usize> {
        let at = position.saturating_mul(8);
        let bytes = self.get(at, at.saturating_add(8))?;
        Ok(bytes.first_chunk().map_or(0, |w| u64::from_le_bytes(*w)) as usize)
    }
}

impl<'a> Dictionary<'a> {
    pub(crate) fn new(offsets: &'a [[u8; 8]], bytes: &'a [u8]) -> Self {
        Self { offsets, bytes }
    }

    /// Number of keywords.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The keyword of a code.
    pub(crate) fn get(&self, code: u32) -> Option<&'a str> {
        string_at(self.offsets, self.bytes, code as usize)
    }
}

impl<'a> Column<'a> {
    pub(crate) fn kind(&self) -> AttributeType {
        self.kind
    }

    /// A column that the segment doesn't have.
    pub(crate) fn missing(kind: AttributeType) -> Self {
        Self { kind, validity: None, values: Values::Missing, patch: None }
    }

    /// The column with values of its own replaced.
    pub(crate) fn patched(self, patch: Option<&'a ColumnPatch>) -> Self {
        Self { patch, ..self }
    }

    fn replaced(&self, slot: u32) -> Option<Cell<'a>> {
        self.patch?.get(slot)
    }

    /// Whether the value of a slot is replaced.
    pub(crate) fn is_replaced(&self, slot: u32) -> bool {
        self.replaced(slot).is_some()
    }

    /// The slots whose values are replaced, ascending.
    pub(crate) fn replaced_slots(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.patch.into_iter().flat_map(|patch| patch.iter().map(|(slot, _)| slot))
    }

    /// Whether there is a value in the segment. Not for keywords: their codes say so.
    pub(super) fn is_valid(&self, slot: u32) -> bool {
        self.validity.is_none_or(|words| bit_at(words, slot))
    }

    /// A `keyword`; `None` for null and for other types.
    pub(crate) fn keyword(&self, slot: u32) -> Option<&'a str> {
        let Values::Keyword { codes, dictionary } = &self.values else { return self.own(slot) };
        match self.replaced(slot) {
            Some(_) => self.own(slot),
            None => dictionary.get(code_at(codes, slot as usize)?),
        }
    }

    /// The code of a `keyword` of the segment; `None` where it was replaced.
    pub(crate) fn code(&self, slot: u32) -> Option<u32> {
        let Values::Keyword { codes, .. } = &self.values else { return None };
        if self.replaced(slot).is_some() {
            return None;
        }
        code_at(codes, slot as usize)
    }

    /// The code of a `keyword`, if the segment has it.
    pub(crate) fn code_of(&self, word: &str) -> Option<u32> {
        let Values::Keyword { dictionary, .. } = &self.values else { return None };
        let (mut low, mut high) = (0, dictionary.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match dictionary.get(middle)?.cmp(word) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The replaced value of a slot, if it is a string.
    fn own(&self, slot: u32) -> Option<&'a str> {
        match self.replaced(slot)? {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A `keyword[]`; `None` for null and for other types.
    pub(crate) fn keywords(&self, slot: u32) -> Option<Keywords<'a>> {
        match self.replaced(slot) {
            Some(Cell::List(items)) => return Some(Keywords::Own(items)),
            Some(_) => return None,
            None => {}
        }
        match &self.values {
            Values::KeywordList { offsets, codes, dictionary } if self.is_valid(slot) => {
                let at = |i: usize| offsets.get(i).map(|o| u64::from_le_bytes(*o) as usize);
                let codes = codes.get(at(slot as usize)?..at(slot as usize + 1)?)?;
                Some(Keywords::Codes(codes, *dictionary))
            }
            _ => None,
        }
    }

    fn number(&self, slot: u32) -> Option<u64> {
        match (self.replaced(slot), &self.values) {
            (Some(Cell::Number(bits)), _) => Some(bits),
            (None, Values::Number(values)) if self.is_valid(slot) => {
                values.get(slot as usize).map(|v| u64::from_le_bytes(*v))
            }
            _ => None,
        }
    }

    /// An `i64`, or the microseconds of a `timestamp`; `None` for null and for other types.
    pub(crate) fn i64(&self, slot: u32) -> Option<i64> {
        let integral = matches!(self.kind, AttributeType::I64 | AttributeType::Timestamp);
        integral.then(|| self.number(slot)).flatten().map(|v| v as i64)
    }

    /// An `f64`; `None` for null and for other types.
    pub(crate) fn f64(&self, slot: u32) -> Option<f64> {
        (self.kind == AttributeType::F64).then(|| self.number(slot)).flatten().map(f64::from_bits)
    }

    /// A `bool`; `None` for null and for other types.
    pub(crate) fn bool(&self, slot: u32) -> Option<bool> {
        match (self.replaced(slot), &self.values) {
            (Some(Cell::Bool(bit)), _) => Some(bit),
            (None, Values::Bool(bits)) if self.is_valid(slot) => Some(bit_at(bits, slot)),
            _ => None,
        }
    }

    /// A `text`; `None` for null and for other types. Reads, and so checks, its block.
    pub(crate) fn text(&self, slot: u32) -> Result<Option<&'a str>> {
        if self.kind != AttributeType::Text {
            return Ok(None);
        }
        if self.replaced(slot).is_some() {
            return Ok(self.own(slot));
        }
        let Values::Text { offsets, bytes } = &self.values else { return Ok(None) };
        if !self.is_valid(slot) {
            return Ok(None);
        }
        let (start, end) = (offsets.word(slot as usize)?, offsets.word(slot as usize + 1)?);
        let text = std::str::from_utf8(bytes.get(start, end)?).map_err(|_| {
            let entry = bytes.section.entry();
            let at = (entry.range.start + start) as u64;
            Fault::damage(at, entry.name(), "UTF-8", "other bytes").at(bytes.path)
        })?;
        Ok(Some(text))
    }
}

/// The items of a `keyword[]`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keywords<'a> {
    /// Of a segment: codes as little-endian u32.
    Codes(&'a [[u8; 4]], Dictionary<'a>),
    /// Replaced.
    Own(Items<'a>),
}

impl<'a> Keywords<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (codes, own): (&[[u8; 4]], Items<'a>) = match *self {
            Keywords::Codes(codes, _) => (codes, Items::default()),
            Keywords::Own(items) => (&[], items),
        };
        let dictionary = match *self {
            Keywords::Codes(_, dictionary) => Some(dictionary),
            Keywords::Own(_) => None,
        };
        let keyword = move |code: &[u8; 4]| {
            dictionary.and_then(|d| d.get(u32::from_le_bytes(*code))).unwrap_or_default()
        };
        codes.iter().map(keyword).chain(own.iter())
    }
}

/// A code that isn't null.
fn code_at(codes: &[[u8; 4]], position: usize) -> Option<u32> {
    codes.get(position).map(|c| u32::from_le_bytes(*c)).filter(|c| *c != NULL_CODE)
}

//! An attribute column of a segment, read in place.
//!
//! Invariant: the bytes behind a [`Column`] were compared with their checksums (text: are, block
//! by block, when read) and every code and offset in them is within bounds.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::bit_at;
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
}

/// The values, by type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values<'a> {
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

    /// Whether there is no value.
    pub(crate) fn is_null(&self, slot: u32) -> bool {
        match &self.values {
            Values::Keyword { codes, .. } => code_at(codes, slot as usize).is_none(),
            _ => self.validity.is_some_and(|words| !bit_at(words, slot)),
        }
    }

    /// The code of a `keyword`, a position in [`Self::dictionary`]; `None` for null and for
    /// other types.
    pub(crate) fn keyword_code(&self, slot: u32) -> Option<u32> {
        match &self.values {
            Values::Keyword { codes, .. } => code_at(codes, slot as usize),
            _ => None,
        }
    }

    /// The keywords of a `keyword` or `keyword[]` column.
    pub(crate) fn dictionary(&self) -> Option<Dictionary<'a>> {
        match &self.values {
            Values::Keyword { dictionary, .. } | Values::KeywordList { dictionary, .. } => {
                Some(*dictionary)
            }
            _ => None,
        }
    }

    /// The codes of a `keyword[]`, as little-endian u32; `None` for null and for other types.
    pub(crate) fn keyword_list(&self, slot: u32) -> Option<&'a [[u8; 4]]> {
        match &self.values {
            Values::KeywordList { offsets, codes, .. } if !self.is_null(slot) => {
                let at = |i: usize| offsets.get(i).map(|o| u64::from_le_bytes(*o) as usize);
                codes.get(at(slot as usize)?..at(slot as usize + 1)?)
            }
            _ => None,
        }
    }

    fn number(&self, slot: u32) -> Option<u64> {
        match &self.values {
            Values::Number(values) if !self.is_null(slot) => {
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
        match &self.values {
            Values::Bool(bits) if !self.is_null(slot) => Some(bit_at(bits, slot)),
            _ => None,
        }
    }

    /// A `text`; `None` for null and for other types. Reads, and so checks, its block.
    pub(crate) fn text(&self, slot: u32) -> Result<Option<&'a str>> {
        let Values::Text { offsets, bytes } = &self.values else { return Ok(None) };
        if self.is_null(slot) {
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

/// A code that isn't null.
fn code_at(codes: &[[u8; 4]], position: usize) -> Option<u32> {
    codes.get(position).map(|c| u32::from_le_bytes(*c)).filter(|c| *c != NULL_CODE)
}

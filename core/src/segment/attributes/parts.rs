//! The sections of one attribute column, and the checks before their first use.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::column::Values;
use super::{Column, Dictionary, LazyBytes, NULL_CODE, Ranked, Ranks};
use crate::error::Result;
use crate::format::{Decoded, Fault, SectionKind};
use crate::segment::checked::Checked;
use crate::segment::ids::check_offsets;
use crate::types::AttributeType;

/// Which sections a column has follows from its type; their lengths from the rows.
#[derive(Debug)]
pub(crate) struct ColumnParts {
    kind: AttributeType,
    validity: Option<Checked>,
    values: Parts,
    /// Whether codes and offsets were found to be within bounds.
    sound: AtomicBool,
    /// Made when a filter first asks.
    ranks: OnceLock<Ranks>,
}

#[derive(Debug)]
enum Parts {
    Keyword { codes: Checked, dictionary: [Checked; 2] },
    KeywordList { offsets: Checked, codes: Checked, dictionary: [Checked; 2] },
    Number(Checked),
    Bool(Checked),
    Text { offsets: Checked, bytes: Checked },
}

impl ColumnParts {
    /// Finds the sections of a column and checks their lengths.
    pub(crate) fn new(
        kind: AttributeType,
        rows: u32,
        mut find: impl FnMut(SectionKind) -> Option<Checked>,
    ) -> Decoded<Self> {
        let rows = rows as usize;
        let bits = rows.div_ceil(64) * 8;
        let validity = match kind {
            AttributeType::Keyword => None,
            _ => find(SectionKind::Validity),
        };
        if let Some(section) = &validity {
            expect_length(section, bits)?;
        }
        let mut get = |kind: SectionKind, length: Option<usize>| {
            let section = find(kind).ok_or_else(|| {
                Fault::damage(0, "table", format!("a section {}", kind.name()), "none")
            })?;
            if let Some(length) = length {
                expect_length(&section, length)?;
            }
            Ok(section)
        };
        let values = match kind {
            AttributeType::Keyword => Parts::Keyword {
                codes: get(SectionKind::KeywordCodes, Some(rows * 4))?,
                dictionary: [
                    get(SectionKind::DictionaryOffsets, None)?,
                    get(SectionKind::Dictionary, None)?,
                ],
            },
            AttributeType::KeywordList => Parts::KeywordList {
                offsets: get(SectionKind::Offsets, Some((rows + 1) * 8))?,
                codes: get(SectionKind::KeywordCodes, None)?,
                dictionary: [
                    get(SectionKind::DictionaryOffsets, None)?,
                    get(SectionKind::Dictionary, None)?,
                ],
            },
            AttributeType::I64 | AttributeType::F64 | AttributeType::Timestamp => {
                Parts::Number(get(SectionKind::Values, Some(rows * 8))?)
            }
            AttributeType::Bool => Parts::Bool(get(SectionKind::Values, Some(bits))?),
            AttributeType::Text => Parts::Text {
                offsets: get(SectionKind::Offsets, Some((rows + 1) * 8))?,
                bytes: get(SectionKind::Values, None)?,
            },
        };
        Ok(Self { kind, validity, values, sound: AtomicBool::new(false), ranks: OnceLock::new() })
    }

    /// The column, checked.
    pub(crate) fn column<'a>(
        &'a self,
        file: &'a [u8],
        sums: &'a [u8],
        path: &'a Path,
    ) -> Result<Column<'a>> {
        self.read(file, sums, path).map_err(|f| f.at(path))
    }

    /// A column of these parts with its slots in order.
    pub(crate) fn ranked<'a>(&'a self, column: Column<'a>, rows: u32) -> Ranked<'a> {
        let column = column.patched(None);
        Ranked { column, ranks: self.ranks.get_or_init(|| Ranks::new(&column, rows)), rows }
    }

    fn read<'a>(&'a self, file: &'a [u8], sums: &'a [u8], path: &'a Path) -> Decoded<Column<'a>> {
        let sound = self.sound.load(Ordering::Acquire);
        let validity = match &self.validity {
            Some(section) => Some(section.all(file, sums)?.as_chunks().0),
            None => None,
        };
        let words = |section: &Checked| Ok(section.all(file, sums)?.as_chunks::<8>().0);
        let values = match &self.values {
            Parts::Keyword { codes, dictionary } => {
                let keywords = read_dictionary(dictionary, file, sums, sound)?;
                let values = codes.all(file, sums)?.as_chunks().0;
                if !sound {
                    check_codes(codes, values, keywords.len(), true)?;
                }
                Values::Keyword { codes: values, dictionary: keywords }
            }
            Parts::KeywordList { offsets, codes, dictionary } => {
                let keywords = read_dictionary(dictionary, file, sums, sound)?;
                let values = codes.all(file, sums)?.as_chunks().0;
                let ends = words(offsets)?;
                if !sound {
                    check_codes(codes, values, keywords.len(), false)?;
                    check_offsets(offsets.entry(), ends, values.len())?;
                }
                Values::KeywordList { offsets: ends, codes: values, dictionary: keywords }
            }
            Parts::Number(section) => Values::Number(words(section)?),
            Parts::Bool(section) => Values::Bool(words(section)?),
            Parts::Text { offsets, bytes } => {
                let lazy = |section| LazyBytes { section, file, sums, path };
                Values::Text { offsets: lazy(offsets), bytes: lazy(bytes) }
            }
        };
        self.sound.store(true, Ordering::Release);
        Ok(Column { kind: self.kind, validity, values, patch: None })
    }
}

fn expect_length(section: &Checked, length: usize) -> Decoded<()> {
    if section.len() == length {
        return Ok(());
    }
    let entry = section.entry();
    let (at, found) = (entry.range.start as u64, format!("{} bytes", section.len()));
    Err(Fault::damage(at, entry.name(), format!("{length} bytes"), found))
}

fn read_dictionary<'a>(
    sections: &'a [Checked; 2],
    file: &'a [u8],
    sums: &[u8],
    sound: bool,
) -> Decoded<Dictionary<'a>> {
    let [offset_section, byte_section] = sections;
    let raw = offset_section.all(file, sums)?;
    let bytes = byte_section.all(file, sums)?;
    let offsets = raw.as_chunks().0;
    let dictionary = Dictionary::new(offsets, bytes);
    if !sound {
        let entry = offset_section.entry();
        check_offsets(entry, offsets, bytes.len())?;
        let readable = (0..dictionary.len() as u32).all(|code| dictionary.get(code).is_some());
        if !readable || !raw.len().is_multiple_of(8) {
            let at = byte_section.entry().range.start as u64;
            let name = byte_section.entry().name();
            return Err(Fault::damage(at, name, "keywords in UTF-8", "other bytes"));
        }
    }
    Ok(dictionary)
}

fn check_codes(section: &Checked, codes: &[[u8; 4]], keywords: usize, nulls: bool) -> Decoded<()> {
    let good = |code: u32| (code as usize) < keywords || (nulls && code == NULL_CODE);
    match codes.iter().position(|code| !good(u32::from_le_bytes(*code))) {
        None if section.len().is_multiple_of(4) => Ok(()),
        position => {
            let entry = section.entry();
            let at = (entry.range.start + position.unwrap_or_default() * 4) as u64;
            let expected = format!("codes below {keywords}");
            Err(Fault::damage(at, entry.name(), expected, "another"))
        }
    }
}

//! An attribute column gathered in memory, row after row, from Arrow or from segments; then
//! encoded as the sections of a segment.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::{Bits, Column, Intake, ListRows, NULL_CODE, ValueRef, numbers, strings, unpack};
use crate::error::Result;
use crate::format::SectionKind;
use crate::types::AttributeType;

/// A growing column.
#[derive(Debug)]
pub(crate) struct ColumnBuffer {
    kind: AttributeType,
    valid: Bits,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Keyword { codes: Vec<u32>, keywords: Interner },
    KeywordList { ends: Vec<u64>, codes: Vec<u32>, keywords: Interner },
    Number(Vec<u64>),
    Bool(Bits),
    Text { ends: Vec<u64>, bytes: Vec<u8> },
}

/// Distinct keywords in order of arrival.
#[derive(Debug, Default)]
struct Interner {
    codes: HashMap<Arc<str>, u32>,
    keywords: Vec<Arc<str>>,
}

impl Interner {
    fn code(&mut self, keyword: &str) -> u32 {
        if let Some(code) = self.codes.get(keyword) {
            return *code;
        }
        let (code, keyword) = (self.keywords.len() as u32, Arc::from(keyword));
        self.keywords.push(Arc::clone(&keyword));
        self.codes.insert(keyword, code);
        code
    }

    fn get(&self, code: u32) -> &str {
        &self.keywords[code as usize]
    }
}

/// A section of the column, encoded.
pub(crate) type Encoded = (SectionKind, Vec<u8>);

impl ColumnBuffer {
    pub(crate) fn new(kind: AttributeType) -> Self {
        let values = match kind {
            AttributeType::Keyword => {
                Values::Keyword { codes: Vec::new(), keywords: Interner::default() }
            }
            AttributeType::KeywordList => Values::KeywordList {
                ends: Vec::new(),
                codes: Vec::new(),
                keywords: Interner::default(),
            },
            AttributeType::I64 | AttributeType::F64 | AttributeType::Timestamp => {
                Values::Number(Vec::new())
            }
            AttributeType::Bool => Values::Bool(Bits::default()),
            AttributeType::Text => Values::Text { ends: Vec::new(), bytes: Vec::new() },
        };
        Self { kind, valid: Bits::default(), values }
    }

    fn push_null(&mut self) {
        self.valid.push(false);
        match &mut self.values {
            Values::Keyword { codes, .. } => codes.push(NULL_CODE),
            Values::KeywordList { ends, codes, .. } => ends.push(codes.len() as u64),
            Values::Number(values) => values.push(0),
            Values::Bool(bits) => bits.push(false),
            Values::Text { ends, bytes } => ends.push(bytes.len() as u64),
        }
    }

    /// Appends nulls.
    pub(crate) fn append_nulls(&mut self, rows: usize) {
        (0..rows).for_each(|_| self.push_null());
    }

    /// Appends an Arrow array of a type that widens to the column's.
    pub(crate) fn append(&mut self, array: &ArrayRef, intake: Intake<'_>) -> Result<()> {
        let array = &*unpack(array)?;
        match self.kind {
            AttributeType::Keyword | AttributeType::Text => self.append_strings(array, intake),
            AttributeType::KeywordList => self.append_lists(array, intake),
            AttributeType::Bool => self.append_bools(array, intake),
            AttributeType::I64 | AttributeType::F64 | AttributeType::Timestamp => {
                for value in numbers(self.kind, array, intake)? {
                    self.push_number(value);
                }
                Ok(())
            }
        }
    }

    fn push_number(&mut self, value: Option<u64>) {
        self.valid.push(value.is_some());
        if let Values::Number(values) = &mut self.values {
            values.push(value.unwrap_or_default());
        }
    }

    fn push_bool(&mut self, value: Option<bool>) {
        self.valid.push(value.is_some());
        if let Values::Bool(bits) = &mut self.values {
            bits.push(value.unwrap_or_default());
        }
    }

    /// A keyword or a text.
    fn push_string(&mut self, value: Option<&str>) {
        match (&mut self.values, value) {
            (Values::Keyword { codes, keywords }, Some(text)) => {
                codes.push(keywords.code(text));
                self.valid.push(true);
            }
            _ => self.push_text(value.map(str::as_bytes)),
        }
    }

    fn push_text(&mut self, value: Option<&[u8]>) {
        let Some(text) = value else { return self.push_null() };
        if let Values::Text { ends, bytes } = &mut self.values {
            bytes.extend_from_slice(text);
            ends.push(bytes.len() as u64);
            self.valid.push(true);
        }
    }

    fn push_list<'a>(&mut self, items: impl Iterator<Item = &'a str>) {
        self.valid.push(true);
        if let Values::KeywordList { ends, codes, keywords } = &mut self.values {
            codes.extend(items.map(|item| keywords.code(item)));
            ends.push(codes.len() as u64);
        }
    }

    fn append_strings(&mut self, array: &ArrayRef, intake: Intake<'_>) -> Result<()> {
        let values = strings(array).ok_or_else(|| {
            intake.bad_type(format!("strings for type {}", self.kind), array.data_type())
        })?;
        values.for_each(|value| self.push_string(value));
        Ok(())
    }

    fn append_bools(&mut self, array: &ArrayRef, intake: Intake<'_>) -> Result<()> {
        match array.data_type() {
            DataType::Null => self.append_nulls(array.len()),
            DataType::Boolean => array.as_boolean().iter().for_each(|v| self.push_bool(v)),
            kind => return Err(intake.bad_type("booleans for type bool", kind)),
        }
        Ok(())
    }

    fn append_lists(&mut self, array: &ArrayRef, intake: Intake<'_>) -> Result<()> {
        if *array.data_type() == DataType::Null {
            self.append_nulls(array.len());
            return Ok(());
        }
        let wrong = || intake.bad_type("lists of strings for type keyword[]", array.data_type());
        let rows = ListRows::new(array).ok_or_else(wrong)?;
        let items = unpack(rows.values())?;
        let items: Vec<Option<&str>> = strings(&**items).ok_or_else(wrong)?.collect();
        for row in 0..array.len() {
            match rows.get(row) {
                None => self.push_null(),
                Some(range) => {
                    let list = items.get(range).unwrap_or_default();
                    if list.iter().any(Option::is_none) {
                        let fix = "leave nulls out of the lists";
                        return Err(intake.bad_row(row, "strings in the list", "a null", fix));
                    }
                    self.push_list(list.iter().flatten().copied());
                }
            }
        }
        Ok(())
    }

    /// Appends slots of a segment's column of the same type.
    pub(crate) fn append_slots(&mut self, column: &Column<'_>, slots: &[u32]) -> Result<()> {
        for slot in slots.iter().copied() {
            match self.kind {
                AttributeType::Keyword => self.push_string(column.keyword(slot)),
                AttributeType::Text => self.push_string(column.text(slot)?),
                AttributeType::KeywordList => match column.keywords(slot) {
                    None => self.push_null(),
                    Some(items) => self.push_list(items.iter()),
                },
                AttributeType::Bool => self.push_bool(column.bool(slot)),
                AttributeType::F64 => self.push_number(column.f64(slot).map(f64::to_bits)),
                AttributeType::I64 | AttributeType::Timestamp => {
                    self.push_number(column.i64(slot).map(|v| v as u64));
                }
            }
        }
        Ok(())
    }

    /// Appends a value of the column's type.
    pub(crate) fn push(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.push_null(),
            ValueRef::Number(bits) => self.push_number(Some(bits)),
            ValueRef::Bool(bit) => self.push_bool(Some(bit)),
            ValueRef::Text(text) => self.push_string(Some(text)),
            ValueRef::List(items) => self.push_list(items.iter().copied()),
        }
    }

    /// Calls `each` with the values of these rows.
    pub(crate) fn values(&self, rows: Range<usize>, mut each: impl FnMut(ValueRef<'_>)) {
        let mut list: Vec<&str> = Vec::new();
        for row in rows {
            if !self.valid.get(row) {
                each(ValueRef::Null);
                continue;
            }
            match &self.values {
                Values::Keyword { codes, keywords } => {
                    each(ValueRef::Text(keywords.get(codes[row])));
                }
                Values::KeywordList { ends, codes, keywords } => {
                    list.clear();
                    list.extend(codes[range(ends, row)].iter().map(|code| keywords.get(*code)));
                    each(ValueRef::List(&list));
                }
                Values::Number(values) => each(ValueRef::Number(values[row])),
                Values::Bool(bits) => each(ValueRef::Bool(bits.get(row))),
                Values::Text { ends, bytes } => {
                    let text = std::str::from_utf8(&bytes[range(ends, row)]);
                    each(ValueRef::Text(text.unwrap_or_default()));
                }
            }
        }
    }

    /// The type of the values.
    pub(crate) fn kind(&self) -> AttributeType {
        self.kind
    }

    /// Bytes of the strings of a row, with room for their lengths.
    pub(crate) fn row_bytes(&self, row: usize) -> usize {
        match &self.values {
            Values::Keyword { codes, keywords } if self.valid.get(row) => {
                8 + keywords.get(codes[row]).len()
            }
            Values::KeywordList { ends, codes, keywords } => {
                let items = codes[range(ends, row)].iter();
                8 + items.map(|code| 4 + keywords.get(*code).len()).sum::<usize>()
            }
            Values::Text { ends, .. } => 8 + range(ends, row).len(),
            _ => 9,
        }
    }

    /// Appends another column of the same type.
    pub(crate) fn append_buffer(&mut self, other: &Self) {
        other.values(0..other.valid.len(), |value| self.push(value));
    }

    /// The sections of these rows, in this order, as slots 0, 1, ...
    pub(crate) fn encode(&self, rows: &[u32]) -> Vec<Encoded> {
        let mut sections = Vec::new();
        if self.kind != AttributeType::Keyword {
            let valid: Bits = rows.iter().map(|row| self.valid.get(*row as usize)).collect();
            if !valid.all() {
                sections.push((SectionKind::Validity, valid.into_bytes()));
            }
        }
        let rows = rows.iter().map(|row| *row as usize);
        match &self.values {
            Values::Keyword { codes, keywords } => {
                let codes = rows.map(|row| codes[row]).collect();
                sections.extend(encode_keywords(keywords, codes));
            }
            Values::KeywordList { ends, codes, keywords } => {
                let (mut offsets, mut picked) = (0_u64.to_le_bytes().to_vec(), Vec::new());
                for row in rows {
                    picked.extend_from_slice(&codes[range(ends, row)]);
                    offsets.extend_from_slice(&(picked.len() as u64).to_le_bytes());
                }
                sections.push((SectionKind::Offsets, offsets));
                sections.extend(encode_keywords(keywords, picked));
            }
            Values::Number(values) => {
                let bytes = rows.flat_map(|row| values[row].to_le_bytes()).collect();
                sections.push((SectionKind::Values, bytes));
            }
            Values::Bool(bits) => {
                let bits: Bits = rows.map(|row| bits.get(row)).collect();
                sections.push((SectionKind::Values, bits.into_bytes()));
            }
            Values::Text { ends, bytes } => {
                let (mut offsets, mut picked) = (0_u64.to_le_bytes().to_vec(), Vec::new());
                for row in rows {
                    picked.extend_from_slice(&bytes[range(ends, row)]);
                    offsets.extend_from_slice(&(picked.len() as u64).to_le_bytes());
                }
                sections.push((SectionKind::Offsets, offsets));
                sections.push((SectionKind::Values, picked));
            }
        }
        sections
    }
}

/// Where the items of a row are, by the ends of all rows.
fn range(ends: &[u64], row: usize) -> Range<usize> {
    let start = if row == 0 { 0 } else { ends[row - 1] };
    start as usize..ends[row] as usize
}

/// Codes into a dictionary of the keywords that occur, ascending: independent of arrival.
fn encode_keywords(keywords: &Interner, mut codes: Vec<u32>) -> Vec<Encoded> {
    let mut used = vec![false; keywords.keywords.len()];
    codes.iter().filter(|code| **code != NULL_CODE).for_each(|code| used[*code as usize] = true);
    let mut sorted: Vec<u32> = (0..used.len() as u32).filter(|c| used[*c as usize]).collect();
    sorted.sort_unstable_by_key(|code| &keywords.keywords[*code as usize]);

    let mut renamed = vec![NULL_CODE; used.len()];
    let (mut offsets, mut bytes) = (0_u64.to_le_bytes().to_vec(), Vec::new());
    for (position, code) in sorted.iter().enumerate() {
        renamed[*code as usize] = position as u32;
        bytes.extend_from_slice(keywords.keywords[*code as usize].as_bytes());
        offsets.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    for code in codes.iter_mut().filter(|code| **code != NULL_CODE) {
        *code = renamed[*code as usize];
    }
    vec![
        (SectionKind::KeywordCodes, codes.iter().flat_map(|c| c.to_le_bytes()).collect()),
        (SectionKind::DictionaryOffsets, offsets),
        (SectionKind::Dictionary, bytes),
    ]
}

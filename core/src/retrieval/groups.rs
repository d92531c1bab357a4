//! The group of each slot as a number, within a segment.

use std::collections::HashMap;

use crate::segment::Column;
use crate::types::AttributeType;

/// A column to group by.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    column: Column<'a>,
    /// Of keywords that were replaced.
    own: HashMap<&'a str, u64>,
}

/// A group of a segment.
pub(crate) type Group = u64;

impl<'a> Groups<'a> {
    pub(crate) fn new(column: Column<'a>) -> Self {
        let mut own = HashMap::new();
        if column.kind() == AttributeType::Keyword {
            for slot in column.replaced_slots() {
                let Some(word) = column.keyword(slot) else { continue };
                // Codes of the dictionary are below.
                let next = (1 << 32) + own.len() as u64;
                own.entry(word).or_insert_with(|| column.code_of(word).map_or(next, u64::from));
            }
        }
        Self { column, own }
    }

    /// The column.
    pub(crate) fn column(&self) -> &Column<'a> {
        &self.column
    }

    /// The group of a slot; a null has none.
    #[inline]
    pub(crate) fn of(&self, slot: u32) -> Option<Group> {
        match self.column.kind() {
            AttributeType::Keyword => match self.column.code(slot) {
                Some(code) => Some(u64::from(code)),
                None => self.own.get(self.column.keyword(slot)?).copied(),
            },
            AttributeType::Bool => self.column.bool(slot).map(u64::from),
            _ => self.column.i64(slot).map(|value| value as u64),
        }
    }
}

//! Some replaced values of one column, by slot: kept by type, so that they take little more than
//! in a file.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::sync::Arc;

use super::ValueRef;

/// Slots of a page.
pub(super) const PAGE: u32 = 128;

/// A bit a slot.
type Slots = u128;

/// A replaced value, in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    /// `i64`, `f64` and timestamps: their bits.
    Number(u64),
    Bool(bool),
    /// A keyword or a text.
    Text(&'a str),
    List(Items<'a>),
}

impl Cell<'_> {
    /// Calls with the value.
    pub(crate) fn with<R>(self, use_it: impl FnOnce(ValueRef<'_>) -> R) -> R {
        match self {
            Self::Null => use_it(ValueRef::Null),
            Self::Number(bits) => use_it(ValueRef::Number(bits)),
            Self::Bool(bit) => use_it(ValueRef::Bool(bit)),
            Self::Text(text) => use_it(ValueRef::Text(text)),
            Self::List(items) => use_it(ValueRef::List(&items.iter().collect::<Vec<_>>())),
        }
    }
}

/// The items of a list: each a length as u32, then its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let (length, rest) = left.split_first_chunk::<4>()?;
            let (item, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            left = rest;
            std::str::from_utf8(item).ok()
        })
    }
}

fn encode_items(items: &[&str]) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(items.iter().map(|item| 4 + item.len()).sum());
    for item in items {
        bytes.extend_from_slice(&(item.len() as u32).to_le_bytes());
        bytes.extend_from_slice(item.as_bytes());
    }
    bytes.into()
}

/// Values by their position among the slots of a page.
#[derive(Debug, Clone, Default)]
enum Cells {
    /// All of them are null.
    #[default]
    Nulls,
    Numbers(Vec<u64>),
    /// By slot.
    Bools(Slots),
    Texts(Vec<Option<Arc<str>>>),
    Lists(Vec<Option<Arc<[u8]>>>),
}

impl Cells {
    /// For values like this one, all of `len` null.
    fn like(value: &ValueRef<'_>, len: usize) -> Self {
        match value {
            ValueRef::Null => Self::Nulls,
            ValueRef::Number(_) => Self::Numbers(vec![0; len]),
            ValueRef::Bool(_) => Self::Bools(0),
            ValueRef::Text(_) => Self::Texts(vec![None; len]),
            ValueRef::List(_) => Self::Lists(vec![None; len]),
        }
    }

    /// Makes room for one at a position.
    fn insert(&mut self, position: usize) {
        match self {
            Self::Nulls | Self::Bools(_) => {}
            Self::Numbers(values) => values.insert(position, 0),
            Self::Texts(texts) => texts.insert(position, None),
            Self::Lists(lists) => lists.insert(position, None),
        }
    }
}

/// The replaced values of [`PAGE`] slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    /// Ascending.
    slots: Vec<u8>,
    /// Slots with a value that isn't null.
    valid: Slots,
    cells: Cells,
}

impl Page {
    /// Replaces the value of a slot; whether it had none before. All values of a column have one
    /// type, or are null.
    pub(super) fn set(&mut self, slot: u8, value: &ValueRef<'_>) -> bool {
        let (position, fresh) = match self.slots.binary_search(&slot) {
            Ok(position) => (position, false),
            Err(position) => {
                self.slots.insert(position, slot);
                self.cells.insert(position);
                (position, true)
            }
        };
        if matches!(self.cells, Cells::Nulls) {
            self.cells = Cells::like(value, self.slots.len());
        }
        let bit = 1_u128 << slot;
        if matches!(value, ValueRef::Null) {
            self.valid &= !bit;
        } else {
            self.valid |= bit;
        }
        match &mut self.cells {
            Cells::Nulls => {}
            Cells::Bools(bits) => {
                let set = matches!(value, ValueRef::Bool(true));
                *bits = if set { *bits | bit } else { *bits & !bit };
            }
            Cells::Numbers(values) => {
                let number = if let ValueRef::Number(bits) = value { *bits } else { 0 };
                if let Some(place) = values.get_mut(position) {
                    *place = number;
                }
            }
            Cells::Texts(texts) => {
                let text = if let ValueRef::Text(text) = value { Some(*text) } else { None };
                if let Some(place) = texts.get_mut(position) {
                    *place = text.map(Arc::from);
                }
            }
            Cells::Lists(lists) => {
                let items = if let ValueRef::List(items) = value { Some(*items) } else { None };
                if let Some(place) = lists.get_mut(position) {
                    *place = items.map(encode_items);
                }
            }
        }
        fresh
    }

    /// The new value of a slot, if it has one.
    pub(super) fn get(&self, slot: u8) -> Option<Cell<'_>> {
        let position = self.slots.binary_search(&slot).ok()?;
        Some(self.at(position, slot))
    }

    fn at(&self, position: usize, slot: u8) -> Cell<'_> {
        let cell = (self.valid >> slot & 1 == 1).then_some(()).and_then(|()| match &self.cells {
            Cells::Nulls => None,
            Cells::Bools(bits) => Some(Cell::Bool(bits >> slot & 1 == 1)),
            Cells::Numbers(values) => values.get(position).map(|bits| Cell::Number(*bits)),
            Cells::Texts(texts) => texts.get(position)?.as_deref().map(Cell::Text),
            Cells::Lists(lists) => lists.get(position)?.as_deref().map(|l| Cell::List(Items(l))),
        });
        cell.unwrap_or(Cell::Null)
    }

    /// Slots and their values, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, Cell<'_>)> {
        self.slots.iter().enumerate().map(|(position, slot)| (*slot, self.at(position, *slot)))
    }
}

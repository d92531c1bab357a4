//! Values of a column that replace those in a segment, by slot: what `update` changed since the
//! segment was sealed. Persistent: a change copies the pages that it touches, not the column.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::sync::Arc;

use super::ValueRef;
use super::page::{Cell, PAGE, Page};

/// A value of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// `i64`, `f64` and timestamps: their bits.
    Number(u64),
    Bool(bool),
    /// A keyword or a text.
    Text(Box<str>),
    List(Box<[Box<str>]>),
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Number(bits) => Self::Number(bits),
            ValueRef::Bool(bit) => Self::Bool(bit),
            ValueRef::Text(text) => Self::Text(text.into()),
            ValueRef::List(list) => Self::List(list.iter().map(|item| Box::from(*item)).collect()),
        }
    }
}

impl Value {
    /// Calls with the value.
    pub(crate) fn with<R>(&self, use_it: impl FnOnce(ValueRef<'_>) -> R) -> R {
        match self {
            Self::Null => use_it(ValueRef::Null),
            Self::Number(bits) => use_it(ValueRef::Number(*bits)),
            Self::Bool(bit) => use_it(ValueRef::Bool(*bit)),
            Self::Text(text) => use_it(ValueRef::Text(text)),
            Self::List(items) => {
                let items: Vec<&str> = items.iter().map(|item| &**item).collect();
                use_it(ValueRef::List(&items))
            }
        }
    }
}

/// The replaced values of one column.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnPatch {
    pages: Vec<Option<Arc<Page>>>,
    len: usize,
}

fn place(slot: u32) -> (usize, u8) {
    ((slot / PAGE) as usize, (slot % PAGE) as u8)
}

impl ColumnPatch {
    /// The new value of a slot, if it has one.
    pub(crate) fn get(&self, slot: u32) -> Option<Cell<'_>> {
        let (page, within) = place(slot);
        self.pages.get(page)?.as_ref()?.get(within)
    }

    pub(crate) fn set(&mut self, slot: u32, value: &ValueRef<'_>) {
        let (page, within) = place(slot);
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        let Some(page) = self.pages.get_mut(page) else { return };
        let page = Arc::make_mut(page.get_or_insert_default());
        self.len += usize::from(page.set(within, value));
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slots and their values, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Cell<'_>)> {
        self.pages.iter().zip(0_u32..).flat_map(|(page, number)| {
            let entries = page.iter().flat_map(|p| p.iter());
            entries.map(move |(within, value)| (number * PAGE + u32::from(within), value))
        })
    }

    /// Slots whose value is not the one that an earlier state of this column had.
    pub(crate) fn changed_since<'a>(
        &'a self,
        before: Option<&'a Self>,
    ) -> impl Iterator<Item = (u32, Cell<'a>)> {
        let pages = self.pages.iter().zip(0_u32..).filter(move |(page, number)| {
            let old = before.and_then(|b| b.pages.get(*number as usize)?.as_ref());
            !matches!((page, old), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
        });
        let entries = pages.flat_map(|(page, number)| {
            let entries = page.iter().flat_map(|p| p.iter());
            entries.map(move |(within, value)| (number * PAGE + u32::from(within), value))
        });
        entries.filter(move |(slot, value)| before.and_then(|b| b.get(*slot)) != Some(*value))
    }
}

/// The replaced values of a segment, by position of the column in the schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    columns: Vec<ColumnPatch>,
}

impl Patch {
    pub(crate) fn column(&self, position: usize) -> Option<&ColumnPatch> {
        self.columns.get(position).filter(|column| column.len() > 0)
    }

    pub(crate) fn set(&mut self, position: usize, slot: u32, value: &ValueRef<'_>) {
        if self.columns.len() <= position {
            self.columns.resize_with(position + 1, ColumnPatch::default);
        }
        if let Some(column) = self.columns.get_mut(position) {
            column.set(slot, value);
        }
    }

    /// The columns that have values, with their positions.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &ColumnPatch)> {
        self.columns.iter().enumerate().filter(|(_, column)| column.len() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_slot_counts_and_states_stay_apart() {
        let mut patch = ColumnPatch::default();
        for slot in [700, 3, 255, 256, 3] {
            patch.set(slot, &ValueRef::Number(u64::from(slot)));
        }
        let before = patch.clone();
        patch.set(3, &ValueRef::Null);
        patch.set(1000, &ValueRef::Number(7));
        assert_eq!(before.get(3), Some(Cell::Number(3)));
        assert_eq!((patch.get(3), patch.get(4)), (Some(Cell::Null), None));
        assert_eq!((before.len(), patch.len()), (4, 5));
        let slots: Vec<u32> = patch.iter().map(|(slot, _)| slot).collect();
        assert_eq!(slots, [3, 255, 256, 700, 1000]);
        let changed: Vec<u32> = patch.changed_since(Some(&before)).map(|(slot, _)| slot).collect();
        assert_eq!(changed, [3, 1000]);
        assert_eq!(patch.changed_since(None).count(), 5);
    }

    #[test]
    fn every_type_comes_back_in_any_order() {
        let lists: [&[&str]; 3] = [&[], &["", "x"], &["yy", "z"]];
        let of = |slot: u32| match slot % 4 {
            0 => ValueRef::Null,
            n => ValueRef::List(lists[n as usize - 1]),
        };
        let text = |slot: u32| match slot % 3 {
            0 => ValueRef::Null,
            1 => ValueRef::Text(""),
            _ => ValueRef::Text("text"),
        };
        let bit = |slot: u32| {
            if slot.is_multiple_of(3) { ValueRef::Null } else { ValueRef::Bool(slot % 3 == 1) }
        };
        let makes: [&dyn Fn(u32) -> ValueRef<'static>; 3] = [&of, &text, &bit];
        for make in makes {
            let mut patch = ColumnPatch::default();
            for slot in (0..600).map(|i| i * 7 % 300) {
                // What is there first is another value.
                patch.set(slot, &make(slot + 1));
                patch.set(slot, &make(slot));
            }
            for slot in 0..300 {
                let found = patch.get(slot).unwrap().with(|found| Value::from(found));
                assert_eq!(found, Value::from(make(slot)), "slot {slot}");
            }
        }
    }
}

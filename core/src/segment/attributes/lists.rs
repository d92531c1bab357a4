//! Arrow's kinds of lists under one roof: rows that are ranges of a flat array.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// A list array, whatever its kind.
pub(crate) struct ListRows<'a> {
    array: &'a dyn Array,
    values: ArrayRef,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    /// So many items each.
    Fixed(usize),
}

impl<'a> ListRows<'a> {
    /// `None` when it is no list.
    pub(crate) fn new(array: &'a dyn Array) -> Option<Self> {
        let (values, shape) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list_opt::<i32>()?;
                (list.values().clone(), Shape::Small(list.value_offsets()))
            }
            DataType::LargeList(_) => {
                let list = array.as_list_opt::<i64>()?;
                (list.values().clone(), Shape::Large(list.value_offsets()))
            }
            DataType::FixedSizeList(_, _) => {
                let list = array.as_fixed_size_list_opt()?;
                (list.values().clone(), Shape::Fixed(list.value_length() as usize))
            }
            _ => return None,
        };
        Some(Self { array, values, shape })
    }

    /// The items of all rows, and maybe more.
    pub(crate) fn values(&self) -> &ArrayRef {
        &self.values
    }

    /// Items of every row, if the type says so.
    pub(crate) fn fixed(&self) -> Option<usize> {
        match self.shape {
            Shape::Fixed(items) => Some(items),
            _ => None,
        }
    }

    /// Where the items of a row are; `None` for null.
    pub(crate) fn get(&self, row: usize) -> Option<Range<usize>> {
        if self.array.is_null(row) {
            return None;
        }
        match self.shape {
            Shape::Small(offsets) => {
                Some(*offsets.get(row)? as usize..*offsets.get(row + 1)? as usize)
            }
            Shape::Large(offsets) => {
                Some(*offsets.get(row)? as usize..*offsets.get(row + 1)? as usize)
            }
            Shape::Fixed(items) => Some(row * items..(row + 1) * items),
        }
    }
}

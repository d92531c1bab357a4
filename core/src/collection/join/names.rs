//! Ids of queries and of users: whatever integers or strings the file has.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, StringArray, UInt64Array};
use arrow_schema::DataType;

use crate::error::{Error, Result};
use crate::segment::attributes::{strings, unpack};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Signed(i64),
    Unsigned(u64),
    Text(String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(id) => id.fmt(f),
            Self::Unsigned(id) => id.fmt(f),
            Self::Text(id) => id.fmt(f),
        }
    }
}

/// What all of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Signed,
    Unsigned,
    Text,
}

impl Kind {
    /// The kind of a column.
    pub(super) fn of(what: &str, found: &DataType) -> Result<Self> {
        match found {
            DataType::Dictionary(_, values) => Self::of(what, values),
            kind if kind.is_unsigned_integer() => Ok(Self::Unsigned),
            kind if kind.is_integer() => Ok(Self::Signed),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Self::Text),
            _ => Err(Error::invalid(
                what,
                "integers or strings",
                found.to_string(),
                "convert the column",
            )),
        }
    }

    /// The type of a column of results.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Signed => DataType::Int64,
            Self::Unsigned => DataType::UInt64,
            Self::Text => DataType::Utf8,
        }
    }

    /// A column of each name, as often as its count says.
    pub(super) fn array<'n>(
        self,
        names: &(impl Iterator<Item = (&'n Name, usize)> + Clone),
    ) -> ArrayRef {
        let each = || names.clone().flat_map(|(name, count)| std::iter::repeat_n(name, count));
        match self {
            Self::Signed => Arc::new(each().map(Name::signed).collect::<Int64Array>()),
            Self::Unsigned => Arc::new(each().map(Name::unsigned).collect::<UInt64Array>()),
            Self::Text => Arc::new(each().map(Name::text).collect::<StringArray>()),
        }
    }
}

impl Name {
    fn signed(&self) -> Option<i64> {
        if let Self::Signed(id) = self { Some(*id) } else { None }
    }

    fn unsigned(&self) -> Option<u64> {
        if let Self::Unsigned(id) = self { Some(*id) } else { None }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(id) = self { Some(id) } else { None }
    }
}

/// The names of a column, which `what` calls and whose first row is the row `first`.
pub(super) fn names(what: &str, kind: Kind, array: &ArrayRef, first: u64) -> Result<Vec<Name>> {
    if let Some(row) = (0..array.len()).find(|row| array.is_null(*row)) {
        let place = format!("{what}, row {}", first + row as u64);
        return Err(Error::invalid(place, "an id", "null", "give every query an id"));
    }
    let array = &*unpack(array)?;
    let cast = |to: &DataType| {
        arrow_cast::cast(array, to)
            .map_err(|error| Error::invalid(what, to.to_string(), error.to_string(), ""))
    };
    Ok(match kind {
        Kind::Signed => {
            let ids = cast(&DataType::Int64)?;
            ids.as_primitive::<Int64Type>().values().iter().map(|id| Name::Signed(*id)).collect()
        }
        Kind::Unsigned => {
            let ids = cast(&DataType::UInt64)?;
            ids.as_primitive::<UInt64Type>().values().iter().map(|id| Name::Unsigned(*id)).collect()
        }
        Kind::Text => {
            let texts = strings(array).into_iter().flatten();
            texts.map(|text| Name::Text(text.unwrap_or_default().to_owned())).collect()
        }
    })
}

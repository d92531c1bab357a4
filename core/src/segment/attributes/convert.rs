//! Arrow arrays of any type that widens to an attribute type without loss.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::types::AttributeType;

/// What is being taken in, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intake<'a> {
    /// Name of the column.
    pub(crate) column: &'a str,
    /// Row of the call at which the array starts.
    pub(crate) first_row: u64,
}

impl Intake<'_> {
    /// An error about a row of the array.
    pub(crate) fn bad_row(
        &self,
        row: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: &str,
    ) -> Error {
        let row = self.first_row + row as u64;
        Error::invalid(format!("column {:?}, row {row}", self.column), expected, found, fix)
    }

    /// An error about the type of the array.
    pub(crate) fn bad_type(&self, expected: impl Into<String>, found: &DataType) -> Error {
        let name = format!("column {:?}", self.column);
        Error::invalid(name, expected, found.to_string(), "cast the column")
    }
}

/// The array without its dictionary, if it has one.
pub(crate) fn unpack(array: &ArrayRef) -> Result<Cow<'_, ArrayRef>> {
    match array.data_type() {
        DataType::Dictionary(_, value) => {
            let plain = arrow_cast::cast(array, value)
                .map_err(|e| Error::invalid("dictionary", "valid keys", e.to_string(), ""))?;
            Ok(Cow::Owned(plain))
        }
        _ => Ok(Cow::Borrowed(array)),
    }
}

/// The strings of an array without a dictionary; `None` when it holds none.
pub(crate) fn strings(array: &dyn Array) -> Option<Box<dyn Iterator<Item = Option<&str>> + '_>> {
    Some(match array.data_type() {
        DataType::Utf8 => Box::new(array.as_string_opt::<i32>()?.iter()),
        DataType::LargeUtf8 => Box::new(array.as_string_opt::<i64>()?.iter()),
        DataType::Utf8View => Box::new(array.as_string_view_opt()?.iter()),
        DataType::Null => Box::new((0..array.len()).map(|_| None)),
        _ => return None,
    })
}

/// The bits of the numbers of an array without a dictionary, as `kind` (`i64`, `f64` or
/// `timestamp`) keeps them.
pub(crate) fn numbers(
    kind: AttributeType,
    array: &ArrayRef,
    intake: Intake<'_>,
) -> Result<Vec<Option<u64>>> {
    match kind {
        AttributeType::F64 => floats(array, intake),
        AttributeType::Timestamp => timestamps(array, intake),
        _ => integers(array, intake),
    }
}

fn integers(array: &ArrayRef, intake: Intake<'_>) -> Result<Vec<Option<u64>>> {
    let kind = array.data_type();
    if !(kind.is_integer() || *kind == DataType::Null) {
        return Err(intake.bad_type("integers for type i64", kind));
    }
    // What doesn't fit becomes null.
    let cast = widened(array, &DataType::Int64, intake)?;
    let cast = cast.as_primitive::<Int64Type>();
    let lost = |row: &usize| cast.is_null(*row) && array.is_valid(*row);
    if *kind != DataType::Null && cast.null_count() != array.null_count() {
        let row = (0..array.len()).find(lost).unwrap_or_default();
        return Err(intake.bad_row(row, "at most 9223372036854775807", "a larger integer", ""));
    }
    Ok(cast.iter().map(|v| v.map(|v| v as u64)).collect())
}

fn floats(array: &ArrayRef, intake: Intake<'_>) -> Result<Vec<Option<u64>>> {
    let kind = array.data_type();
    let exact = kind.is_floating()
        || matches!(
            kind,
            DataType::Null
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::UInt8
                | DataType::UInt16
                | DataType::UInt32
        );
    if !exact {
        return Err(intake.bad_type("floats for type f64", kind));
    }
    let cast = widened(array, &DataType::Float64, intake)?;
    let values = cast.as_primitive::<Float64Type>();
    if let Some(row) = values.iter().position(|v| v.is_some_and(|v| !v.is_finite())) {
        let found = values.value(row).to_string();
        return Err(intake.bad_row(row, "a finite number", found, "give null instead"));
    }
    Ok(values.iter().map(|v| v.map(f64::to_bits)).collect())
}

fn widened(array: &ArrayRef, to: &DataType, intake: Intake<'_>) -> Result<ArrayRef> {
    arrow_cast::cast(array, to).map_err(|_| intake.bad_type(to.to_string(), array.data_type()))
}

/// Microseconds in UTC. Nanoseconds lose what is below a microsecond; a value with a zone is in
/// UTC already, one without is taken to be.
fn timestamps(array: &ArrayRef, intake: Intake<'_>) -> Result<Vec<Option<u64>>> {
    let microseconds = |values: &mut dyn Iterator<Item = Option<i64>>, scale: i64| {
        let convert = |(row, value): (usize, Option<i64>)| match value {
            None => Ok(None),
            Some(value) => {
                let us = value.checked_mul(scale).ok_or_else(|| {
                    let expected = "a time within 292,000 years of 1970";
                    intake.bad_row(row, expected, value.to_string(), "")
                })?;
                Ok(Some(us as u64))
            }
        };
        values.enumerate().map(convert).collect::<Result<Vec<_>>>()
    };
    match array.data_type() {
        DataType::Null => Ok(vec![None; array.len()]),
        DataType::Timestamp(TimeUnit::Second, _) => {
            microseconds(&mut array.as_primitive::<TimestampSecondType>().iter(), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            microseconds(&mut array.as_primitive::<TimestampMillisecondType>().iter(), 1_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            microseconds(&mut array.as_primitive::<TimestampMicrosecondType>().iter(), 1)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let values = array.as_primitive::<TimestampNanosecondType>();
            microseconds(&mut values.iter().map(|v| v.map(|v| v.div_euclid(1_000))), 1)
        }
        kind => Err(intake.bad_type("timestamps", kind)),
    }
}

//! One value out of an attribute column, for whoever prints or sends it.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, StringArray};
use chrono::DateTime;
use serde_json::{Value, json};

/// A value of one of the attribute types.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A keyword or a text.
    Text(String),
    /// Several keywords.
    List(Vec<String>),
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Microseconds since 1970 in UTC.
    Timestamp(i64),
}

impl Cell {
    /// The value at `row` of a column in one of the types of
    /// [`AttributeType::arrow`](nearfield::AttributeType::arrow); null for a row that isn't there.
    pub fn of(column: &dyn Array, row: usize) -> Self {
        if row >= column.len() || column.is_null(row) {
            return Self::Null;
        }
        if let Some(values) = column.as_string_opt::<i32>() {
            Self::Text(values.value(row).to_owned())
        } else if let Some(values) = column.as_primitive_opt::<Int64Type>() {
            Self::Int(values.value(row))
        } else if let Some(values) = column.as_primitive_opt::<Float64Type>() {
            Self::Float(values.value(row))
        } else if let Some(values) = column.as_primitive_opt::<TimestampMicrosecondType>() {
            Self::Timestamp(values.value(row))
        } else if let Some(values) = column.as_boolean_opt() {
            Self::Bool(values.value(row))
        } else if let Some(lists) = column.as_list_opt::<i32>() {
            Self::List(strings(lists.value(row).as_string_opt::<i32>()))
        } else {
            Self::Null
        }
    }

    /// For a person: one line without control characters.
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => one_line(text),
            Self::List(list) => one_line(&list.join(", ")),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Timestamp(us) => timestamp(*us, "%Y-%m-%d %H:%M:%S%.f"),
        }
    }

    /// For a machine. Timestamps are RFC 3339; a float that JSON can't hold is null.
    pub fn json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => json!(text),
            Self::List(list) => json!(list),
            Self::Int(value) => json!(value),
            Self::Float(value) => json!(value),
            Self::Bool(value) => json!(value),
            Self::Timestamp(us) => json!(timestamp(*us, "%Y-%m-%dT%H:%M:%S%.fZ")),
        }
    }
}

fn strings(values: Option<&StringArray>) -> Vec<String> {
    values.into_iter().flatten().flatten().map(str::to_owned).collect()
}

/// A moment outside of the calendar (beyond the year 262,000) is printed as its number.
fn timestamp(us: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(us)
        .map_or_else(|| us.to_string(), |moment| moment.format(format).to_string())
}

/// `text` with every run of white space and control characters as one space.
pub fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampMicrosecondArray,
    };

    use super::*;

    fn cell(column: &ArrayRef) -> Cell {
        Cell::of(column, 0)
    }

    #[test]
    fn every_attribute_type_has_its_cell() {
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value([Some("a"), Some("b")]);
        let cases: [(ArrayRef, Cell, &str); 6] = [
            (Arc::new(StringArray::from(vec!["a\nb"])), Cell::Text("a\nb".into()), "\"a\\nb\""),
            (
                Arc::new(Int64Array::from(vec![i64::MIN])),
                Cell::Int(i64::MIN),
                "-9223372036854775808",
            ),
            (Arc::new(Float64Array::from(vec![0.5])), Cell::Float(0.5), "0.5"),
            (Arc::new(BooleanArray::from(vec![true])), Cell::Bool(true), "true"),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC")),
                Cell::Timestamp(1_500_000),
                "\"1970-01-01T00:00:01.500Z\"",
            ),
            (Arc::new(list.finish()), Cell::List(vec!["a".into(), "b".into()]), "[\"a\",\"b\"]"),
        ];
        for (column, expected, json) in cases {
            let found = cell(&column);
            assert_eq!(found, expected);
            assert_eq!(found.json().to_string(), json);
        }
    }

    #[test]
    fn nulls_and_missing_rows_are_null() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1)]));
        assert_eq!(Cell::of(&column, 0), Cell::Null);
        assert_eq!(Cell::of(&column, 2), Cell::Null);
    }

    #[test]
    fn text_for_people_is_one_line() {
        assert_eq!(Cell::Text("a\n\t b\u{7}".into()).text(), "a b");
        assert_eq!(Cell::Timestamp(1_376_921_723_000_000).text(), "2013-08-19 14:15:23");
        assert_eq!(Cell::Timestamp(i64::MAX).text(), i64::MAX.to_string());
    }

    #[test]
    fn a_float_that_json_cannot_hold_is_null() {
        assert_eq!(Cell::Float(f64::NAN).json(), Value::Null);
    }
}

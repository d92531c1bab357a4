//! Attribute columns from lists of Python objects, by the type that the schema gives them.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
};
use nearfield::AttributeType;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyString, PyTuple};

use crate::errors::{describe, invalid, wrong_type};

/// A column of `kind`; None is null.
pub fn column(
    py: Python<'_>,
    argument: &str,
    kind: AttributeType,
    list: &Bound<'_, PyList>,
) -> PyResult<ArrayRef> {
    let at = Cell { py, argument };
    match kind {
        AttributeType::Keyword | AttributeType::Text => strings(&at, kind, list),
        AttributeType::KeywordList => string_lists(&at, list),
        AttributeType::I64 => integers(&at, list),
        AttributeType::F64 => floats(&at, list),
        AttributeType::Bool => booleans(&at, list),
        // The Python package has made numbers of what it knows as a time.
        AttributeType::Timestamp => {
            let expected = "datetime objects, numpy datetime64 or None";
            Err(invalid(py, argument, expected, "a list of something else", ""))
        }
    }
}

/// Where a value is, for errors.
struct Cell<'a, 'py> {
    py: Python<'py>,
    argument: &'a str,
}

impl<'py> Cell<'_, 'py> {
    fn wrong(&self, row: usize, expected: &str, item: &Bound<'py, PyAny>) -> PyErr {
        wrong_type(self.py, &format!("{}, row {row}", self.argument), expected, item, "")
    }

    fn text<'a>(
        &self,
        row: usize,
        expected: &str,
        item: &'a Bound<'py, PyAny>,
    ) -> PyResult<&'a str> {
        let text = item.cast::<PyString>().map_err(|_| self.wrong(row, expected, item))?;
        text.to_str().map_err(|_| {
            let argument = format!("{}, row {row}", self.argument);
            invalid(self.py, &argument, "valid Unicode", "a lone surrogate", "")
        })
    }
}

fn strings(at: &Cell<'_, '_>, kind: AttributeType, list: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let expected = format!("{kind}: a str or None");
    let mut out = StringBuilder::new();
    for (row, item) in list.iter().enumerate() {
        if item.is_none() {
            out.append_null();
        } else {
            out.append_value(at.text(row, &expected, &item)?);
        }
    }
    Ok(Arc::new(out.finish()))
}

fn string_lists(at: &Cell<'_, '_>, list: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let expected = "keyword[]: a list of str, or None";
    let mut out = ListBuilder::new(StringBuilder::new());
    for (row, item) in list.iter().enumerate() {
        if item.is_none() {
            out.append_null();
            continue;
        }
        // A str is a sequence of str too: refused, it is most likely a mistake.
        let is_sequence = item.is_instance_of::<PyList>()
            || item.is_instance_of::<PyTuple>()
            || item.hasattr("__array__").unwrap_or(false);
        if !is_sequence {
            return Err(at.wrong(row, expected, &item));
        }
        for keyword in item.try_iter()? {
            out.values().append_value(at.text(row, expected, &keyword?)?);
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn integers(at: &Cell<'_, '_>, list: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let expected = "i64: an int or None";
    let mut out = Int64Builder::with_capacity(list.len());
    for (row, item) in list.iter().enumerate() {
        if item.is_none() {
            out.append_null();
        } else if item.is_instance_of::<PyBool>() {
            return Err(at.wrong(row, expected, &item));
        } else {
            out.append_value(item.extract::<i64>().map_err(|error| {
                if error.is_instance_of::<PyOverflowError>(at.py) {
                    let argument = format!("{}, row {row}", at.argument);
                    let range = format!("i64: {} to {}", i64::MIN, i64::MAX);
                    invalid(at.py, &argument, &range, &describe(&item), "")
                } else {
                    at.wrong(row, expected, &item)
                }
            })?);
        }
    }
    Ok(Arc::new(out.finish()))
}

fn floats(at: &Cell<'_, '_>, list: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let expected = "f64: a float, an int or None";
    let mut out = Float64Builder::with_capacity(list.len());
    for (row, item) in list.iter().enumerate() {
        if item.is_none() {
            out.append_null();
        } else if item.is_instance_of::<PyBool>() {
            return Err(at.wrong(row, expected, &item));
        } else {
            out.append_value(item.extract::<f64>().map_err(|_| at.wrong(row, expected, &item))?);
        }
    }
    Ok(Arc::new(out.finish()))
}

fn booleans(at: &Cell<'_, '_>, list: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let expected = "bool: True, False or None";
    let mut out = BooleanBuilder::with_capacity(list.len());
    for (row, item) in list.iter().enumerate() {
        if item.is_none() {
            out.append_null();
        } else {
            // Takes numpy.bool as well.
            out.append_value(item.extract::<bool>().map_err(|_| at.wrong(row, expected, &item))?);
        }
    }
    Ok(Arc::new(out.finish()))
}

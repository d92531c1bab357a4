//! Ids of points.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::DataType;
use nearfield::{IdType, Ids};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyString};

use super::arrow;
use crate::errors::{describe, invalid, wrong_type};

/// Ids for a collection of `id_type`; `what` is the argument's name in errors.
pub fn ids(py: Python<'_>, what: &str, id_type: IdType, value: &Bound<'_, PyAny>) -> PyResult<Ids> {
    if let Ok(list) = value.cast::<PyList>() {
        return match id_type {
            IdType::U64 => list_of_int(py, what, list).map(Ids::U64),
            IdType::Str => list_of_str(py, what, list).map(Ids::Str),
        };
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, u64>>() {
        integers_wanted(py, what, id_type, "uint64")?;
        return Ok(Ids::U64(array.as_array().to_vec()));
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, i64>>() {
        integers_wanted(py, what, id_type, "int64")?;
        return from_signed(py, what, array.as_array().iter().copied()).map(Ids::U64);
    }
    if arrow::speaks_arrow(value) {
        return from_arrow(py, what, id_type, &arrow::array(py, what, value)?);
    }
    let expected = "a list of ids, a numpy array, an Arrow array or a Series";
    Err(wrong_type(py, what, expected, value, ""))
}

fn list_of_int(py: Python<'_>, what: &str, list: &Bound<'_, PyList>) -> PyResult<Vec<u64>> {
    let id = |(row, item): (usize, Bound<'_, PyAny>)| {
        let wrong = || {
            let argument = format!("{what}, row {row}");
            wrong_type(py, &argument, "an integer (the ids are u64)", &item, "")
        };
        if item.is_instance_of::<PyBool>() {
            return Err(wrong());
        }
        item.extract::<u64>().map_err(|error| {
            if error.is_instance_of::<PyOverflowError>(py) {
                out_of_range(py, what, row, &describe(&item))
            } else {
                wrong()
            }
        })
    };
    list.iter().enumerate().map(id).collect()
}

fn list_of_str(py: Python<'_>, what: &str, list: &Bound<'_, PyList>) -> PyResult<Vec<String>> {
    let id = |(row, item): (usize, Bound<'_, PyAny>)| {
        let argument = || format!("{what}, row {row}");
        let text = item
            .cast::<PyString>()
            .map_err(|_| wrong_type(py, &argument(), "a str (the ids are strings)", &item, ""))?;
        let text = text.to_str();
        text.map(str::to_owned)
            .map_err(|_| invalid(py, &argument(), "valid Unicode", "a lone surrogate", ""))
    };
    list.iter().enumerate().map(id).collect()
}

fn from_signed(
    py: Python<'_>,
    what: &str,
    values: impl Iterator<Item = i64>,
) -> PyResult<Vec<u64>> {
    let id = |(row, id)| {
        u64::try_from(id).map_err(|_| out_of_range(py, what, row, &i64::to_string(&id)))
    };
    values.enumerate().map(id).collect()
}

fn from_arrow(py: Python<'_>, what: &str, id_type: IdType, array: &ArrayRef) -> PyResult<Ids> {
    if let Some(nulls) = array.logical_nulls()
        && let Some(row) = nulls.iter().position(|valid| !valid)
    {
        return Err(invalid(py, &format!("{what}, row {row}"), "an id", "null", ""));
    }
    let value_type = match array.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    let found = array.data_type().to_string();
    let cast_to = |target| {
        cast(array, &target)
            .map_err(|error| invalid(py, what, id_type.name(), &error.to_string(), ""))
    };
    if value_type.is_unsigned_integer() {
        integers_wanted(py, what, id_type, &found)?;
        let array = cast_to(DataType::UInt64)?;
        Ok(Ids::U64(array.as_primitive::<UInt64Type>().values().to_vec()))
    } else if value_type.is_signed_integer() {
        integers_wanted(py, what, id_type, &found)?;
        let array = cast_to(DataType::Int64)?;
        let values = array.as_primitive::<Int64Type>().values().iter().copied();
        from_signed(py, what, values).map(Ids::U64)
    } else if value_type.is_string() && id_type == IdType::Str {
        let array = cast_to(DataType::Utf8)?;
        Ok(Ids::Str(array.as_string::<i32>().iter().flatten().map(str::to_owned).collect()))
    } else if array.is_empty() {
        Ok(match id_type {
            IdType::U64 => Ids::U64(Vec::new()),
            IdType::Str => Ids::Str(Vec::new()),
        })
    } else {
        Err(invalid(py, what, &format!("ids of type {}", id_type.name()), &found, ""))
    }
}

fn integers_wanted(py: Python<'_>, what: &str, id_type: IdType, found: &str) -> PyResult<()> {
    match id_type {
        IdType::U64 => Ok(()),
        IdType::Str => Err(invalid(py, what, "strings (the ids are strings)", found, "")),
    }
}

fn out_of_range(py: Python<'_>, what: &str, row: usize, found: &str) -> PyErr {
    let expected = format!("an integer of 0 to {}", u64::MAX - 1);
    invalid(py, &format!("{what}, row {row}"), &expected, found, "")
}

//! Arrow columns as numpy arrays. How each type says "null" is documented in the Python package.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::attributes::NOT_A_TIME;
use crate::errors::invalid;

/// The column as an array of its length; lists of f32 as a matrix, NaN where there is none.
pub fn to_numpy<'py>(py: Python<'py>, array: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    match array.data_type() {
        DataType::Utf8 => objects(py, array.as_string::<i32>().iter()),
        DataType::List(item) if item.data_type() == &DataType::Utf8 => {
            let lists = array.as_list::<i32>().iter().map(|list| list.map(|l| string_list(py, &l)));
            let lists: Vec<Option<Bound<'py, PyList>>> =
                lists.map(Option::transpose).collect::<PyResult<_>>()?;
            objects(py, lists.into_iter())
        }
        DataType::UInt64 => {
            Ok(PyArray1::from_slice(py, array.as_primitive::<UInt64Type>().values()).into_any())
        }
        DataType::Int64 if array.null_count() > 0 => {
            objects(py, array.as_primitive::<Int64Type>().iter())
        }
        DataType::Int64 => {
            Ok(PyArray1::from_slice(py, array.as_primitive::<Int64Type>().values()).into_any())
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            let values: Vec<f64> = values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            Ok(PyArray1::from_vec(py, values).into_any())
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            let values: Vec<f32> = values.iter().map(|v| v.unwrap_or(f32::NAN)).collect();
            Ok(PyArray1::from_vec(py, values).into_any())
        }
        DataType::Boolean if array.null_count() > 0 => objects(py, array.as_boolean().iter()),
        DataType::Boolean => {
            let values: Vec<bool> = array.as_boolean().values().iter().collect();
            Ok(PyArray1::from_vec(py, values).into_any())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let ticks = array.as_primitive::<TimestampMicrosecondType>();
            let ticks: Vec<i64> = ticks.iter().map(|tick| tick.unwrap_or(NOT_A_TIME)).collect();
            PyArray1::from_vec(py, ticks).call_method1("view", ("datetime64[us]",))
        }
        DataType::FixedSizeList(item, width) if item.data_type() == &DataType::Float32 => {
            matrix(py, array, usize::try_from(*width).unwrap_or(0))
        }
        other => Err(invalid(py, "column", "a type of the schema", &other.to_string(), "")),
    }
}

fn objects<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    values: impl Iterator<Item = Option<T>>,
) -> PyResult<Bound<'py, PyAny>> {
    let object = |value: Option<T>| match value {
        Some(value) => value.into_py_any(py),
        None => Ok(py.None()),
    };
    let objects: Vec<Py<PyAny>> = values.map(object).collect::<PyResult<_>>()?;
    Ok(PyArray1::from_vec(py, objects).into_any())
}

fn string_list<'py>(py: Python<'py>, list: &ArrayRef) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, list.as_string::<i32>().iter().collect::<Vec<_>>())
}

fn matrix<'py>(py: Python<'py>, array: &ArrayRef, width: usize) -> PyResult<Bound<'py, PyAny>> {
    let lists = array.as_fixed_size_list();
    let mut values = lists.values().as_primitive::<Float32Type>().values().to_vec();
    for row in (0..lists.len()).filter(|&row| lists.is_null(row)) {
        if let Some(row) = values.get_mut(row * width..(row + 1) * width) {
            row.fill(f32::NAN);
        }
    }
    Ok(PyArray1::from_vec(py, values).reshape([lists.len(), width])?.into_any())
}

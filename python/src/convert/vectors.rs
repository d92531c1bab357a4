//! Matrices of vectors, borrowed from the Python object that holds them.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int8Type, UInt8Type};
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait};
use arrow_schema::DataType;
use half::f16;
use nearfield::{Error, VectorData, Vectors};
use numpy::{Element, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::arrow;
use crate::errors::{OrRaise, invalid, raise, wrong_type};

/// A matrix of vectors that keeps its owner alive, so that core reads it in place.
pub struct Matrix<'py> {
    what: &'static str,
    dim: usize,
    data: Data<'py>,
}

enum Data<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F16(PyReadonlyArray2<'py, f16>),
    F64(PyReadonlyArray2<'py, f64>),
    U8(PyReadonlyArray2<'py, u8>),
    I8(PyReadonlyArray2<'py, i8>),
    Arrow(ArrayRef),
}

impl<'py> Matrix<'py> {
    /// Takes hold of vectors for a collection of `dim` components.
    pub fn new(what: &'static str, dim: usize, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = value.py();
        let numpy = take(value, Data::F32)
            .or_else(|| take(value, Data::F16))
            .or_else(|| take(value, Data::F64))
            .or_else(|| take(value, Data::U8))
            .or_else(|| take(value, Data::I8));
        let (found, data) = if let Some(taken) = numpy {
            taken
        } else if arrow::speaks_arrow(value) {
            let (found, values) = components(py, what, dim, &arrow::array(py, what, value)?)?;
            (found, Data::Arrow(values))
        } else {
            let expected = "a two-dimensional array of float32, float16, float64, uint8 or int8";
            return Err(wrong_type(py, what, expected, value, ""));
        };
        if found != dim {
            let argument = what.into();
            return Err(raise(py, &Error::DimensionMismatch { argument, expected: dim, found }));
        }
        Ok(Self { what, dim, data })
    }

    /// The components in place.
    pub fn vectors(&self, py: Python<'py>) -> PyResult<Vectors<'_>> {
        let data = match &self.data {
            Data::F32(array) => VectorData::F32(self.slice(py, array)?.into()),
            Data::F16(array) => VectorData::F16(self.slice(py, array)?.into()),
            Data::F64(array) => VectorData::F64(self.slice(py, array)?.into()),
            Data::U8(array) => VectorData::U8(self.slice(py, array)?.into()),
            Data::I8(array) => VectorData::I8(self.slice(py, array)?.into()),
            Data::Arrow(array) => arrow_data(py, self.what, array)?,
        };
        Vectors::new(self.dim, data).or_raise(py)
    }

    fn slice<'a, T: Element>(
        &self,
        py: Python<'py>,
        array: &'a PyReadonlyArray2<'py, T>,
    ) -> PyResult<&'a [T]> {
        // Fortran order is contiguous too, but its rows are not.
        if !array.is_c_contiguous() {
            let fix = "pass numpy.ascontiguousarray(...)";
            return Err(invalid(py, self.what, "a C-contiguous array", "other strides", fix));
        }
        array
            .as_slice()
            .map_err(|error| invalid(py, self.what, "a plain array", &error.to_string(), ""))
    }
}

/// The width and the data of a numpy matrix of `T`; `None` if it is anything else.
fn take<'py, T: Element>(
    value: &Bound<'py, PyAny>,
    wrap: impl FnOnce(PyReadonlyArray2<'py, T>) -> Data<'py>,
) -> Option<(usize, Data<'py>)> {
    let array: PyReadonlyArray2<'py, T> = value.extract().ok()?;
    let width = array.shape().get(1).copied().unwrap_or(0);
    Some((width, wrap(array)))
}

/// The width and the components of an array of lists.
fn components(
    py: Python<'_>,
    what: &str,
    dim: usize,
    array: &ArrayRef,
) -> PyResult<(usize, ArrayRef)> {
    if let Some(row) = array.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid)) {
        let expected = format!("{dim} components");
        return Err(invalid(py, &format!("{what}, row {row}"), &expected, "null", ""));
    }
    let (width, values) = match array.data_type() {
        DataType::FixedSizeList(_, width) => {
            let width = usize::try_from(*width).unwrap_or(0);
            (width, array.as_fixed_size_list().values().clone())
        }
        DataType::List(_) => plain_lists(py, what, dim, array.as_list::<i32>())?,
        DataType::LargeList(_) => plain_lists(py, what, dim, array.as_list::<i64>())?,
        other => {
            let expected = "an Arrow array of lists (fixed-size or plain) of f16, f32 or f64";
            return Err(invalid(py, what, expected, &other.to_string(), ""));
        }
    };
    if let Some(at) = values.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid)) {
        let row = at / width.max(1);
        return Err(invalid(py, &format!("{what}, row {row}"), "numbers", "null", ""));
    }
    Ok((width, values))
}

fn plain_lists<O: OffsetSizeTrait>(
    py: Python<'_>,
    what: &str,
    dim: usize,
    lists: &GenericListArray<O>,
) -> PyResult<(usize, ArrayRef)> {
    for (row, found) in lists.offsets().lengths().enumerate() {
        if found != dim {
            let argument = format!("{what}, row {row}");
            return Err(raise(py, &Error::DimensionMismatch { argument, expected: dim, found }));
        }
    }
    let start = lists.offsets().first().map_or(0, |offset| offset.as_usize());
    Ok((dim, lists.values().slice(start, lists.len() * dim)))
}

fn arrow_data<'a>(py: Python<'_>, what: &str, values: &'a ArrayRef) -> PyResult<VectorData<'a>> {
    Ok(match values.data_type() {
        DataType::Float32 => {
            VectorData::F32(Cow::Borrowed(values.as_primitive::<Float32Type>().values()))
        }
        DataType::Float16 => {
            VectorData::F16(Cow::Borrowed(values.as_primitive::<Float16Type>().values()))
        }
        DataType::Float64 => {
            VectorData::F64(Cow::Borrowed(values.as_primitive::<Float64Type>().values()))
        }
        DataType::UInt8 => {
            VectorData::U8(Cow::Borrowed(values.as_primitive::<UInt8Type>().values()))
        }
        DataType::Int8 => VectorData::I8(Cow::Borrowed(values.as_primitive::<Int8Type>().values())),
        other => {
            let expected = "components of f16, f32, f64, u8 or i8";
            return Err(invalid(py, what, expected, &other.to_string(), ""));
        }
    })
}

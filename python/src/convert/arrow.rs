//! Objects that speak the Arrow C interface.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, new_empty_array};
use arrow_select::concat::{concat, concat_batches};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::{AnyArray, AnyRecordBatch};

use crate::errors::{invalid, wrong_type};

/// Whether the object exports Arrow data.
pub fn speaks_arrow(value: &Bound<'_, PyAny>) -> bool {
    ["__arrow_c_array__", "__arrow_c_stream__"]
        .iter()
        .any(|name| value.hasattr(*name).unwrap_or(false))
}

/// One array of an Arrow array or chunked array, or of a table of one column, as duckdb's relations
/// are; a single chunk is not copied.
pub fn array(py: Python<'_>, argument: &str, value: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let chunked = value
        .extract::<AnyArray>()
        .and_then(|any| any.into_chunked_array().map_err(PyErr::from))
        .map_err(|error| wrong_type(py, argument, "an Arrow array", value, &error.to_string()))?;
    let (chunks, field) = chunked.into_inner();
    let array = match chunks.as_slice() {
        [] => new_empty_array(field.data_type()),
        [one] => one.clone(),
        many => {
            let chunks: Vec<&dyn Array> = many.iter().map(AsRef::as_ref).collect();
            concat(&chunks).map_err(|error| {
                invalid(py, argument, "chunks of one type", &error.to_string(), "")
            })?
        }
    };
    // A table comes as rows of its columns.
    Ok(
        match array.as_struct_opt().filter(|rows| rows.null_count() == 0).map(StructArray::columns)
        {
            Some([column]) => column.clone(),
            _ => array,
        },
    )
}

/// One batch of an Arrow table, batch or stream.
pub fn batch(py: Python<'_>, argument: &str, value: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let table: PyTable = value
        .extract::<AnyRecordBatch>()
        .and_then(|any| any.into_table().map_err(PyErr::from))
        .map_err(|error| wrong_type(py, argument, "an Arrow table", value, &error.to_string()))?;
    let (batches, schema) = table.into_inner();
    concat_batches(&schema, &batches)
        .map_err(|error| invalid(py, argument, "batches of one schema", &error.to_string(), ""))
}

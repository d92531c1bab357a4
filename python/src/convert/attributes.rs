//! Attribute columns to one Arrow batch. Core checks names, widens types and refuses the rest.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow_schema::{Field, Schema as ArrowSchema};
use nearfield::{AttributeType, Schema};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::{arrow, lists};
use crate::errors::{invalid, wrong_type};

/// numpy's "not a time".
pub const NOT_A_TIME: i64 = i64::MIN;

/// A batch of `rows` rows from a list of (name, column) pairs or an Arrow table.
pub fn attributes(
    py: Python<'_>,
    schema: &Schema,
    rows: usize,
    value: &Bound<'_, PyAny>,
) -> PyResult<RecordBatch> {
    let batch = match value.cast::<PyList>() {
        Ok(pairs) => from_pairs(py, schema, rows, pairs)?,
        Err(_) => arrow::batch(py, "attributes", value)?,
    };
    if batch.num_rows() != rows {
        let expected = format!("{rows} rows, one an id");
        return Err(invalid(py, "attributes", &expected, &batch.num_rows().to_string(), ""));
    }
    Ok(batch)
}

fn from_pairs(
    py: Python<'_>,
    schema: &Schema,
    rows: usize,
    pairs: &Bound<'_, PyList>,
) -> PyResult<RecordBatch> {
    let mut fields = Vec::with_capacity(pairs.len());
    let mut columns = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let (name, value) = pair.extract::<(String, Bound<'_, PyAny>)>()?;
        let argument = format!("column {name:?}");
        let known = schema.columns().iter().find(|(known, _)| *known == name);
        // The column of this name is there once it is needed.
        let expiry = (name == nearfield::EXPIRES_AT).then_some(&AttributeType::Timestamp);
        let Some(kind) = known.map(|(_, kind)| kind).or(expiry) else {
            let known: Vec<_> = schema.columns().iter().map(|c| format!("{:?}", c.0)).collect();
            let expected = if known.is_empty() {
                "no columns (the schema has none)".to_owned()
            } else {
                format!("one of {}", known.join(", "))
            };
            return Err(invalid(py, "attributes", &expected, &format!("column {name:?}"), ""));
        };
        let array = column(py, &argument, *kind, &value)?;
        if array.len() != rows {
            let expected = format!("{rows} rows, one an id");
            return Err(invalid(py, &argument, &expected, &array.len().to_string(), ""));
        }
        fields.push(Field::new(name, array.data_type().clone(), true));
        columns.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), columns, &options)
        .map_err(|error| invalid(py, "attributes", "columns", &error.to_string(), ""))
}

fn column(
    py: Python<'_>,
    argument: &str,
    kind: AttributeType,
    value: &Bound<'_, PyAny>,
) -> PyResult<ArrayRef> {
    if let Ok(list) = value.cast::<PyList>() {
        return lists::column(py, argument, kind, list);
    }
    if let Ok(pair) = value.cast::<PyTuple>() {
        let (ticks, unit) = pair.extract::<(PyReadonlyArray1<'_, i64>, String)>()?;
        return timestamps(py, argument, &ticks, &unit);
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, i64>>() {
        return Ok(Arc::new(Int64Array::from_iter_values(array.as_array().iter().copied())));
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, u64>>() {
        return Ok(Arc::new(UInt64Array::from_iter_values(array.as_array().iter().copied())));
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, f64>>() {
        let values = array.as_array();
        // numpy has no null: NaN stands for it.
        let values = values.iter().map(|&value| (!value.is_nan()).then_some(value));
        return Ok(Arc::new(values.collect::<Float64Array>()));
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, bool>>() {
        let values: Vec<bool> = array.as_array().to_vec();
        return Ok(Arc::new(BooleanArray::from(values)));
    }
    if arrow::speaks_arrow(value) {
        return arrow::array(py, argument, value);
    }
    let expected = format!("a column of {kind}: a list, a numpy array, an Arrow array or a Series");
    Err(wrong_type(py, argument, &expected, value, ""))
}

fn timestamps(
    py: Python<'_>,
    argument: &str,
    ticks: &PyReadonlyArray1<'_, i64>,
    unit: &str,
) -> PyResult<ArrayRef> {
    let ticks = ticks.as_array();
    let ticks = ticks.iter().map(|&tick| (tick != NOT_A_TIME).then_some(tick));
    Ok(match unit {
        "s" => Arc::new(ticks.collect::<TimestampSecondArray>()),
        "ms" => Arc::new(ticks.collect::<TimestampMillisecondArray>()),
        "us" => Arc::new(ticks.collect::<TimestampMicrosecondArray>()),
        "ns" => Arc::new(ticks.collect::<TimestampNanosecondArray>()),
        other => return Err(invalid(py, argument, "unit s, ms, us or ns", other, "")),
    })
}

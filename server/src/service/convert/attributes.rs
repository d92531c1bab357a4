//! Columns of attributes, as messages and as Arrow arrays.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, NullArray, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::{Field, Schema};
use nearfield::{CollectionConfig, Error, Result};

use crate::v1;
use crate::v1::column::Values;

/// The columns of a message as a batch of so many rows. Which columns there must be, and of which
/// types, the library says.
///
/// # Errors
/// [`Error::InvalidArgument`] where a column is given twice or has another number of rows.
pub fn record_batch(
    message: v1::Attributes,
    rows: usize,
    config: &CollectionConfig,
) -> Result<RecordBatch> {
    let mut names = HashSet::new();
    let mut fields = Vec::with_capacity(message.columns.len());
    let mut arrays = Vec::with_capacity(message.columns.len());
    for v1::Column { name, values, nulls } in message.columns {
        let at = format!("attributes, column {name:?}");
        if !names.insert(name.clone()) {
            return Err(Error::invalid(at, "every column once", "it twice", ""));
        }
        let valid = validity(&at, &nulls, rows)?;
        let array = match values {
            Some(values) => array(&at, values, &valid)?,
            None => null_array(&at, &name, &valid, config)?,
        };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| Error::Source(Box::new(e)))
}

fn validity(at: &str, nulls: &[u32], rows: usize) -> Result<Vec<bool>> {
    let mut valid = vec![true; rows];
    for row in nulls {
        let Some(valid) = valid.get_mut(*row as usize) else {
            let expected = format!("rows below {rows}");
            return Err(Error::invalid(format!("{at}, nulls"), expected, row.to_string(), ""));
        };
        *valid = false;
    }
    Ok(valid)
}

fn null_array(at: &str, name: &str, valid: &[bool], config: &CollectionConfig) -> Result<ArrayRef> {
    if valid.iter().any(|valid| *valid) {
        let expected = format!("{} values", valid.len());
        return Err(Error::invalid(at, expected, "none", "give one a row, or name it a null"));
    }
    let columns = config.schema.columns();
    Ok(match columns.iter().find(|(column, _)| column == name) {
        Some((_, kind)) => new_null_array(&kind.arrow(), valid.len()),
        None => Arc::new(NullArray::new(valid.len())),
    })
}

fn array(at: &str, values: Values, valid: &[bool]) -> Result<ArrayRef> {
    let found = match &values {
        Values::Strings(list) => list.values.len(),
        Values::StringLists(list) => list.values.len(),
        Values::Ints(list) => list.values.len(),
        Values::Floats(list) => list.values.len(),
        Values::Bools(list) => list.values.len(),
        Values::Timestamps(list) => list.microseconds.len(),
    };
    if found != valid.len() {
        let expected = format!("{} values", valid.len());
        return Err(Error::invalid(at, expected, found.to_string(), "give one a row"));
    }
    Ok(match values {
        Values::Strings(list) => Arc::new(known(&list.values, valid).collect::<StringArray>()),
        Values::StringLists(list) => {
            let mut out = ListBuilder::new(StringBuilder::new());
            for row in known(&list.values, valid) {
                out.append_option(row.map(|list| list.values.iter().map(Some)));
            }
            Arc::new(out.finish())
        }
        Values::Ints(list) => Arc::new(some(list.values, valid).collect::<Int64Array>()),
        Values::Floats(list) => Arc::new(some(list.values, valid).collect::<Float64Array>()),
        Values::Bools(list) => Arc::new(some(list.values, valid).collect::<BooleanArray>()),
        Values::Timestamps(list) => {
            let times = some(list.microseconds, valid).collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_timezone("UTC"))
        }
    })
}

fn known<'a, T>(values: &'a [T], valid: &'a [bool]) -> impl Iterator<Item = Option<&'a T>> {
    values.iter().zip(valid).map(|(value, valid)| valid.then_some(value))
}

fn some<T>(values: Vec<T>, valid: &[bool]) -> impl Iterator<Item = Option<T>> {
    values.into_iter().zip(valid).map(|(value, valid)| valid.then_some(value))
}

/// The rows of an attribute column at these places, in one of the types of
/// [`AttributeType::arrow`](nearfield::AttributeType::arrow).
pub fn column_of(name: &str, array: &dyn Array, places: &[usize]) -> v1::Column {
    let null = |place: usize| place >= array.len() || array.is_null(place);
    let nulls = places.iter().enumerate().filter(|(_, place)| null(**place));
    let nulls: Vec<u32> = nulls.map(|(row, _)| row as u32).collect();
    let rows = places.iter().copied();
    let values = if let Some(values) = array.as_string_opt::<i32>() {
        let text = |place| if null(place) { String::new() } else { values.value(place).to_owned() };
        Some(Values::Strings(v1::StringList { values: rows.map(text).collect() }))
    } else if let Some(values) = array.as_primitive_opt::<Int64Type>() {
        let int = |place| if null(place) { 0 } else { values.value(place) };
        Some(Values::Ints(v1::I64List { values: rows.map(int).collect() }))
    } else if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        let float = |place| if null(place) { 0.0 } else { values.value(place) };
        Some(Values::Floats(v1::DoubleList { values: rows.map(float).collect() }))
    } else if let Some(values) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        let time = |place| if null(place) { 0 } else { values.value(place) };
        Some(Values::Timestamps(v1::TimestampList { microseconds: rows.map(time).collect() }))
    } else if let Some(values) = array.as_boolean_opt() {
        let truth = |place| !null(place) && values.value(place);
        Some(Values::Bools(v1::BoolList { values: rows.map(truth).collect() }))
    } else if let Some(lists) = array.as_list_opt::<i32>() {
        let list = |place| {
            let strings = (!null(place)).then(|| lists.value(place));
            let strings = strings.as_ref().and_then(|list| list.as_string_opt::<i32>());
            let values = strings.into_iter().flatten().flatten().map(str::to_owned).collect();
            v1::StringList { values }
        };
        Some(Values::StringLists(v1::StringLists { values: rows.map(list).collect() }))
    } else {
        None
    };
    v1::Column { name: name.to_owned(), values, nulls }
}

/// These columns at these places.
pub fn columns_of<'a>(
    columns: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    places: &[usize],
) -> v1::Attributes {
    v1::Attributes { columns: columns.map(|(name, a)| column_of(name, &**a, places)).collect() }
}

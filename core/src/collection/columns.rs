//! Columns of batches that somebody else made: found by name, vectors read in place.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int8Type, UInt8Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use crate::error::{Error, Result};
use crate::segment::attributes::ListRows;
use crate::types::{VectorData, Vectors};

/// The column of this name; `what` it holds, for the error.
pub(super) fn find<'a>(batch: &'a RecordBatch, name: &str, what: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let found = format!("columns {}", names.join(", "));
        Error::invalid(what, format!("a column {name:?}"), found, "name the column that holds them")
    })
}

/// Hands on the vectors of a list column, in place, in as few runs as there are; `what` names the
/// column, whose first row is the row `first` for errors.
pub(super) fn each_run(
    what: &str,
    dim: usize,
    array: &ArrayRef,
    first: usize,
    mut take: impl FnMut(&Vectors<'_>) -> Result<()>,
) -> Result<()> {
    let at = |row: usize| format!("{what}, row {}", first + row);
    let wrong = || {
        let expected = "lists of f16, f32 or f64";
        Error::invalid(what, expected, array.data_type().to_string(), "convert the column")
    };
    let lists = ListRows::new(array).ok_or_else(wrong)?;
    if let Some(found) = lists.fixed()
        && found != dim
    {
        return Err(Error::DimensionMismatch { argument: what.to_owned(), expected: dim, found });
    }
    // Rows usually follow each other; then they are taken at once, in place.
    let mut start = 0;
    let mut run: Option<(usize, std::ops::Range<usize>)> = None;
    for row in 0..=array.len() {
        let next = if row == array.len() {
            None
        } else {
            let items = lists
                .get(row)
                .ok_or_else(|| Error::invalid(at(row), "a vector", "null", "leave the row out"))?;
            if items.len() != dim {
                let found = items.len();
                return Err(Error::DimensionMismatch { argument: at(row), expected: dim, found });
            }
            Some(items)
        };
        run = match (run.take(), next) {
            (Some((from, items)), Some(next)) if items.end == next.start => {
                Some((from, items.start..next.end))
            }
            (before, next) => {
                if let Some((_, items)) = before {
                    let values = lists.values().slice(items.start, items.len());
                    if values.null_count() > 0
                        && let Some(null) = (0..values.len()).find(|i| values.is_null(*i))
                    {
                        let row = start + null / dim;
                        return Err(Error::invalid(at(row), "numbers", "a null", ""));
                    }
                    let data = components(&values).ok_or_else(wrong)?;
                    take(&Vectors::new(dim, data)?)?;
                }
                start = row;
                next.map(|items| (row, items))
            }
        };
    }
    Ok(())
}

/// The numbers of an array without nulls, in place; `None` when they are of another type.
fn components(values: &ArrayRef) -> Option<VectorData<'_>> {
    Some(match values.data_type() {
        DataType::Float32 => {
            VectorData::F32(Cow::Borrowed(values.as_primitive_opt::<Float32Type>()?.values()))
        }
        DataType::Float16 => {
            VectorData::F16(Cow::Borrowed(values.as_primitive_opt::<Float16Type>()?.values()))
        }
        DataType::Float64 => {
            VectorData::F64(Cow::Borrowed(values.as_primitive_opt::<Float64Type>()?.values()))
        }
        DataType::UInt8 => {
            VectorData::U8(Cow::Borrowed(values.as_primitive_opt::<UInt8Type>()?.values()))
        }
        DataType::Int8 => {
            VectorData::I8(Cow::Borrowed(values.as_primitive_opt::<Int8Type>()?.values()))
        }
        _ => return None,
    })
}

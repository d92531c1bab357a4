//! Vectors that come from points, files and results.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use nearfield::{Collection, Ids, PointId, SearchResults, VectorData, Vectors};

use crate::commands::{Error, Result};
use crate::source;

/// The vectors of these points.
///
/// # Errors
/// The first id that names no point.
pub fn of_points(collection: &Collection, ids: &Ids) -> Result<Vec<Vec<f32>>> {
    let points = collection.get(ids, true)?;
    let rows = points.found.iter().enumerate().map(|(row, found)| {
        let vector = of_row(&points.batch, row).filter(|_| *found);
        vector.ok_or_else(|| not_found(&ids.get(row)))
    });
    rows.collect()
}

fn not_found(id: &PointId) -> Error {
    Error::Core(nearfield::Error::NotFound { what: "id", id: id.to_string() })
}

/// The vector at `row` of a batch of points, if the batch has vectors and this row one.
pub fn of_row(batch: &RecordBatch, row: usize) -> Option<Vec<f32>> {
    let column = batch.column_by_name("vector")?.as_fixed_size_list_opt()?;
    if row >= column.len() || column.is_null(row) {
        return None;
    }
    let values = column.value(row);
    Some(values.as_primitive_opt::<Float32Type>()?.values().to_vec())
}

/// The vector at a place of results, if the search returned vectors.
pub fn of_hit(results: &SearchResults, at: usize) -> Option<&[f32]> {
    let vectors = results.vectors.as_deref()?;
    let dim = vectors.len() / (results.queries * results.k).max(1);
    vectors.get(at * dim..(at + 1) * dim)
}

/// One vector as a matrix of one row.
pub fn single(vector: Vec<f32>) -> Result<Vectors<'static>> {
    Ok(Vectors::new(vector.len(), VectorData::F32(Cow::Owned(vector)))?)
}

/// Every vector of a file, or the one at `row`.
pub fn of_file(path: &Path, row: Option<usize>) -> Result<Vectors<'static>> {
    of_rows(path, row.map_or(0..usize::MAX, |row| row..row.saturating_add(1)))
}

/// The vectors of a file at `rows`, or at those of them that it has.
///
/// # Errors
/// None of them.
pub fn of_rows(path: &Path, rows: Range<usize>) -> Result<Vectors<'static>> {
    let (batches, column) = source::queries(path)?;
    let (mut dim, mut data, mut first) = (0, Vec::new(), 0);
    for batch in batches {
        let batch = batch?;
        let here = first..first + batch.num_rows();
        first = here.end;
        let (start, end) = (rows.start.max(here.start), rows.end.min(here.end));
        if start < end
            && let Some(vectors) = batch.column_by_name(&column)
        {
            let wanted = vectors.slice(start - here.start, end - start);
            dim = append(&wanted, dim, &mut data, path)?;
        }
        if first >= rows.end {
            break;
        }
    }
    if data.is_empty() {
        let expected = match rows.start {
            0 => "at least one row".to_owned(),
            row => format!("a row {row}"),
        };
        return Err(Error::Failed(format!(
            "{}: expected {expected}, found {first} rows; rows are counted from 0",
            path.display()
        )));
    }
    Ok(Vectors::new(dim, VectorData::F32(Cow::Owned(data)))?)
}

/// Appends the components of a column of vectors, each of which has `dim` (0 while unknown), and
/// returns how many that is.
fn append(column: &ArrayRef, dim: usize, out: &mut Vec<f32>, path: &Path) -> Result<usize> {
    let mut dim = dim;
    for row in 0..column.len() {
        let vector = components(column, row).ok_or_else(|| uneven(path, "a null or no numbers"))?;
        if dim == 0 {
            dim = vector.len();
        }
        if vector.len() != dim || dim == 0 {
            return Err(uneven(path, &format!("one of {} components", vector.len())));
        }
        out.extend(vector);
    }
    Ok(dim)
}

fn components(column: &ArrayRef, row: usize) -> Option<Vec<f32>> {
    if column.is_null(row) {
        return None;
    }
    let values = if let Some(lists) = column.as_fixed_size_list_opt() {
        lists.value(row)
    } else if let Some(lists) = column.as_list_opt::<i32>() {
        lists.value(row)
    } else {
        column.as_list_opt::<i64>()?.value(row)
    };
    let values = cast(&values, &DataType::Float32).ok()?;
    let values = values.as_primitive_opt::<Float32Type>()?;
    (values.null_count() == 0).then(|| values.values().to_vec())
}

fn uneven(path: &Path, found: &str) -> Error {
    Error::Failed(format!(
        "{}: expected vectors of one length, found {found}; write the file again",
        path.display()
    ))
}

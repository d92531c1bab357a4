//! How files are read, and the limits that hold for every format.

use std::path::Path;

use arrow_schema::{DataType, Schema};

use crate::error::{Blame, Position, Result};
use crate::source::{Source, open_with};

/// Largest dimension of a vector in a file. A larger one is taken for a damaged header.
pub const DIM_MAX: usize = 65_536;

/// A batch of vectors is kept below this, whatever number of rows is asked for.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// How a file is read.
///
/// ```no_run
/// let options = nearfield_datasets::ReadOptions {
///     columns: Some(vec!["id".into(), "embedding".into()]),
///     batch_rows: 1024,
/// };
/// let source = options.open("posts.parquet")?;
/// # Ok::<(), nearfield_datasets::ReadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Most rows of a batch, at least 1; fewer where rows are so wide that a batch of vectors
    /// would pass 64 MiB. 8,192 by default.
    pub batch_rows: usize,
    /// Top-level columns to read, in the file's order; `None` reads all. What is left out of a
    /// Parquet file is not even decoded.
    pub columns: Option<Vec<String>>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { batch_rows: 8192, columns: None }
    }
}

impl ReadOptions {
    /// Opens one file; its extension chooses the reader. See [`crate::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Source> {
        open_with(path.as_ref(), self)
    }

    /// Rows of a batch whose vectors take `row_bytes` each.
    pub(crate) fn rows_of(&self, row_bytes: usize) -> usize {
        (BATCH_BYTES_MAX / row_bytes.max(1)).clamp(1, self.batch_rows.max(1))
    }

    /// Indices of the columns to read, ascending; `None` for all.
    pub(crate) fn project(&self, schema: &Schema, blame: &Blame) -> Result<Option<Vec<usize>>> {
        let Some(wanted) = &self.columns else { return Ok(None) };
        let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        if let Some(missing) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(blame.missing_column(missing, names));
        }
        let indices = (0..names.len()).filter(|&i| wanted.contains(names[i])).collect();
        Ok(Some(indices))
    }
}

/// Refuses fixed sizes that no vector has, before anything is allocated by them, and returns the
/// bytes that the fixed-size columns of a row take.
pub(crate) fn fixed_row_bytes(schema: &Schema, blame: &Blame) -> Result<usize> {
    let mut bytes = 0usize;
    for field in schema.fields() {
        let width = fixed_width(field.data_type()).ok_or_else(|| {
            blame.unsupported(
                Position::UNKNOWN,
                format!("fixed sizes of 0 to {DIM_MAX}"),
                format!("column {:?} of type {}", field.name(), field.data_type()),
                "leave the column out, or write it again",
            )
        })?;
        bytes = bytes.saturating_add(width);
    }
    Ok(bytes)
}

fn fixed_width(data_type: &DataType) -> Option<usize> {
    let checked = |size: i32| usize::try_from(size).ok().filter(|&size| size <= DIM_MAX);
    match data_type {
        DataType::FixedSizeList(item, size) => {
            checked(*size)?.checked_mul(fixed_width(item.data_type())?)
        }
        DataType::FixedSizeBinary(size) => checked(*size),
        DataType::Struct(fields) => fields
            .iter()
            .try_fold(0usize, |sum, field| sum.checked_add(fixed_width(field.data_type())?)),
        DataType::List(item) | DataType::LargeList(item) => fixed_width(item.data_type()),
        other => Some(other.primitive_width().unwrap_or(16)),
    }
}

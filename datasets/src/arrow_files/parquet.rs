//! Parquet, one row group after the other, so that an error can name the row group.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;

mod footer;
mod input;
mod thrift;

use input::Input;

use crate::arrow_files::guard;
use crate::error::{Blame, Position, ReadError, Result};
use crate::options::{ReadOptions, fixed_row_bytes};
use crate::source::{Source, projected};

const FIX: &str = "the file is cut off or damaged; write or copy it again";

pub(crate) fn open(path: &Path, options: &ReadOptions) -> Result<Source> {
    let blame = Blame::new(path);
    let input = Input::file(path, &blame)?;
    read(input, blame, options)
}

/// Reads a file that is in memory; `name` stands for its path in errors.
#[cfg_attr(
    not(feature = "bundled"),
    expect(dead_code, reason = "only the bundled sample is in memory")
)]
pub(crate) fn open_bytes(name: &str, bytes: Bytes, options: &ReadOptions) -> Result<Source> {
    read(Input::memory(bytes), Blame::new(Path::new(name)), options)
}

fn read(input: Input, blame: Blame, options: &ReadOptions) -> Result<Source> {
    let footer_at = footer::check(&input, &blame)?;
    let loaded = guard::decode(|| ArrowReaderMetadata::load(&input, ArrowReaderOptions::default()));
    let metadata = loaded.map_err(|found| {
        blame.malformed(Position::byte(footer_at), "the description of the columns", found, FIX)
    })?;
    let rows = promised_rows(&metadata, footer_at, &blame)?;
    let mut schema = metadata.schema().clone();
    let indices = options.project(&schema, &blame)?;
    let columns = match indices {
        Some(indices) => {
            schema = Arc::new(projected(&schema, &indices));
            ProjectionMask::roots(metadata.parquet_schema(), indices)
        }
        None => ProjectionMask::all(),
    };
    check_codecs(&metadata, &columns, &blame)?;
    let batch_rows = options.rows_of(fixed_row_bytes(&schema, &blame)?);
    let groups =
        Groups { input, metadata, columns, batch_rows, blame, current: None, group: 0, row: 0 };
    Ok(Source::new(schema, Some(rows), groups))
}

/// Rows of the file, once the row groups agree with its total.
fn promised_rows(metadata: &ArrowReaderMetadata, at: u64, blame: &Blame) -> Result<u64> {
    let file = metadata.metadata();
    let total = u64::try_from(file.file_metadata().num_rows()).ok();
    let sum = file.row_groups().iter().try_fold(0u64, |sum, group| {
        u64::try_from(group.num_rows()).ok().and_then(|rows| sum.checked_add(rows))
    });
    total.filter(|_| total == sum).ok_or_else(|| {
        let found = format!("{} rows", file.file_metadata().num_rows());
        blame.malformed(Position::byte(at), "the sum of the rows of the row groups", found, FIX)
    })
}

/// Refuses a compression that this build can't undo, before the first row is delivered.
fn check_codecs(
    metadata: &ArrowReaderMetadata,
    columns: &ProjectionMask,
    blame: &Blame,
) -> Result<()> {
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        for (leaf, column) in group.columns().iter().enumerate() {
            let codec = column.compression();
            let known = !matches!(codec, Compression::BROTLI(_) | Compression::LZO);
            if columns.leaf_included(leaf) && !known {
                let at = Position { row_group: Some(number), ..Position::UNKNOWN };
                return Err(blame.unsupported(
                    at,
                    "pages compressed with snappy, gzip, zstd, lz4 or not at all",
                    format!("{codec} in column {}", column.column_path()),
                    "write the file again, with zstd",
                ));
            }
        }
    }
    Ok(())
}

/// The batches of every row group.
struct Groups {
    input: Input,
    metadata: ArrowReaderMetadata,
    columns: ProjectionMask,
    batch_rows: usize,
    blame: Blame,
    current: Option<Group>,
    /// The row group being read, or the next one.
    group: usize,
    /// Rows delivered.
    row: u64,
}

struct Group {
    reader: ParquetRecordBatchReader,
    /// Rows that it promised and has not delivered.
    left: u64,
}

impl Groups {
    fn place(&self) -> Position {
        let group = self.metadata.metadata().row_groups().get(self.group);
        let column = group.and_then(|group| group.columns().first());
        // A dictionary page, where there is one, comes before the data.
        let byte = column.map(|c| c.dictionary_page_offset().unwrap_or(c.data_page_offset()));
        Position {
            row: Some(self.row),
            byte: byte.and_then(|byte| u64::try_from(byte).ok()),
            row_group: Some(self.group),
        }
    }

    fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> ReadError {
        self.blame.malformed(self.place(), expected, found, FIX)
    }

    /// Opens the next row group; `None` after the last.
    fn start(&self) -> Result<Option<Group>> {
        let Some(group) = self.metadata.metadata().row_groups().get(self.group) else {
            return Ok(None);
        };
        let left = u64::try_from(group.num_rows()).unwrap_or(0);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.input.clone(),
            self.metadata.clone(),
        )
        .with_row_groups(vec![self.group])
        .with_projection(self.columns.clone())
        .with_batch_size(self.batch_rows);
        let reader =
            guard::decode(|| builder.build()).map_err(|e| self.malformed("a row group", e))?;
        Ok(Some(Group { reader, left }))
    }

    /// The next batch of the current row group; `None` at its end.
    fn advance(&mut self, mut group: Group) -> Result<Option<RecordBatch>> {
        let next = guard::decode(|| group.reader.next().transpose());
        let next = next.map_err(|e| self.malformed("pages that can be decoded", e))?;
        let delivered = next.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        let ended = delivered == 0;
        if delivered > group.left || (ended && group.left > 0) {
            let expected = format!("{} more rows in the row group", group.left);
            return Err(self.malformed(expected, format!("{delivered}")));
        }
        if ended {
            self.group += 1;
            return Ok(None);
        }
        self.row += delivered;
        group.left -= delivered;
        self.current = Some(group);
        Ok(next)
    }
}

impl Iterator for Groups {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let group = match self.current.take().map_or_else(|| self.start(), |g| Ok(Some(g))) {
                Ok(group) => group?,
                Err(error) => return Some(Err(error)),
            };
            match self.advance(group) {
                Ok(None) => {}
                Ok(Some(batch)) => return Some(Ok(batch)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

//! One file as a stream of batches: the choice of the reader, and what all readers look like.

use std::fmt;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use crate::arrow_files::{ipc, parquet};
use crate::error::{ReadError, Result};
use crate::ids;
use crate::options::ReadOptions;
use crate::raw::{self, RawFormat};

/// The extensions that are read.
pub const EXTENSIONS: [&str; 12] = [
    "npy", "fvecs", "bvecs", "ivecs", "fbin", "u8bin", "i8bin", "parquet", "arrow", "feather",
    "ipc", "arrows",
];

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// An open file, or several of one schema: an iterator of record batches that reads as it goes.
///
/// After an error the iterator ends. A file that delivers fewer or more rows than its header
/// promises ends in an error.
pub struct Source {
    schema: SchemaRef,
    rows: Option<u64>,
    batches: Batches,
    ended: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("schema", &self.schema)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Source {
    pub(crate) fn new(
        schema: SchemaRef,
        rows: Option<u64>,
        batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Self {
        Self { schema, rows, batches: Box::new(batches), ended: false }
    }

    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Rows of all batches together, where the file says so before it is read: always but for
    /// an Arrow stream.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// The batches not read yet.
    pub fn batches(self) -> impl Iterator<Item = Result<RecordBatch>> + Send + 'static {
        self
    }

    /// Adds a first column `id` (unsigned, 64 bits) from a one-dimensional `.npy` file of as many
    /// u64, or i64 that are not negative.
    ///
    /// # Errors
    /// A column `id` that is there already; another number of ids than of rows; an ids file that
    /// can't be read.
    pub fn with_ids(self, path: impl AsRef<Path>) -> Result<Self> {
        ids::attach(self, path.as_ref())
    }
}

impl Iterator for Source {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.batches.next();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Opens one file with default options; its extension (any case) chooses the reader.
///
/// | extension | columns of a batch |
/// | --- | --- |
/// | `npy` (2-d, C order; f16, f32, f64, u8, i8), `fbin`, `u8bin`, `i8bin`, `fvecs`, `bvecs`, `ivecs` | `vector`: fixed-size list |
/// | `parquet`, `arrow`, `feather` (version 2), `ipc`, `arrows` | those of the file, as they are |
///
/// # Errors
/// An unknown extension, a file that can't be opened, a header that contradicts the file's
/// length. Later damage comes out of the iterator.
pub fn open(path: impl AsRef<Path>) -> Result<Source> {
    open_with(path.as_ref(), &ReadOptions::default())
}

pub(crate) fn open_with(path: &Path, options: &ReadOptions) -> Result<Source> {
    let extension =
        path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let format = match extension.as_str() {
        "npy" => RawFormat::Npy,
        "fvecs" => RawFormat::Fvecs,
        "bvecs" => RawFormat::Bvecs,
        "ivecs" => RawFormat::Ivecs,
        "fbin" => RawFormat::Fbin,
        "u8bin" => RawFormat::U8bin,
        "i8bin" => RawFormat::I8bin,
        "parquet" => return parquet::open(path, options),
        "arrow" | "feather" | "ipc" | "arrows" => return ipc::open(path, options),
        _ => return Err(unknown_extension(path, &extension)),
    };
    raw::open(path, format, options)
}

fn unknown_extension(path: &Path, extension: &str) -> ReadError {
    ReadError::UnknownExtension {
        path: path.into(),
        found: if extension.is_empty() { "none".into() } else { format!(".{extension}") },
        known: EXTENSIONS.map(|known| format!(".{known}")).join(" "),
    }
}

/// The schema with only the columns at `indices`.
pub(crate) fn projected(schema: &Schema, indices: &[usize]) -> Schema {
    let fields: Vec<_> = indices.iter().filter_map(|&i| schema.fields().get(i)).cloned().collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

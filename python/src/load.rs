//! Files as one stream of batches: the join of the readers and the collection.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{Field, Schema as ArrowSchema};
use nearfield::{CollectionConfig, Error, Ids, LoadOptions, Result};
use nearfield_datasets::{ReadError, ReadOptions, Source, describe, open_all};
use pyo3::prelude::*;

use crate::convert;

/// The columns of a plain vector file.
const VECTOR: &str = "vector";
const ID: &str = "id";

/// What to load, as the Python package hands it over; `ids` is a path, an array or nothing.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct LoadArguments<'py> {
    paths: Vec<String>,
    id: Option<String>,
    vector: Option<String>,
    ids: Option<Bound<'py, PyAny>>,
}

impl LoadArguments<'_> {
    /// Takes hold of the ids.
    pub fn parse(self, py: Python<'_>, config: &CollectionConfig) -> PyResult<Wanted> {
        let ids = match &self.ids {
            None => None,
            Some(value) => Some(match value.extract::<String>() {
                Ok(path) => IdSource::File(path),
                Err(_) => IdSource::Values(convert::ids(py, "ids", config.id_type, value)?),
            }),
        };
        let schema = config.schema.columns().iter().map(|column| column.0.clone()).collect();
        Ok(Wanted { paths: self.paths, id: self.id, vector: self.vector, ids, schema })
    }
}

/// What to load.
pub struct Wanted {
    /// Paths or globs.
    pub paths: Vec<String>,
    /// Column of the ids; `None` for the usual one.
    pub id: Option<String>,
    /// Column of the vectors; `None` for the usual one.
    pub vector: Option<String>,
    /// Where the ids come from, if not from a column.
    pub ids: Option<IdSource>,
    /// Columns of the schema of the collection.
    pub schema: Vec<String>,
}

/// Ids that are kept beside the vectors.
pub enum IdSource {
    /// A `.npy` file.
    File(String),
    /// In memory.
    Values(Ids),
}

/// Open files, ready to be loaded.
pub struct Opened {
    /// The batches, file after file.
    pub batches: Box<dyn Iterator<Item = std::result::Result<RecordBatch, ReadError>> + Send>,
    /// Which columns to read.
    pub options: LoadOptions,
    /// Columns that are left out.
    pub skipped: Vec<String>,
    /// Rows in all; 0 while unknown.
    pub rows: u64,
}

impl Wanted {
    /// Opens every file; reads no rows yet.
    pub fn open(self) -> Result<Opened> {
        let first = self.paths.first().ok_or_else(|| {
            Error::invalid("path", "at least one file", "none", "name a file or a pattern")
        })?;
        let columns = names(&open_all(first, &ReadOptions::default()).map_err(source_error)?);
        let options = LoadOptions {
            id: self.id_column(&columns),
            vector: self.vector.clone().unwrap_or_else(|| VECTOR.into()),
            source: self.describe(),
        };
        let read: Vec<String> =
            columns.iter().filter(|name| self.is_read(name, &options)).cloned().collect();
        let skipped = columns.into_iter().filter(|name| !read.contains(name)).collect();
        let projected = ReadOptions { columns: Some(read), ..ReadOptions::default() };
        let mut sources = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            sources.push(open_all(path, &projected).map_err(source_error)?);
        }
        let rows = sources.iter().map(Source::rows).sum::<Option<u64>>();
        let batches = match self.ids {
            None => Box::new(sources.into_iter().flatten()) as _,
            Some(IdSource::File(path)) => with_file(sources, &path)?,
            Some(IdSource::Values(ids)) => with_values(sources, &ids, rows)?,
        };
        Ok(Opened { batches, options, skipped, rows: rows.unwrap_or(0) })
    }

    /// What tells these files from others; `None` where ids in memory belong to them.
    fn describe(&self) -> Option<String> {
        let ids = match &self.ids {
            None => None,
            Some(IdSource::File(path)) => Some(path.as_str()),
            Some(IdSource::Values(_)) => return None,
        };
        let files = describe(self.paths.iter().map(String::as_str).chain(ids));
        Some(format!("{:?} {:?}\n{files}", self.id, self.vector))
    }

    /// A plain vector file holds no ids: its rows are numbered.
    fn id_column(&self, columns: &[String]) -> Option<String> {
        if self.ids.is_some() {
            return Some(ID.into());
        }
        let is_plain = columns == [VECTOR];
        self.id.clone().or_else(|| (!is_plain).then(|| ID.into()))
    }

    fn is_read(&self, name: &String, options: &LoadOptions) -> bool {
        let is_id = self.ids.is_none() && options.id.as_ref() == Some(name);
        is_id || *name == options.vector || self.schema.contains(name)
    }
}

fn names(source: &Source) -> Vec<String> {
    source.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn with_file(
    mut sources: Vec<Source>,
    path: &str,
) -> Result<Box<dyn Iterator<Item = std::result::Result<RecordBatch, ReadError>> + Send>> {
    match (sources.pop(), sources.is_empty()) {
        (Some(only), true) => Ok(Box::new(only.with_ids(Path::new(path)).map_err(source_error)?)),
        _ => Err(Error::invalid(
            "ids",
            "one vector file beside an ids file",
            "several paths",
            "load the files one by one, or pass the ids as an array",
        )),
    }
}

fn with_values(
    sources: Vec<Source>,
    ids: &Ids,
    rows: Option<u64>,
) -> Result<Box<dyn Iterator<Item = std::result::Result<RecordBatch, ReadError>> + Send>> {
    let Some(rows) = rows else {
        let expected = "files that state their number of rows beside ids";
        let fix = "put the ids into the file, as a column";
        return Err(Error::invalid("ids", expected, "a stream", fix));
    };
    if ids.len() as u64 != rows {
        let expected = format!("{rows} ids, one a row of the files");
        return Err(Error::invalid("ids", expected, ids.len().to_string(), ""));
    }
    let column: ArrayRef = match ids {
        Ids::U64(ids) => Arc::new(UInt64Array::from(ids.clone())),
        Ids::Str(ids) => Arc::new(StringArray::from_iter_values(ids)),
    };
    let mut next = 0;
    let batches = sources.into_iter().flatten().map(move |batch| {
        batch.map(|batch| {
            // A file that grew meanwhile ends the ids early; core then finds the id column short.
            let count = batch.num_rows().min(column.len() - next);
            let joined = with_column(&batch.slice(0, count), column.slice(next, count));
            next += count;
            joined.unwrap_or(batch)
        })
    });
    Ok(Box::new(batches))
}

/// `None` when the batch has an `id` column of another length, which it can't have.
fn with_column(batch: &RecordBatch, ids: ArrayRef) -> Option<RecordBatch> {
    let mut fields = vec![Arc::new(Field::new(ID, ids.data_type().clone(), false))];
    let mut columns = vec![ids];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if field.name() != ID {
            fields.push(field.clone());
            columns.push(column.clone());
        }
    }
    RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns).ok()
}

fn source_error(error: ReadError) -> Error {
    Error::Source(Box::new(error))
}

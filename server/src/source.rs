//! Files of points and queries, joined to what the library loads.

use std::path::{Path, PathBuf};

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use nearfield::{AttributeType, CollectionConfig, LoadOptions, Metric, Schema};
use nearfield_datasets::{
    InferOptions, Inferred, ReadError, ReadOptions, Source, describe, infer, open, open_all,
};

use crate::commands::{Error, Result, Storage};

/// Files, or patterns of files, that hold points; opened again whenever they are read.
#[derive(Debug)]
pub struct Files {
    patterns: Vec<String>,
    ids: Option<PathBuf>,
    schema: SchemaRef,
}

impl Files {
    /// Opens every file once, to see that all are there and hold the same columns.
    pub fn new(patterns: &[String], ids: Option<&Path>) -> Result<Self> {
        let Some((first, rest)) = patterns.split_first() else {
            return Err(Error::Usage("expected at least one FILE".into()));
        };
        if ids.is_some() && !rest.is_empty() {
            return Err(Error::Usage(
                "--ids: expected one FILE of vectors beside it, found several; load them one by one"
                    .into(),
            ));
        }
        let schema = open_one(first, ids)?.schema();
        for other in rest {
            let found = open_one(other, None)?.schema();
            if columns(&found) != columns(&schema) {
                return Err(Error::Failed(format!(
                    "{other}: expected the columns of {first} ({}), found {}; load the files \
                     separately",
                    columns(&schema).join(", "),
                    columns(&found).join(", ")
                )));
            }
        }
        Ok(Self { patterns: patterns.to_vec(), ids: ids.map(Path::to_owned), schema })
    }

    /// Which columns are ids, vectors and attributes; the first rows decide what their types leave
    /// open.
    pub fn infer(&self, options: &InferOptions) -> Result<Inferred> {
        let sample = self.batches().next().transpose()?;
        Ok(infer(&self.schema, sample.as_ref(), options)?)
    }

    /// Rows of all files, and about how many bytes their columns of `schema` take: as many a row
    /// as in the first batch. `None` where a file doesn't say how many rows it has.
    ///
    /// # Errors
    /// A file that can't be read any more.
    pub fn size(&self, schema: &Schema) -> Result<Option<(u64, u64)>> {
        let mut rows = 0;
        for pattern in &self.patterns {
            let Some(more) = open_one(pattern, self.ids.as_deref())?.rows() else {
                return Ok(None);
            };
            rows += more;
        }
        let Some(sample) = self.batches().next().transpose()? else { return Ok(Some((rows, 0))) };
        let columns = schema.columns().iter().filter_map(|(name, _)| sample.column_by_name(name));
        let bytes = columns.map(|c| c.to_data().get_slice_memory_size().unwrap_or_default());
        let bytes = bytes.sum::<usize>() as u64;
        Ok(Some((rows, bytes.saturating_mul(rows) / (sample.num_rows() as u64).max(1))))
    }

    /// What tells these files from others, or from themselves once changed.
    pub fn describe(&self) -> String {
        let ids = self.ids.as_deref().and_then(Path::to_str);
        describe(self.patterns.iter().map(String::as_str).chain(ids))
    }

    /// Every batch of every file, in order; one pattern is open at a time.
    pub fn batches(&self) -> impl Iterator<Item = std::result::Result<RecordBatch, ReadError>> {
        self.patterns.iter().flat_map(|pattern| {
            let (source, error) = match open_one(pattern, self.ids.as_deref()) {
                Ok(source) => (Some(source), None),
                Err(error) => (None, Some(Err(error))),
            };
            source.into_iter().flatten().chain(error)
        })
    }
}

fn open_one(pattern: &str, ids: Option<&Path>) -> std::result::Result<Source, ReadError> {
    let source = open_all(pattern, &ReadOptions::default())?;
    match ids {
        Some(ids) => source.with_ids(ids),
        None => Ok(source),
    }
}

fn columns(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect()
}

/// The columns to load.
pub fn load_options(inferred: &Inferred) -> LoadOptions {
    LoadOptions { id: inferred.id.clone(), vector: inferred.vector.clone(), source: None }
}

/// The configuration of a new collection for what was inferred; `storage` says the rest.
///
/// # Errors
/// No dimension, because there are no rows; a column name that a schema refuses.
pub fn config(inferred: &Inferred, metric: Metric, storage: &Storage) -> Result<CollectionConfig> {
    let Some(dim) = inferred.dim else {
        return Err(Error::Failed(format!(
            "vector column {:?}: expected at least one row, found none; the dimension is read from \
             the first, so create the collection with `nearfield create` instead",
            inferred.vector
        )));
    };
    let columns = inferred
        .attributes
        .iter()
        .map(|(name, kind)| Ok((name.clone(), kind.parse::<AttributeType>()?)));
    let mut config = CollectionConfig::new(dim, metric);
    config.id_type = inferred.id_type.parse()?;
    config.schema = Schema::new(columns.collect::<nearfield::Result<Vec<_>>>()?)?;
    config.dtype = inferred.dtype.parse()?;
    storage.apply(&mut config);
    Ok(config)
}

/// A file of queries and the name of its column of vectors.
pub fn queries(path: &Path) -> Result<(Source, String)> {
    let source = open(path)?;
    // Ids are of no use here: any column that is there serves, so that none is asked for.
    let fields = source.schema();
    let vectors = fields.fields().iter().filter(|field| field.data_type().is_list());
    let vectors = arrow_schema::Schema::new(vectors.cloned().collect::<Vec<_>>());
    let column = infer(&vectors, None, &InferOptions::default())?.vector;
    Ok((source, column))
}

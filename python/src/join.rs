//! A file of queries joined with a collection: the readers, the search and the writer together.

use nearfield::{
    Collection, CollectionConfig, JoinOptions, JoinReport, JoinSource, Progress, Result,
};
use nearfield_datasets::{Parts, ReadError, ReadOptions, describe, open_all};
use pyo3::prelude::*;

use crate::request::SearchArguments;

/// Rows of queries that are read together: few, so that they stay in the caches until they are taken.
const BATCH_ROWS: usize = 512;

/// What to join, as the Python package hands it over.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct JoinArguments<'py> {
    queries: String,
    out: String,
    id: String,
    vector: String,
    exclude_column: Option<String>,
    exclude_set: Option<String>,
    group: Option<String>,
    weight: Option<String>,
    search: SearchArguments<'py>,
}

/// A join that is ready to go.
pub struct Job {
    queries: String,
    out: String,
    options: JoinOptions,
}

impl JoinArguments<'_> {
    /// Takes hold of everything.
    pub fn parse(self, py: Python<'_>, config: &CollectionConfig) -> PyResult<Job> {
        let request = self.search.parse(py, config.id_type)?;
        let options = JoinOptions {
            request,
            id: self.id,
            vector: self.vector,
            exclude_column: self.exclude_column,
            exclude_set: self.exclude_set,
            group: self.group,
            weight: self.weight,
            ..JoinOptions::new(1)
        };
        Ok(Job { queries: self.queries, out: self.out, options })
    }
}

impl Job {
    /// Reads, searches and writes, from where an earlier call stopped.
    pub fn run(mut self, collection: &Collection, progress: &Progress) -> Result<JoinReport> {
        let files = describe([self.queries.as_str()]);
        // In memory a collection ends with its process, and nobody can go on.
        let place = match collection.path() {
            Some(path) => format!("{}", path.display()),
            None => format!("in memory, process {}", std::process::id()),
        };
        let text = format!("{place}\n{:?}\n{files}", self.options);
        let mut parts = Parts::open(&self.out, &text).map_err(source_error)?;
        self.options.skip = parts.steps();
        let open = |columns: &[String]| {
            let read = ReadOptions { columns: Some(columns.to_vec()), batch_rows: BATCH_ROWS };
            let source = open_all(&self.queries, &read).map_err(source_error)?;
            Ok(JoinSource {
                schema: source.schema(),
                rows: source.rows(),
                batches: Box::new(source.map(|batch| batch.map_err(source_error))),
            })
        };
        let write = |batch: &_, lists| parts.write(batch, lists).map_err(source_error);
        let report = collection.knn_join(open, &self.options, write, progress)?;
        parts.finish().map_err(source_error)?;
        Ok(report)
    }
}

fn source_error(error: ReadError) -> nearfield::Error {
    nearfield::Error::Source(Box::new(error))
}

//! A collection: a directory of segments behind one manifest. The only place with locks and
//! threads.

use std::path::Path;

use arrow_array::RecordBatch;

use crate::config::{
    CollectionConfig, LoadOptions, LoadReport, OpenOptions, Progress, SearchRequest,
};
use crate::error::{Error, Result};
use crate::results::{Points, SearchResults, Stats, VerifyReport};
use crate::types::{Ids, Vectors};

/// An open collection. Shared by reference between threads; every method takes `&self`.
#[derive(Debug)]
pub struct Collection {
    config: CollectionConfig,
}

impl Collection {
    /// Creates an empty collection in a directory that does not exist yet, open for writing.
    pub fn create(path: impl AsRef<Path>, config: CollectionConfig) -> Result<Self> {
        let _ = path;
        config.validate()?;
        Ok(Self { config })
    }

    /// Creates an empty collection in memory: nothing is written to disk.
    pub fn in_memory(config: CollectionConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Opens a collection.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        let _ = options;
        Err(Error::CollectionNotFound { path: path.as_ref().into(), reason: "skeleton".into() })
    }

    /// How it was created.
    pub fn config(&self) -> &CollectionConfig {
        &self.config
    }

    /// Where it is; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        None
    }

    /// Whether this handle may write.
    pub fn is_writable(&self) -> bool {
        true
    }

    /// Writes whole points, replacing those whose id is there already; the last of an id given
    /// twice wins. `attributes` names every column of the schema, or is `None`: all null.
    /// One atomic unit: validated whole before anything is written.
    pub fn upsert(
        &self,
        ids: &Ids,
        vectors: &Vectors<'_>,
        attributes: Option<&RecordBatch>,
        progress: &Progress,
    ) -> Result<()> {
        let _ = (ids, vectors, attributes, progress);
        Ok(())
    }

    /// Loads Arrow batches that hold an id column, a vector column (fixed-size or plain lists of
    /// f16, f32 or f64) and the schema's columns; then seals them, indexed.
    pub fn load<E: std::error::Error + Send + Sync + 'static>(
        &self,
        batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
        options: &LoadOptions,
        progress: &Progress,
    ) -> Result<LoadReport> {
        let _ = (batches, options, progress);
        Ok(LoadReport::default())
    }

    /// Seals what is growing and merges the segments into one; waits.
    pub fn optimize(&self, progress: &Progress) -> Result<()> {
        let _ = progress;
        Ok(())
    }

    /// The nearest points to each query.
    pub fn search(&self, queries: &Vectors<'_>, request: &SearchRequest) -> Result<SearchResults> {
        let _ = (queries, request);
        Err(Error::Closed { operation: "search" })
    }

    /// Points by id.
    pub fn get(&self, ids: &Ids, with_vectors: bool) -> Result<Points> {
        let _ = (ids, with_vectors);
        Err(Error::Closed { operation: "get" })
    }

    /// Points alive.
    pub fn len(&self) -> u64 {
        0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts every acknowledged write on disk.
    pub fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// The state of the collection.
    pub fn stats(&self) -> Result<Stats> {
        Err(Error::Closed { operation: "stats" })
    }

    /// Reads every byte of every file against its checksum.
    pub fn verify(&self) -> Result<VerifyReport> {
        Ok(VerifyReport::default())
    }

    /// Lets go of files and locks; later calls return [`Error::Closed`]. Idempotent.
    pub fn close(&self) -> Result<()> {
        Ok(())
    }
}

//! A collection: a directory of segments behind one manifest. The only place with locks and
//! threads.
//!
//! Readers take the current [`View`] and never wait. Writers take turns; each builds the next
//! state beside the current one and swaps it in one [`commit`].

mod calibrate;
mod commit;
mod estimate;
mod get;
#[cfg(test)]
mod hostile;
mod import;
mod ingest;
mod input;
mod load;
mod open;
mod plan;
mod pool;
mod search;
mod state;
mod stats;
mod view;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arrow_array::RecordBatch;

use crate::config::{
    CollectionConfig, ImportOptions, LoadOptions, LoadReport, OpenOptions, Progress,
};
use crate::error::{Error, Result};
use crate::results::{MemoryEstimate, Points, Stats, VerifyReport};
use crate::segment::SegmentHandle;
use crate::types::{Durability, Ids, Vectors};
#[cfg(test)]
use crate::vfs::Vfs;
use crate::vfs::{Directory, Lock};

pub(crate) use pool::pool;
pub(crate) use view::{Place, View};

/// An open collection. Shared by reference between threads; every method takes `&self`.
pub struct Collection {
    config: Arc<CollectionConfig>,
    directory: Directory,
    /// `None` in memory.
    path: Option<PathBuf>,
    /// `None` once closed.
    view: RwLock<Option<Arc<View>>>,
    /// `None` in a handle that only reads. With the process that took the lock: a fork has a
    /// copy of this handle, which only reads too.
    writer: Option<(u32, Mutex<Writer>)>,
}

/// What a handle that may write holds.
struct Writer {
    /// `None` once closed.
    lock: Option<Lock>,
    /// The failure after which nothing is written any more.
    poisoned: Option<String>,
}

impl Collection {
    /// Creates an empty collection in a directory that does not exist yet, open for writing.
    pub fn create(path: impl AsRef<Path>, config: CollectionConfig) -> Result<Self> {
        open::create(path.as_ref(), config)
    }

    /// Creates an empty collection in memory: nothing is written to disk.
    pub fn in_memory(config: CollectionConfig) -> Result<Self> {
        open::in_memory(config)
    }

    /// Creates a collection from a dump of the `hnsw_rs` crate, open for writing; in memory
    /// without a path. `dump` is the name given to `Hnsw::file_dump`, with its directory.
    ///
    /// The graph of the dump is kept: its bottom layer becomes the edges of the one segment, in
    /// the same form as a graph of ours, and is searched by the same code. Ids are the `DataId`s
    /// of the dump, vectors are its own (f32, u8 or i8). Until [`optimize`](Self::optimize) has
    /// something to merge the graph stays. Under a thousand points there is none: a scan is as
    /// fast.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where a file is missing or damaged (naming the file and the
    /// byte), the distance is not cosine, inner product or L2, or a point can't be in a
    /// collection; [`Error::AlreadyExists`]. Nothing is left at `path` then.
    pub fn import_hnsw_rs(
        dump: impl AsRef<Path>,
        path: Option<&Path>,
        options: &ImportOptions,
        progress: &Progress,
    ) -> Result<Self> {
        import::hnsw_rs(dump.as_ref(), path, options, progress)
    }

    /// Opens a collection.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        open::open(path.as_ref(), options)
    }

    /// How it was created.
    pub fn config(&self) -> &CollectionConfig {
        &self.config
    }

    /// Where it is; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether this handle may write.
    pub fn is_writable(&self) -> bool {
        self.writer().is_some()
    }

    fn writer(&self) -> Option<&Mutex<Writer>> {
        self.writer.as_ref().filter(|(owner, _)| *owner == std::process::id()).map(|(_, w)| w)
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
        ingest::upsert(self, ids, vectors, attributes, progress)
    }

    /// Loads Arrow batches that hold an id column, a vector column (fixed-size or plain lists of
    /// f16, f32 or f64) and the schema's columns; then seals them, indexed.
    ///
    /// The points are in memory until they are sealed: see [`estimate_load`](Self::estimate_load).
    pub fn load<E: std::error::Error + Send + Sync + 'static>(
        &self,
        batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
        options: &LoadOptions,
        progress: &Progress,
    ) -> Result<LoadReport> {
        load::load(self, batches, options, progress)
    }

    /// Seals what is growing and merges the segments into one; waits.
    pub fn optimize(&self, progress: &Progress) -> Result<()> {
        ingest::optimize(self, progress)
    }

    /// The memory that [`load`](Self::load) takes for so many points with so many bytes of
    /// attributes in all, and how much there is. A load that clearly doesn't fit is refused with
    /// [`Error::ResourceLimit`].
    pub fn estimate_load(&self, points: u64, attribute_bytes: u64) -> Result<MemoryEstimate> {
        estimate::load(self, points, attribute_bytes)
    }

    /// The memory that [`optimize`](Self::optimize) takes, and how much there is.
    pub fn estimate_optimize(&self) -> Result<MemoryEstimate> {
        estimate::optimize(self)
    }

    /// Learns recall against effort from these queries, at least 10 of the kind that will be
    /// searched with; of more than 1,000, a random 1,000. The fewer they are, the more effort a
    /// recall takes for certain, so give a few hundred. Searches with
    /// [`Effort::Recall`](crate::Effort::Recall) use what was learned, until
    /// [`optimize`](Self::optimize) rebuilds the segment that it was learned on. Does nothing
    /// where no segment has an index: searches are exact then. Interrupted, it leaves the old
    /// state.
    pub fn calibrate(&self, queries: &Vectors<'_>, progress: &Progress) -> Result<()> {
        calibrate::calibrate(self, queries, progress)
    }

    /// The size of the beam with which a plain search for `k` results expects this recall: the
    /// largest of the segments'. `None` where none has an index, so that every search is exact.
    pub fn effort(&self, k: usize, recall: f32) -> Result<Option<usize>> {
        calibrate::effort(&*self.view("effort")?, k, recall)
    }

    /// Points by id.
    pub fn get(&self, ids: &Ids, with_vectors: bool) -> Result<Points> {
        get::get(&*self.view("get")?, ids, with_vectors)
    }

    /// Points alive; 0 once closed.
    pub fn len(&self) -> u64 {
        self.view("len").map_or(0, |view| view.points())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts every acknowledged write on disk.
    pub fn flush(&self) -> Result<()> {
        self.view("flush")?;
        if self.is_writable() && self.config.durability == Durability::Buffered {
            self.directory.sync("")?;
        }
        Ok(())
    }

    /// The state of the collection.
    pub fn stats(&self) -> Result<Stats> {
        Ok(stats::stats(&*self.view("stats")?, self.path.is_some()))
    }

    /// Reads every byte of every file against its checksum.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.view("verify")?;
        stats::verify(&self.directory)
    }

    /// Lets go of files and locks; later calls return [`Error::Closed`]. Idempotent. Waits for a
    /// write that is under way.
    pub fn close(&self) -> Result<()> {
        if let Some(writer) = self.writer() {
            writer.lock().unwrap_or_else(PoisonError::into_inner).lock = None;
        }
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// The state that a search sees, however long it takes.
    pub(crate) fn view(&self, operation: &'static str) -> Result<Arc<View>> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        view.clone().ok_or(Error::Closed { operation })
    }
}

/// On a file system of the caller's, for tests.
#[cfg(test)]
impl Collection {
    pub(crate) fn create_on(
        vfs: Arc<dyn Vfs>,
        path: &Path,
        config: CollectionConfig,
    ) -> Result<Self> {
        open::create_in(vfs, path, Some(path), config)
    }

    pub(crate) fn open_on(vfs: Arc<dyn Vfs>, path: &Path, options: OpenOptions) -> Result<Self> {
        open::open_in(vfs, path, options)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("path", &self.path)
            .field("writable", &self.is_writable())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

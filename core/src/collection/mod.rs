//! A collection: a directory of segments behind one manifest. The only place with locks and
//! threads.
//!
//! Readers take the current [`View`] and never wait. Writers are committed in groups
//! ([`group`]): applied to a [`draft`] of the next state, appended to the log, synced once, then
//! published. What the manifest names changes in one [`commit`]: when what has grown is sealed and
//! when segments are merged ([`merge`]), by threads beside the writers
//! ([`worker`], [`upkeep`]).

mod alias;
mod batch;
mod calibrate;
mod columns;
mod commit;
mod draft;
mod estimate;
mod excluded;
mod excluding;
mod expiry;
mod explain;
mod filters;
mod get;
mod group;
mod growing;
#[cfg(test)]
mod hostile;
mod import;
mod input;
mod interests;
mod iterate;
mod join;
mod load;
mod merge;
mod open;
mod operation;
mod pending;
mod plan;
mod pool;
mod ranking;
mod refresh;
mod replace;
mod scoring;
mod scrub;
mod search;
mod sets;
mod similar;
mod snapshot;
mod spool;
mod state;
mod stats;
mod upkeep;
mod view;
mod way;
mod worker;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use arrow_array::RecordBatch;

use crate::config::{
    CollectionConfig, ImportOptions, LoadOptions, LoadReport, OpenOptions, Progress, Stop,
};
use crate::error::{Error, Result};
use crate::results::{MemoryEstimate, Points, Stats, VerifyReport};
use crate::segment::SegmentHandle;
use crate::sync::{JoinHandle, Mutex, MutexGuard, RwLock};
use crate::types::{AttributeType, Ids, PointId, Vectors};
use crate::vfs::Directory;
#[cfg(test)]
use crate::vfs::Vfs;
use crate::wal;

use commit::{Committer, Garbage};
use filters::Filters;
use group::Group;
#[cfg(test)]
use worker::Role;
use worker::Worker;

pub use join::{JoinOptions, JoinReport, JoinSource};
pub(crate) use pool::pool;
pub use similar::Examples;
pub(crate) use view::{Place, View};

/// An open collection. Shared by reference between threads; every method takes `&self`.
pub struct Collection {
    shared: Arc<Shared>,
    /// The threads that seal and merge, in a handle that writes.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the calls and the thread of a collection share.
struct Shared {
    directory: Directory,
    /// `None` in memory.
    path: Option<PathBuf>,
    /// That of the view, and of the last one once closed.
    config: RwLock<Arc<CollectionConfig>>,
    /// `None` once closed.
    view: RwLock<Option<Arc<View>>>,
    /// The latest time by which expiry was judged.
    latest_us: AtomicI64,
    /// Where a reader stands in the last file of the log.
    tail: Mutex<Option<wal::Reader>>,
    /// The process that took the writer's lock; `None` in a handle that only reads. A fork has a
    /// copy of this handle, which only reads too.
    owner: Option<u32>,
    committer: Mutex<Committer>,
    /// Set once the writer has failed: what is built for it is built for nothing.
    failed: Stop,
    group: Group,
    filters: Filters,
    indexer: Worker,
    sealer: Worker,
    merger: Worker,
    scrubber: Worker,
    garbage: Mutex<Garbage>,
    /// Held by the load that keeps what it has read.
    spooling: Mutex<()>,
    next_segment: AtomicU64,
}

/// What a panic elsewhere left is sound: each of these changes in one step, or says so itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn on_disk(&self) -> bool {
        self.path.is_some()
    }

    fn is_writable(&self) -> bool {
        self.owner == Some(std::process::id())
    }

    fn config(&self) -> Arc<CollectionConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a write can begin.
    fn check_writable(&self, operation: &'static str) -> Result<()> {
        self.view(operation)?;
        if !self.is_writable() {
            return Err(Error::ReadOnly { operation });
        }
        // Calls gather while another one is committed: they don't wait for that here. Whether it
        // may write is asked again then.
        match self.committer.try_lock() {
            Ok(committer) => committer.check(operation),
            Err(TryLockError::Poisoned(committer)) => committer.into_inner().check(operation),
            Err(TryLockError::WouldBlock) => Ok(()),
        }
    }

    /// Commits a request, together with those of others.
    fn commit(&self, request: group::Request) -> Result<u64> {
        self.group.commit(self, request)
    }

    /// The state that a search sees, however long it takes.
    fn view(&self, operation: &'static str) -> Result<Arc<View>> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.judged(view.ok_or(Error::Closed { operation })?, operation)
    }

    /// Lets the next search see another state.
    fn publish(&self, view: View) {
        view.encode_pieces();
        let view = Arc::new(view);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&view.config);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Some(view);
    }

    /// Puts every acknowledged write on disk, and says in the manifest that it is there.
    fn flush(&self, operation: &'static str) -> Result<()> {
        self.flush_held(&mut lock(&self.committer), operation)
    }

    fn flush_held(&self, committer: &mut Committer, operation: &'static str) -> Result<()> {
        committer.check(operation)?;
        let view = self.view(operation)?;
        if !self.on_disk() || committer.is_marked(&view.manifest) {
            return Ok(());
        }
        commit::Swap::of(&view).run(self, committer)
    }
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

    /// Makes a path an alias of a collection, in one step whatever it led to before: opening it opens
    /// the collection. Who has the one open that it led to keeps it. The path is a small file then.
    ///
    /// # Errors
    /// [`Error::CollectionNotFound`] where `collection` is none; [`Error::AlreadyExists`] where `alias`
    /// is something else than an alias.
    pub fn set_alias(alias: impl AsRef<Path>, collection: impl AsRef<Path>) -> Result<()> {
        alias::set(alias.as_ref(), collection.as_ref())
    }

    /// Where an alias leads; `None` for a path that is none.
    pub fn alias_target(path: impl AsRef<Path>) -> Option<PathBuf> {
        alias::target(path.as_ref())
    }

    /// Opens a collection, by its path or by an alias.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        open::open(path.as_ref(), options)
    }

    fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), threads: Mutex::default() }
    }

    /// Starts the threads that seal and merge, if the handle writes.
    fn with_worker(self) -> Result<Self> {
        if self.is_writable() {
            *lock(&self.threads) = worker::start(&self.shared)?;
            if self.shared.on_disk() {
                lock(&self.threads).push(scrub::start(&self.shared)?);
            }
        }
        Ok(self)
    }

    /// How it was created, and the columns that were added since.
    pub fn config(&self) -> Arc<CollectionConfig> {
        self.shared.config()
    }

    /// Where it is; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.shared.path.as_deref()
    }

    /// Whether this handle may write.
    pub fn is_writable(&self) -> bool {
        self.shared.is_writable()
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
        write::upsert(self, ids, vectors, attributes, None, progress)
    }

    /// Whether an [`upsert`](Self::upsert) of these points would be accepted; nothing is written.
    ///
    /// # Errors
    /// Those of the upsert.
    pub fn check_upsert(
        &self,
        ids: &Ids,
        vectors: &Vectors<'_>,
        attributes: Option<&RecordBatch>,
    ) -> Result<()> {
        write::check_upsert(self, ids, vectors, attributes)
    }

    /// [`upsert`](Self::upsert) of points that expire after this long, as if they were deleted
    /// then: it fills the reserved column [`EXPIRES_AT`](crate::EXPIRES_AT), which may be given
    /// among the attributes instead. Upserting a point again sets its time anew.
    pub fn upsert_with_ttl(
        &self,
        ids: &Ids,
        vectors: &Vectors<'_>,
        attributes: Option<&RecordBatch>,
        ttl: Duration,
        progress: &Progress,
    ) -> Result<()> {
        write::upsert(self, ids, vectors, attributes, Some(ttl), progress)
    }

    /// Deletes points; unknown ids are ignored. How many there were. One atomic unit.
    pub fn delete(&self, ids: &Ids) -> Result<u64> {
        write::delete(self, ids)
    }

    /// Deletes the points that pass a filter; how many there were. One atomic unit: which they are is
    /// decided after every write before it and before every one after it.
    ///
    /// # Errors
    /// [`Error::Filter`].
    pub fn delete_where(&self, filter: &str) -> Result<u64> {
        write::delete_where(self, filter)
    }

    /// Adds ids to an exclusion set, which is there once it is named. A search that names it in
    /// [`SearchRequest::exclude_sets`](crate::SearchRequest::exclude_sets) leaves them out. They
    /// stay in it for `ttl`, or for good; adding an id again extends its time. Whether there are
    /// such points doesn't matter. One atomic unit.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the name isn't 1 to 512 bytes long or an id is of another
    /// type than the collection's.
    pub fn add_exclusions(&self, set: &str, ids: &Ids, ttl: Option<Duration>) -> Result<()> {
        write::exclude(self, set, ids, ttl)
    }

    /// Empties an exclusion set.
    pub fn clear_exclusions(&self, set: &str) -> Result<()> {
        write::clear_exclusions(self, set)
    }

    /// Replaces values of the columns named, a row an id; the others and the vectors stay. The
    /// last of an id given twice wins. [`Error::NotFound`] names the first id that isn't there.
    /// One atomic unit.
    pub fn update(&self, ids: &Ids, attributes: &RecordBatch) -> Result<()> {
        write::update(self, ids, attributes)
    }

    /// Adds an attribute column; points that are there have null in it.
    pub fn add_column(&self, name: &str, kind: AttributeType) -> Result<()> {
        write::add_column(self, name, kind)
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

    /// [`load`](Self::load) in place of all points that there are, in one step: a search sees the
    /// old ones or the new ones. Exclusion sets stay. A call that fails leaves the old ones.
    pub fn replace<E: std::error::Error + Send + Sync + 'static>(
        &self,
        batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
        options: &LoadOptions,
        progress: &Progress,
    ) -> Result<LoadReport> {
        load::replace(self, batches, options, progress)
    }

    /// Seals what is growing and merges the segments into one; waits.
    pub fn optimize(&self, progress: &Progress) -> Result<()> {
        merge::optimize(&self.shared, progress)
    }

    /// The memory that [`load`](Self::load) takes for so many points with so many bytes of
    /// attributes in all, and how much there is. A load that clearly doesn't fit is refused with
    /// [`Error::ResourceLimit`].
    pub fn estimate_load(&self, points: u64, attribute_bytes: u64) -> Result<MemoryEstimate> {
        estimate::load(&self.shared, points, attribute_bytes)
    }

    /// The memory that [`optimize`](Self::optimize) takes, and how much there is.
    pub fn estimate_optimize(&self) -> Result<MemoryEstimate> {
        estimate::optimize(&self.shared)
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

    /// Points in the order of their ids: at most `limit` of those above `after`, or from the first.
    /// The last id of what comes back is where to go on; fewer than `limit` is the end.
    pub fn scan(
        &self,
        after: Option<&PointId>,
        limit: usize,
        with_vectors: bool,
    ) -> Result<Points> {
        iterate::scan(&*self.view("scan")?, after, limit, with_vectors)
    }

    /// Moves a reader's view to the newest state; cheap where little has changed. A writer sees
    /// its own writes anyway.
    pub fn refresh(&self) -> Result<()> {
        refresh::refresh(&self.shared)
    }

    /// Writes the state as a collection of its own to a directory that isn't there yet. Files are
    /// shared by hard links where the file system can, else copied.
    pub fn snapshot(&self, target: impl AsRef<Path>) -> Result<()> {
        snapshot::snapshot(self, target.as_ref())
    }

    /// Makes a collection of a snapshot, at a path that isn't there yet.
    pub fn restore(snapshot: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        Self::open(snapshot, OpenOptions::default())?.snapshot(path)
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
        if self.is_writable() { self.shared.flush("flush") } else { Ok(()) }
    }

    /// The state of the collection.
    pub fn stats(&self) -> Result<Stats> {
        let view = self.view("stats")?;
        let problems = stats::problems(&self.shared, &view);
        Ok(Stats { problems, ..stats::stats(&view, self.shared.on_disk()) })
    }

    /// Reads every byte of every file against its checksum.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(&Progress::new())
    }

    /// [`verify`](Self::verify) that says how far it is, in bytes, and can be stopped.
    pub fn verify_with(&self, progress: &Progress) -> Result<VerifyReport> {
        let view = self.view("verify")?;
        stats::verify(&view, &self.shared.directory, self.shared.on_disk(), progress)
    }

    /// Lets go of files and locks; later calls return [`Error::Closed`]. Idempotent. Waits for a
    /// write that is under way, interrupts a merge in the background, and puts every acknowledged
    /// write on disk.
    pub fn close(&self) -> Result<()> {
        let mut flushed = Ok(());
        if self.is_writable() {
            self.shared.indexer.stop();
            self.shared.sealer.stop();
            self.shared.merger.stop();
            self.shared.scrubber.stop();
            for thread in lock(&self.threads).drain(..) {
                // It catches its panics.
                let _ = thread.join();
            }
            let merging = self.shared.begin_merge();
            // Held from the flush on, so that no write is acknowledged after it.
            let mut committer = lock(&self.shared.committer);
            flushed = match self.shared.flush_held(&mut committer, "close") {
                // The failure was told to who wrote; the rest is on disk.
                Err(Error::Closed { .. } | Error::Poisoned { .. }) => Ok(()),
                flushed => flushed,
            };
            committer.wal = None;
            committer.lock = None;
            drop(merging);
        }
        *self.shared.view.write().unwrap_or_else(PoisonError::into_inner) = None;
        flushed
    }

    /// The state that a search sees, however long it takes.
    pub(crate) fn view(&self, operation: &'static str) -> Result<Arc<View>> {
        self.shared.view(operation)
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        // Nobody is left to tell; what was acknowledged is in the log.
        let _ = self.close();
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

    /// Starts these threads.
    pub(crate) fn start_worker(&self) -> Result<()> {
        *lock(&self.threads) = worker::start(&self.shared)?;
        Ok(())
    }

    /// Makes one piece of what is growing, as the threads beside the writers would.
    pub(crate) fn gather_pieces(&self) -> Result<()> {
        self.shared.gather_pieces()
    }

    /// Seals what has grown, as the threads beside the writers would.
    pub(crate) fn seal(&self) -> Result<()> {
        self.shared.seal()
    }

    /// Names of all exclusion sets.
    pub(crate) fn exclusion_names(&self) -> Result<Vec<String>> {
        Ok(self.view("read")?.exclusions.names())
    }

    /// The ids in an exclusion set.
    pub(crate) fn exclusions(&self, set: &str) -> Result<Ids> {
        let view = self.view("read")?;
        view.exclusions.set(set)?.ids(0).map(|(ids, _)| ids)
    }

    /// All that these threads would do.
    pub(crate) fn upkeep(&self) -> Result<()> {
        while self.shared.step(Role::Seal)? || self.shared.step(Role::Merge)? {}
        Ok(())
    }

    /// Writes of this thread only queue from now on, and return at once.
    pub(crate) fn hold_writes() {
        group::hold();
    }

    /// How many were queued.
    pub(crate) fn held_writes() -> usize {
        group::held()
    }

    /// Commits what was held as one group; an outcome each.
    pub(crate) fn commit_held(&self) -> Vec<Result<()>> {
        let outcomes = group::commit_held(&self.shared);
        outcomes.into_iter().map(|outcome| outcome.map(drop)).collect()
    }

    pub(crate) fn open_on(vfs: Arc<dyn Vfs>, path: &Path, options: OpenOptions) -> Result<Self> {
        open::open_in(vfs, path, options)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("path", &self.shared.path)
            .field("writable", &self.is_writable())
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

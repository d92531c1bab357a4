//! The one commit point.
//!
//! A [`Swap`] names new files beside the live ones. It syncs the log and the files' directories,
//! writes and syncs the manifest that names them, and renames a new `CURRENT` over the old one.
//! Before the rename the old state is live and the new files are orphans, which the next writer
//! removes; after it the new state is live and the old files are. A failure up to the manifest
//! leaves the old state and removes the new files; one from there on leaves open which of the two
//! is live on disk, so the writer stops: reopening finds out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::state::{open_written, open_written_run};
use super::view::{Content, View};
use super::{Shared, lock};
use crate::canary::sings;
use crate::config::{CollectionConfig, Stop};
use crate::error::{Error, Result};
use crate::exclusions::{Exclusions, Run};
use crate::manifest::{
    AttributesRecord, CURRENT, CURRENT_NEW, ConfigRecord, Manifest, RunRecord, SegmentRecord,
    TombstoneRecord, attributes_file, encode_current, manifest_file, segment_file, tombstones_file,
};
use crate::segment::{Dead, Index, Kept, Origin, SegmentHandle, changes, write_segment};
use crate::types::EXPIRES_AT;
use crate::vfs::{Directory, Lock};
use crate::wal;

/// What a writer holds, one thread at a time.
pub(super) struct Committer {
    /// `None` once closed.
    pub(super) lock: Option<Lock>,
    /// The failure after which nothing is written any more.
    pub(super) poisoned: Option<String>,
    /// Tells those who build for this writer of such a failure.
    pub(super) failed: Stop,
    /// The file of the log that is appended to; `None` before the first write and in memory.
    pub(super) wal: Option<wal::Writer>,
    /// Marks of the files of the log before that one.
    pub(super) wals: Vec<wal::Mark>,
    /// What pieces that are written to now say about their place in the log; 0 if there are none.
    pub(super) active: u64,
    pub(super) next_wal: u64,
    pub(super) next_unit: u64,
}

impl Committer {
    /// Whether it may write.
    pub(super) fn check(&self, operation: &'static str) -> Result<()> {
        if let Some(cause) = &self.poisoned {
            return Err(Error::Poisoned { cause: cause.clone() });
        }
        if self.lock.is_none() {
            return Err(Error::Closed { operation });
        }
        Ok(())
    }

    /// Stops the writer: nobody knows what is on disk.
    pub(super) fn poison(&mut self, error: Error) -> Error {
        self.poisoned.get_or_insert_with(|| error.to_string());
        self.failed.set();
        error
    }

    /// The files of the log as they are for certain.
    fn marks(&self) -> Vec<wal::Mark> {
        let last = self.wal.as_ref().map(wal::Writer::durable);
        self.wals.iter().copied().chain(last).collect()
    }

    /// Whether the log has so many bytes or files.
    pub(super) fn log_is_long(&self, bytes: u64, files: usize) -> bool {
        let open = self.wal.as_ref().map_or(0, wal::Writer::length);
        let closed: u64 = self.wals.iter().map(|mark| mark.length).sum();
        open + closed >= bytes || self.wals.len() >= files
    }

    /// Whether a manifest says that everything is there that is.
    pub(super) fn is_marked(&self, manifest: &Manifest) -> bool {
        let last = self.wal.as_ref().map(|wal| (wal.durable(), wal.length()));
        let synced = last.is_none_or(|(durable, length)| durable.length == length);
        synced && self.marks() == manifest.wals
    }

    /// Ends the growing of the pieces that are written to: what comes next gets a new file.
    pub(super) fn freeze(&mut self) -> Result<()> {
        if let Some(mut wal) = self.wal.take() {
            if let Err(error) = wal.sync() {
                return Err(self.poison(error));
            }
            self.wals.push(wal.durable());
        }
        self.active = 0;
        Ok(())
    }

    /// Has a file of the log to append to.
    pub(super) fn ensure_active(&mut self, shared: &Shared) -> Result<()> {
        if self.active != 0 {
            return Ok(());
        }
        let id = self.next_wal;
        if shared.on_disk() {
            let wal = wal::Writer::create(&shared.directory, id, self.next_unit)?;
            let name = wal.durable().file();
            self.next_wal += 1;
            self.wal = Some(wal);
            let view = shared.view("write")?;
            if let Err(error) = Swap::of(&view).written(name).run(shared, self) {
                self.wal = None;
                return Err(error);
            }
        } else {
            self.next_wal += 1;
        }
        self.active = id;
        Ok(())
    }
}

/// A change of what is live on disk.
pub(super) struct Swap {
    segments: Vec<Arc<SegmentHandle>>,
    /// In place of the view's.
    exclusions: Option<Arc<Exclusions>>,
    config: Arc<CollectionConfig>,
    stored: ConfigRecord,
    /// Whether what died and was replaced is written out, so that the log is no longer needed
    /// for it.
    save: bool,
    /// Files of the log up to this one are no longer needed.
    sealed_through: u64,
    /// Files written so far that no manifest names yet.
    written: Vec<String>,
}

/// Names the manifest of this version as the live one.
pub(super) fn swap_current(directory: &Directory, version: u64) -> Result<()> {
    directory.write_bytes(CURRENT_NEW, encode_current(version).as_bytes())?;
    directory.rename(CURRENT_NEW, CURRENT)
}

impl Swap {
    /// Names what a view names.
    pub(super) fn of(view: &View) -> Self {
        Self {
            segments: view.segments.clone(),
            exclusions: None,
            config: Arc::clone(&view.config),
            stored: view.manifest.config.clone(),
            save: false,
            sealed_through: 0,
            written: Vec::new(),
        }
    }

    /// With a file that was just written.
    pub(super) fn written(mut self, name: String) -> Self {
        self.written.push(name);
        self
    }

    /// With other segments. What died and was replaced is written out too, and the log up to a
    /// file is let go of.
    pub(super) fn segments(
        mut self,
        segments: Vec<Arc<SegmentHandle>>,
        sealed_through: u64,
    ) -> Self {
        self.segments = segments;
        self.save = true;
        self.sealed_through = sealed_through;
        self
    }

    /// With the same exclusion sets, in other files.
    pub(super) fn exclusions(mut self, exclusions: Exclusions) -> Self {
        self.exclusions = Some(Arc::new(exclusions));
        self
    }

    /// With the same segments, but for what the manifest alone knows of them.
    pub(super) fn records(mut self, segments: Vec<Arc<SegmentHandle>>) -> Self {
        self.segments = segments;
        self
    }

    /// With another configuration: more columns.
    pub(super) fn config(mut self, config: CollectionConfig, stored: ConfigRecord) -> Self {
        self.config = Arc::new(config);
        self.stored = stored;
        self
    }

    /// Makes it live, on disk and for the next search.
    pub(super) fn run(mut self, shared: &Shared, committer: &mut Committer) -> Result<()> {
        let done = self.try_run(shared, committer);
        if done.is_err() {
            for name in &self.written {
                shared.directory.remove_if_there(name);
            }
        }
        done
    }

    fn try_run(&mut self, shared: &Shared, committer: &mut Committer) -> Result<()> {
        let old = shared.view("commit")?;
        if let Some(Err(error)) = committer.wal.as_mut().map(wal::Writer::sync) {
            return Err(committer.poison(error));
        }
        let exclusions = self.exclusions.take();
        let mut exclusions = exclusions.unwrap_or_else(|| Arc::clone(&old.exclusions));
        let mut excluded = old.manifest.excluded;
        if self.save {
            self.save_changes(shared, committer.next_unit)?;
            exclusions = self.save_sets(shared, exclusions)?;
            excluded = committer.next_unit;
        }
        let more = u64::from(sings("let go of the log too early"));
        let through = self.sealed_through + more;
        let wals: Vec<_> = committer.marks().into_iter().filter(|w| w.id > through).collect();
        let manifest = Manifest {
            version: old.manifest.version + 1,
            config: self.stored.clone(),
            next_segment: shared.next_segment.load(Ordering::Relaxed),
            latest_us: self.latest_us(shared, &old),
            next_unit: committer.next_unit,
            next_wal: committer.next_wal,
            wals,
            segments: self.segments.iter().filter_map(|s| s.record().cloned()).collect(),
            exclusions: exclusions.records(),
            excluded,
        };
        self.sync_directories(&shared.directory)?;
        let name = manifest_file(manifest.version);
        self.written.push(name.clone());
        shared.directory.write_bytes(&name, &manifest.encode()?)?;
        shared.directory.sync("")?;
        // Synced whatever the durability: files that only the old manifest names go away below.
        if sings("remove old files before the swap") {
            let removed = removed_files(&old.manifest, &manifest);
            lock(&shared.garbage).remove(&shared.directory, removed);
        }
        let published = swap_current(&shared.directory, manifest.version)
            .and_then(|()| shared.directory.sync(""));
        if let Err(error) = published {
            // Maybe live: the next writer to open finds out.
            self.written.clear();
            return Err(committer.poison(error));
        }
        self.written.clear();
        committer.wals.retain(|w| w.id > through);
        let segments = std::mem::take(&mut self.segments);
        let content = Content { segments, exclusions };
        let view = View::new(Arc::clone(&self.config), Arc::new(manifest), content);
        let removed = removed_files(&old.manifest, &view.manifest);
        shared.publish(view);
        lock(&shared.garbage).remove(&shared.directory, removed);
        Ok(())
    }

    /// The time that the manifest keeps: 0 while nothing can expire.
    fn latest_us(&self, shared: &Shared, old: &View) -> i64 {
        let expires =
            self.config.schema.position(EXPIRES_AT).is_some() || !old.exclusions.is_empty();
        if expires { shared.now_us().max(old.manifest.latest_us) } else { 0 }
    }

    /// Writes out what died and was replaced; lets go of segments that have no points left.
    fn save_changes(&mut self, shared: &Shared, next_unit: u64) -> Result<()> {
        let mut saved = Vec::with_capacity(self.segments.len());
        for handle in &self.segments {
            let Some(record) = handle.record() else {
                saved.push(Arc::clone(handle));
                continue;
            };
            if handle.alive() == 0 {
                continue;
            }
            let mut record = SegmentRecord { applied: next_unit, ..record.clone() };
            self.written.extend(save_dead(&shared.directory, handle, &mut record)?);
            self.written.extend(save_patch(&shared.directory, &self.config, handle, &mut record)?);
            let mut handle = SegmentHandle::clone(handle);
            handle.origin = Origin::Sealed(record);
            handle.patched = false;
            saved.push(Arc::new(handle));
        }
        self.segments = saved;
        Ok(())
    }

    /// Writes out the exclusion sets that are in memory only.
    fn save_sets(&mut self, shared: &Shared, sets: Arc<Exclusions>) -> Result<Arc<Exclusions>> {
        if !sets.is_unsaved() || sings("forget exclusion sets when the log is let go of") {
            return Ok(sets);
        }
        let run = sets.unsaved(shared.now_us())?;
        let file = run.map(|run| write_run(shared, &self.config, &run)).transpose()?;
        self.written.extend(file.as_ref().and_then(|run| Some(run.record?.file())));
        Ok(Arc::new(sets.saved(file)))
    }

    fn sync_directories(&self, directory: &Directory) -> Result<()> {
        for parent in ["segments", "tombstones", "attributes", "exclusions"] {
            if self.written.iter().any(|name| name.starts_with(parent)) {
                directory.sync(parent)?;
            }
        }
        Ok(())
    }
}

/// Writes a run of exclusion sets to a file, which the manifest doesn't name yet.
pub(super) fn write_run(shared: &Shared, config: &CollectionConfig, run: &Run) -> Result<Run> {
    let id = shared.next_segment.fetch_add(1, Ordering::Relaxed);
    let record = RunRecord { id, length: run.bytes().len() as u64, seal: run.seal() };
    let name = record.file();
    shared.directory.write_bytes(&name, run.bytes())?;
    open_written_run(&shared.directory, &record, config)
        .inspect_err(|_| shared.directory.remove_if_there(&name))
}

/// Writes the next generation of a segment's tombstones, if it has more; its name.
pub(super) fn save_dead(
    directory: &Directory,
    handle: &SegmentHandle,
    record: &mut SegmentRecord,
) -> Result<Option<String>> {
    let Some(dead) = &handle.dead else { return Ok(None) };
    // Dead slots never come back: as many means the same.
    if record.tombstones.as_ref().is_some_and(|t| t.dead == dead.count())
        || dead.count() == 0
        || sings("forget tombstones when the log is let go of")
    {
        return Ok(None);
    }
    let generation = record.tombstones.as_ref().map_or(0, |t| t.generation) + 1;
    let file = dead.encode();
    let name = tombstones_file(record.id, generation);
    directory.write_bytes(&name, &file)?;
    let (length, seal) = (file.len() as u64, Dead::seal(&file));
    record.tombstones = Some(TombstoneRecord { generation, length, seal, dead: dead.count() });
    Ok(Some(name))
}

/// Writes the next generation of a segment's replaced values, if there are new ones; its name.
pub(super) fn save_patch(
    directory: &Directory,
    config: &CollectionConfig,
    handle: &SegmentHandle,
    record: &mut SegmentRecord,
) -> Result<Option<String>> {
    let fresh = handle.patched || record.attributes.is_none();
    let Some(patch) = handle.patch.as_ref().filter(|_| fresh) else { return Ok(None) };
    if sings("forget replaced values when the log is let go of") {
        return Ok(None);
    }
    let generation = record.attributes.as_ref().map_or(0, |a| a.generation) + 1;
    let file = changes::encode(patch, handle.segment.rows(), &config.schema);
    let name = attributes_file(record.id, generation);
    directory.write_bytes(&name, &file)?;
    let (length, seal) = (file.len() as u64, changes::seal(&file));
    record.attributes = Some(AttributesRecord { generation, length, seal });
    Ok(Some(name))
}

/// Files that only the old manifest needs. Searches in its state keep their mappings.
fn removed_files(old: &Manifest, new: &Manifest) -> Vec<String> {
    let live = new.files();
    let mut removed: Vec<String> =
        old.files().into_iter().filter(|name| !live.contains(name)).collect();
    removed.push(manifest_file(old.version));
    removed
}

/// Files that can go, and who still copies them.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    pins: usize,
    waiting: Vec<String>,
}

impl Garbage {
    fn remove(&mut self, directory: &Directory, files: Vec<String>) {
        self.waiting.extend(files);
        if self.pins == 0 || sings("remove files that are being copied") {
            self.waiting.drain(..).for_each(|name| directory.remove_if_there(&name));
        }
    }

    /// Files stay from now on.
    pub(super) fn pin(&mut self) {
        self.pins += 1;
    }

    /// One who wanted them is done.
    pub(super) fn unpin(&mut self, directory: &Directory) {
        self.pins = self.pins.saturating_sub(1);
        self.remove(directory, Vec::new());
    }
}

/// Writes a segment of these points; the manifest doesn't name it yet.
pub(super) fn write_sealed(
    shared: &Shared,
    config: &CollectionConfig,
    points: &Kept,
    index: Option<Index<'_>>,
) -> Result<SegmentHandle> {
    write_sealed_to(&shared.directory, shared, config, points, index)
}

/// [`write_sealed`] through a directory that may be slower.
pub(super) fn write_sealed_to(
    directory: &Directory,
    shared: &Shared,
    config: &CollectionConfig,
    points: &Kept,
    index: Option<Index<'_>>,
) -> Result<SegmentHandle> {
    let id = shared.next_segment.fetch_add(1, Ordering::Relaxed);
    let name = segment_file(id);
    let sealed = write_segment(directory, &name, config, points, index)?;
    let record = SegmentRecord::new(id, sealed.length, sealed.seal, points.len());
    match open_written(&shared.directory, &record, config) {
        Ok(segment) => Ok(SegmentHandle::sealed(record, Arc::new(segment))),
        Err(error) => {
            shared.directory.remove_if_there(&name);
            Err(error)
        }
    }
}

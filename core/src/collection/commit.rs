//! The one commit point.
//!
//! A [`Change`] writes new files beside the live ones. Its commit syncs their directories, writes
//! and syncs the manifest that names them, and renames a new `CURRENT` over the old one. Before
//! the rename the old state is live and the new files are orphans, which the next writer removes;
//! after it the new state is live and the old files are. A failure up to the manifest leaves the
//! old state and removes the new files; one from there on leaves open which of the two is live on
//! disk, so the writer stops: reopening finds out.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::state::open_written;
use super::view::View;
use super::{Collection, Writer};
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::graph::BuiltIndex;
use crate::manifest::{
    CURRENT, CURRENT_NEW, SegmentRecord, TombstoneRecord, encode_current, manifest_file,
    segment_file, tombstones_file,
};
use crate::segment::{Dead, Kept, SegmentHandle, write_segment};
use crate::types::Durability;
use crate::vfs::Directory;

/// The next state in the making. Dropped before the commit, it leaves nothing behind.
pub(super) struct Change<'a> {
    collection: &'a Collection,
    writer: MutexGuard<'a, Writer>,
    base: Arc<View>,
    segments: Vec<Next>,
    next_segment: u64,
    /// Files written so far that no manifest names yet.
    written: Vec<String>,
}

/// A segment of the next state.
struct Next {
    handle: Arc<SegmentHandle>,
    /// The dead slots, where they differ from the handle's.
    dead: Option<Dead>,
}

/// Names the manifest of this version as the live one.
pub(super) fn swap_current(directory: &Directory, version: u64) -> Result<()> {
    directory.write_bytes(CURRENT_NEW, encode_current(version).as_bytes())?;
    directory.rename(CURRENT_NEW, CURRENT)
}

impl<'a> Change<'a> {
    /// Begins a change; waits for the one before.
    pub(super) fn begin(collection: &'a Collection, operation: &'static str) -> Result<Self> {
        let base = collection.view(operation)?;
        let Some(writer) = collection.writer() else { return Err(Error::ReadOnly { operation }) };
        let Ok(writer) = writer.lock() else {
            return Err(Error::Poisoned { cause: "a worker panicked".to_owned() });
        };
        if let Some(cause) = &writer.poisoned {
            return Err(Error::Poisoned { cause: cause.clone() });
        }
        if writer.lock.is_none() {
            return Err(Error::Closed { operation });
        }
        // Again: the change before this one may have swapped it.
        drop(base);
        let base = collection.view(operation)?;
        let segments =
            base.segments.iter().map(|h| Next { handle: Arc::clone(h), dead: None }).collect();
        let next_segment = base.next_segment;
        Ok(Self { collection, writer, base, segments, next_segment, written: Vec::new() })
    }

    /// The state before.
    pub(super) fn base(&self) -> &Arc<View> {
        &self.base
    }

    /// Drops segments from this position of the base on.
    pub(super) fn remove_from(&mut self, position: usize) {
        self.segments.truncate(position);
    }

    /// Marks these points dead in the segments that are left.
    pub(super) fn bury(&mut self, points: &Kept) -> Result<()> {
        for next in &mut self.segments {
            let finder = next.handle.segment.finder()?;
            for id in points.ids() {
                let Some(slot) = finder.find(id).filter(|slot| next.handle.is_alive(*slot)) else {
                    continue;
                };
                let before = || match &next.handle.dead {
                    Some(dead) => (**dead).clone(),
                    None => Dead::none(next.handle.segment.rows()),
                };
                next.dead.get_or_insert_with(before).insert(slot);
            }
        }
        Ok(())
    }

    /// Replaces the curve of the segment at this position of the base, before any is dropped.
    pub(super) fn calibrate(&mut self, position: usize, curve: Curve) {
        if let Some(next) = self.segments.get_mut(position) {
            let SegmentHandle { record, segment, dead } = &*next.handle;
            let record = SegmentRecord { curve: Some(curve), ..record.clone() };
            let (segment, dead) = (Arc::clone(segment), dead.clone());
            next.handle = Arc::new(SegmentHandle { record, segment, dead });
        }
    }

    /// Writes a segment of these points; it becomes the newest.
    pub(super) fn add(&mut self, points: &Kept, index: Option<&BuiltIndex>) -> Result<()> {
        let id = self.next_segment;
        self.next_segment += 1;
        let (directory, config) = (&self.collection.directory, &self.base.config);
        let name = segment_file(id);
        self.written.push(name.clone());
        let sealed = write_segment(directory, &name, config, points, index)?;
        let record = SegmentRecord {
            id,
            length: sealed.length,
            seal: sealed.seal,
            rows: points.len() as u32,
            tombstones: None,
            curve: None,
        };
        let segment = Arc::new(open_written(directory, &record, config)?);
        let handle = Arc::new(SegmentHandle { record, segment, dead: None });
        self.segments.push(Next { handle, dead: None });
        Ok(())
    }

    /// Makes the next state the live one.
    pub(super) fn commit(mut self) -> Result<()> {
        let directory = &self.collection.directory;
        let mut segments = Vec::new();
        for next in std::mem::take(&mut self.segments) {
            let handle = match next.dead {
                Some(dead) => bury_in(directory, &next.handle, dead, &mut self.written)?,
                None => next.handle,
            };
            if handle.alive() > 0 {
                segments.push(handle);
            }
        }
        directory.sync("segments")?;
        directory.sync("tombstones")?;
        let view = View {
            config: Arc::clone(&self.base.config),
            stored: self.base.stored.clone(),
            version: self.base.version + 1,
            next_segment: self.next_segment,
            segments,
        };
        let name = manifest_file(view.version);
        self.written.push(name.clone());
        directory.write_bytes(&name, &view.manifest().encode()?)?;
        directory.sync("")?;
        if let Err(error) = self.publish(view.version) {
            self.writer.poisoned = Some(error.to_string());
            // Maybe live: the next writer to open finds out.
            self.written.clear();
            return Err(error);
        }
        self.written.clear();
        let view = Arc::new(view);
        let mut current = self.collection.view.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::clone(&view));
        drop(current);
        self.remove_old(&view);
        Ok(())
    }

    fn publish(&self, version: u64) -> Result<()> {
        let directory = &self.collection.directory;
        swap_current(directory, version)?;
        match self.base.config.durability {
            Durability::Sync => directory.sync(""),
            // What a power cut may undo is the rename: a whole suffix of commits.
            Durability::Buffered => Ok(()),
        }
    }

    /// Unlinks what only the state before names. Searches in it keep their mappings.
    fn remove_old(&self, view: &View) {
        let files = |view: &View| {
            let records = view.segments.iter().map(|s| &s.record);
            let names = records.flat_map(|r| [Some(r.file()), r.tombstones_file()]);
            let mut names: Vec<String> = names.flatten().collect();
            names.push(manifest_file(view.version));
            names
        };
        let live = files(view);
        let old = files(&self.base);
        old.iter().filter(|name| !live.contains(name)).for_each(|name| {
            self.collection.directory.remove_if_there(name);
        });
    }
}

/// Writes the next generation of a segment's tombstones.
fn bury_in(
    directory: &Directory,
    handle: &SegmentHandle,
    dead: Dead,
    written: &mut Vec<String>,
) -> Result<Arc<SegmentHandle>> {
    let mut record = handle.record.clone();
    if dead.count() < record.rows {
        let generation = record.tombstones.as_ref().map_or(0, |t| t.generation) + 1;
        let file = dead.encode();
        let name = tombstones_file(record.id, generation);
        written.push(name.clone());
        directory.write_bytes(&name, &file)?;
        record.tombstones = Some(TombstoneRecord {
            generation,
            length: file.len() as u64,
            seal: Dead::seal(&file),
            dead: dead.count(),
        });
    }
    let segment = Arc::clone(&handle.segment);
    Ok(Arc::new(SegmentHandle { record, segment, dead: Some(Arc::new(dead)) }))
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        for name in &self.written {
            self.collection.directory.remove_if_there(name);
        }
    }
}

//! A copy of the state beside the collection: a collection of its own, its files shared where the
//! file system can.

use std::path::Path;

use super::commit::{save_dead, save_patch, swap_current};
use super::draft::{gather, keep_last};
use super::open::SUBDIRECTORIES;
use super::state::open_written;
use super::{Collection, Shared, lock};
use crate::error::{Error, Result};
use crate::manifest::{CURRENT, CURRENT_NEW, Manifest, SegmentRecord, manifest_file, segment_file};
use crate::segment::{SegmentHandle, write_segment};
use crate::vfs::Directory;

/// Writes the state to a directory that isn't there yet.
pub(super) fn snapshot(collection: &Collection, target: &Path) -> Result<()> {
    let shared = &collection.shared;
    shared.view("snapshot")?;
    if !shared.on_disk() {
        let expected = "a collection on disk";
        let fix = "create the collection with a path";
        return Err(Error::invalid("snapshot", expected, "one in memory", fix));
    }
    let target = shared.directory.beside(target);
    target.create_dir("")?;
    let written =
        if shared.is_writable() { of_writer(shared, &target) } else { of_reader(shared, &target) };
    if written.is_err() {
        // The error that matters is the first.
        clear(&target);
        let _ = target.remove_dir("");
    }
    written
}

/// The writer ends the file of the log, so that every file is finished.
fn of_writer(shared: &Shared, target: &Directory) -> Result<()> {
    lock(&shared.garbage).pin();
    let manifest = (|| {
        let mut committer = lock(&shared.committer);
        committer.check("snapshot")?;
        committer.freeze()?;
        let view = shared.view("snapshot")?;
        let manifest = Manifest::clone(&view.manifest);
        let (next_unit, next_wal) = (committer.next_unit, committer.next_wal);
        Ok(Manifest { next_unit, next_wal, wals: committer.wals.clone(), ..manifest })
    })();
    let written = manifest.and_then(|manifest| write(&shared.directory, target, &manifest));
    lock(&shared.garbage).unpin(&shared.directory);
    written
}

/// A reader copies what it sees, whatever the writer has removed meanwhile: its files are open,
/// and what it has of the log becomes a segment.
fn of_reader(shared: &Shared, target: &Directory) -> Result<()> {
    let view = shared.view("snapshot")?;
    let config = &view.config;
    create_directories(target)?;
    let mut manifest = Manifest { wals: Vec::new(), ..Manifest::clone(&view.manifest) };
    manifest.segments.clear();
    let (sealed, pieces): (Vec<_>, Vec<_>) =
        view.segments.iter().cloned().partition(|handle| handle.record().is_some());
    for handle in sealed.iter().filter(|handle| handle.alive() > 0) {
        let Some(record) = handle.record() else { continue };
        let bare =
            SegmentRecord { applied: 0, tombstones: None, attributes: None, ..record.clone() };
        copy_segment(shared, target, handle, &bare)?;
        let mut record = bare;
        save_dead(target, handle, &mut record)?;
        save_patch(target, config, handle, &mut record)?;
        manifest.segments.push(record);
    }
    let points = keep_last(gather(config, &pieces)?)?;
    if points.len() > 0 {
        let id = manifest.next_segment;
        manifest.next_segment += 1;
        let sealed = write_segment(target, &segment_file(id), config, &points, None)?;
        manifest.segments.push(SegmentRecord::new(id, sealed.length, sealed.seal, points.len()));
    }
    finish(target, &manifest)
}

/// Brings the file of a segment that is open to the target.
fn copy_segment(
    shared: &Shared,
    target: &Directory,
    handle: &SegmentHandle,
    record: &SegmentRecord,
) -> Result<()> {
    let name = record.file();
    // Only if it is still the one that is open.
    let linked = shared.directory.share(&name, target).is_ok();
    if linked && open_written(target, record, &shared.config()).is_ok() {
        return Ok(());
    }
    target.remove_if_there(&name);
    let bytes = handle.segment.file();
    target.write(&name, |file| bytes.chunks(1 << 20).try_for_each(|part| file.append(part)))
}

fn create_directories(target: &Directory) -> Result<()> {
    SUBDIRECTORIES.iter().try_for_each(|name| target.create_dir(name))
}

/// Fills the directory with the files of a manifest.
fn write(from: &Directory, to: &Directory, manifest: &Manifest) -> Result<()> {
    create_directories(to)?;
    for name in manifest.files() {
        from.share(&name, to)?;
    }
    finish(to, manifest)
}

/// Makes the files durable, and the directory a collection.
fn finish(to: &Directory, manifest: &Manifest) -> Result<()> {
    for name in SUBDIRECTORIES {
        to.sync(name)?;
    }
    to.write_bytes(&manifest_file(manifest.version), &manifest.encode()?)?;
    to.sync("")?;
    swap_current(to, manifest.version)?;
    to.sync("")?;
    to.sync_parent()
}

/// Removes what was written.
fn clear(target: &Directory) {
    let names = target.list("").unwrap_or_default();
    let ours = |name: &&String| {
        [CURRENT, CURRENT_NEW].contains(&name.as_str()) || name.starts_with("MANIFEST-")
    };
    names.iter().filter(ours).for_each(|name| target.remove_if_there(name));
    for parent in SUBDIRECTORIES {
        for name in target.list(parent).unwrap_or_default() {
            target.remove_if_there(&format!("{parent}/{name}"));
        }
        let _ = target.remove_dir(parent);
    }
}

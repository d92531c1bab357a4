//! A copy of the state beside the collection: a collection of its own, its files shared where the
//! file system can.

use std::path::Path;

use super::commit::swap_current;
use super::open::SUBDIRECTORIES;
use super::state::{self, read_log};
use super::{Collection, Shared, lock};
use crate::error::{Error, Result};
use crate::manifest::{CURRENT, CURRENT_NEW, Manifest, manifest_file};
use crate::vfs::Directory;

/// How often a reader starts again when the writer removes what it was copying.
const TRIES: usize = 5;

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
    let written = manifest.and_then(|manifest| write(&shared.directory, target, &manifest, false));
    lock(&shared.garbage).unpin(&shared.directory);
    written
}

/// A reader copies the log as far as it goes: a writer may be appending to it.
fn of_reader(shared: &Shared, target: &Directory) -> Result<()> {
    let mut tries = 1;
    loop {
        let view = shared.view("snapshot")?;
        let loaded = state::read(&shared.directory, Some(view.config.memory), Some(&view))?;
        let manifest = Manifest::clone(&loaded.view.manifest);
        let manifest = Manifest { next_unit: loaded.next_unit, wals: loaded.wals, ..manifest };
        match write(&shared.directory, target, &manifest, true) {
            Err(error) if tries < TRIES && error.is_missing_file() => {
                clear(target);
                tries += 1;
            }
            written => return written,
        }
    }
}

/// Fills the directory with the files of a manifest.
fn write(from: &Directory, to: &Directory, manifest: &Manifest, copy_log: bool) -> Result<()> {
    for name in SUBDIRECTORIES {
        to.create_dir(name)?;
    }
    for name in manifest.files().iter().filter(|name| !(copy_log && name.starts_with("wal/"))) {
        from.share(name, to)?;
    }
    for mark in manifest.wals.iter().filter(|_| copy_log) {
        let file = read_log(from, *mark)?;
        let length = file.len().min(usize::try_from(mark.length).unwrap_or(usize::MAX));
        to.write_bytes(&mark.file(), &file[..length])?;
    }
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

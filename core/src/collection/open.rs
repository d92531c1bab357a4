//! Creating and opening.

use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use super::commit::swap_current;
use super::pool::check_environment;
use super::state;
use super::view::View;
use super::{Collection, Writer};
use crate::config::{CollectionConfig, Mode, OpenOptions};
use crate::error::{Error, Result};
use crate::manifest::{
    COLUMNS_MAX, CURRENT, CURRENT_NEW, Manifest, is_manifest_file, manifest_file,
};
use crate::vfs::{Directory, Lock, Locking, MemVfs, OsVfs, Vfs};

const LOCK: &str = "LOCK";
const SUBDIRECTORIES: [&str; 2] = ["segments", "tombstones"];

pub(super) fn create(path: &Path, config: CollectionConfig) -> Result<Collection> {
    create_in(Arc::new(OsVfs), path, Some(path), config)
}

pub(super) fn in_memory(config: CollectionConfig) -> Result<Collection> {
    create_in(Arc::new(MemVfs::default()), Path::new("(in memory)"), None, config)
}

pub(super) fn create_in(
    vfs: Arc<dyn Vfs>,
    root: &Path,
    path: Option<&Path>,
    config: CollectionConfig,
) -> Result<Collection> {
    check_environment()?;
    config.validate()?;
    if config.schema.len() > COLUMNS_MAX {
        let found = format!("{} columns", config.schema.len());
        return Err(Error::invalid("schema", format!("at most {COLUMNS_MAX} columns"), found, ""));
    }
    let directory = Directory::new(vfs, root);
    // Also decides between two that create at once: only one makes the directory.
    directory.create_dir("")?;
    match fill(&directory, &config) {
        Ok(lock) => {
            let manifest = Manifest::empty(&config);
            let view = View {
                config: Arc::new(config),
                stored: manifest.config,
                version: manifest.version,
                next_segment: manifest.next_segment,
                segments: Vec::new(),
            };
            Ok(assemble(directory, path, view, Some(lock)))
        }
        Err(error) => {
            for name in [LOCK, CURRENT, CURRENT_NEW, &manifest_file(1)] {
                directory.remove_if_there(name);
            }
            for name in SUBDIRECTORIES.iter().chain(&[""]) {
                // The error that matters is the first.
                let _ = directory.remove_dir(name);
            }
            Err(error)
        }
    }
}

/// Writes the files of an empty collection.
fn fill(directory: &Directory, config: &CollectionConfig) -> Result<Lock> {
    for name in SUBDIRECTORIES {
        directory.create_dir(name)?;
    }
    let lock = lock(directory)?;
    let manifest = Manifest::empty(config);
    directory.write_bytes(&manifest_file(manifest.version), &manifest.encode()?)?;
    directory.sync("")?;
    swap_current(directory, manifest.version)?;
    directory.sync("")?;
    directory.sync_parent()?;
    Ok(lock)
}

fn lock(directory: &Directory) -> Result<Lock> {
    match directory.try_lock(LOCK)? {
        Locking::Held(lock) => Ok(lock),
        Locking::Busy(holder) => Err(Error::Locked { path: directory.root().to_owned(), holder }),
    }
}

pub(super) fn open(path: &Path, options: OpenOptions) -> Result<Collection> {
    open_in(Arc::new(OsVfs), path, options)
}

/// [`open`] on another file system than the system's.
pub(super) fn open_in(vfs: Arc<dyn Vfs>, path: &Path, options: OpenOptions) -> Result<Collection> {
    check_environment()?;
    let directory = Directory::new(vfs, path);
    let lock = match options.mode {
        Mode::Read => None,
        Mode::Write => {
            // First, so that nothing is left in a directory that is no collection.
            state::require_collection(&directory)?;
            Some(lock(&directory)?)
        }
    };
    let view = state::read(&directory, options.memory)?;
    if lock.is_some() {
        remove_orphans(&directory, &view);
    }
    Ok(assemble(directory, Some(path), view, lock))
}

fn assemble(
    directory: Directory,
    path: Option<&Path>,
    view: View,
    lock: Option<Lock>,
) -> Collection {
    Collection {
        config: Arc::clone(&view.config),
        directory,
        path: path.map(Path::to_owned),
        view: RwLock::new(Some(Arc::new(view))),
        writer: lock.map(|lock| {
            (std::process::id(), Mutex::new(Writer { lock: Some(lock), poisoned: None }))
        }),
    }
}

/// Removes what a crash left: files with names of ours that the manifest doesn't name. Files
/// with other names are not ours to remove.
fn remove_orphans(directory: &Directory, view: &View) {
    let manifest = view.manifest();
    let mut live = vec![manifest_file(manifest.version)];
    for record in &manifest.segments {
        live.push(record.file());
        live.extend(record.tombstones_file());
    }
    let numbered = |name: &str, suffix: &str| {
        name.strip_suffix(suffix)
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
    };
    let mut orphans = Vec::new();
    for name in directory.list("").unwrap_or_default() {
        if is_manifest_file(&name) || name == CURRENT_NEW {
            orphans.push(name);
        }
    }
    for (parent, suffix) in SUBDIRECTORIES.iter().zip([".seg", ".del"]) {
        let names = directory.list(parent).unwrap_or_default();
        let ours = names.iter().filter(|name| numbered(name, suffix));
        orphans.extend(ours.map(|name| format!("{parent}/{name}")));
    }
    orphans.iter().filter(|name| !live.contains(name)).for_each(|name| {
        directory.remove_if_there(name);
    });
}

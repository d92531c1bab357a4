//! Creating and opening.

use std::path::Path;
use std::sync::Arc;

use super::alias;
use super::commit::{Committer, Garbage, Swap, swap_current};
use super::filters::Filters;
use super::group::Group;
use super::pool::check_environment;
use super::state::{self, Loaded};
use super::view::{Content, View};
use super::worker::Worker;
use super::{Collection, Shared};
use crate::canary::sings;
use crate::config::{CollectionConfig, Mode, OpenOptions, Stop};
use crate::error::{Error, Result};
use crate::exclusions::Exclusions;
use crate::format::Fault;
use crate::manifest::{
    COLUMNS_MAX, CURRENT, CURRENT_NEW, Manifest, is_manifest_file, manifest_file,
};
use crate::sync::{Mutex, RwLock};
use crate::vfs::{Directory, Lock, Locking, MemVfs, OsVfs, Vfs};
use crate::wal::{self, Payload};

const LOCK: &str = "LOCK";
pub(super) const SUBDIRECTORIES: [&str; 5] =
    ["segments", "tombstones", "attributes", "wal", "exclusions"];

pub(super) fn create(path: &Path, config: CollectionConfig) -> Result<Collection> {
    create_in(Arc::new(OsVfs), path, Some(path), config)?.with_worker()
}

pub(super) fn in_memory(config: CollectionConfig) -> Result<Collection> {
    create_in(Arc::new(MemVfs::default()), Path::new("(in memory)"), None, config)?.with_worker()
}

/// [`create`] on a file system of choice, without a thread that seals and merges.
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
    let mut made = true;
    if let Err(error) = directory.create_dir("") {
        if !is_unfinished(&directory) {
            return Err(error);
        }
        made = false;
    }
    let lock = match lock(&directory) {
        Ok(lock) => lock,
        Err(error) => {
            if made {
                remove_unfinished(&directory);
            }
            return Err(error);
        }
    };
    if !made && !is_unfinished(&directory) {
        // Another one finished it meanwhile.
        return Err(Error::AlreadyExists { path: root.to_owned() });
    }
    match fill(&directory, &config) {
        Ok(()) => {
            let manifest = Manifest::empty(&config);
            let exclusions = Arc::new(Exclusions::new(config.id_type, Vec::new()));
            let content = Content { segments: Vec::new(), exclusions };
            let view = View::new(Arc::new(config), Arc::new(manifest), content);
            let loaded = Loaded { view, wals: Vec::new(), next_unit: 1, tail: None };
            Ok(assemble(directory, path, loaded, Some(lock)))
        }
        Err(error) => {
            remove_unfinished(&directory);
            Err(error)
        }
    }
}

/// Whether a directory is what a `create` that was cut short leaves: files of ours only, and no
/// `CURRENT`.
fn is_unfinished(directory: &Directory) -> bool {
    let Ok(names) = directory.list("") else { return false };
    let ours = |name: &String| {
        [LOCK, CURRENT_NEW].contains(&name.as_str())
            || *name == manifest_file(1)
            || (SUBDIRECTORIES.contains(&name.as_str())
                && directory.list(name).is_ok_and(|inside| inside.is_empty()))
    };
    names.iter().any(|name| name == LOCK) && names.iter().all(ours)
}

/// Removes what a `create` wrote.
fn remove_unfinished(directory: &Directory) {
    for name in [CURRENT, CURRENT_NEW, &manifest_file(1), LOCK] {
        directory.remove_if_there(name);
    }
    for name in SUBDIRECTORIES.iter().chain(&[""]) {
        // The error that matters is the first.
        let _ = directory.remove_dir(name);
    }
}

/// Writes the files of an empty collection; some may be there from an attempt that was cut short.
fn fill(directory: &Directory, config: &CollectionConfig) -> Result<()> {
    for name in SUBDIRECTORIES {
        match directory.create_dir(name) {
            Ok(()) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let manifest = Manifest::empty(config);
    directory.write_bytes(&manifest_file(manifest.version), &manifest.encode()?)?;
    directory.sync("")?;
    swap_current(directory, manifest.version)?;
    directory.sync("")?;
    directory.sync_parent()
}

fn lock(directory: &Directory) -> Result<Lock> {
    match directory.try_lock(LOCK)? {
        Locking::Held(lock) => Ok(lock),
        Locking::Busy(holder) => Err(Error::Locked { path: directory.root().to_owned(), holder }),
    }
}

pub(super) fn open(path: &Path, options: OpenOptions) -> Result<Collection> {
    let path = alias::resolve(&OsVfs, path);
    open_in(Arc::new(OsVfs), &path, options)?.with_worker()
}

/// [`open`] on a file system of choice, without a thread that seals and merges.
pub(super) fn open_in(vfs: Arc<dyn Vfs>, path: &Path, options: OpenOptions) -> Result<Collection> {
    check_environment()?;
    let directory = Directory::new(vfs, path);
    let lock = match options.mode {
        Mode::Read => None,
        Mode::Write => {
            // First, so that nothing is left in a directory that is no collection.
            state::require_collection(&directory)?;
            let lock = lock(&directory)?;
            check_directories(&directory)?;
            Some(lock)
        }
    };
    let loaded = state::read(&directory, options.memory, None)?;
    let writes = lock.is_some();
    if writes {
        // What was read may be in the system's memory only: it must not lose what it replaced.
        directory.sync("")?;
        remove_orphans(&directory, &loaded.view);
    }
    let collection = assemble(directory, Some(path), loaded, lock);
    if writes && let Err(error) = make_log_durable(&collection.shared) {
        // Nothing is written by letting go of it either.
        return Err(super::lock(&collection.shared.committer).poison(error));
    }
    Ok(collection)
}

/// Refuses to write through a link: what it leads to is not this collection's, and orphans there
/// would be somebody's files.
fn check_directories(directory: &Directory) -> Result<()> {
    for name in SUBDIRECTORIES {
        match directory.is_own_dir(name) {
            Ok(true) => {}
            Ok(false) => {
                let fault = Fault::damage(0, "directory", "a directory", "a link or a file");
                return Err(fault.at(&directory.path(name)));
            }
            Err(error) if error.is_missing_file() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Copies the last file of the log if more of it was read than the manifest vouches for: what a
/// killed writer left may be in the system's memory only, and a sync that failed once may have
/// made the system forget that, so that syncing again would say nothing.
fn make_log_durable(shared: &Shared) -> Result<()> {
    let mut committer = super::lock(&shared.committer);
    let view = shared.view("open")?;
    let (Some(read), Some(named)) = (committer.wals.last(), view.manifest.wals.last()) else {
        return Ok(());
    };
    if read == named || sings("trust what a dead process left") {
        return Ok(());
    }
    let path = shared.directory.path(&named.file());
    let file = state::read_log(&shared.directory, *named, view.config.memory)?;
    let mut reader = wal::Reader::new(&file, *named, false).map_err(|f| f.at(&path))?;
    let mut copy = wal::Writer::create(&shared.directory, committer.next_wal, reader.next_unit())?;
    committer.next_wal += 1;
    let name = copy.durable().file();
    let copied = (|| {
        while let Some(unit) = reader.next(&file).map_err(|f| f.at(&path))? {
            let records = unit.records.iter();
            let records: Vec<_> =
                records.map(|(kind, bytes, _)| Payload::new(*kind, bytes.to_vec())).collect();
            copy.add(&records)?;
        }
        copy.sync()
    })();
    if let Err(error) = copied {
        shared.directory.remove_if_there(&name);
        return Err(error);
    }
    let copied = copy.durable();
    let replaced = committer.wals.pop();
    committer.wals.push(copied);
    let swapped = Swap::of(&view).written(name).run(shared, &mut committer);
    if swapped.is_err() {
        // The copy is gone, or maybe live: either way the next one to open decides.
        committer.wals.pop();
        committer.wals.extend(replaced);
    }
    swapped
}

fn assemble(
    directory: Directory,
    path: Option<&Path>,
    loaded: Loaded,
    lock: Option<Lock>,
) -> Collection {
    let Loaded { view, wals, next_unit, tail } = loaded;
    view.encode_pieces();
    let latest_us = view.manifest.latest_us;
    let owner = lock.is_some().then(std::process::id);
    let failed = Stop::default();
    let committer = Committer {
        lock,
        poisoned: None,
        failed: failed.clone(),
        wal: None,
        wals,
        active: 0,
        next_wal: view.manifest.next_wal,
        next_unit,
    };
    Collection::of(Shared {
        directory,
        path: path.map(Path::to_owned),
        next_segment: view.manifest.next_segment.into(),
        config: RwLock::new(Arc::clone(&view.config)),
        view: RwLock::new(Some(Arc::new(view))),
        latest_us: latest_us.into(),
        tail: Mutex::new(tail),
        owner,
        committer: Mutex::new(committer),
        failed,
        group: Group::default(),
        filters: Filters::default(),
        indexer: Worker::default(),
        sealer: Worker::default(),
        merger: Worker::default(),
        scrubber: Worker::default(),
        garbage: Mutex::new(Garbage::default()),
        spooling: Mutex::default(),
    })
}

/// Removes what a crash left: files with names of ours that the manifest doesn't name. Files
/// with other names are not ours to remove.
fn remove_orphans(directory: &Directory, view: &View) {
    let mut live = view.manifest.files();
    live.push(manifest_file(view.manifest.version));
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
    for (parent, suffix) in SUBDIRECTORIES.iter().zip([".seg", ".del", ".att", ".log", ".set"]) {
        let names = directory.list(parent).unwrap_or_default();
        let ours = names.iter().filter(|name| numbered(name, suffix));
        orphans.extend(ours.map(|name| format!("{parent}/{name}")));
    }
    orphans.iter().filter(|name| !live.contains(name)).for_each(|name| {
        directory.remove_if_there(name);
    });
}

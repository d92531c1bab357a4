//! Reads a state from disk: `CURRENT`, the manifest it names, the files that that names, and what
//! the log has beyond them.
//!
//! A writer may replace the state meanwhile and unlink files of the old one. A reader that
//! misses a file starts again from `CURRENT`; once all files are mapped they stay readable.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::draft::Draft;
use super::operation::{self, Operation};
use super::view::{Content, View};
use crate::canary::sings;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::exclusions::{Exclusions, Run};
use crate::format::Fault;
use crate::manifest::{
    CURRENT, MANIFEST_BYTES_MAX, Manifest, RunRecord, SegmentRecord, decode_current, manifest_file,
};
use crate::segment::{Dead, Segment, SegmentHandle, changes};
use crate::types::MemoryMode;
use crate::vfs::{Access, Bytes, Directory};
use crate::wal::{self, Mark};

/// How often a reader starts again before it calls a missing file damage.
const TRIES: usize = 20;
/// Longest file of replaced values. A limit against nonsense only.
const ATTRIBUTES_BYTES_MAX: u64 = 1 << 40;
/// Longest tombstones file: one bit for each of 2^32 rows.
const TOMBSTONES_BYTES_MAX: u64 = (1 << 29) + 4096;

/// Why a state could not be read.
enum Failure {
    /// A file that the manifest names isn't there; maybe the state was replaced meanwhile.
    Missing(Error),
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// A state as it was read.
pub(super) struct Loaded {
    pub(super) view: View,
    /// The files of the log, as far as they could be read.
    pub(super) wals: Vec<Mark>,
    /// Not used by any unit of the log so far.
    pub(super) next_unit: u64,
    /// Where reading the last file of the log goes on.
    pub(super) tail: Option<wal::Reader>,
}

/// The live state; `memory` overrides the mode that the collection was created with. Segments
/// that are open in `before` are not opened again.
pub(super) fn read(
    directory: &Directory,
    memory: Option<MemoryMode>,
    before: Option<&View>,
) -> Result<Loaded> {
    let mut tries = 1;
    loop {
        match try_read(directory, memory, before) {
            Ok(loaded) => return Ok(loaded),
            Err(Failure::Missing(_)) if tries < TRIES && !sings("give up when a file is gone") => {
                tries += 1;
            }
            Err(Failure::Missing(error) | Failure::Final(error)) => return Err(error),
        }
    }
}

/// The number of the live manifest.
pub(super) fn live_version(directory: &Directory) -> Result<u64> {
    let current = require_collection(directory)?;
    decode_current(&current).map_err(|f| f.at(&directory.path(CURRENT)))
}

/// Whether the directory is a collection: it has a `CURRENT`.
pub(super) fn require_collection(directory: &Directory) -> Result<Vec<u8>> {
    let not_found =
        |reason: String| Error::CollectionNotFound { path: directory.root().to_owned(), reason };
    match directory.list("") {
        Ok(names) if names.iter().any(|n| n == CURRENT) => {}
        Ok(names) if names.is_empty() => return Err(not_found("an empty directory".to_owned())),
        Ok(_) => return Err(not_found(format!("a directory without a file {CURRENT}"))),
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "no such directory".to_owned(),
                io::ErrorKind::NotADirectory => "a file, not a directory".to_owned(),
                _ => return Err(Error::io(directory.root(), "list the directory", error)),
            };
            return Err(not_found(reason));
        }
    }
    directory.read(CURRENT, 4096).map_err(|e| read_error(directory, CURRENT, e))
}

/// A failed read: a file too long to be what it should be is damaged.
fn read_error(directory: &Directory, name: &str, error: io::Error) -> Error {
    let path = directory.path(name);
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Fault::damage(0, "file", "a shorter file", error.to_string()).at(&path);
    }
    Error::io(path, "read the file", error)
}

/// A file that the manifest names can't be read.
fn named_file(directory: &Directory, name: &str, error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        let fault = Fault::damage(0, "file", "a file that the manifest names", "no such file");
        return Failure::Missing(fault.at(&directory.path(name)));
    }
    Failure::Final(read_error(directory, name, error))
}

fn try_read(
    directory: &Directory,
    memory: Option<MemoryMode>,
    before: Option<&View>,
) -> std::result::Result<Loaded, Failure> {
    let version = live_version(directory)?;
    let name = manifest_file(version);
    let path = directory.path(&name);
    let file =
        directory.read(&name, MANIFEST_BYTES_MAX).map_err(|e| named_file(directory, &name, e))?;
    let manifest = Manifest::decode(&file).map_err(|f| f.at(&path))?;
    let wrong = |expected: String, found: String| {
        Failure::Final(Fault::damage(0, "manifest", expected, found).at(&path))
    };
    if manifest.version != version {
        return Err(wrong(format!("version {version}"), format!("version {}", manifest.version)));
    }
    let mut config = manifest.config.config().map_err(|e| wrong("valid values".to_owned(), e))?;
    if let Some(memory) = memory {
        config.memory = memory;
    }
    let mut segments = Vec::new();
    for record in &manifest.segments {
        let open = before.and_then(|view| same_segment(view, record));
        segments.push(Arc::new(open_segment(directory, record, &config, open)?));
    }
    let mut runs = Vec::new();
    for record in &manifest.exclusions {
        let open = before.and_then(|view| same_run(view, record));
        runs.push(match open {
            Some(run) => run,
            None => Arc::new(map_run(directory, record, &config)?),
        });
    }
    let exclusions = Arc::new(Exclusions::new(config.id_type, runs));
    let content = Content { segments, exclusions };
    let view = View::new(Arc::new(config), Arc::new(manifest), content);
    replay(directory, view)
}

/// The open segment of this record, if there is one.
fn same_segment(view: &View, record: &SegmentRecord) -> Option<Arc<Segment>> {
    let same =
        |r: &SegmentRecord| (r.id, r.length, r.seal) == (record.id, record.length, record.seal);
    let handle = view.segments.iter().find(|h| h.record().is_some_and(same))?;
    Some(Arc::clone(&handle.segment))
}

/// The open file of this record, if there is one.
fn same_run(view: &View, record: &RunRecord) -> Option<Arc<Run>> {
    let same = |run: &&Arc<Run>| run.record == Some(*record);
    view.exclusions.runs().iter().find(same).cloned()
}

/// Applies what the log has and the segments don't.
fn replay(directory: &Directory, mut view: View) -> std::result::Result<Loaded, Failure> {
    let manifest = Arc::clone(&view.manifest);
    let mut draft = Draft::new(&view, 0);
    let mut next_unit = None;
    let (mut wals, mut tail) = (Vec::new(), None);
    for (position, mark) in manifest.wals.iter().enumerate() {
        let name = mark.file();
        let file = map_log(directory, *mark, view.config.memory)
            .map_err(|e| named_file(directory, &name, e))?;
        let path = directory.path(&name);
        let closed = position + 1 < manifest.wals.len();
        let mut reader = wal::Reader::new(&file, *mark, closed).map_err(|f| f.at(&path))?;
        if next_unit.is_some_and(|next| next != reader.next_unit()) {
            let (expected, found) = (format!("unit {next_unit:?}"), reader.next_unit().to_string());
            return Err(Fault::damage(0, "log header", expected, found).at(&path).into());
        }
        replay_file(&mut draft, &mut reader, &file, &view.config).map_err(|f| f.at(&path))?;
        next_unit = Some(reader.next_unit());
        wals.push(reader.reached());
        tail = Some(reader);
    }
    view = View::new(view.config, view.manifest, draft.finish()?);
    let next_unit = next_unit.unwrap_or_default().max(manifest.next_unit);
    Ok(Loaded { view, wals, next_unit, tail })
}

/// A file of the log, as long as it is now; it may grow, but what is there stays.
fn map_log(directory: &Directory, mark: Mark, memory: MemoryMode) -> io::Result<Bytes> {
    let access = if memory == MemoryMode::Heap { Access::Copy } else { Access::Map };
    directory.map(&mark.file(), access, u64::MAX)
}

/// [`map_log`], with an error that names the file.
pub(super) fn read_log(directory: &Directory, mark: Mark, memory: MemoryMode) -> Result<Bytes> {
    map_log(directory, mark, memory).map_err(|e| read_error(directory, &mark.file(), e))
}

/// Why a unit could not be applied.
pub(super) enum Unfit {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Unfit {
    /// The error about the file of the log at this path.
    pub(super) fn at(self, path: &Path) -> Error {
        match self {
            Self::Fault(fault) => fault.at(path),
            Self::Error(error) => error,
        }
    }
}

/// Applies the units of a file of the log from where the reader stands; how many there were.
pub(super) fn replay_file(
    draft: &mut Draft,
    reader: &mut wal::Reader,
    file: &[u8],
    config: &CollectionConfig,
) -> std::result::Result<u64, Unfit> {
    let mut units = 0;
    while let Some(unit) = reader.next(file)? {
        draft.begin_unit(unit.number, reader.reached().id)?;
        for (kind, payload, at) in unit.records {
            let operation = operation::decode(kind, payload, config).ok_or_else(|| {
                Fault::damage(at, "log", "an operation on this collection", "another")
            })?;
            match operation {
                Operation::Upsert(rows) => draft.upsert(rows)?,
                Operation::Delete(ids) => draft.delete(&ids).map(drop)?,
                Operation::Update(update) => draft.update(&update, true)?,
                Operation::Exclude { set, ids, until_us } => draft.exclude(&set, ids, until_us),
                Operation::Clear(set) => draft.clear(&set),
            }
        }
        units += 1;
    }
    Ok(units)
}

fn open_segment(
    directory: &Directory,
    record: &SegmentRecord,
    config: &CollectionConfig,
    open: Option<Arc<Segment>>,
) -> std::result::Result<SegmentHandle, Failure> {
    let segment = match open {
        Some(segment) => segment,
        None => Arc::new(map_segment(directory, record, config)?),
    };
    let mut handle = SegmentHandle::sealed(record.clone(), segment);
    if let (Some(tombstones), Some(name)) = (&record.tombstones, record.tombstones_file()) {
        let file = directory
            .read(&name, tombstones.length.min(TOMBSTONES_BYTES_MAX))
            .map_err(|e| named_file(directory, &name, e))?;
        let path = directory.path(&name);
        let dead = Dead::decode(&file, record.rows).map_err(|f| f.at(&path))?;
        let found = (file.len() as u64, Dead::seal(&file), dead.count());
        let stated = (tombstones.length, tombstones.seal, tombstones.dead);
        if found != stated {
            return Err(other_file(&name, stated, found).at(&path).into());
        }
        handle.dead = Some(Arc::new(dead));
    }
    if let (Some(attributes), Some(name)) = (&record.attributes, record.attributes_file()) {
        let file = directory
            .read(&name, attributes.length.min(ATTRIBUTES_BYTES_MAX))
            .map_err(|e| named_file(directory, &name, e))?;
        let path = directory.path(&name);
        let patch = changes::decode(&file, record.rows, &config.schema).map_err(|f| f.at(&path))?;
        let found = (file.len() as u64, changes::seal(&file), record.rows);
        let stated = (attributes.length, attributes.seal, record.rows);
        if found != stated {
            return Err(other_file(&name, stated, found).at(&path).into());
        }
        handle.patch = Some(Arc::new(patch));
    }
    Ok(handle)
}

/// Maps a file that the manifest names, which says how long it is.
fn map_named(
    directory: &Directory,
    name: &str,
    length: u64,
    config: &CollectionConfig,
) -> std::result::Result<Bytes, Failure> {
    let (found, said) = match directory.map(name, access(config), length) {
        Ok(bytes) if bytes.len() as u64 == length => return Ok(bytes),
        Ok(bytes) => (bytes.len() as u64, format!("{} bytes", bytes.len())),
        // Not read: it may be of any length.
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => (length, "more".to_owned()),
        Err(error) => return Err(named_file(directory, name, error)),
    };
    let fault = Fault::damage(found.min(length), "file", format!("{length} bytes"), said);
    Err(fault.at(&directory.path(name)).into())
}

fn map_segment(
    directory: &Directory,
    record: &SegmentRecord,
    config: &CollectionConfig,
) -> std::result::Result<Segment, Failure> {
    let name = record.file();
    let path = directory.path(&name);
    let bytes = map_named(directory, &name, record.length, config)?;
    let length = record.length;
    let segment = Segment::open(bytes, &path, config)?;
    let found = (length, segment.seal(), segment.rows());
    let stated = (record.length, record.seal, record.rows);
    if found != stated {
        return Err(other_file(&name, stated, found).at(&path).into());
    }
    Ok(segment)
}

fn map_run(
    directory: &Directory,
    record: &RunRecord,
    config: &CollectionConfig,
) -> std::result::Result<Run, Failure> {
    let name = record.file();
    let path = directory.path(&name);
    let bytes = map_named(directory, &name, record.length, config)?;
    let length = record.length;
    let mut run = Run::open(bytes, &path, config.id_type)?;
    if run.seal() != record.seal {
        let (stated, found) = ((length, record.seal, 0), (length, run.seal(), 0));
        return Err(other_file(&name, stated, found).at(&path).into());
    }
    run.record = Some(*record);
    Ok(run)
}

/// Opens a file of sets that was just written.
pub(super) fn open_written_run(
    directory: &Directory,
    record: &RunRecord,
    config: &CollectionConfig,
) -> Result<Run> {
    map_run(directory, record, config).map_err(|failure| match failure {
        Failure::Missing(error) | Failure::Final(error) => error,
    })
}

fn access(config: &CollectionConfig) -> Access {
    match config.memory {
        MemoryMode::Heap => Access::Copy,
        MemoryMode::Mapped | MemoryMode::Pinned => Access::Map,
    }
}

/// Opens a segment that was just written.
pub(super) fn open_written(
    directory: &Directory,
    record: &SegmentRecord,
    config: &CollectionConfig,
) -> Result<Segment> {
    map_segment(directory, record, config).map_err(|failure| match failure {
        Failure::Missing(error) | Failure::Final(error) => error,
    })
}

/// A sound file, but not the one that the manifest names.
fn other_file(name: &str, stated: (u64, u32, u32), found: (u64, u32, u32)) -> Fault {
    let text = |(length, seal, rows): (u64, u32, u32)| {
        format!("{length} bytes, seal {seal:08x}, {rows} rows")
    };
    let expected = format!("the {name} that the manifest names ({})", text(stated));
    Fault::damage(0, "file", expected, text(found))
}

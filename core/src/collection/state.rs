//! Reads a state from disk: `CURRENT`, the manifest it names, and the files that that names.
//!
//! A writer may replace the state meanwhile and unlink files of the old one. A reader that
//! misses a file starts again from `CURRENT`; once all files are mapped they stay readable.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::io;
use std::sync::Arc;

use super::view::View;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::format::Fault;
use crate::manifest::{
    CURRENT, MANIFEST_BYTES_MAX, Manifest, SegmentRecord, decode_current, manifest_file,
};
use crate::segment::{Dead, Segment, SegmentHandle};
use crate::types::MemoryMode;
use crate::vfs::{Access, Directory};

/// How often a reader starts again before it calls a missing file damage.
const TRIES: usize = 20;
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

/// The live state; `memory` overrides the mode that the collection was created with.
pub(super) fn read(directory: &Directory, memory: Option<MemoryMode>) -> Result<View> {
    let mut tries = 1;
    loop {
        match try_read(directory, memory) {
            Ok(view) => return Ok(view),
            Err(Failure::Missing(_)) if tries < TRIES => tries += 1,
            Err(Failure::Missing(error) | Failure::Final(error)) => return Err(error),
        }
    }
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
) -> std::result::Result<View, Failure> {
    let current = require_collection(directory)?;
    let version = decode_current(&current).map_err(|f| f.at(&directory.path(CURRENT)))?;
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
    for record in manifest.segments {
        segments.push(Arc::new(open_segment(directory, record, &config)?));
    }
    Ok(View {
        config: Arc::new(config),
        stored: manifest.config,
        version,
        next_segment: manifest.next_segment,
        segments,
    })
}

fn open_segment(
    directory: &Directory,
    record: SegmentRecord,
    config: &CollectionConfig,
) -> std::result::Result<SegmentHandle, Failure> {
    let segment = map_segment(directory, &record, config)?;
    let dead = match (&record.tombstones, record.tombstones_file()) {
        (Some(tombstones), Some(name)) => {
            let file = directory
                .read(&name, TOMBSTONES_BYTES_MAX)
                .map_err(|e| named_file(directory, &name, e))?;
            let path = directory.path(&name);
            let dead = Dead::decode(&file, record.rows).map_err(|f| f.at(&path))?;
            let found = (file.len() as u64, Dead::seal(&file), dead.count());
            let stated = (tombstones.length, tombstones.seal, tombstones.dead);
            if found != stated {
                return Err(other_file(&name, stated, found).at(&path).into());
            }
            Some(Arc::new(dead))
        }
        _ => None,
    };
    Ok(SegmentHandle { record, segment: Arc::new(segment), dead })
}

fn map_segment(
    directory: &Directory,
    record: &SegmentRecord,
    config: &CollectionConfig,
) -> std::result::Result<Segment, Failure> {
    let name = record.file();
    let access = match config.memory {
        MemoryMode::Heap => Access::Copy,
        MemoryMode::Mapped | MemoryMode::Pinned => Access::Map,
    };
    let bytes = directory.map(&name, access).map_err(|e| named_file(directory, &name, e))?;
    let path = directory.path(&name);
    let length = bytes.len() as u64;
    if length != record.length {
        let (expected, found) = (format!("{} bytes", record.length), format!("{length} bytes"));
        let at = length.min(record.length);
        return Err(Fault::damage(at, "file", expected, found).at(&path).into());
    }
    let segment = Segment::open(bytes, &path, config)?;
    let found = (length, segment.seal(), segment.rows());
    let stated = (record.length, record.seal, record.rows);
    if found != stated {
        return Err(other_file(&name, stated, found).at(&path).into());
    }
    Ok(segment)
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

//! What a long load has read so far, on disk, so that one that was cut short goes on there.
//!
//! Owns the directory `load/` of a collection: `SOURCE` says what is loaded, and each
//! `<n>-<rows>-<sum>.seg` is a segment, without an index, of the rows up to so many; the sum covers
//! the source, both numbers and the file, so that no part of another load, or of other rows, can
//! take its place. No manifest names them: they are no part of the state, only spare the reading.
//! They go once the load is live.

use std::path::Path;
use std::sync::Arc;

use super::Shared;
use super::draft::keep_last;
use crate::canary::sings;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::format::crc;
use crate::manifest::Shape;
use crate::segment::{Rows, Segment, SegmentHandle, verify_segment, write_segment};
use crate::vfs::{Access, Directory};

const DIRECTORY: &str = "load";
const SOURCE: &str = "load/SOURCE";
/// A part before it has its name.
const PART_NEW: &str = "load/part.new";
/// Rows and bytes of vectors of a part.
const PART_ROWS: usize = if cfg!(test) { 20 } else { 32_768 };
const PART_BYTES: usize = 64 << 20;

/// The parts of the load that is under way.
pub(super) struct Spool<'a> {
    directory: &'a Directory,
    config: &'a CollectionConfig,
    /// What `SOURCE` says.
    name: String,
    /// Rows of the source that the parts cover.
    rows: usize,
    parts: usize,
    /// Rows in memory that the parts cover: fewer, if ids came twice.
    kept: usize,
}

impl<'a> Spool<'a> {
    /// Opens the spool of this source, and what an earlier load of it left; `None` in memory.
    pub(super) fn open(
        shared: &'a Shared,
        config: &'a CollectionConfig,
        source: &str,
    ) -> Result<Option<(Self, Rows)>> {
        if !shared.on_disk() {
            return Ok(None);
        }
        let directory = &shared.directory;
        let name = name_of(config, source);
        let mut spool = Self { directory, config, name, rows: 0, parts: 0, kept: 0 };
        let wanted = spool.name.as_bytes();
        let rows = if directory.read(SOURCE, 4_096).is_ok_and(|found| found == wanted) {
            spool.take_parts()?
        } else {
            clear(directory);
            match directory.create_dir(DIRECTORY) {
                Ok(()) | Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
            directory.write_bytes(SOURCE, wanted)?;
            directory.sync(DIRECTORY)?;
            Rows::new(config)
        };
        Ok(Some((spool, rows)))
    }

    /// Rows of the source that need not be read again.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of all whole parts.
    fn take_parts(&mut self) -> Result<Rows> {
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        for name in self.directory.list(DIRECTORY).unwrap_or_default() {
            if let Some((part, rows)) = numbers(&name) {
                found.push((part, rows, format!("{DIRECTORY}/{name}")));
            }
        }
        found.sort_unstable();
        let mut all = Rows::new(self.config);
        for (part, rows, name) in found {
            // A part that isn't whole, or is none of this load: the rest is read again.
            let follows = part == self.parts && rows > self.rows;
            let Some(handle) = follows.then(|| self.part(&name, part, rows)).flatten() else {
                self.directory.remove_if_there(&name);
                continue;
            };
            let slots: Vec<u32> = (0..handle.segment.rows()).collect();
            all.append_slots(&handle, &slots)?;
            (self.parts, self.rows, self.kept) = (part + 1, rows, all.len());
        }
        Ok(all)
    }

    /// The part of this name, if that is what is there.
    fn part(&self, name: &str, part: usize, rows: usize) -> Option<SegmentHandle> {
        let bytes = self.directory.map(name, Access::Copy, u64::MAX).ok()?;
        let segment = Segment::open(bytes, Path::new(name), self.config).ok()?;
        let named = name == self.file(part, rows, segment.seal());
        if !named && !sings("trust the parts of another load") {
            return None;
        }
        verify_segment(&segment).ok()?;
        Some(SegmentHandle::growing(0, Arc::new(segment)))
    }

    /// The name of a part, of a segment with this seal.
    fn file(&self, part: usize, rows: usize, seal: u32) -> String {
        let sum = crc(format!("{} {part} {rows} {seal:08x}", self.name.trim_end()).as_bytes());
        format!("{DIRECTORY}/{part}-{rows}-{sum:08x}.seg")
    }

    /// Writes what was read since the last part, if that is enough: `rows` of the source are in
    /// `all`.
    pub(super) fn advance(&mut self, all: &Rows, rows: usize) -> Result<()> {
        let fresh = all.len() - self.kept;
        let bytes = fresh * self.config.dim * self.config.dtype.bytes();
        if fresh < PART_ROWS && bytes < PART_BYTES {
            return Ok(());
        }
        let points = keep_last(all.range(self.config, self.kept..all.len()))?;
        let sealed = write_segment(self.directory, PART_NEW, self.config, &points, None)?;
        self.directory.rename(PART_NEW, &self.file(self.parts, rows, sealed.seal))?;
        self.directory.sync(DIRECTORY)?;
        (self.parts, self.rows, self.kept) = (self.parts + 1, rows, all.len());
        Ok(())
    }
}

/// Which part a file is by its name, and up to which row.
fn numbers(name: &str) -> Option<(usize, usize)> {
    let mut numbers = name.strip_suffix(".seg")?.split('-');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What is loaded into what: another source, or another shape, begins anew.
fn name_of(config: &CollectionConfig, source: &str) -> String {
    let shape = format!("{:?}", Shape::of(config));
    format!("{:08x} {:08x} {}\n", crc(source.as_bytes()), crc(shape.as_bytes()), source.len())
}

/// Removes the parts.
pub(super) fn clear(directory: &Directory) {
    for name in directory.list(DIRECTORY).unwrap_or_default() {
        directory.remove_if_there(&format!("{DIRECTORY}/{name}"));
    }
    let _ = directory.remove_dir(DIRECTORY);
}

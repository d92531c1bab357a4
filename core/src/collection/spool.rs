//! What a long load has read so far, on disk, so that one that was cut short goes on there.
//!
//! Owns the directory `load/` of a collection: `SOURCE` says what is loaded, and each
//! `<n>-<rows>.seg` is a segment, without an index, of the rows up to so many. No manifest names
//! them: they are no part of the state, only spare the reading. They go once the load is live.

use std::path::Path;
use std::sync::Arc;

use super::Shared;
use super::draft::keep_last;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::format::crc;
use crate::manifest::Shape;
use crate::segment::{Rows, Segment, SegmentHandle, verify_segment, write_segment};
use crate::vfs::{Access, Directory};

const DIRECTORY: &str = "load";
const SOURCE: &str = "load/SOURCE";
/// Rows and bytes of vectors of a part.
const PART_ROWS: usize = if cfg!(test) { 20 } else { 32_768 };
const PART_BYTES: usize = 64 << 20;

/// The parts of the load that is under way.
pub(super) struct Spool<'a> {
    directory: &'a Directory,
    config: &'a CollectionConfig,
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
        let mut spool = Self { directory, config, rows: 0, parts: 0, kept: 0 };
        let wanted = name_of(config, source);
        let rows = if directory.read(SOURCE, 4_096).is_ok_and(|found| found == wanted.as_bytes()) {
            spool.take_parts()?
        } else {
            clear(directory);
            match directory.create_dir(DIRECTORY) {
                Ok(()) | Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
            directory.write_bytes(SOURCE, wanted.as_bytes())?;
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
            let numbers = name.strip_suffix(".seg").and_then(|name| name.split_once('-'));
            let parse = |(part, rows): (&str, &str)| Some((part.parse().ok()?, rows.parse().ok()?));
            if let Some((part, rows)) = numbers.and_then(parse) {
                found.push((part, rows, format!("{DIRECTORY}/{name}")));
            }
        }
        found.sort_unstable();
        let mut all = Rows::new(self.config);
        for (part, rows, name) in found {
            // A part that isn't whole, or is none of this load: the rest is read again.
            let Some(handle) = self.part(&name).filter(|_| part == self.parts && rows > self.rows)
            else {
                self.directory.remove_if_there(&name);
                continue;
            };
            let slots: Vec<u32> = (0..handle.segment.rows()).collect();
            all.append_slots(&handle, &slots)?;
            (self.parts, self.rows, self.kept) = (part + 1, rows, all.len());
        }
        Ok(all)
    }

    fn part(&self, name: &str) -> Option<SegmentHandle> {
        let bytes = self.directory.map(name, Access::Copy, u64::MAX).ok()?;
        let segment = Segment::open(bytes, Path::new(name), self.config).ok()?;
        verify_segment(&segment).ok()?;
        Some(SegmentHandle::growing(0, Arc::new(segment)))
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
        let name = format!("{DIRECTORY}/{}-{rows}.seg", self.parts);
        write_segment(self.directory, &name, self.config, &points, None)?;
        self.directory.sync(DIRECTORY)?;
        (self.parts, self.rows, self.kept) = (self.parts + 1, rows, all.len());
        Ok(())
    }
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

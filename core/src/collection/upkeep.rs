//! What a writer's threads do, and when: sealing what has grown, merging segments, and keeping
//! writers from going too far ahead of both.

use std::sync::Arc;
use std::time::Duration;

use super::commit::{Committer, Swap};
use super::worker::{Role, Worker};
use super::{Shared, View, growing, lock, merge, pool, sets};
use crate::compaction::{Meta, plan};
use crate::config::Progress;
use crate::error::Result;
use crate::segment::SegmentHandle;
use crate::sync::MutexGuard;
use crate::types::IndexKind;

/// Growing points and bytes at which they are sealed: so many cost a search as much as a segment.
const SEAL: Size = Size { rows: if cfg!(test) { 40 } else { 8_192 }, bytes: 64 << 20 };
/// While points come, sealing waits until there are so many: one large index takes less work than
/// many small ones. Meanwhile what is growing gets an index in memory.
const FULL: Size = Size { rows: if cfg!(test) { 40 } else { 50_000 }, bytes: 128 << 20 };
/// Points without an index that are sealed by all threads: writers may have to wait for it.
const BURST: u64 = 25_000;
/// Points without an index from which on they get one, and what share of those that have one they
/// must be: each time, these are copied.
const LACKING: u64 = if cfg!(test) { 1 << 40 } else { 2_048 };
const LACKING_SHARE: u64 = 16;
/// Growing points and bytes at which writers wait.
const MOST: Size = Size { rows: if cfg!(test) { 300 } else { 100_000 }, bytes: 512 << 20 };
/// A file of the log ends at so many points or bytes.
const ACTIVE: Size = Size { rows: if cfg!(test) { 60 } else { 100_000 }, bytes: 256 << 20 };
/// How long it is watched how fast points come.
const WATCH: Duration = Duration::from_millis(200);
/// So many times with few points in a row are a lull.
const LULL: u32 = 4;
/// Points in that time that come steadily, and that come so fast that an index in memory would
/// only fall behind.
const STEADY: u64 = 200;
const FAST: u64 = 4_000;
/// Bytes and files of the log at which what is in them is sealed or saved, however little is
/// growing: it is read whole when the collection is opened.
const LOG_BYTES: u64 = if cfg!(test) { 6_000 } else { 128 << 20 };
const LOG_FILES: usize = 8;
/// Segments at which a call that adds one lets the merges catch up.
const SEGMENTS_MANY: usize = 6;
/// Bytes a second that merges write, so that the log has the disk to itself most of the time.
const MERGE_RATE: u64 = 64 << 20;

/// Rows and bytes in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    rows: u64,
    bytes: u64,
}

impl Size {
    /// Whether it reaches another in rows or in bytes.
    fn reaches(self, limit: Self) -> bool {
        self.rows >= limit.rows || self.bytes >= limit.bytes
    }

    fn add(&mut self, handle: &SegmentHandle) {
        self.rows += u64::from(handle.segment.rows());
        self.bytes += handle.segment.file_bytes();
    }
}

/// What is growing.
#[derive(Debug, Clone, Copy, Default)]
struct Growth {
    all: Size,
    /// What of it is written to the same file of the log as what comes next.
    written: Size,
    /// Rows of that without an index.
    lacking: u64,
}

impl Growth {
    fn of(view: &View, active: u64) -> Self {
        let mut growth = Self::default();
        for (wal, handle) in view.segments.iter().filter_map(|h| Some((h.wal()?, h))) {
            growth.all.add(handle);
            if wal == active {
                growth.written.add(handle);
                if handle.segment.index().is_none() {
                    growth.lacking += u64::from(handle.segment.rows());
                }
            }
        }
        growth
    }

    /// Whether it is time to index what isn't.
    fn wants_index(&self) -> bool {
        let indexed = self.written.rows - self.lacking;
        self.lacking >= LACKING && self.lacking >= indexed / LACKING_SHARE
    }
}

fn pieces(view: &View) -> Vec<Arc<SegmentHandle>> {
    view.segments.iter().filter(|h| h.wal().is_some()).cloned().collect()
}

impl Shared {
    pub(super) fn worker(&self, role: Role) -> &Worker {
        match role {
            Role::Index => &self.indexer,
            Role::Seal => &self.sealer,
            Role::Merge => &self.merger,
        }
    }

    /// Does what is due; whether there was something.
    pub(super) fn step(&self, role: Role) -> Result<bool> {
        match role {
            Role::Index => {
                if !self.comes_steadily()? {
                    return Ok(false);
                }
                let threads = pool::indexing()?;
                self.indexer.work(|progress| growing::gather_pieces(self, threads, progress))
            }
            Role::Seal => {
                if !self.wait_for_lull()? {
                    return Ok(false);
                }
                let sealed = self.sealer.work(|progress| self.seal_due(progress))?;
                if sealed {
                    self.merger.wake();
                }
                Ok(sealed)
            }
            Role::Merge => self.merger.work(|progress| self.merge_due(progress)),
        }
    }

    fn all_grown(&self) -> Result<Size> {
        Ok(Growth::of(&*self.view("merge")?, 0).all)
    }

    fn growth(&self) -> Result<Growth> {
        let active = lock(&self.committer).active;
        Ok(Growth::of(&*self.view("merge")?, active))
    }

    /// Whether an index of what is growing is due, and can keep up.
    fn comes_steadily(&self) -> Result<bool> {
        if self.all_grown()?.rows < LACKING {
            return Ok(false);
        }
        let before = self.growth()?;
        if !before.wants_index() || self.config().index != IndexKind::Graph {
            return Ok(false);
        }
        if !self.indexer.pause(WATCH) {
            return Ok(false);
        }
        let now = self.growth()?;
        let more = now.written.rows.saturating_sub(before.written.rows);
        Ok(now.wants_index() && (STEADY..FAST).contains(&more))
    }

    /// Waits while points come and there is room for more; whether to go on.
    fn wait_for_lull(&self) -> Result<bool> {
        let (mut before, mut quiet) = (self.all_grown()?, 0);
        // One short stall of a writer is no lull.
        while before.reaches(SEAL) && !before.reaches(FULL) && quiet < LULL {
            if !self.sealer.pause(WATCH) {
                return Ok(false);
            }
            let now = self.all_grown()?;
            quiet = if now.rows < before.rows + STEADY { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(true)
    }

    fn seal_due(&self, progress: &Progress) -> Result<bool> {
        let (inputs, grown) = {
            // What is being indexed changes hands first.
            let _indexing = self.indexer.wait_its_turn();
            let mut committer = lock(&self.committer);
            committer.check("merge")?;
            let view = self.view("merge")?;
            let grown = Growth::of(&view, committer.active);
            if !grown.all.reaches(SEAL) && !committer.log_is_long(LOG_BYTES, LOG_FILES) {
                return Ok(false);
            }
            committer.freeze()?;
            let pieces = pieces(&view);
            if pieces.is_empty() {
                // Deletes and updates alone: they are saved beside the segments.
                let through = committer.next_wal - 1;
                let segments = view.segments.clone();
                Swap::of(&view).segments(segments, through).run(self, &mut committer)?;
                return Ok(true);
            }
            (pieces, grown)
        };
        let threads = if grown.lacking >= BURST { pool()? } else { pool::sealing()? };
        merge::merge(self, &inputs, threads, progress, "merge")?;
        Ok(true)
    }

    fn merge_due(&self, progress: &Progress) -> Result<bool> {
        let view = self.view("merge")?;
        // What is damaged can't be merged, and stays as it is.
        let sound = |h: &&Arc<SegmentHandle>| h.wal().is_none() && h.segment.damage().is_none();
        let sealed: Vec<_> = view.segments.iter().filter(sound).collect();
        let metas: Vec<Meta> = sealed.iter().map(|h| meta(h)).collect();
        let Some(chosen) = plan(&metas) else { return sets::merge_files(self, false) };
        let chosen = chosen.iter().filter_map(|at| sealed.get(*at));
        let inputs: Vec<_> = chosen.map(|h| Arc::clone(h)).collect();
        drop(view);
        merge::merge_gently(self, &inputs, pool::background()?, progress, MERGE_RATE)?;
        Ok(true)
    }

    /// Makes one piece of what is growing.
    #[cfg(test)]
    pub(super) fn gather_pieces(&self) -> Result<()> {
        let _indexing = self.indexer.take_over();
        growing::gather_pieces(self, pool::indexing()?, &Progress::new()).map(drop)
    }

    /// Seals what has grown, however little.
    #[cfg(test)]
    pub(super) fn seal(&self) -> Result<()> {
        let _sealing = self.sealer.take_over();
        let inputs = {
            let _indexing = self.indexer.wait_its_turn();
            let mut committer = lock(&self.committer);
            committer.check("merge")?;
            committer.freeze()?;
            pieces(&*self.view("merge")?)
        };
        if inputs.is_empty() {
            return Ok(());
        }
        merge::merge(self, &inputs, pool::background()?, &Progress::new(), "merge")
    }

    /// The right to replace any segment; interrupts what is done in the background.
    pub(super) fn begin_merge(&self) -> [MutexGuard<'_, ()>; 3] {
        // In this order everywhere.
        [self.sealer.take_over(), self.indexer.take_over(), self.merger.take_over()]
    }

    /// Lets the threads look for something to do.
    pub(super) fn wake_all(&self) {
        self.indexer.wake();
        self.sealer.wake();
        self.merger.wake();
    }

    /// The committer, once there is room for more growing points. Waits while they are sealed.
    pub(super) fn wait_for_room(&self) -> Result<MutexGuard<'_, Committer>> {
        loop {
            let mut committer = lock(&self.committer);
            committer.check("write")?;
            let growth = Growth::of(&*self.view("write")?, committer.active);
            if !growth.all.reaches(MOST) {
                if growth.written.reaches(ACTIVE) {
                    committer.freeze()?;
                }
                return Ok(committer);
            }
            drop(committer);
            self.wait_for(Role::Seal)?;
        }
    }

    /// Lets the merges catch up with calls that each add a segment.
    pub(super) fn keep_few_segments(&self) {
        let many = |view: &View| view.segments.len() >= SEGMENTS_MANY;
        if self.view("merge").is_ok_and(|view| many(&view)) {
            // What was added is there; that it can't be merged now is the worker's to say.
            let _ = self.wait_for(Role::Merge);
        }
    }

    /// Waits until an attempt of a thread has ended; does the work itself if there is none.
    fn wait_for(&self, role: Role) -> Result<()> {
        if !self.worker(role).wait_for_round()? {
            self.step(role)?;
        }
        Ok(())
    }
}

fn meta(handle: &SegmentHandle) -> Meta {
    Meta {
        rows: u64::from(handle.segment.rows()),
        alive: u64::from(handle.alive()),
        indexed: handle.segment.index().is_some(),
    }
}

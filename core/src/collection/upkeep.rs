//! What a writer's threads do, and when: sealing what has grown, merging segments, and keeping
//! writers from going too far ahead of both.

use std::sync::Arc;
use std::time::Duration;

use super::commit::{Committer, Swap};
use super::worker::{Role, Worker};
use super::{Shared, View, lock, merge, pool};
use crate::compaction::{Meta, plan};
use crate::config::Progress;
use crate::error::Result;
use crate::segment::SegmentHandle;
use crate::sync::MutexGuard;

/// Growing points and bytes at which they are sealed: so many cost a search as much as a segment.
const SEAL: Size = Size { rows: if cfg!(test) { 40 } else { 8_192 }, bytes: 64 << 20 };
/// While points come fast, sealing waits until there are so many: the disk is theirs meanwhile,
/// and one large index takes less work than many small ones.
const BURST: Size = Size { rows: if cfg!(test) { 40 } else { 50_000 }, bytes: 128 << 20 };
/// Growing points and bytes at which writers wait.
const MOST: Size = Size { rows: if cfg!(test) { 300 } else { 100_000 }, bytes: 512 << 20 };
/// A file of the log ends at so many points or bytes.
const ACTIVE: Size = Size { rows: if cfg!(test) { 60 } else { 100_000 }, bytes: 256 << 20 };
/// Points that come fast: so many in so long.
const FAST: (u64, Duration) = (500, Duration::from_millis(50));
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

/// What has grown, and what of it is in pieces that are written to.
fn grown(view: &View, active: u64) -> (Size, Size) {
    let (mut all, mut written) = (Size::default(), Size::default());
    for (wal, handle) in view.segments.iter().filter_map(|h| Some((h.wal()?, h))) {
        all.add(handle);
        if wal == active {
            written.add(handle);
        }
    }
    (all, written)
}

fn pieces(view: &View) -> Vec<Arc<SegmentHandle>> {
    view.segments.iter().filter(|h| h.wal().is_some()).cloned().collect()
}

impl Shared {
    pub(super) fn worker(&self, role: Role) -> &Worker {
        match role {
            Role::Seal => &self.sealer,
            Role::Merge => &self.merger,
        }
    }

    /// Does what is due; whether there was something.
    pub(super) fn step(&self, role: Role) -> Result<bool> {
        match role {
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
        Ok(grown(&*self.view("merge")?, 0).0)
    }

    /// Waits while points come fast and there is room for more; whether to go on.
    fn wait_for_lull(&self) -> Result<bool> {
        let mut before = self.all_grown()?;
        while before.reaches(SEAL) && !before.reaches(BURST) {
            if !self.sealer.pause(FAST.1) {
                return Ok(false);
            }
            let now = self.all_grown()?;
            if now.rows < before.rows + FAST.0 {
                break;
            }
            before = now;
        }
        Ok(true)
    }

    fn seal_due(&self, progress: &Progress) -> Result<bool> {
        let (inputs, grown) = {
            let mut committer = lock(&self.committer);
            committer.check("merge")?;
            let view = self.view("merge")?;
            let grown = grown(&view, 0).0;
            if !grown.reaches(SEAL) && !committer.log_is_long(LOG_BYTES, LOG_FILES) {
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
        // With as many threads as there are once writers may have to wait.
        let threads = if grown.reaches(BURST) { pool()? } else { pool::sealing()? };
        merge::merge(self, &inputs, threads, progress, "merge")?;
        Ok(true)
    }

    fn merge_due(&self, progress: &Progress) -> Result<bool> {
        let view = self.view("merge")?;
        // What is damaged can't be merged, and stays as it is.
        let sound = |h: &&Arc<SegmentHandle>| h.wal().is_none() && h.segment.damage().is_none();
        let sealed: Vec<_> = view.segments.iter().filter(sound).collect();
        let metas: Vec<Meta> = sealed.iter().map(|h| meta(h)).collect();
        let Some(chosen) = plan(&metas) else { return Ok(false) };
        let chosen = chosen.iter().filter_map(|at| sealed.get(*at));
        let inputs: Vec<_> = chosen.map(|h| Arc::clone(h)).collect();
        drop(view);
        merge::merge_gently(self, &inputs, pool::background()?, progress, MERGE_RATE)?;
        Ok(true)
    }

    /// Seals what has grown, however little.
    #[cfg(test)]
    pub(super) fn seal(&self) -> Result<()> {
        let _sealing = self.sealer.take_over();
        let inputs = {
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
    pub(super) fn begin_merge(&self) -> (MutexGuard<'_, ()>, MutexGuard<'_, ()>) {
        // In this order everywhere.
        (self.sealer.take_over(), self.merger.take_over())
    }

    /// Lets the threads look for something to do.
    pub(super) fn wake_all(&self) {
        self.sealer.wake();
        self.merger.wake();
    }

    /// The committer, once there is room for more growing points. Waits while they are sealed.
    pub(super) fn wait_for_room(&self) -> Result<MutexGuard<'_, Committer>> {
        loop {
            let mut committer = lock(&self.committer);
            committer.check("write")?;
            let (all, active) = grown(&*self.view("write")?, committer.active);
            if !all.reaches(MOST) {
                if active.reaches(ACTIVE) {
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

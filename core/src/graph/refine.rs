//! Refinement: the best of a walk, scored again from their 8-bit rows.

use super::hop::Scratch;
use super::search::Walk;
use crate::codes::pairs::with_kernels;
use crate::codes::query::Query;
use crate::kernels::Kernel;
use crate::kernels::candidate::{Candidate, Scoring, sort};

/// Rows asked for before the first of them is scored.
const AHEAD: usize = 8;
/// Standard errors of a code's score that are allowed for before the rest is given up: but for
/// one case in ten thousand.
const DOUBT: f32 = 4.0;

/// How far down a beam to refine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every candidate.
    All,
    /// Until no further candidate is likely to be among the best so many.
    Best(usize),
}

impl Walk<'_> {
    /// Refines the beam of the last search into `scratch.refined`, best first.
    pub(crate) fn refine(&self, query: &Query, depth: Depth, scratch: &mut Scratch) {
        let walk = self;
        with_kernels!(refine_with(
            walk: &Walk<'_>,
            query: &Query,
            depth: Depth,
            scratch: &mut Scratch,
        ));
    }

    /// Refines every one of `slots` for each query and keeps the best `keep` of each, best first.
    pub(crate) fn scan(&self, queries: &mut [Scan], slots: &[u32]) {
        let walk = self;
        with_kernels!(scan_with(walk: &Walk<'_>, queries: &mut [Scan], slots: &[u32]));
    }

    #[inline(always)]
    fn refine_one<K: Kernel>(&self, query: &Query, slot: u32) -> f32 {
        let fields = self.fields(slot);
        let row = if self.layout.bits == 8 {
            self.code(slot)
        } else {
            self.refine.as_ptr().wrapping_add(slot as usize * self.layout.refine_bytes())
        };
        // SAFETY: the slot is below `rows`, so its row is inside; a row is whole blocks; the
        // instruction set is that of the caller.
        let sum = unsafe { K::sum1::<8>(row, &query.row) };
        let scoring = Scoring { b: query.refine_b, ..query.scoring };
        scoring.score(sum, fields.scale, fields.norm2)
    }

    /// Asks for the rows that a refinement reads first.
    #[inline(always)]
    pub(super) fn prefetch_rows<K: Kernel>(&self, scratch: &Scratch) {
        const FIRST: usize = 3 * AHEAD;
        let first = scratch.pool.candidates().take(FIRST);
        first.for_each(|candidate| self.prefetch_row::<K>(candidate.slot()));
    }

    #[inline(always)]
    fn prefetch_row<K: Kernel>(&self, slot: u32) {
        let bytes = self.layout.refine_bytes();
        let row = self.refine.as_ptr().wrapping_add(slot as usize * bytes);
        for line in (0..bytes).step_by(64) {
            // SAFETY: a prefetch never faults.
            unsafe { K::prefetch(row.wrapping_add(line)) };
        }
    }
}

#[inline(always)]
fn refine_with<K: Kernel>(walk: &Walk<'_>, query: &Query, depth: Depth, scratch: &mut Scratch) {
    let Scratch { pool, refined, counters, .. } = scratch;
    refined.clear();
    let beam = pool.len();
    for candidate in pool.candidates().take(AHEAD) {
        walk.prefetch_row::<K>(candidate.slot());
    }
    let mut check = match depth {
        Depth::All => usize::MAX,
        Depth::Best(k) => k + (k / 4).max(AHEAD),
    };
    let mut worst = f32::NEG_INFINITY;
    for (position, candidate) in pool.candidates().enumerate() {
        let doubt = DOUBT * query.code_error(&walk.fields(candidate.slot()));
        if candidate.score() + doubt < worst {
            break;
        }
        if position + AHEAD < beam {
            walk.prefetch_row::<K>(pool.candidate(position + AHEAD).slot());
        }
        let score = walk.refine_one::<K>(query, candidate.slot());
        refined.push(Candidate::new(score, candidate.slot()));
        if let Depth::Best(k) = depth
            && refined.len() >= check
        {
            let (_, kth, _) = refined.select_nth_unstable(k - 1);
            worst = kth.score();
            check = refined.len() + (k / 4).max(AHEAD);
        }
    }
    counters.rows_refined += refined.len() as u64;
    sort(refined);
}

/// A query of a scan and its best so far.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) query: Query,
    keep: usize,
    best: Vec<Candidate>,
    /// What a score must exceed to matter.
    threshold: f32,
}

impl Scan {
    pub(crate) fn new(query: Query, keep: usize) -> Self {
        Self { query, keep, best: Vec::new(), threshold: f32::NEG_INFINITY }
    }

    /// The best, best first.
    pub(crate) fn finish(mut self) -> Vec<Candidate> {
        self.cut();
        self.best.sort_unstable();
        self.best
    }

    #[inline(always)]
    fn offer(&mut self, score: f32, slot: u32) {
        if score >= self.threshold {
            self.best.push(Candidate::new(score, slot));
            if self.best.len() >= 2 * self.keep + 64 {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.best.len() > self.keep && self.keep > 0 {
            self.best.select_nth_unstable(self.keep - 1);
            self.threshold = self.best[self.keep - 1].score();
        }
        self.best.truncate(self.keep);
    }
}

/// Rows that stay in the nearest caches while every query passes over them.
const SCAN_BLOCK: usize = 512;

#[inline(always)]
fn scan_with<K: Kernel>(walk: &Walk<'_>, queries: &mut [Scan], slots: &[u32]) {
    for block in slots.chunks(SCAN_BLOCK) {
        for scan in &mut *queries {
            for &slot in block.iter().filter(|slot| (**slot as usize) < walk.rows) {
                let score = walk.refine_one::<K>(&scan.query, slot);
                scan.offer(score, slot);
            }
        }
    }
}

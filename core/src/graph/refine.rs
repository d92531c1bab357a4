//! Refinement: the best of a walk, scored again from their 8-bit rows.

use super::pool::Candidate;
use super::search::{Scratch, Walk};
use crate::codes::pairs::with_kernels;
use crate::codes::query::Query;
use crate::kernels::Kernel;

/// Rows asked for before the first of them is scored.
const AHEAD: usize = 8;

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

    /// Refines every one of `slots` and keeps the best `keep` in `scratch.refined`, best first.
    pub(crate) fn scan(&self, query: &Query, slots: &[u32], keep: usize, scratch: &mut Scratch) {
        let walk = self;
        let refined = &mut scratch.refined;
        with_kernels!(scan_with(
            walk: &Walk<'_>,
            query: &Query,
            slots: &[u32],
            keep: usize,
            refined: &mut Vec<Candidate>,
        ));
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
        query.base + fields.scale * (query.a * sum as f32 + query.refine_b) + query.c * fields.norm2
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
        if candidate.score() + query.code_doubt(&walk.fields(candidate.slot())) < worst {
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
    refined.sort_unstable();
}

#[inline(always)]
fn scan_with<K: Kernel>(
    walk: &Walk<'_>,
    query: &Query,
    slots: &[u32],
    keep: usize,
    refined: &mut Vec<Candidate>,
) {
    refined.clear();
    if keep == 0 {
        return;
    }
    let mut worst = f32::NEG_INFINITY;
    let mut best = |refined: &mut Vec<Candidate>| {
        if refined.len() > keep {
            refined.select_nth_unstable(keep - 1);
            refined.truncate(keep);
            worst = refined[keep - 1].score();
        }
        worst
    };
    let mut threshold = f32::NEG_INFINITY;
    for &slot in slots.iter().filter(|slot| (**slot as usize) < walk.rows) {
        let score = walk.refine_one::<K>(query, slot);
        if score >= threshold {
            refined.push(Candidate::new(score, slot));
            if refined.len() >= 2 * keep + 64 {
                threshold = best(refined);
            }
        }
    }
    best(refined);
    refined.sort_unstable();
}

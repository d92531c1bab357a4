//! The walk: best-first search of the graph over codes, each expanded node refined from its
//! 8-bit row.
//!
//! The loop follows `DiskANN`'s greedy search (Subramanya et al. 2019) with the neighbours of a hop
//! gathered first, prefetched, and scored four at a time.

use super::pool::{Candidate, Pool};
use super::visited::Visited;
use crate::codes::layout::{Fields, Layout};
use crate::codes::pairs::with_kernels;
use crate::codes::query::Query;
use crate::kernels::{Isa, Kernel};
use crate::results::SearchCounters;

/// What the walk reads: checked lengths, so that every slot below `rows` is inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    layout: Layout,
    rows: usize,
    codes: &'a [u8],
    edges: Edges<'a>,
    refine: &'a [u8],
    entries: &'a [u32],
}

/// Neighbours, the same number of places a slot, in place. A value that is no slot is no edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edges<'a> {
    places: &'a [u32],
    stride: usize,
}

impl<'a> Edges<'a> {
    /// `stride` little-endian words a slot; `None` where they can't be read in place.
    pub(crate) fn new(bytes: &'a [u8], stride: usize) -> Option<Self> {
        // SAFETY: every bit pattern is a u32; `align_to` gives the aligned middle.
        let (before, places, after) = unsafe { bytes.align_to::<u32>() };
        let in_place = before.is_empty() && after.is_empty() && cfg!(target_endian = "little");
        in_place.then_some(Self { places, stride })
    }

    pub(crate) fn of(places: &'a [u32], stride: usize) -> Self {
        Self { places, stride }
    }
}

/// Buffers of a search, reused. One a thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    visited: Visited,
    pool: Pool,
    fresh: Vec<u32>,
    survivors: Vec<Candidate>,
    /// Expanded nodes with their refined scores, in the order they were expanded.
    pub(crate) refined: Vec<Candidate>,
    pub(crate) counters: SearchCounters,
}

impl<'a> Walk<'a> {
    /// A walk over sections of `rows` rows. `None` when a length does not fit.
    pub(crate) fn new(
        layout: Layout,
        rows: usize,
        codes: &'a [u8],
        edges: Edges<'a>,
        refine: &'a [u8],
        entries: &'a [u32],
    ) -> Option<Self> {
        let fits = codes.len() >= rows * layout.stride()
            && edges.places.len() >= rows * edges.stride
            && refine.len() >= rows * layout.refine_bytes()
            && rows < super::pool::SLOTS_MAX;
        fits.then_some(Self { layout, rows, codes, edges, refine, entries })
    }

    /// Searches with a beam of `effort`; what it expanded is in `scratch.refined`.
    pub(crate) fn search(&self, query: &Query, effort: usize, scratch: &mut Scratch) {
        match self.layout.bits {
            1 => self.dispatch::<1>(query, effort, scratch),
            2 => self.dispatch::<2>(query, effort, scratch),
            4 => self.dispatch::<4>(query, effort, scratch),
            _ => self.dispatch::<8>(query, effort, scratch),
        }
    }

    fn dispatch<const BITS: usize>(&self, query: &Query, effort: usize, scratch: &mut Scratch) {
        #[cfg(target_arch = "x86_64")]
        match Isa::detected() {
            // SAFETY: the instruction set was detected.
            Isa::Avx512 => return unsafe { self.run_avx512::<BITS>(query, effort, scratch) },
            // SAFETY: the instruction set was detected.
            Isa::Avx2 => return unsafe { self.run_avx2::<BITS>(query, effort, scratch) },
            Isa::Scalar => {}
        }
        self.run::<crate::kernels::scalar::Scalar, BITS>(query, effort, scratch);
    }

    /// # Safety
    /// The machine has [`Isa::Avx512`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,bmi2,fma")]
    unsafe fn run_avx512<const BITS: usize>(&self, q: &Query, effort: usize, s: &mut Scratch) {
        self.run::<crate::kernels::x86_64::avx512::Avx512, BITS>(q, effort, s);
    }

    /// # Safety
    /// The machine has [`Isa::Avx2`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn run_avx2<const BITS: usize>(&self, q: &Query, effort: usize, s: &mut Scratch) {
        self.run::<crate::kernels::x86_64::avx2::Avx2, BITS>(q, effort, s);
    }

    #[inline(always)]
    fn run<K: Kernel, const BITS: usize>(&self, query: &Query, effort: usize, s: &mut Scratch) {
        s.visited.reset(self.rows);
        s.pool.reset(effort);
        s.refined.clear();
        s.fresh.resize(self.edges.stride.max(self.entries.len()) + 4, 0);
        s.survivors.resize(s.fresh.len(), Candidate::new(0.0, 0));
        let fresh = self.gather::<K>(self.entries, s);
        self.score_fresh::<K, BITS>(query, fresh, s);
        // Each slot enters the pool at most once, so this ends after at most `rows` hops. A node
        // is refined one hop late: its row has arrived by then.
        let mut late = None;
        while let Some(slot) = s.pool.pop() {
            self.prefetch_row::<K>(slot);
            let from = slot as usize * self.edges.stride;
            let fresh = self.gather::<K>(&self.edges.places[from..from + self.edges.stride], s);
            if let Some(next) = s.pool.peek() {
                self.prefetch_edges::<K>(next);
            }
            if let Some(slot) = late.replace(slot) {
                s.refined.push(Candidate::new(self.refine_one::<K>(query, slot), slot));
            }
            self.score_fresh::<K, BITS>(query, fresh, s);
            if let Some(next) = s.pool.peek() {
                self.prefetch_edges::<K>(next);
            }
        }
        if let Some(slot) = late {
            s.refined.push(Candidate::new(self.refine_one::<K>(query, slot), slot));
        }
        s.counters.hops += s.refined.len() as u64;
        s.counters.rows_refined += s.refined.len() as u64;
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

    /// Puts the neighbours not seen before into `fresh`, asks for their codes, and returns how
    /// many there are. Edges are data: the first value that is no slot ends them.
    #[inline(always)]
    fn gather<K: Kernel>(&self, neighbours: &[u32], s: &mut Scratch) -> usize {
        let mut count = 0;
        let fresh = &mut s.fresh[..neighbours.len() + 4];
        for &neighbour in neighbours {
            if neighbour as usize >= self.rows {
                break;
            }
            fresh[count] = neighbour;
            // SAFETY: the visited set was reset for `rows` slots, and the slot is below.
            count += usize::from(unsafe { s.visited.insert(neighbour) });
        }
        for &slot in &fresh[..count] {
            let code = self.code(slot);
            for line in (0..self.layout.stride()).step_by(64) {
                // SAFETY: a prefetch never faults.
                unsafe { K::prefetch(code.wrapping_add(line)) };
            }
        }
        // Whole groups of four: the last repeats a slot that is there.
        if count > 0 {
            let last = fresh[count - 1];
            fresh[count..count + 3].fill(last);
        }
        count
    }

    /// Scores the fresh neighbours and merges those that beat the beam's worst.
    #[inline(always)]
    fn score_fresh<K: Kernel, const BITS: usize>(
        &self,
        query: &Query,
        count: usize,
        s: &mut Scratch,
    ) {
        let threshold = s.pool.threshold();
        let mut survivors = 0;
        s.counters.codes_scored += count as u64;
        for (group, slots) in
            s.fresh[..count.next_multiple_of(4)].as_chunks::<4>().0.iter().enumerate()
        {
            let codes = slots.map(|slot| self.code(slot));
            // SAFETY: each slot is below `rows`, so its record has every block of the code; the
            // instruction set is that of the caller.
            let sums = unsafe { K::sums4::<BITS>(codes, &query.code) };
            for (i, slot) in slots.iter().enumerate() {
                let fields = self.fields(*slot);
                let score = query.base
                    + fields.factor * (query.a * sums[i] as f32 + query.b)
                    + query.c * fields.norm2;
                // The place is written in any case: no branch to mispredict.
                s.survivors[survivors] = Candidate::new(score, *slot);
                survivors += usize::from(score > threshold && group * 4 + i < count);
            }
        }
        s.pool.merge(&mut s.survivors[..survivors]);
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
    fn prefetch_edges<K: Kernel>(&self, slot: u32) {
        let Edges { places, stride } = self.edges;
        let edges = places.as_ptr().wrapping_add(slot as usize * stride).cast::<u8>();
        for line in (0..stride * 4).step_by(64) {
            // SAFETY: a prefetch never faults.
            unsafe { K::prefetch(edges.wrapping_add(line)) };
        }
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

    #[inline(always)]
    fn code(&self, slot: u32) -> *const u8 {
        self.codes.as_ptr().wrapping_add(slot as usize * self.layout.stride())
    }

    /// The fields of a slot's record.
    #[inline(always)]
    pub(crate) fn fields(&self, slot: u32) -> Fields {
        debug_assert!((slot as usize) < self.rows);
        let at = slot as usize * self.layout.stride() + self.layout.fields_at();
        // SAFETY: `new` checked that `codes` holds `rows` records, every caller's slot is below
        // `rows`, and the fields lie inside a record.
        let bytes = unsafe { self.codes.get_unchecked(at..at + 16) };
        Fields::read(bytes)
    }
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

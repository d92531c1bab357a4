//! The walk: best-first search of the graph over codes. What it finds is refined after, see
//! [`super::refine`].
//!
//! The loop follows `DiskANN`'s greedy search (Subramanya et al. 2019) with the neighbours of a hop
//! gathered first, prefetched, and scored four at a time.

use super::pool::{Candidate, Pool};
use super::visited::Visited;
use crate::codes::layout::{Fields, Layout};
use crate::codes::query::Query;
use crate::kernels::{Isa, Kernel};
use crate::results::SearchCounters;

/// What the walk reads: checked lengths, so that every slot below `rows` is inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(super) layout: Layout,
    pub(super) rows: usize,
    codes: &'a [u8],
    edges: Edges<'a>,
    pub(super) refine: &'a [u8],
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
    pub(super) pool: Pool,
    /// The neighbours of a hop that were not seen before.
    fresh: Vec<u32>,
    survivors: Vec<Candidate>,
    /// What a refinement kept, best first.
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

    /// The slots that are nodes: all but twins, which follow their node.
    pub(crate) fn nodes(&self) -> Vec<u32> {
        let mut nodes = Vec::new();
        let mut slot = 0_u32;
        while (slot as usize) < self.rows {
            nodes.push(slot);
            slot = slot.saturating_add(1).saturating_add(self.fields(slot).twins);
        }
        nodes
    }

    /// Searches with a beam of `effort`; what it found is in the scratch, to be refined.
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
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
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
        s.survivors.resize(self.places(), Candidate::new(0.0, 0));
        s.fresh.resize(self.places(), 0);
        let count = self.gather::<K>(self.entries, s);
        self.score::<K, BITS>(query, count, s);
        // Each slot enters the pool at most once, so this ends after at most `rows` hops.
        while let Some(slot) = s.pool.pop() {
            s.counters.hops += 1;
            let from = slot as usize * self.edges.stride;
            let count = self.gather::<K>(&self.edges.places[from..from + self.edges.stride], s);
            // The likely next node, while these codes arrive; and the certain one.
            if let Some(next) = s.pool.peek() {
                self.prefetch_edges::<K>(next);
            }
            self.score::<K, BITS>(query, count, s);
            if let Some(next) = s.pool.peek() {
                self.prefetch_edges::<K>(next);
            }
        }
    }

    /// Places that the neighbours of a hop take, with room to fill a group of four.
    fn places(&self) -> usize {
        self.edges.stride.max(self.entries.len()) + 4
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

    /// Scores the first `count` of these neighbours and merges those that beat the beam's worst.
    #[inline(always)]
    fn score<K: Kernel, const BITS: usize>(&self, query: &Query, count: usize, s: &mut Scratch) {
        let threshold = s.pool.threshold();
        let mut survivors = 0;
        s.counters.codes_scored += count as u64;
        let groups = s.fresh[..count.next_multiple_of(4)].as_chunks::<4>().0;
        for (group, slots) in groups.iter().enumerate() {
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
    fn prefetch_edges<K: Kernel>(&self, slot: u32) {
        let Edges { places, stride } = self.edges;
        let edges = places.as_ptr().wrapping_add(slot as usize * stride).cast::<u8>();
        for line in (0..stride * 4).step_by(64) {
            // SAFETY: a prefetch never faults.
            unsafe { K::prefetch(edges.wrapping_add(line)) };
        }
    }

    #[inline(always)]
    pub(super) fn code(&self, slot: u32) -> *const u8 {
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

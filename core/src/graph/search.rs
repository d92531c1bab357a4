//! The walk: best-first search of the graph over codes. The loop is in [`super::hop`]; what it
//! finds is refined after, see [`super::refine`].

use super::hop::{self, Beam, Jobs, Lane, Scratch};
use super::visited::GROUP;
use crate::codes::layout::{Fields, Layout};
use crate::codes::pairs::with_kernels;
use crate::codes::query::{BEGINNINGS, Query};
use crate::kernels::Kernel;
use crate::kernels::candidate::Records;

/// What the walk reads: checked lengths, so that every slot below `rows` is inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(super) layout: Layout,
    pub(super) rows: usize,
    codes: &'a [u8],
    edges: Edges<'a>,
    pub(super) refine: &'a [u8],
    pub(super) starts: Starts<'a>,
}

/// Where a walk begins: at all entries, and the gates of the clusters nearest to the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starts<'a> {
    pub(crate) entries: &'a [u32],
    /// A node a cluster, or none at all.
    pub(crate) gates: &'a [u32],
}

impl<'a> Starts<'a> {
    /// The entries alone.
    pub(crate) fn at(entries: &'a [u32]) -> Self {
        Self { entries, gates: &[] }
    }
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

impl<'a> Walk<'a> {
    /// A walk over sections of `rows` rows. `None` when a length does not fit.
    pub(crate) fn new(
        layout: Layout,
        rows: usize,
        codes: &'a [u8],
        edges: Edges<'a>,
        refine: &'a [u8],
        starts: Starts<'a>,
    ) -> Option<Self> {
        let fits = codes.len() >= rows * layout.stride()
            && edges.places.len() >= rows * edges.stride
            && refine.len() >= rows * layout.refine_bytes()
            && rows < super::pool::SLOTS_MAX;
        fits.then_some(Self { layout, rows, codes, edges, refine, starts })
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

    /// Searches one query; what it found is in the scratch, to be refined.
    pub(crate) fn search(&self, query: &Query, beam: Beam, scratch: &mut Scratch) {
        let walk = self;
        with_kernels!(search_with(
            walk: &Walk<'_>,
            query: &Query,
            beam: Beam,
            scratch: &mut Scratch,
        ));
    }

    /// Searches `count` queries, as many at the same time as there are lanes. Each finds what
    /// [`Self::search`] finds.
    pub(crate) fn search_many(&self, count: usize, lanes: &mut [Lane], jobs: &mut dyn Jobs) {
        let walk = self;
        if let Some(Lane { query, scratch, .. }) = lanes.first_mut().filter(|_| walk.is_flat()) {
            // Nothing is waited for that another query could use.
            for job in 0..count {
                let beam = jobs.start(job, query);
                walk.search(query, beam, scratch);
                jobs.refine(query, scratch);
                jobs.finish(job, query, scratch);
            }
            return;
        }
        with_kernels!(search_many_with(
            walk: &Walk<'_>,
            count: usize,
            lanes: &mut [Lane],
            jobs: &mut dyn Jobs,
        ));
    }

    /// A node a cluster, where walks begin; or none.
    pub(crate) fn gates(&self) -> &'a [u32] {
        self.starts.gates
    }

    /// Whether there are no edges: every row is an entry.
    fn is_flat(&self) -> bool {
        self.edges.stride == 0
    }

    /// Places that the neighbours of a hop take, with room to fill a group.
    pub(super) fn places(&self) -> usize {
        self.edges.stride.max(self.starts.entries.len() + BEGINNINGS) + GROUP
    }

    /// The places of a node's neighbours.
    #[inline(always)]
    pub(super) fn edges_of(&self, slot: u32) -> &[u32] {
        let from = slot as usize * self.edges.stride;
        &self.edges.places[from..from + self.edges.stride]
    }

    #[inline(always)]
    pub(super) fn code(&self, slot: u32) -> *const u8 {
        self.codes.as_ptr().wrapping_add(slot as usize * self.layout.stride())
    }

    /// The records as kernels read them.
    #[inline(always)]
    pub(super) fn records(&self) -> Records {
        let (fields_at, stride) = (self.layout.fields_at(), self.layout.stride());
        Records { first: self.codes.as_ptr(), fields_at, stride }
    }

    /// The fields of a slot's record.
    #[inline(always)]
    pub(crate) fn fields(&self, slot: u32) -> Fields {
        debug_assert!((slot as usize) < self.rows);
        let at = slot as usize * self.layout.stride() + self.layout.fields_at();
        // SAFETY: `new` checked that `codes` holds `rows` records, every caller's slot is below
        // `rows`, and the fields lie inside a record.
        let bytes = unsafe { self.codes.get_unchecked(at..at + self.layout.field_bytes()) };
        Fields::read(bytes)
    }
}

#[inline(always)]
fn search_with<K: Kernel>(walk: &Walk<'_>, query: &Query, beam: Beam, s: &mut Scratch) {
    if walk.is_flat() {
        return match walk.layout.bits {
            1 => hop::run_flat::<K, 1>(walk, query, beam, s),
            2 => hop::run_flat::<K, 2>(walk, query, beam, s),
            4 => hop::run_flat::<K, 4>(walk, query, beam, s),
            _ => hop::run_flat::<K, 8>(walk, query, beam, s),
        };
    }
    match walk.layout.bits {
        1 => hop::run::<K, 1>(walk, query, beam, s),
        2 => hop::run::<K, 2>(walk, query, beam, s),
        4 => hop::run::<K, 4>(walk, query, beam, s),
        _ => hop::run::<K, 8>(walk, query, beam, s),
    }
}

#[inline(always)]
fn search_many_with<K: Kernel>(
    walk: &Walk<'_>,
    count: usize,
    lanes: &mut [Lane],
    jobs: &mut dyn Jobs,
) {
    match walk.layout.bits {
        1 => hop::run_many::<K, 1>(walk, count, lanes, jobs),
        2 => hop::run_many::<K, 2>(walk, count, lanes, jobs),
        4 => hop::run_many::<K, 4>(walk, count, lanes, jobs),
        _ => hop::run_many::<K, 8>(walk, count, lanes, jobs),
    }
}

//! Search for some of the nodes, those that are eligible: by the codes of all or of many of them,
//! or by a walk.
//!
//! A walk to eligible nodes first goes to where the query is, through whatever is there. Then it
//! *peeks*: of the neighbours of what it saw, best first, only the eligible ones are scored. To
//! peek costs a tenth of expanding, so that a result among hundreds that are not eligible is
//! found nearly as fast as one among its like.

use super::hop::{Beam, Scratch, TURNS};
use super::pool::Pool;
use super::regions::Regions;
use super::search::Walk;
use super::visited::GROUP;
use crate::codes::pairs::with_kernels;
use crate::codes::query::Query;
use crate::kernels::Kernel;
use crate::kernels::candidate::{Candidate, Hop};
use crate::results::SearchCounters;

/// Codes scored together by a scan; those of the next so many are asked for meanwhile.
const TOGETHER: usize = 32;
/// Nodes whose edges are asked for before they are peeked at.
const AHEAD: usize = 8;
/// Codes that a scan hands on together.
const EACH: usize = 512;
/// Eligible nodes of which one can tell how near the results are.
const SOME: usize = 8;
/// What codes can't tell from the last result, as a multiple of their doubt.
const MARGIN: f32 = 1.5;
/// Eligible neighbours that are scored together.
pub(super) const BATCH: usize = 16;

/// What a walk to eligible nodes looks for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// A bit a slot: the nodes that can be results.
    pub(crate) eligible: &'a [u64],
    /// Neighbours are looked at of what is within this multiple of the distance of the last result.
    pub(crate) reach: f32,
    /// Of so many at most.
    pub(crate) peeks: usize,
    pub(crate) near: Near<'a>,
}

/// Codes of eligible nodes that are scored where they are, those of the nearest regions first.
#[derive(Clone, Copy)]
pub(crate) struct Near<'a> {
    pub(crate) regions: &'a Regions,
    /// The nearest first; empty if that is not known yet.
    pub(crate) order: &'a [Candidate],
    /// How many, if so many nodes are nearer than the last result.
    pub(crate) codes: fn(usize) -> usize,
    /// Where as many are, at least.
    pub(crate) far: usize,
}

/// Takes what is found, and says how near more must be.
pub(crate) trait Judge {
    /// Eligible nodes by the scores of their codes.
    fn take(&mut self, walk: &Walk<'_>, found: &[Candidate]);

    /// The score of the last result, as far as is known; minus infinity while there are too few.
    fn last(&mut self) -> f32;

    /// The score below which nothing is worth to be taken.
    fn least(&mut self) -> f32 {
        f32::NEG_INFINITY
    }
}

/// Keeps the nearest.
#[derive(Debug)]
pub(crate) struct Nearest<'a> {
    /// The best so many that tell how near the results are.
    best: &'a mut Pool,
    width: usize,
    k: usize,
    /// All that may be among the results.
    found: &'a mut Vec<Candidate>,
    /// What is farther than the last result by more than this is not.
    margin: f32,
    few: Vec<Candidate>,
}

impl<'a> Nearest<'a> {
    /// The nearest `k` and what codes can't tell from them.
    pub(crate) fn new(
        (best, found): (&'a mut Pool, &'a mut Vec<Candidate>),
        query: &Query,
        k: usize,
    ) -> Self {
        let width = k.max(SOME);
        best.reset(width);
        found.clear();
        Self { best, width, k, found, margin: MARGIN * query.doubt, few: Vec::new() }
    }

    /// The nearest `most`, however far behind the `k`-th.
    pub(crate) fn all(
        buffers: (&'a mut Pool, &'a mut Vec<Candidate>),
        query: &Query,
        k: usize,
    ) -> Self {
        Self { margin: f32::INFINITY, ..Self::new(buffers, query, k) }
    }

    fn at(&self, rank: usize) -> f32 {
        if rank == 0 || self.best.len() < rank {
            return f32::NEG_INFINITY;
        }
        self.best.candidate(rank - 1).score()
    }

    /// Leaves what is to be refined, at most so many, in the pool: the best first.
    pub(crate) fn finish(self, most: usize) {
        let Self { best, found, k, margin, .. } = self;
        let last = if best.len() < k { f32::NEG_INFINITY } else { best.candidate(k - 1).score() };
        found.retain(|c| c.score() >= last - margin);
        if found.len() > most {
            found.select_nth_unstable(most - 1);
            found.truncate(most);
        }
        found.sort_unstable();
        // Damaged edges may name a node twice.
        found.dedup();
        best.fill(found, most);
    }
}

impl Judge for Nearest<'_> {
    fn take(&mut self, _: &Walk<'_>, found: &[Candidate]) {
        let before = self.found.len();
        self.found.extend_from_slice(found);
        if before == 0 {
            // In any order: the best come first.
            let count = self.width.min(self.found.len());
            if count < self.found.len() {
                self.found.select_nth_unstable(count);
            }
            self.found[..count].sort_unstable();
            self.best.fill(&self.found[..count], self.width);
            return;
        }
        // The smallest key that is not above.
        let last = Candidate::new(self.best.threshold(), 0);
        self.few.clear();
        self.few.extend(found.iter().filter(|c| **c < last));
        self.best.merge(&mut self.few);
    }

    fn last(&mut self) -> f32 {
        self.at(self.k)
    }

    fn least(&mut self) -> f32 {
        self.at(self.k) - self.margin
    }
}

impl Walk<'_> {
    /// Scores the codes of these slots and keeps the best `width` of all so far. Slots beyond the
    /// rows are left out.
    pub(crate) fn scan_codes(
        &self,
        query: &Query,
        width: usize,
        slots: &[u32],
        scratch: &mut Scratch,
    ) {
        if slots.iter().fold(0, |most, slot| most.max(*slot)) as usize >= self.rows {
            let inside: Vec<u32> =
                slots.iter().copied().filter(|slot| (*slot as usize) < self.rows).collect();
            return self.scan_codes(query, width, &inside, scratch);
        }
        let walk = self;
        with_kernels!(scan_codes_with(
            walk: &Walk<'_>,
            query: &Query,
            width: usize,
            slots: &[u32],
            scratch: &mut Scratch,
        ));
    }

    /// Scores the codes of these slots, each for itself; `sink` takes them a part at a time.
    pub(crate) fn scan_each(
        &self,
        query: &Query,
        slots: &[u32],
        scratch: &mut Scratch,
        mut sink: impl FnMut(&[Candidate]),
    ) {
        for part in slots.chunks(EACH) {
            let counters = scratch.counters;
            scratch.begin_scan();
            self.scan_codes(query, usize::MAX / 4, part, scratch);
            scratch.counters.add(&counters);
            sink(&scratch.best);
        }
    }

    /// Walks to the eligible nodes nearest to a query; what it found is in the scratch, to be
    /// refined. `false` if so few are eligible where the query is that others may be nearer.
    pub(crate) fn search_for(
        &self,
        query: &Query,
        beam: Beam,
        wanted: Wanted<'_>,
        (judge, scratch): (&mut dyn Judge, &mut Scratch),
    ) -> bool {
        assert!(wanted.eligible.len() * 64 >= self.rows, "a bit a slot");
        let walk = self;
        with_kernels!(search_for_with(
            walk: &Walk<'_>,
            query: &Query,
            beam: Beam,
            wanted: Wanted<'_>,
            judge: &mut dyn Judge,
            scratch: &mut Scratch,
        ) -> bool)
    }
}

impl Scratch {
    /// Begins a scan of codes.
    pub(crate) fn begin_scan(&mut self) {
        self.counters = SearchCounters::default();
        self.best.clear();
        self.threshold = f32::NEG_INFINITY;
        if self.survivors.len() < TOGETHER + 8 {
            self.survivors.resize(TOGETHER + 8, Candidate(0));
        }
    }

    /// Ends a scan: the best `width` are to be refined.
    pub(crate) fn end_scan(&mut self, width: usize) {
        self.keep_best(width);
        self.best.sort_unstable();
        self.pool.fill(&self.best, width);
    }

    /// What is in the spare pool is to be refined.
    pub(crate) fn take_spare(&mut self) {
        std::mem::swap(&mut self.pool, &mut self.spare.0);
    }

    /// These are to be refined, best first.
    pub(crate) fn take_slots(&mut self, sorted: &[Candidate]) {
        self.pool.fill(sorted, sorted.len());
    }

    #[inline(always)]
    fn keep_best(&mut self, width: usize) {
        if self.best.len() > width && width > 0 {
            self.best.select_nth_unstable(width - 1);
            self.best.truncate(width);
            self.threshold = self.best[width - 1].score();
        }
    }
}

#[inline(always)]
fn scan_codes_with<K: Kernel>(
    walk: &Walk<'_>,
    query: &Query,
    width: usize,
    slots: &[u32],
    s: &mut Scratch,
) {
    match walk.layout.bits {
        1 => scan_codes_of::<K, 1>(walk, query, width, slots, s),
        2 => scan_codes_of::<K, 2>(walk, query, width, slots, s),
        4 => scan_codes_of::<K, 4>(walk, query, width, slots, s),
        _ => scan_codes_of::<K, 8>(walk, query, width, slots, s),
    }
}

#[inline(always)]
fn search_for_with<K: Kernel>(
    walk: &Walk<'_>,
    query: &Query,
    beam: Beam,
    wanted: Wanted<'_>,
    judge: &mut dyn Judge,
    s: &mut Scratch,
) -> bool {
    match walk.layout.bits {
        1 => search_for_of::<K, 1>(walk, query, beam, wanted, judge, s),
        2 => search_for_of::<K, 2>(walk, query, beam, wanted, judge, s),
        4 => search_for_of::<K, 4>(walk, query, beam, wanted, judge, s),
        _ => search_for_of::<K, 8>(walk, query, beam, wanted, judge, s),
    }
}

/// The slots are below the rows.
#[inline(always)]
fn scan_codes_of<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    width: usize,
    slots: &[u32],
    s: &mut Scratch,
) {
    let records = walk.records();
    let count = slots.len();
    // SAFETY: a prefetch never faults.
    unsafe { K::prefetch_records(records, &slots[..count.min(TOGETHER)]) };
    let mut last = [0; TOGETHER];
    for from in (0..count).step_by(TOGETHER) {
        let to = (from + TOGETHER).min(count);
        let mut groups = slots[from..to].as_chunks().0;
        if !(to - from).is_multiple_of(GROUP) {
            // Whole groups: the last slot is repeated, and not kept twice.
            last.fill(slots[to - 1]);
            last[..to - from].copy_from_slice(&slots[from..to]);
            groups = last[..(to - from).next_multiple_of(GROUP)].as_chunks().0;
        }
        let hop =
            Hop { slots: &slots[from..to], groups, ahead: &slots[to..(to + TOGETHER).min(count)] };
        let (query, kept) = (query.asked(), &mut s.survivors);
        // SAFETY: each slot is below `rows`, so its record is inside, with every block of the
        // code; the instruction set is that of the caller.
        let survivors = unsafe { K::hop::<BITS>(query, records, hop, s.threshold, kept) };
        s.best.extend_from_slice(&s.survivors[..survivors]);
        if s.best.len() >= 2usize.saturating_mul(width).saturating_add(TOGETHER) {
            s.keep_best(width);
        }
    }
    s.counters.codes_scored += count as u64;
}

#[inline(always)]
fn search_for_of<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    beam: Beam,
    wanted: Wanted<'_>,
    judge: &mut dyn Judge,
    s: &mut Scratch,
) -> bool {
    walk.begin::<K>(query, beam, s);
    s.all.clear();
    walk_on::<K, BITS>(walk, query, beam, s);
    s.found.clear();
    s.found.resize(s.all.len(), Candidate(0));
    let mut count = 0;
    for c in &s.all {
        // The place is written in any case: no branch to mispredict.
        s.found[count] = *c;
        let slot = c.slot() as usize;
        count += (wanted.eligible[slot / 64] >> (slot % 64) & 1) as usize;
    }
    s.found.truncate(count);
    judge.take(walk, &s.found);
    scan_near::<K, BITS>(walk, query, wanted, (&mut *judge, &mut *s));
    if judge.last() == f32::NEG_INFINITY {
        return false;
    }
    let mut frontier = std::mem::take(&mut s.all);
    let mut left = wanted.peeks;
    while left > 0 {
        let limit = limit(query, wanted, judge);
        order(&mut frontier, limit, &mut s.best);
        if frontier.is_empty() {
            break;
        }
        frontier.truncate(left);
        left -= frontier.len();
        s.found.clear();
        peek::<K, BITS>(walk, query, wanted, &frontier, (&mut *judge, &mut *s));
        std::mem::swap(&mut frontier, &mut s.found);
    }
    s.all = frontier;
    true
}

/// Scores the codes of eligible nodes in the nearest regions.
#[inline(always)]
fn scan_near<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    wanted: Wanted<'_>,
    (judge, s): (&mut dyn Judge, &mut Scratch),
) {
    let Near { regions, order, codes, far } = wanted.near;
    let last = judge.last();
    let nearer = s.all.iter().filter(|c| c.score() >= last).count();
    if nearer < far {
        return;
    }
    let mut left = codes(nearer);
    let mut own = Vec::new();
    if order.is_empty() && left > 0 {
        regions.nearest(query, &mut own);
        s.counters.regions_scored += own.len() as u64;
    }
    let mut order = if order.is_empty() { own.iter() } else { order.iter() };
    while left > 0 && !s.is_over() {
        s.visited.begin();
        while s.visited.fresh().len() < EACH / 2 {
            let Some(region) = order.next() else {
                // What is gathered is the last.
                left = 0;
                break;
            };
            let slots = regions.slots(region.slot());
            s.visited.gather(slots, wanted.eligible);
        }
        s.visited.finish();
        let (fresh, groups) = (s.visited.fresh(), s.visited.groups());
        if s.survivors.len() < fresh.len() + 8 {
            s.survivors.resize(fresh.len() + 8, Candidate(0));
        }
        walk.prefetch_codes::<K>(&fresh[..fresh.len().min(TOGETHER)]);
        let (least, mut count) = (judge.least(), 0);
        for from in (0..fresh.len()).step_by(TOGETHER) {
            let to = (from + TOGETHER).min(fresh.len());
            let hop = Hop {
                slots: &fresh[from..to],
                groups: &groups[from / GROUP..to.div_ceil(GROUP)],
                ahead: &fresh[to..(to + TOGETHER).min(fresh.len())],
            };
            let kept = &mut s.survivors[count..];
            // SAFETY: each slot is below `rows`, so its record is inside, with every block of the
            // code; the instruction set is that of the caller.
            count += unsafe { K::hop::<BITS>(query.asked(), walk.records(), hop, least, kept) };
        }
        left = left.saturating_sub(fresh.len());
        s.counters.codes_scored += fresh.len() as u64;
        s.all.extend_from_slice(&s.survivors[..count]);
        judge.take(walk, &s.survivors[..count]);
    }
}

/// Leaves those of at least this score, roughly in order.
#[inline(always)]
pub(crate) fn order(nodes: &mut Vec<Candidate>, least: f32, out: &mut Vec<Candidate>) {
    const STEPS: usize = 64;
    let best = nodes.iter().fold(least, |best, c| best.max(c.score()));
    let scale = (STEPS - 1) as f32 / (best - least).max(f32::MIN_POSITIVE);
    let step = |c: &Candidate| ((best - c.score()) * scale) as usize;
    let mut starts = [0_u32; STEPS + 1];
    nodes.retain(|c| c.score() >= least);
    for c in &*nodes {
        starts[step(c).min(STEPS - 1) + 1] += 1;
    }
    for i in 1..=STEPS {
        starts[i] += starts[i - 1];
    }
    out.clear();
    out.resize(nodes.len(), Candidate(0));
    for c in &*nodes {
        let place = &mut starts[step(c).min(STEPS - 1)];
        out[*place as usize] = *c;
        *place += 1;
    }
    std::mem::swap(nodes, out);
}

/// The score below which no neighbours are looked at.
#[inline(always)]
fn limit(query: &Query, wanted: Wanted<'_>, judge: &mut dyn Judge) -> f32 {
    let last = judge.last();
    if last == f32::NEG_INFINITY {
        return last;
    }
    query.highest - wanted.reach * (query.highest - last).max(query.blur)
}

/// Walks through every node, and keeps all that were scored.
#[inline(always)]
fn walk_on<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    beam: Beam,
    s: &mut Scratch,
) {
    loop {
        let early = s.next_early(query, beam);
        if let Some(slot) = early {
            s.visited.open(slot);
            s.visited.add_ahead(walk.edges_of(slot));
        }
        let threshold = s.pool.threshold().max(s.pool.limit(query, beam));
        let count = walk.score_above::<K, BITS>(query, f32::NEG_INFINITY, &[], s);
        s.all.extend_from_slice(&s.survivors[..count]);
        let count = above(&mut s.survivors[..count], threshold);
        s.pool.merge(&mut s.survivors[..count]);
        if early.is_some() {
            s.visited.advance();
        } else if let Some(slot) = s.next(query, beam) {
            s.visited.open(slot);
            s.visited.add(walk.edges_of(slot));
            walk.prefetch_codes::<K>(s.visited.fresh());
        } else {
            break;
        }
        s.pool.upcoming::<2>().for_each(|next| walk.prefetch_edges::<K>(next));
    }
}

/// Moves those above a score to the front; how many they are.
#[inline(always)]
fn above(candidates: &mut [Candidate], score: f32) -> usize {
    // The smallest key that is not above.
    let last = Candidate::new(score, 0);
    let mut count = 0;
    for i in 0..candidates.len() {
        let candidate = candidates[i];
        // The place is written in any case: no branch to mispredict.
        candidates[count] = candidate;
        count += usize::from(candidate < last);
    }
    count
}

/// Scores the eligible neighbours of those of these nodes that are near enough.
#[inline(always)]
fn peek<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    wanted: Wanted<'_>,
    nodes: &[Candidate],
    (judge, s): (&mut dyn Judge, &mut Scratch),
) {
    let mut least = limit(query, wanted, judge);
    nodes.iter().take(AHEAD).for_each(|node| walk.prefetch_edges::<K>(node.slot()));
    s.visited.begin();
    for (position, node) in nodes.iter().enumerate() {
        if node.score() < least {
            continue;
        }
        if let Some(later) = nodes.get(position + AHEAD) {
            walk.prefetch_edges::<K>(later.slot());
        }
        s.counters.peeks += 1;
        if s.counters.peeks % TURNS == 0 && s.is_over() {
            break;
        }
        let found = s.visited.peek::<K>(node.slot(), walk.edges_of(node.slot()), wanted.eligible);
        let fresh = s.visited.fresh();
        walk.prefetch_codes::<K>(&fresh[fresh.len() - found..]);
        if fresh.len() >= BATCH {
            score_eligible::<K, BITS>(walk, query, least, (&mut *judge, &mut *s));
            least = limit(query, wanted, judge);
        }
    }
    score_eligible::<K, BITS>(walk, query, least, (judge, s));
}

/// Scores what was found since the last time.
#[inline(always)]
fn score_eligible<K: Kernel, const BITS: usize>(
    walk: &Walk<'_>,
    query: &Query,
    least: f32,
    (judge, s): (&mut dyn Judge, &mut Scratch),
) {
    s.visited.finish();
    let least = least.max(judge.least());
    let count = walk.score_above::<K, BITS>(query, least, &[], s);
    s.found.extend_from_slice(&s.survivors[..count]);
    judge.take(walk, &s.survivors[..count]);
    s.visited.begin();
}

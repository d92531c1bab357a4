//! Searches that leave out points by name, where nothing else narrows them: a few more are searched
//! for than asked for, and those left out are dropped. Whether an id is left out is asked of the
//! few that were found, in one pass over the ids of the request; no slot is looked up, no set of
//! slots is made. Where so many of the near ones are left out that this does not end, it is.

use std::sync::Arc;

use super::plan::without;
use super::search::{Hits, SegmentSearch};
use crate::error::Result;
use crate::results::SearchCounters;
use crate::retrieval::{Asked, Hit, WalkScratch};
use crate::segment::{IdRef, hash_id};
use crate::types::Ids;

/// Searches for so many times as many results as asked for, and some more, at most.
const MOST: usize = 24;
/// So large a share of the points that is left out is looked up at once.
const SHARE: f64 = 0.7;

impl SegmentSearch<'_> {
    /// The best hits of each query, best first.
    pub(super) fn run(&self, asked: &[Asked<'_>], scratch: &mut WalkScratch) -> Result<Hits> {
        if self.plan.left_out.is_none() {
            return self.run_all(asked, scratch);
        }
        let mut all: Hits = vec![(Vec::new(), SearchCounters::default()); asked.len()];
        let mut waiting: Vec<usize> = (0..asked.len()).collect();
        let mut next = self.first();
        let mut first = true;
        while let Some(k) = next {
            // As a rule, of what is wanted beyond the results half is left out; where more is, the
            // results are the last of the list.
            let aim = if first { self.k.midpoint(k) } else { k };
            first = false;
            let search = SegmentSearch { k, aim, ..*self };
            let asked: Vec<Asked<'_>> = waiting.iter().map(|query| asked[*query]).collect();
            let mut found = search.run_all(&asked, scratch)?;
            let whole: Vec<bool> = found.iter().map(|(hits, _)| hits.len() < k).collect();
            self.drop_left_out(&mut found);
            let mut least = k;
            let mut left = Vec::new();
            for ((query, (mut hits, counters)), whole) in waiting.into_iter().zip(found).zip(whole)
            {
                all[query].1.add(&counters);
                if hits.len() >= self.k || whole {
                    hits.truncate(self.k);
                    all[query].0 = hits;
                } else {
                    least = least.min(hits.len());
                    left.push(query);
                }
            }
            if left.is_empty() {
                return Ok(all);
            }
            waiting = left;
            next = self.after(k, least);
        }
        let known = self.eager()?;
        let search = SegmentSearch { part: &known, ..*self };
        let asked: Vec<Asked<'_>> = waiting.iter().map(|query| asked[*query]).collect();
        for (query, (hits, counters)) in waiting.into_iter().zip(search.run_all(&asked, scratch)?) {
            all[query].1.add(&counters);
            all[query].0 = hits;
        }
        Ok(all)
    }

    /// How many to search for first, so that mostly enough are left if those left out are anywhere.
    fn first(&self) -> Option<usize> {
        let ids = self.plan.left_out.as_ref().and_then(|left_out| left_out.ids());
        let alive: usize =
            self.plan.view.segments.iter().map(|handle| handle.alive() as usize).sum();
        let of_ids = ids.map_or(0, Ids::len) as f64 / alive.max(1) as f64;
        let of_sets: usize = self.part.sets.iter().map(|set| set.count()).sum();
        let share = of_ids + of_sets as f64 / f64::from(self.handle.alive().max(1));
        if share > SHARE {
            return None;
        }
        let expected = self.k as f64 * share / (1.0 - share);
        let more = if expected < 0.1 { 0.0 } else { expected + 1.3 * expected.sqrt() };
        Some(self.k + more.ceil() as usize)
    }

    /// How many to search for after so many were left of `k`.
    fn after(&self, k: usize, left: usize) -> Option<usize> {
        let enough = self.k * k / left.max(1) + 8;
        let next = enough.clamp(k + k / 2, 4 * k + 16);
        (next <= MOST * (self.k + 16)).then_some(next)
    }

    /// Drops the hits that are left out.
    fn drop_left_out(&self, found: &mut Hits) {
        let sets = &self.part.sets;
        for (hits, _) in &mut *found {
            hits.retain(|hit| !sets.iter().any(|set| set.contains(hit.slot)));
        }
        let Some(ids) = self.plan.left_out.as_ref().and_then(|left_out| left_out.ids()) else {
            return;
        };
        let id = |hit: &Hit| self.part.ids.get(hit.slot);
        let mut suspects = Suspects::new(found.iter().flat_map(|(hits, _)| hits).map(id));
        match ids {
            Ids::U64(ids) => ids.iter().for_each(|id| suspects.ask(IdRef::U64(*id))),
            Ids::Str(ids) => ids.iter().for_each(|id| suspects.ask(IdRef::Str(id))),
        }
        for (hits, _) in found {
            hits.retain(|hit| !suspects.are_named(self.part.ids.get(hit.slot)));
        }
    }

    /// The segment's part of the plan, with everybody who is left out looked up.
    fn eager(&self) -> Result<super::plan::SegmentPlan<'_>> {
        let mut part = self.part.clone();
        if let Some(left_out) = &self.plan.left_out {
            let passing = if let Some(known) = self.part.without.get() {
                Arc::clone(known)
            } else {
                let all = match &self.part.passing {
                    Some(passing) => Arc::clone(passing),
                    None => self.plan.filters.passing(None, self.handle)?,
                };
                let known = without(all, left_out.slots(self.handle)?);
                Arc::clone(self.part.without.get_or_init(|| known))
            };
            // Slots that are left out one by one are in the set instead.
            let excluded = std::mem::take(&mut part.excluded);
            part.passing = Some(if excluded.is_empty() {
                passing
            } else {
                super::filters::Passing::without(passing, excluded)
            });
        }
        Ok(part)
    }
}

/// Ids that were found, and whether they were named since.
struct Suspects<'a> {
    /// Some bits of the hash of each.
    bits: Vec<u64>,
    /// By hash, ascending.
    ids: Vec<(u64, IdRef<'a>, bool)>,
}

impl<'a> Suspects<'a> {
    /// Bits of a hash that say which bit is set.
    const BITS: u32 = 14;

    fn new(ids: impl Iterator<Item = IdRef<'a>>) -> Self {
        let mut ids: Vec<_> = ids.map(|id| (hash_id(id), id, false)).collect();
        ids.sort_unstable();
        let mut bits = vec![0_u64; 1 << (Self::BITS - 6)];
        for (hash, _, _) in &ids {
            let at = (hash >> (64 - Self::BITS)) as usize;
            bits[at / 64] |= 1 << (at % 64);
        }
        Self { bits, ids }
    }

    /// An id is named.
    #[inline]
    fn ask(&mut self, id: IdRef<'_>) {
        let hash = hash_id(id);
        let at = (hash >> (64 - Self::BITS)) as usize;
        if self.bits[at / 64] >> (at % 64) & 1 == 1 {
            let from = self.ids.partition_point(|(of, _, _)| *of < hash);
            let same = self.ids[from..].iter_mut().take_while(|(of, _, _)| *of == hash);
            same.for_each(|(_, other, named)| *named |= *other == id);
        }
    }

    fn are_named(&self, id: IdRef<'_>) -> bool {
        let hash = hash_id(id);
        let from = self.ids.partition_point(|(of, _, _)| *of < hash);
        let mut same = self.ids[from..].iter().take_while(|(of, _, _)| *of == hash);
        same.any(|(_, other, named)| *named && *other == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_named_are_found_out() {
        let found: Vec<u64> = (0..300).map(|n| n * 7).chain([21]).collect();
        let mut suspects = Suspects::new(found.iter().map(|id| IdRef::U64(*id)));
        (0..5_000).step_by(3).for_each(|id| suspects.ask(IdRef::U64(id)));
        for id in found {
            assert_eq!(suspects.are_named(IdRef::U64(id)), id % 3 == 0, "{id}");
        }
        let mut suspects = Suspects::new(["a", "b"].map(IdRef::Str).into_iter());
        suspects.ask(IdRef::Str("b"));
        assert!(!suspects.are_named(IdRef::Str("a")) && suspects.are_named(IdRef::Str("b")));
    }
}

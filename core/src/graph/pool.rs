//! The beam: the best candidates so far, sorted, each expanded once.

use super::hop::Beam;
use crate::codes::query::Query;
use crate::kernels::candidate::{Candidate, MARK, sort};

/// Set in a candidate that was expanded. Slots are below this bit.
const EXPANDED: u64 = MARK;

/// Largest number of slots of an index.
pub(crate) const SLOTS_MAX: usize = EXPANDED as usize;

/// Survivors of a hop that are sorted and merged together.
const FEW: usize = 16;

/// A sorted beam of bounded length.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Sorted; `capacity` places and room for one merge.
    entries: Vec<u64>,
    len: usize,
    capacity: usize,
    /// Everything before is expanded.
    cursor: usize,
}

impl Pool {
    pub(crate) fn reset(&mut self, capacity: usize) {
        if self.entries.len() < capacity {
            self.entries.resize(capacity, 0);
        }
        self.len = 0;
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// Holds these, best first, and nothing else.
    pub(crate) fn fill(&mut self, sorted: &[Candidate], capacity: usize) {
        self.reset(capacity.max(sorted.len()));
        self.entries[..sorted.len()].iter_mut().zip(sorted).for_each(|(e, c)| *e = c.0);
        self.len = sorted.len();
    }

    /// A score that a candidate must exceed to enter.
    #[inline(always)]
    pub(crate) fn threshold(&self) -> f32 {
        if self.len < self.capacity {
            f32::NEG_INFINITY
        } else {
            Candidate(self.entries[self.len - 1]).score()
        }
    }

    /// Merges new candidates; sorts them in place first.
    #[inline(always)]
    pub(crate) fn merge(&mut self, new: &mut [Candidate]) {
        for part in new.chunks_mut(FEW) {
            sort(part);
            self.merge_sorted(part);
        }
    }

    /// Merges at most [`FEW`] sorted candidates.
    #[inline(always)]
    fn merge_sorted(&mut self, new: &[Candidate]) {
        let kept = (self.len + new.len()).min(self.capacity);
        let entries = &mut self.entries[..self.capacity];
        // All places first: the searches don't wait for each other.
        let mut places = [0; FEW];
        for (place, candidate) in places.iter_mut().zip(new) {
            *place = entries[..self.len].partition_point(|e| e & !EXPANDED < candidate.0);
        }
        let mut end = self.len;
        // From the worst newcomer: the run behind its place moves by as many places as there are
        // newcomers before that run; what passes the capacity falls off.
        for (before, (candidate, at)) in new.iter().zip(places).enumerate().rev() {
            let to = at + before + 1;
            if to < kept {
                let run = (end - at).min(kept - to);
                entries.copy_within(at..at + run, to);
            }
            if at + before < kept {
                entries[at + before] = candidate.0;
            }
            end = at;
        }
        self.len = kept;
        self.cursor = self.cursor.min(end);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The candidate at a position below [`Self::len`].
    #[inline(always)]
    pub(crate) fn candidate(&self, position: usize) -> Candidate {
        Candidate(self.entries[position] & !EXPANDED)
    }

    /// Best first.
    #[inline(always)]
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.entries[..self.len].iter().map(|e| Candidate(e & !EXPANDED))
    }

    /// The score below which nothing is worth to be expanded.
    #[inline(always)]
    pub(crate) fn limit(&self, query: &Query, beam: Beam) -> f32 {
        if !beam.reach.is_finite() || self.len < beam.k {
            return f32::NEG_INFINITY;
        }
        let distance = query.highest - self.candidate(beam.k - 1).score();
        query.highest - beam.reach * distance.max(query.blur)
    }

    /// The best candidate not expanded yet, marked as expanded.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Candidate> {
        let at = self.next_from(self.cursor)?;
        self.cursor = at + 1;
        let candidate = Candidate(self.entries[at]);
        self.entries[at] |= EXPANDED;
        Some(candidate)
    }

    /// The slots that the next `N` calls of `pop` would return.
    #[inline(always)]
    pub(crate) fn upcoming<const N: usize>(&self) -> impl Iterator<Item = u32> {
        let rest = self.entries.get(self.cursor..self.len).unwrap_or_default();
        let waiting = rest.iter().filter(|e| **e & EXPANDED == 0);
        waiting.take(N).map(|e| Candidate(*e).slot())
    }

    /// Whether so many better ones were expanded before the best that waits.
    #[inline(always)]
    pub(crate) fn is_settled(&self, after: usize) -> bool {
        self.next_from(self.cursor).is_some_and(|at| at >= after)
    }

    #[inline(always)]
    fn next_from(&self, from: usize) -> Option<usize> {
        let rest = self.entries.get(from..self.len)?;
        rest.iter().position(|e| e & EXPANDED == 0).map(|i| from + i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_like_a_sorted_list() {
        let mut state = 1;
        for capacity in [1, 2, 7, 40] {
            let mut pool = Pool::default();
            pool.reset(capacity);
            let mut model: Vec<Candidate> = Vec::new();
            for round in 0..50_u32 {
                let mut new: Vec<Candidate> = (0..crate::codes::rotation::splitmix(&mut state)
                    % 33)
                    .map(|i| {
                        let score = (crate::codes::rotation::splitmix(&mut state) % 50) as f32;
                        Candidate::new(score, round * 64 + i as u32)
                    })
                    .collect();
                model.extend(&new);
                model.sort_unstable();
                model.truncate(capacity);
                pool.merge(&mut new);
                pool.pop();
                let entries: Vec<_> =
                    pool.entries[..pool.len].iter().map(|e| Candidate(e & !EXPANDED)).collect();
                assert_eq!(entries, model);
            }
        }
    }

    #[test]
    fn expands_each_once_best_first() {
        let mut pool = Pool::default();
        pool.reset(3);
        pool.merge(&mut [Candidate::new(1.0, 1), Candidate::new(3.0, 3)]);
        assert_eq!(pool.pop().map(Candidate::slot), Some(3));
        pool.merge(&mut [Candidate::new(4.0, 4)]);
        assert_eq!(pool.upcoming::<2>().collect::<Vec<_>>(), [4, 1]);
        let rest: Vec<u32> = std::iter::from_fn(|| pool.pop()).map(Candidate::slot).collect();
        assert_eq!(rest, [4, 1]);
    }
}

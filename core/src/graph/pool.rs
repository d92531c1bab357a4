//! The beam: the best candidates so far, sorted, each expanded once.
//!
//! A candidate is one integer: the score's order-preserving bits above, the slot below, so that
//! comparing, sorting and merging are integer operations, ties go to the smaller slot, and the
//! order never depends on the instruction set.

/// Set in a candidate that was expanded. Slots are below this bit.
const EXPANDED: u64 = 1 << 31;

/// Largest number of slots of an index.
pub(crate) const SLOTS_MAX: usize = EXPANDED as usize;

/// A score and a slot; smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate(u64);

impl Candidate {
    #[inline(always)]
    pub(crate) fn new(score: f32, slot: u32) -> Self {
        Self(u64::from(Self::rank(score)) << 32 | u64::from(slot))
    }

    /// Bits that are smaller when the score is larger.
    #[inline(always)]
    fn rank(score: f32) -> u32 {
        let bits = score.to_bits();
        // Flip so that unsigned order is the reverse of float order.
        bits ^ (!((bits as i32 >> 31) as u32) & 0x7fff_ffff)
    }

    #[inline(always)]
    pub(crate) fn score(self) -> f32 {
        let rank = (self.0 >> 32) as u32;
        f32::from_bits(rank ^ (!((rank as i32 >> 31) as u32) & 0x7fff_ffff))
    }

    #[inline(always)]
    pub(crate) fn slot(self) -> u32 {
        (self.0 & (EXPANDED - 1)) as u32
    }
}

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
        if new.is_empty() {
            return;
        }
        sort(new);
        let kept = (self.len + new.len()).min(self.capacity);
        let entries = &mut self.entries[..self.capacity];
        let mut end = self.len;
        // From the worst newcomer: the run behind its place moves by as many places as there are
        // newcomers before that run; what passes the capacity falls off.
        for (before, candidate) in new.iter().enumerate().rev() {
            let at = entries[..end].partition_point(|e| e & !EXPANDED < candidate.0);
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

    /// The best candidate not expanded yet, marked as expanded.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let at = self.next_from(self.cursor)?;
        self.cursor = at + 1;
        self.entries[at] |= EXPANDED;
        Some(Candidate(self.entries[at]).slot())
    }

    /// The slot that `pop` would return.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<u32> {
        self.next_from(self.cursor).map(|at| Candidate(self.entries[at]).slot())
    }

    #[inline(always)]
    fn next_from(&self, from: usize) -> Option<usize> {
        let rest = self.entries.get(from..self.len)?;
        rest.iter().position(|e| e & EXPANDED == 0).map(|i| from + i)
    }
}

/// Insertion sort: a hop brings a handful.
#[inline(always)]
fn sort(new: &mut [Candidate]) {
    for i in 1..new.len() {
        let value = new[i];
        let mut j = i;
        while j > 0 && new[j - 1] > value {
            new[j] = new[j - 1];
            j -= 1;
        }
        new[j] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_order_by_score_then_slot() {
        let scores = [f32::NEG_INFINITY, -3.5, -0.0, 0.0, 1e-30, 2.0, f32::INFINITY];
        for pair in scores.windows(2) {
            assert!(Candidate::new(pair[1], 9) < Candidate::new(pair[0], 1), "{pair:?}");
        }
        for score in scores {
            assert_eq!(Candidate::new(score, 5).score().to_bits(), score.to_bits());
            assert!(Candidate::new(score, 1) < Candidate::new(score, 2));
        }
    }

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
        assert_eq!(pool.pop(), Some(3));
        pool.merge(&mut [Candidate::new(4.0, 4)]);
        assert_eq!(pool.peek(), Some(4));
        assert_eq!((pool.pop(), pool.pop(), pool.pop()), (Some(4), Some(1), None));
    }
}

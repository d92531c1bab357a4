//! A score and a slot as one integer, so that comparing, sorting and merging are integer
//! operations, ties go to the smaller slot, and the order never depends on the instruction set.

use super::Block;

/// Slots are below this bit, which a beam uses as a mark.
pub(crate) const MARK: u64 = 1 << 31;

/// The score's order-preserving bits above, the slot below; smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Candidate(pub(crate) u64);

impl Candidate {
    #[inline(always)]
    pub(crate) fn new(score: f32, slot: u32) -> Self {
        Self(u64::from(rank(score)) << 32 | u64::from(slot))
    }

    #[inline(always)]
    pub(crate) fn score(self) -> f32 {
        f32::from_bits(flip((self.0 >> 32) as u32))
    }

    #[inline(always)]
    pub(crate) fn slot(self) -> u32 {
        (self.0 & (MARK - 1)) as u32
    }
}

/// Bits that are smaller when the score is larger.
#[inline(always)]
fn rank(score: f32) -> u32 {
    flip(score.to_bits())
}

/// Turns float order into reversed unsigned order, and back.
#[inline(always)]
fn flip(bits: u32) -> u32 {
    bits ^ (!((bits as i32 >> 31) as u32) & 0x7fff_ffff)
}

/// Sorts candidates, all distinct: few of them by counting, for each, those that are better, as
/// no branch can then be mispredicted.
#[inline(always)]
pub(crate) fn sort(candidates: &mut [Candidate]) {
    match candidates.len() {
        0 | 1 => {}
        2..=8 => sort_by_counting::<8>(candidates),
        9..=16 => sort_by_counting::<16>(candidates),
        17..=32 => sort_by_counting::<32>(candidates),
        33..=64 => sort_by_counting::<64>(candidates),
        _ => candidates.sort_unstable(),
    }
}

#[inline(always)]
fn sort_by_counting<const N: usize>(candidates: &mut [Candidate]) {
    let mut values = [u64::MAX; N];
    values.iter_mut().zip(&*candidates).for_each(|(value, candidate)| *value = candidate.0);
    let mut better = [0_u64; N];
    for candidate in &*candidates {
        for (count, value) in better.iter_mut().zip(&values) {
            *count += u64::from(candidate.0 < *value);
        }
    }
    let mut sorted = [0; N];
    for (value, better) in values.iter().zip(&better).take(candidates.len()) {
        sorted[*better as usize % N] = *value;
    }
    candidates.iter_mut().zip(sorted).for_each(|(candidate, value)| *candidate = Candidate(value));
}

/// What turns the sum of a code into a score:
/// `base + factor * (a * sum + b) + c * norm2`, with `factor` and `norm2` from the record. For codes
/// about the mean of their cluster `base` is the cluster's, and `weight * offset` is added to the
/// last term.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scoring {
    pub(crate) base: f32,
    pub(crate) a: f32,
    pub(crate) b: f32,
    pub(crate) c: f32,
    pub(crate) weight: f32,
}

/// A query as kernels score it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) code: &'a [Block],
    pub(crate) scoring: &'a Scoring,
    /// The base of each cluster: a power of two of them.
    pub(crate) bases: &'a [f32],
}

impl Scoring {
    /// Plain products and sums in this order: the same bits on every instruction set.
    #[inline(always)]
    pub(crate) fn score(&self, sum: i32, factor: f32, norm2: f32) -> f32 {
        self.base + factor * (self.a * sum as f32 + self.b) + self.c * norm2
    }

    /// The same for a code about the mean of its cluster.
    #[inline(always)]
    pub(crate) fn score_in_cluster(
        &self,
        base: f32,
        (sum, factor): (i32, f32),
        (norm2, offset): (f32, f32),
    ) -> f32 {
        let constant = self.c * norm2 + self.weight * offset;
        base + factor * (self.a * sum as f32 + self.b) + constant
    }
}

/// Records, one after the other: a code, and `factor` and `norm2` at one offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records {
    /// The first record.
    pub(crate) first: *const u8,
    /// Offset of the fields in a record.
    pub(crate) fields_at: usize,
    /// Bytes from one record to the next; fits 32 bits.
    pub(crate) stride: usize,
}

impl Records {
    /// Where a slot's record begins.
    #[inline(always)]
    pub(crate) fn code(&self, slot: u32) -> *const u8 {
        self.first.wrapping_add(slot as usize * self.stride)
    }

    /// Where a slot's fields begin.
    #[inline(always)]
    pub(crate) fn fields(&self, slot: u32) -> *const u8 {
        self.code(slot).wrapping_add(self.fields_at)
    }
}

/// What a hop scores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    pub(crate) slots: &'a [u32],
    /// The same slots, the last group filled with any of them.
    pub(crate) groups: &'a [[u32; 4]],
    /// Slots that a later hop will score, or is likely to.
    pub(crate) ahead: &'a [u32],
}

impl Hop<'_> {
    /// How many of those ahead to ask for a group, so that all are.
    #[inline(always)]
    pub(crate) fn share(&self) -> usize {
        self.ahead.len().div_ceil(self.groups.len().max(1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_any_number() {
        let mut state = 5_u64;
        for count in 0..80 {
            let mut candidates: Vec<Candidate> = (0..count)
                .map(|slot| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    Candidate::new((state >> 60) as f32 - 8.0, slot)
                })
                .collect();
            let mut expected = candidates.clone();
            expected.sort_unstable();
            sort(&mut candidates);
            assert_eq!(candidates, expected);
        }
    }

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
}

//! A set of slots of one segment: a bit a slot, in 64-bit words. Bits beyond the last slot are
//! zero.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::ops::Range;

use crate::kernels::ask;

/// Words of a cache line, and lines that are asked for before they are read.
const LINE: usize = 8;
const AHEAD: usize = 12;

#[inline(always)]
fn push(mut word: u64, base: u32, out: &mut Vec<u32>) {
    while word != 0 {
        out.push(base + word.trailing_zeros());
        // Clears the lowest bit.
        word &= word - 1;
    }
}

/// A set of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    slots: u32,
}

impl Bitmap {
    /// None of so many slots.
    pub(crate) fn none(slots: u32) -> Self {
        Self { words: vec![0; (slots as usize).div_ceil(64)], slots }
    }

    /// All of so many slots.
    pub(crate) fn all(slots: u32) -> Self {
        let mut all = Self { words: vec![u64::MAX; (slots as usize).div_ceil(64)], slots };
        all.trim();
        all
    }

    /// The slots whose bits are 1 in little-endian words.
    pub(crate) fn from_words(slots: u32, words: &[[u8; 8]]) -> Self {
        let mut words: Vec<u64> = words.iter().map(|w| u64::from_le_bytes(*w)).collect();
        words.resize((slots as usize).div_ceil(64), 0);
        let mut bitmap = Self { words, slots };
        bitmap.trim();
        bitmap
    }

    /// Clears what lies beyond the last slot.
    fn trim(&mut self) {
        let used = self.slots % 64;
        if used != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }

    #[inline]
    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.words.get(slot as usize / 64).is_some_and(|w| w >> (slot % 64) & 1 == 1)
    }

    #[inline]
    pub(crate) fn insert(&mut self, slot: u32) {
        if slot < self.slots
            && let Some(word) = self.words.get_mut(slot as usize / 64)
        {
            *word |= 1 << (slot % 64);
        }
    }

    /// Inserts these slots.
    pub(crate) fn extend(&mut self, slots: &[u32]) {
        for slot in slots {
            self.insert(*slot);
        }
    }

    /// Inserts or removes a slot.
    pub(crate) fn set(&mut self, slot: u32, member: bool) {
        if member {
            self.insert(slot);
        } else if let Some(word) = self.words.get_mut(slot as usize / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Number of slots in the set.
    pub(crate) fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// How many slots it is a set of.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// Number of slots in the set within a range.
    pub(crate) fn count_in(&self, range: Range<u32>) -> usize {
        let (start, end) = (range.start.min(self.slots), range.end.min(self.slots));
        let below = |slot: u32| (1_u64 << (slot % 64)) - 1;
        let word = |at: u32| self.words.get(at as usize / 64).copied().unwrap_or_default();
        if start >= end {
            return 0;
        }
        let (first, last) = (start as usize / 64, end as usize / 64);
        let whole = self.words.get(first..last).unwrap_or_default();
        let ones: u32 = whole.iter().map(|w| w.count_ones()).sum();
        let before = (word(start) & below(start)).count_ones();
        let after = (word(end) & below(end)).count_ones();
        (ones + after - before) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Words of the set, slot 0 in the lowest bit of the first.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Keeps what is in the other as well.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    /// Adds what is in the other.
    pub(crate) fn unite(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
    }

    /// Removes the slots of these words.
    pub(crate) fn remove(&mut self, words: &[u64]) {
        self.words.iter_mut().zip(words).for_each(|(a, b)| *a &= !b);
    }

    /// Adds what is in `more` and not in `less`.
    pub(crate) fn unite_difference(&mut self, more: &Self, less: &Self) {
        let pairs = more.words.iter().zip(&less.words);
        self.words.iter_mut().zip(pairs).for_each(|(a, (more, less))| *a |= more & !less);
    }

    /// What is not in the set.
    pub(crate) fn invert(&mut self) {
        self.words.iter_mut().for_each(|w| *w = !*w);
        self.trim();
    }

    /// The slots of the set within a range, ascending.
    pub(crate) fn iter(&self, range: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        let (start, end) = (range.start, range.end.min(self.slots).max(range.start));
        let first = start as usize / 64;
        let last = (end as usize).div_ceil(64).min(self.words.len());
        let words = self.words.get(first..last.max(first)).unwrap_or_default();
        words.iter().zip((first as u32..).map(|w| w * 64)).flat_map(move |(word, base)| {
            let mut word = *word;
            if base < start {
                word &= u64::MAX << (start - base);
            }
            if end - base < 64 {
                word &= (1_u64 << (end - base)) - 1;
            }
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                // Clears the lowest bit.
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(base + bit)
            })
        })
    }

    /// Adds all slots of the set to a list, ascending.
    pub(crate) fn list(&self, out: &mut Vec<u32>) {
        let (lines, rest) = self.words.as_chunks::<LINE>();
        let mut base = 0;
        for (at, line) in lines.iter().enumerate() {
            // No line comes by itself: the processor is told early.
            if let Some(later) = lines.get(at + AHEAD) {
                ask(later);
            }
            for word in line {
                push(*word, base, out);
                base += 64;
            }
        }
        for word in rest {
            push(*word, base, out);
            base += 64;
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_as_sets() {
        let slots = 200;
        let mut threes = Bitmap::none(slots);
        (0..slots).step_by(3).for_each(|slot| threes.insert(slot));
        threes.insert(slots);
        let mut fives = Bitmap::none(slots);
        (0..slots).step_by(5).for_each(|slot| fives.set(slot, true));
        fives.set(0, false);
        assert_eq!(threes.count(), 67);
        let mut both = threes.clone();
        both.intersect(&fives);
        assert!(both.iter(0..slots).eq((15..slots).step_by(15)));
        let mut rest = threes.clone();
        rest.remove(fives.words());
        assert!(
            rest.iter(0..slots).eq((0..slots).filter(|s| s % 3 == 0 && (s % 5 != 0 || *s == 0)))
        );
        let mut other = Bitmap::none(slots);
        other.unite_difference(&threes, &fives);
        assert_eq!(other, rest);
        other.unite(&both);
        assert_eq!(other, threes);
        other.invert();
        assert!(other.iter(0..u32::MAX).eq((0..slots).filter(|s| s % 3 != 0)));
        assert_eq!(Bitmap::all(slots).count(), slots);
        assert!(Bitmap::none(0).iter(0..9).eq([]) && Bitmap::all(0).is_empty());
    }

    #[test]
    fn ranges_are_cut_anywhere() {
        let all = Bitmap::all(300);
        for start in [0, 1, 63, 64, 65, 128, 299, 300, 400] {
            for end in [0, 1, 63, 64, 65, 127, 128, 192, 299, 300, 400] {
                let expected: Vec<u32> = (start..end).filter(|s| *s < 300).collect();
                assert_eq!(all.iter(start..end).collect::<Vec<_>>(), expected, "{start}..{end}");
                assert_eq!(all.count_in(start..end), expected.len(), "{start}..{end}");
            }
        }
    }
}

//! Which slots a search has seen, as bits, and in which order: what a hop finds new is the end of
//! the list. Clearing takes back what was set.

use crate::kernels::Kernel;

/// Slots are scored in groups of so many.
pub(crate) const GROUP: usize = 4;

/// A set of slots.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    /// A bit a slot.
    words: Vec<u64>,
    slots: usize,
    /// The slots that were added; room behind.
    seen: Vec<u32>,
    len: usize,
    /// Where those of the hop begin that is scored next, and where they end.
    fresh: usize,
    end: usize,
    /// Nodes whose neighbours are known: see [`Self::open`].
    open: Vec<u32>,
    /// The same, a bit a slot.
    opened: Vec<u64>,
}

impl Visited {
    /// Empties the set and makes room for slots below `slots`.
    pub(crate) fn reset(&mut self, slots: usize) {
        let words = slots.div_ceil(64);
        if self.len * 8 > self.words.len() {
            self.words.fill(0);
        } else {
            for slot in &self.seen[..self.len] {
                self.words[*slot as usize / 64] = 0;
            }
        }
        self.open.drain(..).for_each(|slot| self.opened[slot as usize / 64] = 0);
        if self.words.len() < words {
            self.words.resize(words, 0);
            self.opened.resize(words, 0);
        }
        (self.slots, self.len) = (slots, 0);
        (self.fresh, self.end) = (0, 0);
    }

    /// Adds a node's neighbours. Edges are data: the first value that is no slot ends them.
    /// Those not seen before are the next [`Self::fresh`].
    #[inline(always)]
    pub(crate) fn add(&mut self, neighbours: &[u32]) {
        self.fresh = self.len;
        self.add_ahead(neighbours);
        self.end = self.len;
    }

    /// The same for the hop after the next: [`Self::fresh`] stays.
    #[inline(always)]
    pub(crate) fn add_ahead(&mut self, neighbours: &[u32]) {
        let room = self.len + neighbours.len() + GROUP;
        if self.seen.len() < room {
            self.seen.resize((2 * room).max(1_024), 0);
        }
        let fresh = &mut self.seen[self.len..room];
        let mut count = 0;
        for &neighbour in neighbours {
            if neighbour as usize >= self.slots {
                break;
            }
            // The place is written in any case: no branch to mispredict.
            fresh[count] = neighbour;
            // SAFETY: `words` has a bit for each slot below `slots`, and the neighbour is below.
            let word = unsafe { self.words.get_unchecked_mut(neighbour as usize / 64) };
            let bit = 1 << (neighbour % 64);
            count += usize::from(*word & bit == 0);
            *word |= bit;
        }
        // Whole groups: the last slot is repeated.
        if count > 0 {
            let last = fresh[count - 1];
            fresh[count..count + GROUP - 1].fill(last);
        }
        self.len += count;
    }

    /// Adds, between [`Self::begin`] and [`Self::finish`], those of a node's neighbours that are
    /// wanted and were not added yet; returns how many. A bit a slot says who is wanted.
    #[inline(always)]
    pub(crate) fn peek<K: Kernel>(
        &mut self,
        node: u32,
        neighbours: &[u32],
        wanted: &[u64],
    ) -> usize {
        if !self.open(node) {
            return 0;
        }
        self.reserve(neighbours.len() + 16);
        assert!(
            wanted.len() >= self.slots.div_ceil(64) && self.words.len() >= self.slots.div_ceil(64)
        );
        let fresh = &mut self.seen[self.len..];
        // SAFETY: both sets have a bit for each slot, and there is room for as many as there are
        // neighbours and 16; the instruction set is that of the caller.
        let count =
            unsafe { K::members(neighbours, (wanted, &self.words), self.slots as u32, fresh) };
        // A neighbour may be there twice in damaged edges: it is scored twice then.
        for slot in &fresh[..count] {
            self.words[*slot as usize / 64] |= 1 << (slot % 64);
        }
        self.len += count;
        self.end = self.len;
        count
    }

    /// Adds, between [`Self::begin`] and [`Self::finish`], those of a range that are wanted and were
    /// not added yet.
    #[inline(always)]
    pub(crate) fn gather(&mut self, range: std::ops::Range<u32>, wanted: &[u64]) {
        let end = range.end.min(self.slots as u32);
        let mut at = range.start;
        while at < end {
            let next = (at / 64 + 1) * 64;
            let word = at as usize / 64;
            let mut bits = wanted[word] & !self.words[word] & (u64::MAX << (at % 64));
            if next > end {
                bits &= (1 << (end % 64)) - 1;
            }
            self.words[word] |= bits;
            self.reserve(64);
            while bits != 0 {
                self.seen[self.len] = word as u32 * 64 + bits.trailing_zeros();
                self.len += 1;
                bits &= bits - 1;
            }
            at = next;
        }
        self.end = self.len;
    }

    /// Notes that a node's neighbours are known; whether they were not.
    #[inline(always)]
    pub(crate) fn open(&mut self, node: u32) -> bool {
        let Some(word) = self.opened.get_mut(node as usize / 64) else { return false };
        let bit = 1 << (node % 64);
        let unknown = *word & bit == 0;
        *word |= bit;
        self.open.push(node);
        unknown
    }

    /// Begins a hop.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        (self.fresh, self.end) = (self.len, self.len);
    }

    /// Ends a hop: fills its last group.
    #[inline(always)]
    pub(crate) fn finish(&mut self) {
        if self.len > self.fresh {
            let last = self.seen[self.len - 1];
            self.reserve(0);
            self.seen[self.len..self.len + GROUP - 1].fill(last);
        }
    }

    #[inline(always)]
    fn reserve(&mut self, more: usize) {
        let room = self.len + more + GROUP;
        if self.seen.len() < room {
            self.seen.resize((2 * room).max(1_024), 0);
        }
    }

    /// What the last [`Self::add`] found new, or what was found since [`Self::begin`].
    #[inline(always)]
    pub(crate) fn fresh(&self) -> &[u32] {
        &self.seen[self.fresh..self.end]
    }

    /// What the last [`Self::add_ahead`] found new.
    #[inline(always)]
    pub(crate) fn ahead(&self) -> &[u32] {
        &self.seen[self.end..self.len]
    }

    /// What is ahead is next.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        (self.fresh, self.end) = (self.end, self.len);
    }

    /// [`Self::fresh`] in whole groups: the last group is filled with slots that are there.
    #[inline(always)]
    pub(crate) fn groups(&self) -> &[[u32; GROUP]] {
        let count = (self.end - self.fresh).next_multiple_of(GROUP);
        self.seen[self.fresh..self.fresh + count].as_chunks().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_range_are_gathered_once() {
        let mut visited = Visited::default();
        visited.reset(200);
        let wanted: Vec<u64> = vec![u64::MAX, 0, 0b101, u64::MAX];
        visited.begin();
        visited.gather(60..131, &wanted);
        assert_eq!(visited.fresh(), [60, 61, 62, 63, 128, 130]);
        visited.gather(62..200, &wanted);
        visited.finish();
        assert_eq!(visited.fresh()[6..], [192, 193, 194, 195, 196, 197, 198, 199]);
        assert_eq!(visited.groups().len(), 4);
        visited.reset(200);
        visited.begin();
        visited.gather(0..64, &wanted);
        assert_eq!(visited.fresh().len(), 64);
    }

    #[test]
    fn each_slot_is_fresh_once_until_reset() {
        let mut visited = Visited::default();
        for slots in [70, 1_000, 130] {
            visited.reset(slots);
            visited.add(&[3, 64, 3, 69]);
            assert_eq!(visited.fresh(), [3, 64, 69]);
            assert_eq!(visited.groups(), [[3, 64, 69, 69]]);
            visited.add(&[64, 5, u32::MAX, 6]);
            assert_eq!(visited.fresh(), [5], "what is no slot ends the edges");
            visited.add(&[5, slots as u32]);
            assert!(visited.fresh().is_empty() && visited.groups().is_empty());
        }
        visited.add(&[7]);
        visited.add_ahead(&[7, 8, 9]);
        assert_eq!((visited.fresh(), visited.ahead()), (&[7][..], &[8, 9][..]));
        assert_eq!(visited.groups()[0][0], 7);
        visited.advance();
        assert_eq!((visited.fresh(), visited.ahead()), (&[8, 9][..], &[][..]));
        let many: Vec<u32> = (0..130).collect();
        visited.add(&many);
        assert_eq!(visited.fresh().len(), 123);
    }
}

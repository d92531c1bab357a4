//! Which slots a search has seen, as bits, and in which order: what a hop finds new is the end of
//! the list. Clearing takes back what was set.

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
    /// See [`Self::want`].
    wanted: Vec<u64>,
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

    /// From now on, [`Self::peek`] finds those whose bit is set, each once.
    pub(crate) fn want(&mut self, bits: &[u64]) {
        self.wanted.clear();
        self.wanted.extend_from_slice(&bits[..self.slots.div_ceil(64)]);
    }

    /// Whether a slot is wanted; it is not any more.
    #[inline(always)]
    pub(crate) fn take(&mut self, slot: u32) -> bool {
        let Some(word) = self.wanted.get_mut(slot as usize / 64) else { return false };
        let bit = 1 << (slot % 64);
        let is = *word & bit != 0;
        *word &= !bit;
        is
    }

    /// Adds, between [`Self::begin`] and [`Self::finish`], those of a node's neighbours that are
    /// wanted; returns how many.
    #[inline(always)]
    pub(crate) fn peek(&mut self, node: u32, neighbours: &[u32]) -> usize {
        if !self.open(node) {
            return 0;
        }
        self.reserve(neighbours.len());
        assert!(self.wanted.len() >= self.slots.div_ceil(64));
        let fresh = &mut self.seen[self.len..];
        let mut count = 0;
        for &neighbour in neighbours {
            if neighbour as usize >= self.slots {
                break;
            }
            // The place is written in any case: no branch to mispredict.
            fresh[count] = neighbour;
            // SAFETY: `wanted` has a bit for each slot below `slots`, and the neighbour is below.
            let word = unsafe { *self.wanted.get_unchecked(neighbour as usize / 64) };
            count += (word >> (neighbour % 64) & 1) as usize;
        }
        // A neighbour may be there twice in damaged edges: it is scored twice then.
        for slot in &fresh[..count] {
            self.wanted[*slot as usize / 64] &= !(1 << (slot % 64));
        }
        self.len += count;
        self.end = self.len;
        count
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

    /// Whether [`Self::open`] was told of it.
    #[inline(always)]
    pub(crate) fn is_open(&self, node: u32) -> bool {
        self.opened.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1)
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

//! Which ids are surely not in a segment: a blocked Bloom filter, in memory only. A writer asks
//! every segment for every id that it is given, and most have none of them.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::hash::{DefaultHasher, Hash, Hasher};

use super::ids::IdRef;

/// Bits an id: one in a hundred unknown ids passes.
const BITS: usize = 12;
/// Bits set for an id, within one cache line.
const PROBES: u32 = 6;

/// The ids of a segment, roughly.
#[derive(Debug)]
pub(crate) struct IdFilter {
    blocks: Vec<[u64; 8]>,
}

impl IdFilter {
    /// A filter of these ids, of which there are about `count`.
    pub(crate) fn new<'a>(ids: impl Iterator<Item = IdRef<'a>>, count: usize) -> Self {
        let blocks = (count * BITS).div_ceil(512).max(1);
        let mut filter = Self { blocks: vec![[0; 8]; blocks] };
        for id in ids {
            let (block, bits) = filter.place(id);
            if let Some(block) = filter.blocks.get_mut(block) {
                block.iter_mut().zip(bits).for_each(|(word, bits)| *word |= bits);
            }
        }
        filter
    }

    /// Whether the id may be among them.
    pub(crate) fn may_contain(&self, id: IdRef<'_>) -> bool {
        let (block, bits) = self.place(id);
        let covers = |block: &[u64; 8]| block.iter().zip(bits).all(|(w, bits)| w & bits == bits);
        self.blocks.get(block).is_none_or(covers)
    }

    /// The block of an id, and its bits there.
    fn place(&self, id: IdRef<'_>) -> (usize, [u64; 8]) {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        let block = ((u128::from(hash) * self.blocks.len() as u128) >> 64) as usize;
        let mut bits = [0; 8];
        // The low bits, which hardly decide the block, nine a probe.
        for probe in 0..PROBES {
            let bit = (hash >> (9 * probe)) as usize % 512;
            if let Some(word) = bits.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        (block, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ids_pass_and_few_others() {
        let filter = IdFilter::new((0..20_000).map(IdRef::U64), 20_000);
        assert!((0..20_000).all(|id| filter.may_contain(IdRef::U64(id))));
        let passed = (20_000..120_000).filter(|id| filter.may_contain(IdRef::U64(*id))).count();
        assert!(passed < 3_000, "{passed} of 100,000");
    }
}

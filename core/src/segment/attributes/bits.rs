//! Rows of bits, in 64-bit words; the bits beyond the last row are zero.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

/// Bits that grow.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    pub(crate) fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.len % 64);
        }
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, position: usize) -> bool {
        self.words.get(position / 64).is_some_and(|w| w >> (position % 64) & 1 == 1)
    }

    pub(crate) fn all(&self) -> bool {
        self.words.iter().map(|w| w.count_ones() as usize).sum::<usize>() == self.len
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<T: IntoIterator<Item = bool>>(iter: T) -> Self {
        let mut bits = Self::default();
        iter.into_iter().for_each(|bit| bits.push(bit));
        bits
    }
}

/// The bit of a slot in little-endian words; 0 beyond their end.
pub(crate) fn bit_at(words: &[[u8; 8]], slot: u32) -> bool {
    words.get(slot as usize / 64).is_some_and(|w| u64::from_le_bytes(*w) >> (slot % 64) & 1 == 1)
}

//! Which slots of a segment are dead: replaced or deleted since it was sealed.
//!
//! ```text
//!  0        32      40     48                     n - 4   n
//!  | header | rows  | dead | u64 words, bit 1 dead | crc  |
//! ```
//!
//! A file holds one generation, whole; `crc` is the CRC32C of everything before it.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::format::{
    Decoded, Fault, FileKind, HEADER_BYTES, crc, decode_header, encode_header, u32_at, u64_at,
};

/// The dead slots of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dead {
    rows: u32,
    words: Vec<u64>,
    count: u32,
}

impl Dead {
    /// No slot of a segment of `rows`.
    pub(crate) fn none(rows: u32) -> Self {
        Self { rows, words: vec![0; (rows as usize).div_ceil(64)], count: 0 }
    }

    /// Number of dead slots.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.words.get(slot as usize / 64).is_some_and(|w| w >> (slot % 64) & 1 == 1)
    }

    /// A bit a slot, 1 where it is dead.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Marks a slot; whether it was alive.
    pub(crate) fn insert(&mut self, slot: u32) -> bool {
        let fresh = slot < self.rows && !self.contains(slot);
        if fresh && let Some(word) = self.words.get_mut(slot as usize / 64) {
            *word |= 1 << (slot % 64);
            self.count += 1;
        }
        fresh
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = HEADER_BYTES + 16 + self.words.len() * 8 + 4;
        let mut file = encode_header(FileKind::Tombstones, length as u64).to_vec();
        file.extend_from_slice(&u64::from(self.rows).to_le_bytes());
        file.extend_from_slice(&u64::from(self.count).to_le_bytes());
        file.extend(self.words.iter().flat_map(|w| w.to_le_bytes()));
        file.extend_from_slice(&crc(&file).to_le_bytes());
        file
    }

    /// The checksum at the end of a file, by which a manifest knows it. (That of the whole file
    /// would be the same for all: a CRC over bytes and their CRC is a constant.)
    pub(crate) fn seal(file: &[u8]) -> u32 {
        u32_at(file, file.len().saturating_sub(4)).unwrap_or_default()
    }

    /// The tombstones of a segment of `rows`.
    pub(crate) fn decode(file: &[u8], rows: u32) -> Decoded<Self> {
        decode_header(FileKind::Tombstones, file)?;
        let end = file.len().saturating_sub(4);
        let body = file.get(..end).unwrap_or_default();
        let (sum, stated) = (crc(body), u32_at(file, end).unwrap_or_default());
        let bad = |expected: String, found: String| {
            Err(Fault::damage(HEADER_BYTES as u64, "tombstones", expected, found))
        };
        if sum != stated {
            return bad(format!("crc {stated:08x}"), format!("crc {sum:08x}"));
        }
        let found = u64_at(body, HEADER_BYTES).unwrap_or_default();
        let words = body.get(HEADER_BYTES + 16..).unwrap_or_default();
        let expected = (rows as usize).div_ceil(64) * 8;
        if found != u64::from(rows) || words.len() != expected {
            return bad(
                format!("{rows} rows in {expected} bytes"),
                format!("{found} rows in {} bytes", words.len()),
            );
        }
        let words: Vec<u64> = words.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
        let beyond =
            words.last().is_some_and(|w| !rows.is_multiple_of(64) && w >> (rows % 64) != 0);
        let count: u32 = words.iter().map(|w| w.count_ones()).sum();
        if beyond || u64_at(body, HEADER_BYTES + 8) != Some(u64::from(count)) {
            return bad("as many dead rows as stated".to_owned(), format!("{count}"));
        }
        Ok(Self { rows, words, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tombstones_come_back_and_every_flip_is_found() {
        let mut dead = Dead::none(130);
        assert!(dead.insert(0) && dead.insert(129) && !dead.insert(129) && !dead.insert(130));
        assert_eq!(dead.count(), 2);
        let good = dead.encode();
        assert_eq!(Dead::decode(&good, 130).unwrap(), dead);
        assert!(Dead::decode(&good, 131).is_err());
        assert_ne!(Dead::seal(&good), Dead::seal(&Dead::none(130).encode()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(Dead::decode(&bad, 130).is_err(), "byte {at}");
            assert!(Dead::decode(&good[..at], 130).is_err(), "length {at}");
        }
    }
}

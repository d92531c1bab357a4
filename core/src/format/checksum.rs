//! CRC32C of blocks of a section.

use super::u32_at;

/// Bytes covered by one checksum; the last block of a section may be shorter.
pub(crate) const BLOCK: usize = 64 << 10;

/// The CRC32C of these bytes.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Sums of a stream of bytes, one a block.
#[derive(Debug, Default)]
pub(crate) struct BlockSums {
    /// Finished sums, little-endian.
    sums: Vec<u8>,
    current: u32,
    filled: usize,
}

impl BlockSums {
    /// Adds bytes of the current section.
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.current = crc32c::crc32c_append(self.current, now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.close();
            }
            bytes = later;
        }
    }

    /// Ends the current section: the next byte starts a block.
    pub(crate) fn end_section(&mut self) {
        if self.filled > 0 {
            self.close();
        }
    }

    fn close(&mut self) {
        self.sums.extend_from_slice(&self.current.to_le_bytes());
        (self.current, self.filled) = (0, 0);
    }

    /// All sums, four bytes each.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.sums
    }

    /// The sum of block `block` of such bytes.
    pub(crate) fn get(sums: &[u8], block: usize) -> Option<u32> {
        u32_at(sums, block.checked_mul(4)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_how_the_bytes_arrive() {
        let bytes: Vec<u8> = (0..BLOCK * 2 + 77).map(|i| (i * 31 % 251) as u8).collect();
        let mut whole = BlockSums::default();
        whole.add(&bytes);
        whole.end_section();
        let mut pieces = BlockSums::default();
        bytes.chunks(1013).for_each(|piece| pieces.add(piece));
        pieces.end_section();
        let sums = whole.into_bytes();
        assert_eq!(sums, pieces.into_bytes());
        assert_eq!(sums.len(), 12);
        assert_eq!(BlockSums::get(&sums, 2), Some(crc(&bytes[BLOCK * 2..])));
        assert_eq!(BlockSums::get(&sums, 3), None);
    }
}

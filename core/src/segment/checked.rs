//! Sections whose blocks are compared with their checksums before their first use, once each.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::canary::sings;
use crate::format::{BLOCK, BlockSums, Decoded, Entry, Fault, crc};

/// Which blocks of a section were found to be right.
#[derive(Debug)]
pub(crate) struct Checked {
    entry: Entry,
    /// One bit a block.
    right: Vec<AtomicU64>,
    all_right: AtomicBool,
}

impl Checked {
    pub(crate) fn new(entry: Entry) -> Self {
        let blocks = entry.range.len().div_ceil(BLOCK);
        let right = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { entry, right, all_right: AtomicBool::new(false) }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Bytes of the section.
    pub(crate) fn len(&self) -> usize {
        self.entry.range.len()
    }

    /// The whole section.
    pub(crate) fn all<'a>(&self, file: &'a [u8], sums: &[u8]) -> Decoded<&'a [u8]> {
        let bytes = file.get(self.entry.range.clone()).unwrap_or_default();
        if !self.all_right.load(Ordering::Acquire) {
            for block in 0..self.len().div_ceil(BLOCK) {
                self.check(bytes, sums, block)?;
            }
            self.all_right.store(true, Ordering::Release);
        }
        Ok(bytes)
    }

    /// A part of the section.
    pub(crate) fn part<'a>(
        &self,
        file: &'a [u8],
        sums: &[u8],
        range: Range<usize>,
    ) -> Decoded<&'a [u8]> {
        let bytes = file.get(self.entry.range.clone()).unwrap_or_default();
        let part = bytes.get(range.clone()).ok_or_else(|| {
            let at = self.entry.range.start as u64;
            let expected = format!("positions up to {}", bytes.len());
            Fault::damage(at, self.entry.name(), expected, format!("{range:?}"))
        })?;
        if !part.is_empty() && !self.all_right.load(Ordering::Acquire) {
            for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
                self.check(bytes, sums, block)?;
            }
        }
        Ok(part)
    }

    fn check(&self, bytes: &[u8], sums: &[u8], block: usize) -> Decoded<()> {
        let bit = 1_u64 << (block % 64);
        let word = self.right.get(block / 64);
        if word.is_some_and(|w| w.load(Ordering::Acquire) & bit != 0) {
            return Ok(());
        }
        check_block(&self.entry, bytes, sums, block)?;
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Release);
        }
        Ok(())
    }
}

/// Compares one block of a section with its checksum.
pub(crate) fn check_block(entry: &Entry, section: &[u8], sums: &[u8], block: usize) -> Decoded<()> {
    let start = block * BLOCK;
    let bytes = section.get(start..section.len().min(start + BLOCK)).unwrap_or_default();
    let stated = BlockSums::get(sums, entry.first_block + block).unwrap_or_default();
    let sum = crc(bytes);
    if sum == stated || sings("ignore the checksums of a segment's blocks") {
        return Ok(());
    }
    let at = (entry.range.start + start) as u64;
    let expected = format!("crc {stated:08x} of {} bytes", bytes.len());
    Err(Fault::damage(at, entry.name(), expected, format!("crc {sum:08x}")))
}

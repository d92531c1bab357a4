//! Slots by id, for requests that name many: a hash table, in memory only, made once a segment
//! was asked for a fair share of its rows. Until then a binary search does.
//!
//! An entry is a slot and, in the bits that slots leave free, a part of the hash of its id, so that
//! other ids are seldom compared. A third to a half of the entries are taken.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::ids::{IdColumn, IdRef};

const EMPTY: u32 = u32::MAX;
/// Entries that are looked at in a row before the table is given up: ids may be chosen to collide.
const PROBES_MAX: usize = 512;
/// Ids that are looked up side by side, so that memory is waited for once.
const SIDE_BY_SIDE: usize = 16;

/// Slots by id.
#[derive(Debug)]
pub(crate) struct IdTable {
    entries: Vec<u32>,
    /// Bits of a slot.
    bits: u32,
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

const A: u64 = 0x9E37_79B9_7F4A_7C15;
const B: u64 = 0xD1B5_4A32_D192_ED03;

/// A hash of an id, for tables in memory: ids may be chosen to collide.
#[inline]
pub(crate) fn hash(id: IdRef<'_>) -> u64 {
    match id {
        IdRef::U64(id) => fold(id ^ A, B),
        IdRef::Str(id) => {
            let (words, rest) = id.as_bytes().as_chunks::<8>();
            let mut hash = id.len() as u64 ^ A;
            for word in words {
                hash = fold(hash ^ u64::from_le_bytes(*word), B);
            }
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            fold(fold(hash ^ u64::from_le_bytes(last), B), A)
        }
    }
}

impl IdTable {
    /// A table of these ids; `None` if they collide as ids do only on purpose.
    pub(crate) fn new(ids: IdColumn<'_>, rows: u32) -> Option<Self> {
        let bits = u32::BITS - rows.leading_zeros();
        let size = (rows as usize * 5 / 2).max(16);
        let mut table = Self { entries: vec![EMPTY; size], bits };
        for slot in 0..rows {
            let hash = hash(ids.get(slot));
            let entry = table.tag(hash) | slot;
            let mut position = table.position(hash);
            let mut probes = 0;
            while table.entries.get(position).is_some_and(|entry| *entry != EMPTY) {
                position = table.after(position);
                probes += 1;
                if probes > PROBES_MAX {
                    return None;
                }
            }
            *table.entries.get_mut(position)? = entry;
        }
        Some(table)
    }

    /// Where the search for a hash begins.
    fn position(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.entries.len() as u128) >> 64) as usize
    }

    fn after(&self, position: usize) -> usize {
        if position + 1 < self.entries.len() { position + 1 } else { 0 }
    }

    /// The low bits of a hash, which hardly decide its position, above those of a slot. Never all
    /// ones together with a slot: no slot is.
    fn tag(&self, hash: u64) -> u32 {
        (hash as u32).checked_shl(self.bits).unwrap_or_default()
    }

    /// Calls `each` with the slots of those of these ids that are there.
    pub(crate) fn find<'a>(
        &self,
        ids: IdColumn<'_>,
        mut wanted: impl Iterator<Item = IdRef<'a>>,
        mut each: impl FnMut(u32),
    ) {
        let mut asked = [(IdRef::U64(0), 0_u64, 0_usize); SIDE_BY_SIDE];
        let mut first = [EMPTY; SIDE_BY_SIDE];
        loop {
            let mut count = 0;
            for (place, id) in asked.iter_mut().zip(wanted.by_ref()) {
                let hash = hash(id);
                *place = (id, hash, self.position(hash));
                count += 1;
            }
            for (entry, (_, _, position)) in first.iter_mut().zip(&asked).take(count) {
                *entry = self.entries.get(*position).copied().unwrap_or(EMPTY);
            }
            for ((id, hash, position), entry) in asked.iter().zip(first).take(count) {
                if let Some(slot) = self.find_from(ids, *id, *hash, *position, entry) {
                    each(slot);
                }
            }
            // `zip` asks for a place first, so that no id is lost.
            if count < SIDE_BY_SIDE {
                return;
            }
        }
    }

    fn find_from(
        &self,
        ids: IdColumn<'_>,
        id: IdRef<'_>,
        hash: u64,
        mut position: usize,
        mut entry: u32,
    ) -> Option<u32> {
        let mask = 1_u32.checked_shl(self.bits).map_or(u32::MAX, |bit| bit - 1);
        let tag = self.tag(hash);
        while entry != EMPTY {
            if entry & !mask == tag && ids.get(entry & mask) == id {
                return Some(entry & mask);
            }
            position = self.after(position);
            entry = self.entries.get(position).copied().unwrap_or(EMPTY);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_and_no_other() {
        for rows in [0_u32, 1, 2, 15, 16, 17, 1_000, 4_096] {
            let ids: Vec<[u8; 8]> =
                (0..u64::from(rows)).map(|n| (n * n * 3 + 5).to_le_bytes()).collect();
            let column = IdColumn::U64(&ids);
            let table = IdTable::new(column, rows).unwrap();
            let mut found = Vec::new();
            let wanted = (0..rows).rev().map(|slot| column.get(slot));
            table.find(column, wanted, |slot| found.push(slot));
            assert!(found.into_iter().eq((0..rows).rev()));
            let others = (0..5_000_u64).map(|n| IdRef::U64(n * 3 + 6));
            table.find(column, others, |slot| panic!("{slot}"));
        }
        let text: Vec<String> =
            (0..900).map(|n| format!("t3_{n:x}{}", "y".repeat(n % 11))).collect();
        let bytes = text.concat();
        let mut at = 0_u64;
        let mut offsets = vec![[0; 8]];
        for id in &text {
            at += id.len() as u64;
            offsets.push(at.to_le_bytes());
        }
        let column = IdColumn::Str { offsets: &offsets, bytes: bytes.as_bytes() };
        let table = IdTable::new(column, 900).unwrap();
        let mut found = Vec::new();
        table.find(column, text.iter().map(|id| IdRef::Str(id)), |slot| found.push(slot));
        assert!(found.into_iter().eq(0..900));
        table
            .find(column, [IdRef::Str("t3_"), IdRef::Str("")].into_iter(), |slot| panic!("{slot}"));
    }
}

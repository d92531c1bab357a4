//! At most N results of a group, filled to capacity.
//!
//! A segment's own greedy choice of k holds every hit that the greedy choice over all segments
//! can take from it: a hit that the latter takes has at least as many taken hits before it there
//! as here. So segments are cut first and merged after.

use std::collections::HashMap;
use std::hash::Hash;

use super::top::{Hit, better};
use crate::segment::{Column, IdColumn};
use crate::types::AttributeType;

/// The value that a point is grouped by; null is no group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum GroupKey<'a> {
    Keyword(&'a str),
    Integer(i64),
    Bool(bool),
}

impl<'a> GroupKey<'a> {
    /// The group of a slot.
    pub(crate) fn of(column: &Column<'a>, slot: u32) -> Option<Self> {
        match column.kind() {
            AttributeType::Keyword => column.keyword(slot).map(Self::Keyword),
            AttributeType::Bool => column.bool(slot).map(Self::Bool),
            _ => column.i64(slot).map(Self::Integer),
        }
    }
}

/// Takes from a list, best first, at most `cap` of a group and `k` in all.
#[derive(Debug)]
pub(crate) struct Capped<G> {
    k: usize,
    cap: usize,
    taken: usize,
    /// How many were not taken though there was room: their group was full.
    pub(crate) passed: u64,
    groups: HashMap<G, usize>,
}

impl<G: Eq + Hash> Capped<G> {
    pub(crate) fn new(k: usize, cap: usize) -> Self {
        Self { k, cap, taken: 0, passed: 0, groups: HashMap::new() }
    }

    /// Whether `k` were taken.
    pub(crate) fn is_full(&self) -> bool {
        self.taken >= self.k
    }

    /// Whether the next one is taken.
    pub(crate) fn take(&mut self, group: Option<G>) -> bool {
        if self.is_full() {
            return false;
        }
        if let Some(group) = group {
            let members = self.groups.entry(group).or_default();
            if *members >= self.cap {
                self.passed += 1;
                return false;
            }
            *members += 1;
        }
        self.taken += 1;
        true
    }
}

/// The hits of a segment that can be among the best `k`, best first; and how many would have been
/// but for the cap.
pub(crate) fn cut(
    mut hits: Vec<Hit>,
    ids: IdColumn<'_>,
    column: &Column<'_>,
    k: usize,
    cap: usize,
) -> (Vec<Hit>, u64) {
    hits.sort_unstable_by(|a, b| better((a.score, ids.get(a.slot)), (b.score, ids.get(b.slot))));
    let mut capped = Capped::new(k, cap);
    hits.retain(|hit| !capped.is_full() && capped.take(GroupKey::of(column, hit.slot)));
    (hits, capped.passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_to_capacity() {
        let groups = [Some(1), Some(1), Some(1), None, None, Some(2), Some(1), Some(3)];
        let taken = |k, cap| {
            let mut capped = Capped::new(k, cap);
            groups.iter().map(|g| capped.take(*g)).collect::<Vec<_>>()
        };
        assert_eq!(taken(10, 1), [true, false, false, true, true, true, false, true]);
        assert_eq!(taken(3, 2), [true, true, false, true, false, false, false, false]);
    }
}

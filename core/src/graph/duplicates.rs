//! Exact duplicates: one row of a group, its *representative*, is a node of the graph; the others
//! are its *twins*, kept in the slots right after it. A search that reaches the representative
//! has them all, and no node's edges are spent on copies of itself.

use rayon::prelude::*;

use crate::originals::Originals;

/// The groups of equal rows.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The first row of each group, ascending.
    pub(crate) representatives: Vec<u32>,
    /// The other rows as (representative, row), ascending.
    twins: Vec<(u32, u32)>,
}

impl Groups {
    /// Finds rows of equal bytes.
    pub(crate) fn find(rows: &Originals<'_>) -> Self {
        let mut keyed: Vec<(u64, u32)> = (0..rows.rows() as u32)
            .into_par_iter()
            .map(|row| (hash(rows.row(row as usize)), row))
            .collect();
        keyed.par_sort_unstable();
        let mut representatives = Vec::with_capacity(keyed.len());
        let mut twins = Vec::new();
        // The distinct rows of one hash: usually one.
        let mut distinct: Vec<u32> = Vec::new();
        let mut last = None;
        for (key, row) in keyed {
            if last != Some(key) {
                distinct.clear();
                last = Some(key);
            }
            let bytes = rows.row(row as usize);
            if let Some(first) = distinct.iter().find(|r| rows.row(**r as usize) == bytes) {
                twins.push((*first, row));
            } else {
                distinct.push(row);
                representatives.push(row);
            }
        }
        representatives.sort_unstable();
        twins.sort_unstable();
        Self { representatives, twins }
    }

    /// The twins of a representative, ascending.
    pub(crate) fn twins(&self, representative: u32) -> &[(u32, u32)] {
        let from = self.twins.partition_point(|(r, _)| *r < representative);
        let to = self.twins.partition_point(|(r, _)| *r <= representative);
        &self.twins[from..to]
    }
}

/// A 64-bit hash of bytes; only to bring equal rows together.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix =
        |state: u64, word: u64| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let state = words.iter().fold(0, |s, w| mix(s, u64::from_le_bytes(*w)));
    rest.iter().fold(state, |s, b| mix(s, u64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Dtype;

    #[test]
    fn groups_equal_rows_only() {
        let bytes = [1, 2, 3, 4, 1, 2, 9, 9, 3, 4, 1, 2];
        let rows = Originals::new(Dtype::U8, 2, &bytes);
        let groups = Groups::find(&rows);
        assert_eq!(groups.representatives, [0, 1, 3]);
        assert_eq!(groups.twins(0), [(0, 2), (0, 5)]);
        assert_eq!(groups.twins(1), [(1, 4)]);
        assert!(groups.twins(3).is_empty());
    }
}

//! When which segments are merged: pure, metas in, a plan out.
//!
//! Segments are grouped by size, a group four times the one below; four of a group become one
//! of the next. So a point is rewritten once a group, and searches see a few segments. One of
//! which a good part is dead is rewritten alone; so is a large one without an index.

use crate::graph::ROWS_MIN;

/// So many segments of a size are merged.
const FAN: usize = 4;
/// Segments of up to so many points are of the smallest size.
const SMALLEST: u64 = 20_000;

/// What decides about a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    /// Slots, dead ones included.
    pub(crate) rows: u64,
    pub(crate) alive: u64,
    pub(crate) indexed: bool,
}

impl Meta {
    fn size(&self) -> u32 {
        (self.alive / SMALLEST).checked_ilog2().map_or(0, |log| 1 + log / FAN.ilog2())
    }

    /// Whether it is worth rewriting alone.
    fn is_worn(&self) -> bool {
        let dead = self.rows - self.alive.min(self.rows);
        let wants_index = !self.indexed && self.alive >= ROWS_MIN as u64;
        wants_index || (dead >= ROWS_MIN as u64 && dead * 4 >= self.rows)
    }
}

/// Positions of the segments to merge next, ascending; `None` when all is well.
pub(crate) fn plan(segments: &[Meta]) -> Option<Vec<usize>> {
    let largest = segments.iter().map(Meta::size).max()?;
    for size in 0..=largest {
        if segments.iter().filter(|meta| meta.size() == size).count() >= FAN {
            // Smaller ones are taken along: they would be merged into this size later.
            let fits = |at: &usize| segments.get(*at).is_some_and(|meta| meta.size() <= size);
            return Some((0..segments.len()).filter(fits).collect());
        }
    }
    let worn = segments.iter().position(Meta::is_worn)?;
    Some(vec![worn])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(alive: u64) -> Meta {
        Meta { rows: alive, alive, indexed: true }
    }

    #[test]
    fn four_of_a_size_are_merged_with_what_is_smaller() {
        let sizes = [1_000_000, 90_000, 95_000, 30, 100_000, 99_000].map(meta);
        assert_eq!(plan(&sizes), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(plan(&sizes[..4]), None);
        assert_eq!(plan(&[]), None);
    }

    #[test]
    fn much_deleted_and_unindexed_segments_are_rewritten() {
        let deleted = Meta { rows: 100_000, alive: 70_000, indexed: true };
        let flat = Meta { rows: 200_000, alive: 200_000, indexed: false };
        assert_eq!(plan(&[meta(500_000), deleted]), Some(vec![1]));
        assert_eq!(plan(&[flat, meta(900)]), Some(vec![0]));
        let few = Meta { rows: 999, alive: 1, indexed: false };
        assert_eq!(plan(&[few]), None);
    }

    #[test]
    fn steady_growth_ends_in_few_segments() {
        let mut segments: Vec<Meta> = Vec::new();
        let (mut rewritten, mut most) = (0, 0);
        for _ in 0..1_000 {
            segments.push(meta(16_000));
            while let Some(plan) = plan(&segments) {
                let alive = plan.iter().map(|at| segments[*at].alive).sum();
                rewritten += alive;
                for at in plan.iter().rev() {
                    segments.remove(*at);
                }
                segments.push(meta(alive));
            }
            most = most.max(segments.len());
        }
        assert!(most <= 15, "{most} segments");
        assert!(rewritten < 16_000_000 * 6, "{rewritten} points rewritten");
    }
}

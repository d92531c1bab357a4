//! Columns beside the vectors. [`keywords`] of a mixture's clusters go with the vector; everything
//! else here is independent of it.

use std::ops::Range;

use crate::generate::math;
use crate::generate::rng::Rng;

const HASHED: u64 = 40;
const ZIPF: u64 = 41;
const TAIL: u64 = 42;
const TIMES: u64 = 43;
const FLAGS: u64 = 44;

/// Names of groups: `g0`, `g1`, ... With a mixture's clusters, a filter on the name is as
/// correlated with the vector as can be.
///
/// ```
/// assert_eq!(nearfield_datasets::generate::keywords(&[2, 0]), ["g2", "g0"]);
/// ```
pub fn keywords(groups: &[u32]) -> Vec<String> {
    groups.iter().map(|group| format!("g{group}")).collect()
}

/// Groups of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Groups {
    /// Number of rows.
    pub rows: usize,
    /// Number of groups, at least 1.
    pub groups: u32,
    /// Where the choice comes from.
    pub seed: u64,
}

/// Equally likely groups, independent of the vector.
pub fn hashed_groups(groups: Groups) -> Vec<u32> {
    let pick = |mut rng: Rng| rng.below(u64::from(groups.groups)) as u32;
    groups.stream(HASHED).map(pick).collect()
}

impl Groups {
    fn stream(self, purpose: u64) -> impl Iterator<Item = Rng> {
        (0..self.rows as u64).map(move |row| Rng::of_row(self.seed, purpose, row))
    }

    /// Groups of very unequal size: group `g` has weight `1 / (g + 1)^exponent` (Zipf).
    ///
    /// ```
    /// use nearfield_datasets::generate::Groups;
    ///
    /// let groups = Groups { rows: 1000, groups: 100, seed: 1 }.zipf(1.0);
    /// let size = |g| groups.iter().filter(|&&group| group == g).count();
    /// assert!(size(0) > 5 * size(20));
    /// ```
    pub fn zipf(self, exponent: f64) -> Vec<u32> {
        let mut total = 0.0;
        let ends: Vec<f64> = (1..=self.groups.max(1))
            .map(|rank| {
                total += math::exp(-exponent * math::ln(f64::from(rank)));
                total
            })
            .collect();
        let last = ends.len() - 1;
        let pick = |mut rng: Rng| {
            let at = rng.unit() * total;
            ends.partition_point(|&end| end <= at).min(last) as u32
        };
        self.stream(ZIPF).map(pick).collect()
    }
}

/// Numbers of 1 and above with a heavy tail, like votes: one in `10^alpha` is 10 or more.
pub fn heavy_tailed(rows: usize, alpha: f64, seed: u64) -> Vec<i64> {
    let alpha = alpha.max(0.05);
    let value = |row| {
        // In (0, 1], so that the logarithm exists.
        let u = 1.0 - Rng::of_row(seed, TAIL, row).unit();
        math::exp(-math::ln(u) / alpha).floor().min(9e15) as i64
    };
    (0..rows as u64).map(value).collect()
}

/// Moments, uniform in a range of microseconds; the start of the range where that is empty.
pub fn timestamps(rows: usize, range: Range<i64>, seed: u64) -> Vec<i64> {
    let span = range.end.saturating_sub(range.start).max(0) as u64;
    let moment = |row| range.start + Rng::of_row(seed, TIMES, row).below(span) as i64;
    (0..rows as u64).map(moment).collect()
}

/// Flags of which a `share` (0 to 1) is set: filters of any selectivity.
pub fn flags(rows: usize, share: f64, seed: u64) -> Vec<bool> {
    (0..rows as u64).map(|row| Rng::of_row(seed, FLAGS, row).unit() < share).collect()
}

//! Recall against effort, as measured: what `recall=` is looked up in.
//!
//! A build measures the curve of its segment and keeps it there; `calibrate` measures another on
//! the caller's queries, which the manifest keeps. Both are data that may come from a hostile
//! file: [`Curve::is_sound`] is checked where they are read.

use bincode::{Decode, Encode};

use crate::types::{EFFORT_MAX, K_MAX};

/// What was measured of one effort.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
pub(crate) struct Point {
    pub(crate) effort: u32,
    pub(crate) recall: f32,
    /// Multiple of the k-th best distance within which there are `effort` candidates on average.
    pub(crate) reach: f32,
}

/// Recall against effort for one size of result.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Points {
    pub(crate) k: u32,
    /// Efforts and recalls rise.
    pub(crate) points: Vec<Point>,
}

/// Recall against effort.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub(crate) struct Curve {
    pub(crate) sizes: Vec<Points>,
}

impl Curve {
    /// Whether sizes and efforts rise and recalls are recalls, so that it can be interpolated.
    pub(crate) fn is_sound(&self) -> bool {
        let sound = |point: &Point| {
            (1..=EFFORT_MAX).contains(&(point.effort as usize))
                && (0.0..=1.0).contains(&point.recall)
                && point.reach >= 1.0
        };
        self.sizes.is_sorted_by(|a, b| a.k < b.k)
            && self.sizes.iter().all(|size| {
                (1..=K_MAX).contains(&(size.k as usize))
                    && size.points.is_sorted_by(|a, b| a.effort < b.effort)
                    && size.points.iter().all(sound)
            })
    }

    /// The effort that reaches `recall` for `k` results: at least `k`, and at most the largest
    /// that a caller may ask for.
    pub(crate) fn effort(&self, k: usize, recall: f32) -> usize {
        // Effort a result changes slowly with the size: interpolate it over log k.
        let share = |size: &Points| f64::from(size.effort(recall)) / f64::from(size.k);
        let effort = match self.around(k) {
            (Some(below), Some((above, t))) => {
                (k as f64 * (share(below) * (1.0 - t) + share(above) * t)).ceil() as usize
            }
            (Some(below), None) => (k as f64 * share(below)).ceil() as usize,
            (None, Some((above, _))) => above.effort(recall) as usize,
            (None, None) => k * 8 + 100,
        };
        effort.min(EFFORT_MAX).max(k)
    }

    /// The number of results around whose last one a walk for `k` results goes on: fewer than the
    /// smallest size measured say too little.
    pub(crate) fn rank(&self, k: usize) -> usize {
        self.sizes.first().map_or(k, |size| k.max(size.k as usize))
    }

    /// The reach of an effort for `k` results; infinite where none was measured.
    pub(crate) fn reach(&self, k: usize, effort: usize) -> f32 {
        // Of the same number of candidates a result.
        let share = |size: &Points| {
            f64::from(size.reach((effort as f64 * f64::from(size.k) / k as f64) as f32))
        };
        let reach = match self.around(k) {
            // At the measured size the other counts for nothing, even where it has no reach.
            (Some(below), Some((above, t))) if t > 0.0 => {
                share(below) * (1.0 - t) + share(above) * t
            }
            (Some(below), _) => share(below),
            (None, Some((above, _))) => f64::from(above.reach(effort as f32)),
            (None, None) => f64::INFINITY,
        };
        reach as f32
    }

    /// The measured sizes around `k`: that of at most `k`, and that above with the place of `k`
    /// between both, 0 to 1.
    fn around(&self, k: usize) -> (Option<&Points>, Option<(&Points, f64)>) {
        let at = self.sizes.partition_point(|size| size.k as usize <= k);
        let below = at.checked_sub(1).and_then(|at| self.sizes.get(at));
        let above = self.sizes.get(at).map(|above| {
            let place = below.map_or(0.0, |below| {
                let (lb, la) = (f64::from(below.k).ln(), f64::from(above.k).ln());
                ((k as f64).ln() - lb) / (la - lb)
            });
            (above, place)
        });
        (below, above)
    }
}

impl Points {
    /// The effort that reaches `recall`, interpolated; the largest measured when none does.
    fn effort(&self, recall: f32) -> f32 {
        let mut last: Option<&Point> = None;
        for point in &self.points {
            if point.recall >= recall {
                let Some(last) = last else { return point.effort as f32 };
                let rise = point.recall - last.recall;
                let t = if rise > 0.0 { (recall - last.recall) / rise } else { 1.0 };
                return last.effort as f32 + t * (point.effort - last.effort) as f32;
            }
            last = Some(point);
        }
        last.map_or(self.k as f32, |last| last.effort as f32)
    }

    /// The reach of an effort, interpolated; infinite beyond what was measured.
    fn reach(&self, effort: f32) -> f32 {
        let mut last: Option<&Point> = None;
        for point in &self.points {
            if point.effort as f32 >= effort {
                let Some(last) = last else { return point.reach };
                let t = (effort - last.effort as f32) / (point.effort - last.effort) as f32;
                return last.reach * (1.0 - t) + point.reach * t;
            }
            last = Some(point);
        }
        f32::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// k, and its efforts, recalls and reaches.
    type Size<'a> = (u32, &'a [(u32, f32, f32)]);

    fn curve(sizes: &[Size<'_>]) -> Curve {
        let point = |(effort, recall, reach): &(u32, f32, f32)| Point {
            effort: *effort,
            recall: *recall,
            reach: *reach,
        };
        let points =
            |(k, points): &Size<'_>| Points { k: *k, points: points.iter().map(point).collect() };
        Curve { sizes: sizes.iter().map(points).collect() }
    }

    #[test]
    fn efforts_are_interpolated_between_recalls_and_sizes() {
        let curve = curve(&[
            (10, &[(10, 0.5, 1.0), (30, 0.75, 1.5)]),
            (1_000, &[(1_000, 0.5, 1.0), (2_000, 1.0, 1.25)]),
        ]);
        assert!(curve.is_sound());
        assert_eq!(curve.effort(10, 0.625), 20);
        assert_eq!(curve.effort(10, 0.99), 30, "the largest measured");
        assert_eq!(curve.effort(5, 0.75), 30);
        assert_eq!(curve.effort(1_000, 0.75), 1_500);
        // Halfway from 10 to 1,000: 3 and 1.5 times k; the logarithm may round up.
        assert!((225..=226).contains(&curve.effort(100, 0.75)));
        assert!((curve.reach(10, 20) - 1.25).abs() < 1e-6);
        assert!((curve.reach(10, 30) - 1.5).abs() < 1e-6, "though 1,000 was not measured so far");
        assert!((curve.reach(1_000, 2_000) - 1.25).abs() < 1e-6);
        assert!(curve.reach(1_000, 2_001).is_infinite(), "beyond what was measured");
        assert!((curve.reach(100, 200) - 1.25).abs() < 1e-3, "both sizes have it there");
    }

    #[test]
    fn no_sound_curve_asks_for_more_than_a_caller_may() {
        let most = EFFORT_MAX as u32;
        let curve = curve(&[(1, &[(most, 0.1, 1.0)])]);
        assert!(curve.is_sound());
        assert_eq!(curve.effort(K_MAX, 0.99), EFFORT_MAX);
        assert_eq!(Curve::default().effort(10, 0.9), 180);
        assert!(Curve::default().reach(10, 180).is_infinite());
    }

    #[test]
    fn curves_that_no_build_measured_are_unsound() {
        let bad: [&[Size<'_>]; 9] = [
            &[(0, &[(1, 0.5, 1.0)])],
            &[(K_MAX as u32 + 1, &[(1, 0.5, 1.0)])],
            &[(100, &[(1, 0.5, 1.0)]), (10, &[(1, 0.5, 1.0)])],
            &[(10, &[(0, 0.5, 1.0)])],
            &[(10, &[(EFFORT_MAX as u32 + 1, 0.5, 1.0)])],
            &[(10, &[(20, 0.5, 1.0), (10, 0.6, 1.0)])],
            &[(10, &[(20, f32::NAN, 1.0)])],
            &[(10, &[(20, 0.5, 0.5)])],
            &[(10, &[(20, 0.5, f32::NAN)])],
        ];
        for sizes in bad {
            assert!(!curve(sizes).is_sound(), "{sizes:?}");
        }
    }
}

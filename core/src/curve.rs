//! Recall against effort, as measured: what `recall=` is looked up in.
//!
//! A build measures the curve of its segment and keeps it there; `calibrate` measures another on
//! the caller's queries, which the manifest keeps. Both are data that may come from a hostile
//! file: [`Curve::is_sound`] is checked where they are read.

use bincode::{Decode, Encode};

use crate::types::{EFFORT_MAX, K_MAX};

/// Recall against effort for one size of result.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Points {
    pub(crate) k: u32,
    /// (effort, recall), both rising.
    pub(crate) points: Vec<(u32, f32)>,
}

/// Recall against effort.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub(crate) struct Curve {
    pub(crate) sizes: Vec<Points>,
}

impl Curve {
    /// Whether sizes and efforts rise and recalls are recalls, so that it can be interpolated.
    pub(crate) fn is_sound(&self) -> bool {
        let rising = |a: u32, b: u32| a < b;
        self.sizes.is_sorted_by(|a, b| rising(a.k, b.k))
            && self.sizes.iter().all(|size| {
                (1..=K_MAX).contains(&(size.k as usize))
                    && size.points.is_sorted_by(|a, b| rising(a.0, b.0))
                    && size.points.iter().all(|(ef, recall)| {
                        (1..=EFFORT_MAX).contains(&(*ef as usize)) && (0.0..=1.0).contains(recall)
                    })
            })
    }

    /// The effort that reaches `recall` for `k` results: at least `k`, and at most the largest
    /// that a caller may ask for.
    pub(crate) fn effort(&self, k: usize, recall: f32) -> usize {
        let (mut below, mut above) = (None, None);
        for size in &self.sizes {
            if size.k as usize <= k {
                below = Some(size);
            } else if above.is_none() {
                above = Some(size);
            }
        }
        // Effort a result changes slowly with the size: interpolate it over log k.
        let share = |size: &Points| f64::from(size.effort(recall)) / f64::from(size.k);
        let of = |share: f64| (k as f64 * share).ceil() as usize;
        match (below, above) {
            (Some(b), Some(a)) => {
                let (lb, la) = (f64::from(b.k).ln(), f64::from(a.k).ln());
                let t = ((k as f64).ln() - lb) / (la - lb);
                of(share(b) * (1.0 - t) + share(a) * t)
            }
            (Some(b), None) => of(share(b)),
            (None, Some(a)) => a.effort(recall) as usize,
            (None, None) => k * 8 + 100,
        }
        .min(EFFORT_MAX)
        .max(k)
    }
}

impl Points {
    /// The effort that reaches `recall`, interpolated; the largest measured when none does.
    fn effort(&self, recall: f32) -> f32 {
        let mut last: Option<(u32, f32)> = None;
        for &(ef, reached) in &self.points {
            if reached >= recall {
                let Some((ef0, r0)) = last else { return ef as f32 };
                let t = if reached > r0 { (recall - r0) / (reached - r0) } else { 1.0 };
                return ef0 as f32 + t * (ef - ef0) as f32;
            }
            last = Some((ef, reached));
        }
        last.map_or(self.k as f32, |(ef, _)| ef as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// k, and its efforts and recalls.
    type Size<'a> = (u32, &'a [(u32, f32)]);

    fn curve(sizes: &[Size<'_>]) -> Curve {
        let points = |(k, points): &Size<'_>| Points { k: *k, points: points.to_vec() };
        Curve { sizes: sizes.iter().map(points).collect() }
    }

    #[test]
    fn efforts_are_interpolated_between_recalls_and_sizes() {
        let curve =
            curve(&[(10, &[(10, 0.5), (30, 0.75)]), (1_000, &[(1_000, 0.5), (2_000, 1.0)])]);
        assert!(curve.is_sound());
        assert_eq!(curve.effort(10, 0.625), 20);
        assert_eq!(curve.effort(10, 0.99), 30, "the largest measured");
        assert_eq!(curve.effort(5, 0.75), 30);
        assert_eq!(curve.effort(1_000, 0.75), 1_500);
        // Halfway from 10 to 1,000: 3 and 1.5 times k; the logarithm may round up.
        assert!((225..=226).contains(&curve.effort(100, 0.75)));
    }

    #[test]
    fn no_sound_curve_asks_for_more_than_a_caller_may() {
        let most = EFFORT_MAX as u32;
        let curve = curve(&[(1, &[(most, 0.1)])]);
        assert!(curve.is_sound());
        assert_eq!(curve.effort(K_MAX, 0.99), EFFORT_MAX);
        assert_eq!(Curve::default().effort(10, 0.9), 180);
    }

    #[test]
    fn curves_that_no_build_measured_are_unsound() {
        let bad: [&[Size<'_>]; 7] = [
            &[(0, &[(1, 0.5)])],
            &[(K_MAX as u32 + 1, &[(1, 0.5)])],
            &[(100, &[(1, 0.5)]), (10, &[(1, 0.5)])],
            &[(10, &[(0, 0.5)])],
            &[(10, &[(EFFORT_MAX as u32 + 1, 0.5)])],
            &[(10, &[(20, 0.5), (10, 0.6)])],
            &[(10, &[(20, f32::NAN)])],
        ];
        for sizes in bad {
            assert!(!curve(sizes).is_sound(), "{sizes:?}");
        }
    }
}

//! Random numbers: `SplitMix64`, and streams of it that are addressed by row.

use crate::generate::math;

/// A stream of random numbers. Not for secrets.
///
/// ```
/// use nearfield_datasets::generate::Rng;
///
/// assert_eq!(Rng::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
/// ```
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
    /// The second of a pair of normal numbers.
    spare: Option<f64>,
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, spare: None }
    }

    /// The stream of one row: independent of how many rows there are, and of other purposes.
    pub fn of_row(seed: u64, purpose: u64, row: u64) -> Self {
        let purpose = mix(seed ^ mix(purpose.wrapping_mul(GAMMA)));
        Self::new(mix(purpose ^ mix(row.wrapping_add(GAMMA))))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`, of 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(limit)) >> 64) as u64
    }

    /// Normal, of mean 0 and deviation 1 (Marsaglia's polar method).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * math::ln(square) / square).sqrt();
                self.spare = Some(v * scale);
                return u * scale;
            }
        }
    }
}

/// The finaliser of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_the_moments_of_a_normal() {
        let mut rng = Rng::new(1);
        let sample: Vec<f64> = (0..200_000).map(|_| rng.normal()).collect();
        let moment = |p: i32| sample.iter().map(|x| x.powi(p)).sum::<f64>() / sample.len() as f64;
        assert!(moment(1).abs() < 0.01);
        assert!((moment(2) - 1.0).abs() < 0.01);
        assert!((moment(4) - 3.0).abs() < 0.1);
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = Rng::new(2);
        let mut seen = [0; 7];
        (0..7000).for_each(|_| seen[rng.below(7) as usize] += 1);
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn rows_and_purposes_are_independent() {
        let first = |purpose, row| Rng::of_row(3, purpose, row).next_u64();
        let mut all: Vec<_> = (0..10).flat_map(|p| (0..10).map(move |r| first(p, r))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100);
    }
}

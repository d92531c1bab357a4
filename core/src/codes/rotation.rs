//! A seeded orthonormal rotation that spreads a vector's energy over all components, so that
//! uniform scalar codes fit every data set.
//!
//! Four rounds of random signs, a fast Hadamard transform of the first or last power of two
//! components, and a butterfly between the halves ("FHT-Kac", as in the extended `RaBitQ`, Gao et
//! al. 2024). Only additions, subtractions and one product a component and round: the same bits
//! on every instruction set.

/// Rounds of signs, transform and butterfly.
const ROUNDS: usize = 4;

/// A rotation of vectors of one length.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    dim: usize,
    /// Plus or minus the round's scale, `ROUNDS * dim`.
    signs: Vec<f32>,
}

/// The next number of a splitmix64 sequence (Steele, Lea and Flood 2014).
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut x = *state;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Rotation {
    /// The rotation of `dim` components (a multiple of 64) that `seed` names.
    pub(crate) fn new(dim: usize, seed: u64) -> Self {
        debug_assert!(dim > 0 && dim.is_multiple_of(64));
        let mut state = seed;
        let signs = (0..ROUNDS * dim)
            .map(|_| if splitmix(&mut state) >> 63 == 0 { 1.0 } else { -1.0 })
            .collect();
        Self { dim, signs }
    }

    /// Rotates in place; `x` is `dim` long.
    pub(crate) fn apply(&self, x: &mut [f32]) {
        debug_assert_eq!(x.len(), self.dim);
        #[cfg(target_arch = "x86_64")]
        match crate::kernels::Isa::detected() {
            // SAFETY: the instruction set was detected.
            crate::kernels::Isa::Avx512 => return unsafe { apply_avx512(&self.signs, x) },
            // SAFETY: the instruction set was detected.
            crate::kernels::Isa::Avx2 => return unsafe { apply_avx2(&self.signs, x) },
            crate::kernels::Isa::Scalar => {}
        }
        apply(&self.signs, x);
    }
}

/// # Safety
/// AVX-512 F is available.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn apply_avx512(signs: &[f32], x: &mut [f32]) {
    apply(signs, x);
}

/// # Safety
/// AVX2 is available.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn apply_avx2(signs: &[f32], x: &mut [f32]) {
    apply(signs, x);
}

#[inline(always)]
fn apply(signs: &[f32], x: &mut [f32]) {
    let dim = x.len();
    let power = 1_usize << dim.ilog2();
    let scale = 1.0 / (power as f32).sqrt();
    for (round, signs) in signs.chunks_exact(dim).enumerate() {
        x.iter_mut().zip(signs).for_each(|(v, s)| *v *= s);
        let from = if round % 2 == 0 { 0 } else { dim - power };
        hadamard(&mut x[from..from + power]);
        x[from..from + power].iter_mut().for_each(|v| *v *= scale);
        if power < dim {
            let (low, high) = x.split_at_mut(dim / 2);
            for (a, b) in low.iter_mut().zip(high) {
                let (sum, difference) = (*a + *b, *a - *b);
                *a = sum * std::f32::consts::FRAC_1_SQRT_2;
                *b = difference * std::f32::consts::FRAC_1_SQRT_2;
            }
        }
    }
}

/// The unnormalised Hadamard transform of a power of two components.
#[inline(always)]
fn hadamard(x: &mut [f32]) {
    let mut half = x.len() / 2;
    // Widest butterflies first: they run over whole vector registers.
    while half >= LANES {
        for pair in x.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half /= 2;
    }
    // The others inside of one.
    for lanes in x.as_chunks_mut::<LANES>().0 {
        butterflies::<8>(lanes);
        butterflies::<4>(lanes);
        butterflies::<2>(lanes);
        butterflies::<1>(lanes);
    }
}

/// Lanes of the widest registers.
const LANES: usize = 16;

/// The butterflies between lanes that are `HALF` apart.
#[inline(always)]
fn butterflies<const HALF: usize>(x: &mut [f32; LANES]) {
    *x = std::array::from_fn(|i| {
        let other = x[i ^ HALF];
        if i & HALF == 0 { x[i] + other } else { other - x[i] }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lengths_and_angles() {
        for dim in [64, 128, 192, 384, 448, 832, 1024] {
            let rotation = Rotation::new(dim, 3);
            let vector = |seed: u64| -> Vec<f32> {
                let mut state = seed;
                (0..dim).map(|_| (splitmix(&mut state) >> 40) as f32 / 1e7 - 0.8).collect()
            };
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
            };
            let (a, b) = (vector(1), vector(2));
            let (mut ra, mut rb) = (a.clone(), b.clone());
            rotation.apply(&mut ra);
            rotation.apply(&mut rb);
            let tolerance = 1e-5 * dot(&a, &a);
            assert!((dot(&a, &a) - dot(&ra, &ra)).abs() < tolerance, "dim {dim}");
            assert!((dot(&a, &b) - dot(&ra, &rb)).abs() < tolerance, "dim {dim}");
        }
    }

    #[test]
    fn same_bits_on_every_instruction_set() {
        let rotation = Rotation::new(384, 9);
        let mut x: Vec<f32> = (0..384).map(|i| (i as f32).sin()).collect();
        let mut plain = x.clone();
        apply(&rotation.signs, &mut plain);
        rotation.apply(&mut x);
        assert_eq!(x, plain);
    }
}

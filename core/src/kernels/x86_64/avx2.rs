//! AVX2: `vpmaddubsw` where products of pairs can't saturate 16 bits.

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_add_epi32, _mm_cvtsi128_si32, _mm_prefetch, _mm_shuffle_epi32,
    _mm256_abs_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_load_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_sign_epi8, _mm256_srli_epi16, _mm256_xor_si256,
};

use crate::kernels::{BLOCK, Block, Kernel, planes};

/// AVX2.
pub(crate) struct Avx2;

const HALF: usize = BLOCK / 2;

/// `sum(u * q)` of 32 unsigned and 32 signed bytes, in eight 32-bit lanes.
///
/// # Safety
/// AVX2 is available.
#[inline(always)]
unsafe fn products<const BITS: usize>(code: __m256i, q: __m256i) -> __m256i {
    // SAFETY: the caller has the instruction set; these touch no memory.
    unsafe {
        let ones = _mm256_set1_epi16(1);
        if BITS < 8 {
            // At most 2 * 15 * 127: no saturation.
            return _mm256_madd_epi16(_mm256_maddubs_epi16(code, q), ones);
        }
        // 8-bit codes: 2 * 255 * 127 would saturate. With u = 128 + v, |v| <= 128:
        // sum(u * q) = sum(|v| * sign(q, v)) + 128 * sum(q); and q is never -128.
        let v = _mm256_xor_si256(code, _mm256_set1_epi8(-128));
        let signed = _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(q, v));
        let offset = _mm256_maddubs_epi16(_mm256_set1_epi8(64), q);
        let offset = _mm256_madd_epi16(offset, _mm256_set1_epi16(2));
        _mm256_add_epi32(_mm256_madd_epi16(signed, ones), offset)
    }
}

/// Plane `plane` of 32 bytes of `BITS`-bit components.
///
/// # Safety
/// AVX2 is available.
#[inline(always)]
unsafe fn plane<const BITS: usize>(bytes: __m256i, plane: usize) -> __m256i {
    if BITS == 8 {
        return bytes;
    }
    // SAFETY: the caller has the instruction set; these touch no memory.
    unsafe {
        let mask = _mm256_set1_epi8(((1_u16 << BITS) - 1) as i8);
        let shifted = match plane * BITS {
            0 => bytes,
            1 => _mm256_srli_epi16::<1>(bytes),
            2 => _mm256_srli_epi16::<2>(bytes),
            3 => _mm256_srli_epi16::<3>(bytes),
            4 => _mm256_srli_epi16::<4>(bytes),
            5 => _mm256_srli_epi16::<5>(bytes),
            6 => _mm256_srli_epi16::<6>(bytes),
            _ => _mm256_srli_epi16::<7>(bytes),
        };
        _mm256_and_si256(shifted, mask)
    }
}

/// The sum of eight lanes.
///
/// # Safety
/// AVX2 is available.
#[inline(always)]
unsafe fn reduce(acc: __m256i) -> i32 {
    // SAFETY: the caller has the instruction set; these touch no memory.
    unsafe {
        let x = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256::<1>(acc));
        let x = _mm_add_epi32(x, _mm_shuffle_epi32::<0b01_00_11_10>(x));
        let x = _mm_add_epi32(x, _mm_shuffle_epi32::<0b10_11_00_01>(x));
        _mm_cvtsi128_si32(x)
    }
}

impl Kernel for Avx2 {
    #[inline(always)]
    unsafe fn sums4<const BITS: usize>(codes: [*const u8; 4], query: &[Block]) -> [i32; 4] {
        // SAFETY: the caller has the instruction set, and `BLOCK` bytes a block are readable at
        // each code; query blocks are aligned by their type.
        unsafe {
            // Without closures, which may not have the instruction set.
            let mut acc = [_mm256_setzero_si256(); 4];
            for (block, group) in query.chunks_exact(planes(BITS)).enumerate() {
                for half in 0..2 {
                    let at = block * BLOCK + half * HALF;
                    let bytes = [
                        _mm256_loadu_si256(codes[0].add(at).cast()),
                        _mm256_loadu_si256(codes[1].add(at).cast()),
                        _mm256_loadu_si256(codes[2].add(at).cast()),
                        _mm256_loadu_si256(codes[3].add(at).cast()),
                    ];
                    for (p, q) in group.iter().enumerate() {
                        let q = _mm256_load_si256(q.0.as_ptr().add(half * HALF).cast());
                        for i in 0..4 {
                            let sum = products::<BITS>(plane::<BITS>(bytes[i], p), q);
                            acc[i] = _mm256_add_epi32(acc[i], sum);
                        }
                    }
                }
            }
            [reduce(acc[0]), reduce(acc[1]), reduce(acc[2]), reduce(acc[3])]
        }
    }

    #[inline(always)]
    unsafe fn sum1<const BITS: usize>(code: *const u8, query: &[Block]) -> i32 {
        // SAFETY: as in `sums4`.
        unsafe {
            let mut acc = _mm256_setzero_si256();
            for (block, group) in query.chunks_exact(planes(BITS)).enumerate() {
                for half in 0..2 {
                    let at = block * BLOCK + half * HALF;
                    let bytes = _mm256_loadu_si256(code.add(at).cast());
                    for (p, q) in group.iter().enumerate() {
                        let q = _mm256_load_si256(q.0.as_ptr().add(half * HALF).cast());
                        acc = _mm256_add_epi32(acc, products::<BITS>(plane::<BITS>(bytes, p), q));
                    }
                }
            }
            reduce(acc)
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

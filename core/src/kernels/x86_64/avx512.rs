//! AVX-512 with VNNI: one `vpdpbusd` multiplies and sums 64 components.

use std::arch::x86_64::{
    __m128i, __m512i, __mmask16, _CMP_GT_OQ, _MM_HINT_T0, _mm_add_epi32, _mm_prefetch,
    _mm256_add_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm512_add_epi32,
    _mm512_add_ps, _mm512_and_si512, _mm512_andnot_si512, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_castsi512_si256, _mm512_cvtepi32_ps, _mm512_cvtepu32_epi64, _mm512_dpbusd_epi32,
    _mm512_extracti64x4_epi64, _mm512_i32gather_ps, _mm512_inserti32x4, _mm512_load_si512,
    _mm512_loadu_si512, _mm512_mask_cmp_ps_mask, _mm512_mask_cmplt_epu32_mask,
    _mm512_mask_i32gather_epi32, _mm512_mask_i64gather_epi64, _mm512_maskz_compress_epi32,
    _mm512_maskz_compress_epi64, _mm512_maskz_loadu_epi32, _mm512_mul_epu32, _mm512_mul_ps,
    _mm512_permutex2var_epi32, _mm512_permutex2var_ps, _mm512_reduce_add_epi32, _mm512_set_epi32,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_ps, _mm512_setzero_si512,
    _mm512_sllv_epi32, _mm512_srai_epi32, _mm512_srli_epi16, _mm512_srli_epi32,
    _mm512_storeu_si512, _mm512_test_epi32_mask, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use crate::kernels::candidate::{Asked, Candidate, Hop, Records};
use crate::kernels::{BLOCK, Block, Kernel, is_clustered, planes};

/// AVX-512 F, BW, VL and VNNI.
pub(crate) struct Avx512;

/// Plane `PLANE` of a block of `BITS`-bit components.
///
/// # Safety
/// AVX-512 F and BW are available.
#[inline(always)]
unsafe fn plane<const BITS: usize>(block: __m512i, plane: usize) -> __m512i {
    if BITS == 8 {
        return block;
    }
    // SAFETY: the caller has the instruction set; these touch no memory.
    unsafe {
        let mask = _mm512_set1_epi8(((1_u16 << BITS) - 1) as i8);
        // The shift counts are constants once the loop over planes is unrolled.
        let shifted = match plane * BITS {
            0 => block,
            1 => _mm512_srli_epi16::<1>(block),
            2 => _mm512_srli_epi16::<2>(block),
            3 => _mm512_srli_epi16::<3>(block),
            4 => _mm512_srli_epi16::<4>(block),
            5 => _mm512_srli_epi16::<5>(block),
            6 => _mm512_srli_epi16::<6>(block),
            _ => _mm512_srli_epi16::<7>(block),
        };
        _mm512_and_si512(shifted, mask)
    }
}

/// The sums of four accumulators, by transposing while adding.
///
/// # Safety
/// AVX-512 F and VL are available.
#[inline(always)]
unsafe fn reduce4(acc: [__m512i; 4]) -> __m128i {
    // SAFETY: the caller has the instruction set, and these touch no memory.
    unsafe {
        let ab = _mm512_add_epi32(
            _mm512_unpacklo_epi32(acc[0], acc[1]),
            _mm512_unpackhi_epi32(acc[0], acc[1]),
        );
        let cd = _mm512_add_epi32(
            _mm512_unpacklo_epi32(acc[2], acc[3]),
            _mm512_unpackhi_epi32(acc[2], acc[3]),
        );
        let lanes = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let half =
            _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
        _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
    }
}

/// The sums of four codes.
///
/// # Safety
/// That of [`Kernel::sums4`].
#[inline(always)]
unsafe fn sums<const BITS: usize>(codes: [*const u8; 4], query: &[Block]) -> __m128i {
    // SAFETY: the caller has the instruction set, and `BLOCK` bytes a block are readable at
    // each code; query blocks are aligned by their type.
    unsafe {
        // Without closures: one that is not inlined has none of the instruction set, and every
        // register goes through memory around it.
        let [a, b, c, d] = codes;
        let mut acc = [_mm512_setzero_si512(); 4];
        for (block, group) in query.chunks_exact(planes(BITS)).enumerate() {
            let a = _mm512_loadu_si512(a.add(block * BLOCK).cast());
            let b = _mm512_loadu_si512(b.add(block * BLOCK).cast());
            let c = _mm512_loadu_si512(c.add(block * BLOCK).cast());
            let d = _mm512_loadu_si512(d.add(block * BLOCK).cast());
            for (p, q) in group.iter().enumerate() {
                let q = _mm512_load_si512(q.0.as_ptr().cast());
                acc[0] = _mm512_dpbusd_epi32(acc[0], plane::<BITS>(a, p), q);
                acc[1] = _mm512_dpbusd_epi32(acc[1], plane::<BITS>(b, p), q);
                acc[2] = _mm512_dpbusd_epi32(acc[2], plane::<BITS>(c, p), q);
                acc[3] = _mm512_dpbusd_epi32(acc[3], plane::<BITS>(d, p), q);
            }
        }
        reduce4(acc)
    }
}

/// Keeps those of sixteen slots, as far as `lanes` says that there are, whose score is above
/// `threshold`; returns how many.
///
/// # Safety
/// The instruction set of [`Avx512`] is available, the fields of each slot are readable, and
/// `out` has 8 places more than there are lanes; there are a power of two of bases.
#[inline(always)]
unsafe fn keep<const BITS: usize>(
    (asked, records): (Asked<'_>, Records),
    lanes: __mmask16,
    slot: __m512i,
    sum: __m512i,
    threshold: f32,
    out: *mut Candidate,
) -> usize {
    // SAFETY: the caller has the instruction set; gathers are masked to lanes whose fields are
    // readable; a store writes 8 places after as many as were kept.
    unsafe {
        let stride = _mm512_set1_epi64(records.stride as i64);
        let low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(slot));
        let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(slot));
        let (at_low, at_high) = (_mm512_mul_epu32(low, stride), _mm512_mul_epu32(high, stride));
        let zero = _mm512_setzero_si512();
        let fields = records.fields(0).cast();
        // Eight pairs of factor and norm2 each.
        let low = _mm512_mask_i64gather_epi64::<1>(zero, lanes as u8, at_low, fields);
        let high = _mm512_mask_i64gather_epi64::<1>(zero, (lanes >> 8) as u8, at_high, fields);
        let (low, high) = (_mm512_castsi512_ps(low), _mm512_castsi512_ps(high));
        let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        let factor = _mm512_permutex2var_ps(low, even, high);
        let norm2 = _mm512_permutex2var_ps(low, odd, high);
        let Asked { scoring, bases, .. } = asked;
        let constant = _mm512_mul_ps(_mm512_set1_ps(scoring.c), norm2);
        let (base, constant) = if is_clustered(BITS) {
            let fields = records.fields(0).wrapping_add(16).cast();
            let first = _mm512_mask_i64gather_epi64::<1>(zero, lanes as u8, at_low, fields);
            let last = _mm512_mask_i64gather_epi64::<1>(zero, (lanes >> 8) as u8, at_high, fields);
            let offset = _mm512_permutex2var_epi32(first, even, last);
            let cluster = _mm512_permutex2var_epi32(first, odd, last);
            // What a file says may be no cluster.
            let cluster = _mm512_and_si512(cluster, _mm512_set1_epi32(bases.len() as i32 - 1));
            let base = _mm512_i32gather_ps::<4>(cluster, bases.as_ptr());
            let offset = _mm512_castsi512_ps(offset);
            let offset = _mm512_mul_ps(_mm512_set1_ps(scoring.weight), offset);
            (base, _mm512_add_ps(constant, offset))
        } else {
            (_mm512_set1_ps(scoring.base), constant)
        };
        // The same products and sums in the same order as `Scoring::score`.
        let product = _mm512_mul_ps(_mm512_set1_ps(scoring.a), _mm512_cvtepi32_ps(sum));
        let product = _mm512_mul_ps(factor, _mm512_add_ps(product, _mm512_set1_ps(scoring.b)));
        let score = _mm512_add_ps(_mm512_add_ps(base, product), constant);
        let above = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(lanes, score, _mm512_set1_ps(threshold));
        let bits = _mm512_castps_si512(score);
        let sign = _mm512_srai_epi32::<31>(bits);
        let rank = _mm512_xor_si512(bits, _mm512_andnot_si512(sign, _mm512_set1_epi32(i32::MAX)));
        let first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        let last = _mm512_add_epi32(first, _mm512_set1_epi32(8));
        let mut count = 0;
        for (index, above) in [(first, above as u8), (last, (above >> 8) as u8)] {
            let candidates = _mm512_permutex2var_epi32(slot, index, rank);
            let candidates = _mm512_maskz_compress_epi64(above, candidates);
            _mm512_storeu_si512(out.add(count).cast(), candidates);
            count += above.count_ones() as usize;
        }
        count
    }
}

impl Kernel for Avx512 {
    #[inline(always)]
    unsafe fn sums4<const BITS: usize>(codes: [*const u8; 4], query: &[Block]) -> [i32; 4] {
        // SAFETY: the caller keeps the contract; four 32-bit lanes are four i32.
        unsafe { std::mem::transmute::<__m128i, [i32; 4]>(sums::<BITS>(codes, query)) }
    }

    #[inline(always)]
    unsafe fn hop<const BITS: usize>(
        asked: Asked<'_>,
        records: Records,
        hop: Hop<'_>,
        threshold: f32,
        kept: &mut [Candidate],
    ) -> usize {
        let Hop { slots, groups, .. } = hop;
        assert!(groups.len() * 4 >= slots.len() && kept.len() >= slots.len() + 8);
        assert!(asked.bases.len().is_power_of_two());
        let blocks = asked.code;
        let out = kept.as_mut_ptr();
        let mut count = 0;
        let mut ahead = hop.ahead.chunks(hop.share());
        for (slots, groups) in slots.chunks(16).zip(groups.chunks(4)) {
            // SAFETY: the caller has the instruction set and promises readable records; loads of
            // slots are masked to those there are; at most as many candidates as slots are kept.
            unsafe {
                // The sums stay in registers: read back from memory as sixteen, they would have
                // to wait for four stores.
                let mut sum = _mm512_setzero_si512();
                for (position, group) in groups.iter().enumerate() {
                    Self::prefetch_records(records, ahead.next().unwrap_or_default());
                    let [a, b, c, d] = *group;
                    let codes =
                        [records.code(a), records.code(b), records.code(c), records.code(d)];
                    let four = sums::<BITS>(codes, blocks);
                    sum = match position {
                        0 => _mm512_inserti32x4::<0>(sum, four),
                        1 => _mm512_inserti32x4::<1>(sum, four),
                        2 => _mm512_inserti32x4::<2>(sum, four),
                        _ => _mm512_inserti32x4::<3>(sum, four),
                    };
                }
                let lanes = (u32::MAX >> (32 - slots.len())) as __mmask16;
                let slot = _mm512_maskz_loadu_epi32(lanes, slots.as_ptr().cast());
                count +=
                    keep::<BITS>((asked, records), lanes, slot, sum, threshold, out.add(count));
            }
        }
        count
    }

    #[inline(always)]
    unsafe fn sum1<const BITS: usize>(code: *const u8, query: &[Block]) -> i32 {
        // SAFETY: as in `sums4`.
        unsafe {
            let mut acc = [_mm512_setzero_si512(); 2];
            for (block, group) in query.chunks_exact(planes(BITS)).enumerate() {
                let bytes = _mm512_loadu_si512(code.add(block * BLOCK).cast());
                for (p, q) in group.iter().enumerate() {
                    let q = _mm512_load_si512(q.0.as_ptr().cast());
                    let a = &mut acc[(block + p) % 2];
                    *a = _mm512_dpbusd_epi32(*a, plane::<BITS>(bytes, p), q);
                }
            }
            _mm512_reduce_add_epi32(_mm512_add_epi32(acc[0], acc[1]))
        }
    }

    #[inline(always)]
    unsafe fn members(
        slots: &[u32],
        (wanted, known): (&[u64], &[u64]),
        limit: u32,
        out: &mut [u32],
    ) -> usize {
        let bits = (limit as usize).div_ceil(64);
        assert!(wanted.len() >= bits && known.len() >= bits && out.len() >= slots.len() + 16);
        let mut count = 0;
        for part in slots.chunks(16) {
            // SAFETY: the caller has the instruction set; loads are masked to the slots there are,
            // gathers to those below the limit, which have a bit in both sets: the half of a word
            // that `slot / 32` counts is inside. At most as many places are written as the
            // assertion found.
            unsafe {
                let lanes = (u32::MAX >> (32 - part.len())) as __mmask16;
                let slot = _mm512_maskz_loadu_epi32(lanes, part.as_ptr().cast());
                let limit = _mm512_set1_epi32(limit as i32);
                let none = !_mm512_mask_cmplt_epu32_mask(lanes, slot, limit);
                // Those before the first that is none.
                let valid = none.wrapping_sub(1) & !none;
                let at = _mm512_srli_epi32::<5>(slot);
                let zero = _mm512_setzero_si512();
                let wanted =
                    _mm512_mask_i32gather_epi32::<4>(zero, valid, at, wanted.as_ptr().cast());
                let known =
                    _mm512_mask_i32gather_epi32::<4>(zero, valid, at, known.as_ptr().cast());
                let bit = _mm512_and_si512(slot, _mm512_set1_epi32(31));
                let bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), bit);
                let members = _mm512_test_epi32_mask(_mm512_andnot_si512(known, wanted), bit);
                let found = _mm512_maskz_compress_epi32(members, slot);
                _mm512_storeu_si512(out.as_mut_ptr().add(count).cast(), found);
                count += members.count_ones() as usize;
                if valid != lanes {
                    break;
                }
            }
        }
        count
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

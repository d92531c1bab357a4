//! Portable kernels: the oracle of the others and the fallback.

use super::{BLOCK, Block, Kernel, planes};

/// Plain Rust.
pub(crate) struct Scalar;

impl Kernel for Scalar {
    #[inline(always)]
    unsafe fn sums4<const BITS: usize>(codes: [*const u8; 4], query: &[Block]) -> [i32; 4] {
        // SAFETY: the caller's contract is that of `sum1`, four times.
        codes.map(|code| unsafe { Self::sum1::<BITS>(code, query) })
    }

    #[inline(always)]
    unsafe fn sum1<const BITS: usize>(code: *const u8, query: &[Block]) -> i32 {
        let blocks = query.len() / planes(BITS);
        // SAFETY: the caller promises `BLOCK` readable bytes a block.
        let code = unsafe { std::slice::from_raw_parts(code, blocks * BLOCK) };
        sum::<BITS>(code, query)
    }

    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}

/// The oracle: `sum(code[i] * query[i])`.
pub(crate) fn sum<const BITS: usize>(code: &[u8], query: &[Block]) -> i32 {
    let mask = (0xff_u16 >> (8 - BITS)) as u8;
    let mut total = 0;
    for (bytes, group) in code.chunks_exact(BLOCK).zip(query.chunks_exact(planes(BITS))) {
        for (plane, block) in group.iter().enumerate() {
            for (byte, q) in bytes.iter().zip(&block.0) {
                total += i32::from((byte >> (plane * BITS)) & mask) * i32::from(*q);
            }
        }
    }
    total
}

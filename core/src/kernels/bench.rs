//! What the benchmarks reach inside; not part of the public surface.

use super::{BLOCK, Block, Isa, Kernel, planes};

/// Random codes of one width and a query, to be scored by one instruction set.
#[derive(Debug)]
pub struct KernelBench {
    isa: Isa,
    bits: usize,
    code_bytes: usize,
    codes: Vec<u8>,
    query: Vec<Block>,
}

/// Names of the instruction sets of this machine.
pub fn instruction_sets() -> Vec<&'static str> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available()).map(Isa::name).collect()
}

impl KernelBench {
    /// `rows` codes of `dim` components of `bits` bits; `None` where the machine lacks `isa` or
    /// the width is none of 1, 2, 4 and 8.
    pub fn new(isa: &str, bits: usize, dim: usize, rows: usize) -> Option<Self> {
        let isa = Isa::ALL.into_iter().find(|i| i.name() == isa && i.is_available())?;
        if ![1, 2, 4, 8].contains(&bits) {
            return None;
        }
        let code_bytes = (dim * bits / 8).next_multiple_of(BLOCK);
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state >> 33
        };
        let codes = (0..rows * code_bytes).map(|_| random() as u8).collect();
        let blocks = code_bytes / BLOCK * planes(bits);
        let component = |x: u64| (x % 255) as i16 as i8;
        let query = (0..blocks)
            .map(|_| Block(std::array::from_fn(|_| component(random()).max(-127))))
            .collect();
        Some(Self { isa, bits, code_bytes, codes, query })
    }

    /// Scores every code; the sum of the sums, so that none is optimised away.
    pub fn run(&self) -> i64 {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` found the instruction set available.
            Isa::Avx512 => unsafe { self.run_avx512() },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` found the instruction set available.
            Isa::Avx2 => unsafe { self.run_avx2() },
            _ => self.run_with::<super::scalar::Scalar>(),
        }
    }

    /// # Safety
    /// The machine has [`Isa::Avx512`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn run_avx512(&self) -> i64 {
        self.run_with::<super::x86_64::avx512::Avx512>()
    }

    /// # Safety
    /// The machine has [`Isa::Avx2`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn run_avx2(&self) -> i64 {
        self.run_with::<super::x86_64::avx2::Avx2>()
    }

    #[inline(always)]
    fn run_with<K: Kernel>(&self) -> i64 {
        match self.bits {
            1 => self.sum::<K, 1>(),
            2 => self.sum::<K, 2>(),
            4 => self.sum::<K, 4>(),
            _ => self.sum::<K, 8>(),
        }
    }

    #[inline(always)]
    fn sum<K: Kernel, const BITS: usize>(&self) -> i64 {
        let mut total = 0;
        for four in self.codes.chunks_exact(4 * self.code_bytes) {
            let at = |i: usize| four[i * self.code_bytes..].as_ptr();
            // SAFETY: each pointer has `code_bytes` readable bytes, whole blocks as the query;
            // the callers have the instruction set.
            let sums = unsafe { K::sums4::<BITS>([at(0), at(1), at(2), at(3)], &self.query) };
            total += sums.iter().map(|s| i64::from(*s)).sum::<i64>();
        }
        total
    }
}

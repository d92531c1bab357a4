//! Every kernel of every instruction set against the scalar oracle.

use super::scalar::{Scalar, sum};
use super::{BLOCK, Block, Isa, Kernel, planes};

/// A small deterministic generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Extremes as often as anything else.
    fn byte(&mut self) -> u8 {
        match self.next() % 4 {
            0 => 0,
            1 => 255,
            _ => self.next() as u8,
        }
    }

    fn component(&mut self) -> i8 {
        match self.next() % 4 {
            0 => -127,
            1 => 127,
            _ => (self.next() % 255) as i16 as i8,
        }
        .max(-127)
    }
}

fn case<K: Kernel, const BITS: usize>(random: &mut Random, blocks: usize, unaligned: usize) {
    let query: Vec<Block> = (0..blocks * planes(BITS))
        .map(|_| Block(std::array::from_fn(|_| random.component())))
        .collect();
    let bytes: Vec<u8> = (0..4 * blocks * BLOCK + unaligned).map(|_| random.byte()).collect();
    let codes: Vec<&[u8]> = bytes[unaligned..].chunks_exact(blocks * BLOCK).collect();
    let expected: Vec<i32> = codes.iter().map(|c| sum::<BITS>(c, &query)).collect();
    let pointers = [codes[0].as_ptr(), codes[1].as_ptr(), codes[2].as_ptr(), codes[3].as_ptr()];
    // SAFETY: each code has `BLOCK` bytes a block; the caller checked the instruction set.
    let (four, one) = unsafe {
        (K::sums4::<BITS>(pointers, &query), pointers.map(|p| K::sum1::<BITS>(p, &query)))
    };
    assert_eq!(four.as_slice(), expected, "{BITS} bits, {blocks} blocks");
    assert_eq!(one.as_slice(), expected, "{BITS} bits, {blocks} blocks, one by one");
}

fn all_cases<K: Kernel>(seed: u64) {
    let mut random = Random(seed);
    let mut cases = 0;
    while cases < 100_000 {
        for blocks in 1..=18 {
            let unaligned = (random.next() % 64) as usize;
            case::<K, 1>(&mut random, blocks, unaligned);
            case::<K, 2>(&mut random, blocks, unaligned);
            case::<K, 4>(&mut random, blocks, unaligned);
            case::<K, 8>(&mut random, blocks, unaligned);
            cases += 4 * 8;
        }
    }
}

/// Stamps the same test on every instruction set; one the machine lacks is reported, not passed
/// in silence.
macro_rules! against_the_oracle {
    ($($test:ident: $isa:expr, $kernel:ty;)+) => { $(
        #[test]
        fn $test() {
            if $isa.is_available() {
                all_cases::<$kernel>(7);
            } else {
                assert!(std::env::var_os("NEARFIELD_TEST_EVERY_ISA").is_none(), "no {}", $isa.name());
                eprintln!("skipped: this machine has no {}", $isa.name());
            }
        }
    )+ };
}

against_the_oracle! {
    scalar: Isa::Scalar, Scalar;
}

#[cfg(target_arch = "x86_64")]
against_the_oracle! {
    avx2: Isa::Avx2, super::x86_64::avx2::Avx2;
    avx512: Isa::Avx512, super::x86_64::avx512::Avx512;
}

#[test]
fn oracle_by_hand() {
    let mut query = vec![Block([0; BLOCK]); 4];
    query[0].0[0] = 5;
    query[1].0[0] = -7;
    query[3].0[63] = 100;
    let mut code = [0_u8; BLOCK];
    code[0] = 0b10_01_11_01;
    code[63] = 0b11_00_00_00;
    // Component 0 is 1, component 64 is 3, component 63 + 3 * 64 is 3.
    assert_eq!(sum::<2>(&code, &query), 5 - 21 + 300);
}

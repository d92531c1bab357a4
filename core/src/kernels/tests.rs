//! T8: every kernel of every instruction set against the scalar oracle; the exact ones are in
//! `exact_tests`.

use std::io::Write;

use super::candidate::{Asked, Candidate, Hop, Records, Scoring};
use super::scalar::{Scalar, sum};
use super::{BLOCK, Block, Isa, Kernel, planes};

/// A small deterministic generator (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
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
    (0..20).for_each(|_| hops::<K>(&mut random));
    (0..20).for_each(|_| members::<K>(&mut random));
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
    report(&format!("{cases} sums of codes"));
}

/// What random choices begin with: `NEARFIELD_TEST_SEED`, else 7.
pub(super) fn seed() -> u64 {
    std::env::var("NEARFIELD_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(7)
}

/// Says what was tested, past the capture of the test runner.
pub(super) fn report(what: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "T8: {what} in {test}");
}

/// Members of random sets, of lists of every length that end anywhere.
fn members<K: Kernel>(random: &mut Random) {
    for count in 0..=70 {
        let limit = 1 + (random.next() % 300) as u32;
        let words = limit.div_ceil(64) as usize;
        let [wanted, known] = [0; 2].map(|_| (0..words).map(|_| random.next()).collect::<Vec<_>>());
        let most = u64::from(limit) + if random.next().is_multiple_of(2) { 0 } else { 3 };
        let mut slots: Vec<u32> = (0..count).map(|_| (random.next() % most) as u32).collect();
        if random.next().is_multiple_of(3) && count > 0 {
            slots[random.next() as usize % count] = u32::MAX;
        }
        let [expected, found] = [Scalar::members, K::members].map(|kernel| {
            let mut out = vec![0; count + 16];
            // SAFETY: both sets have a bit for each slot below the limit, and there is room for 16
            // more; the caller checked the instruction set.
            let found = unsafe { kernel(&slots, (&wanted, &known), limit, &mut out) };
            out.truncate(found);
            out
        });
        assert_eq!(found, expected, "of {slots:?} below {limit}");
    }
}

/// Hops over random records, of every count that one can have.
fn hops<K: Kernel>(random: &mut Random) {
    const STRIDE: usize = 128;
    let float = |random: &mut Random| (random.next() % 2_000) as f32 / 500.0 - 2.0;
    let mut bytes: Vec<u8> = (0..200 * STRIDE).map(|_| random.next() as u8).collect();
    for record in bytes.chunks_exact_mut(STRIDE) {
        for field in [96, 100, 112] {
            record[field..field + 4].copy_from_slice(&float(random).to_le_bytes());
        }
    }
    let records = Records { first: bytes.as_ptr(), fields_at: 96, stride: STRIDE };
    let mut query = vec![Block([0; BLOCK]); 8];
    for block in &mut query {
        block.0.iter_mut().for_each(|c| *c = (random.next() % 255) as u8 as i8);
    }
    // The fields stand in the second half of the last block of the code.
    query[4..].iter_mut().for_each(|block| block.0[32..].fill(0));
    for count in 0..=70 {
        let [base, a, b, c, weight] = [0; 5].map(|_| float(random));
        let scoring = Scoring { base, a: a / 100.0, b, c, weight };
        // The cluster of a record is any number.
        let bases: Vec<f32> = (0..1 << (random.next() % 11)).map(|_| float(random)).collect();
        let asked = Asked { code: &query, scoring: &scoring, bases: &bases };
        let slots: Vec<u32> = (0..count).map(|_| (random.next() % 200) as u32).collect();
        let mut whole = slots.clone();
        whole.resize(slots.len().next_multiple_of(4), 7);
        let ahead: Vec<u32> = (0..random.next() % 40).map(|slot| slot as u32).collect();
        let hop = Hop { slots: &slots, groups: whole.as_chunks().0, ahead: &ahead };
        for threshold in [f32::NEG_INFINITY, 0.0, float(random) * 100.0, f32::INFINITY] {
            let [expected, found] = [Scalar::hop::<2>, K::hop::<2>].map(|kernel| {
                let mut kept = vec![Candidate(0); slots.len() + 8];
                // SAFETY: each slot has a record; the caller checked the instruction set.
                let count = unsafe { kernel(asked, records, hop, threshold, &mut kept) };
                kept.truncate(count);
                kept.sort_unstable();
                kept
            });
            assert_eq!(found, expected, "{count} slots, above {threshold}");
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
                all_cases::<$kernel>(seed());
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

#[test]
fn a_named_instruction_set_is_used_or_refused() {
    let available = |isa| isa != Isa::Avx512;
    assert_eq!(Isa::choose(None, available).unwrap(), Isa::Avx2);
    assert_eq!(Isa::choose(Some("scalar"), available).unwrap(), Isa::Scalar);
    for name in ["avx512", "avx", "AVX2", "sse4"] {
        let text = Isa::choose(Some(name), available).unwrap_err().to_string();
        assert!(text.contains("NEARFIELD_ISA") && text.contains("(scalar, avx2)"), "{text}");
    }
}

//! Integer scoring kernels, chosen once by instruction set.
//!
//! Every kernel sums integers, so each instruction set gives the same sums bit for bit; the float
//! epilogues live with their callers, written once. [`scalar`] is the oracle and the fallback.
//!
//! A search is compiled once a kernel set: `walk::<Avx512>` and so on inside a function with the
//! matching `#[target_feature]`, so that the kernels inline into the hop.

pub mod bench;
pub(crate) mod candidate;
pub(crate) mod exact;
pub(crate) mod scalar;
pub(crate) mod simsimd;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

#[cfg(test)]
mod exact_tests;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use crate::environment;
use crate::error::{Error, Result};
use candidate::{Asked, Candidate, Hop, Records};

/// Asks for a cache line of words that are read soon.
#[inline(always)]
pub(crate) fn ask(words: &[u64; 8]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, and SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            words.as_ptr().cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = words;
}

/// Bytes of a block: codes and query planes are laid out in blocks of this size.
pub(crate) const BLOCK: usize = 64;

/// A block of query components, aligned to a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [i8; BLOCK]);

/// An instruction set the searches are compiled for. Ordered: later is faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isa {
    Scalar,
    Avx2,
    Avx512,
}

impl Isa {
    pub(crate) const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this machine has it.
    pub(crate) fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            match self {
                Self::Scalar => true,
                Self::Avx2 => is_x86_feature_detected!("avx2"),
                Self::Avx512 => {
                    is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512vnni")
                }
            }
        }
        // NEON goes here: an `aarch64/neon.rs` beside `x86_64/`, and a variant of this enum.
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Scalar
        }
    }

    /// The best set of this machine, or the one that `NEARFIELD_ISA` names. Chosen once.
    pub(crate) fn detected() -> Self {
        // A value that can't be used was told by `check`, without which nothing is opened.
        *DETECTED.get_or_init(|| Self::wanted().unwrap_or_else(|_| Self::best(Self::is_available)))
    }

    /// Refuses a `NEARFIELD_ISA` that can't be used.
    pub(crate) fn check() -> Result<()> {
        if DETECTED.get().is_none() {
            let wanted = Self::wanted()?;
            DETECTED.get_or_init(|| wanted);
        }
        Ok(())
    }

    fn wanted() -> Result<Self> {
        Self::choose(environment::variable(VARIABLE)?.as_deref(), Self::is_available)
    }

    fn best(available: impl Fn(Self) -> bool) -> Self {
        Self::ALL.into_iter().rfind(|isa| available(*isa)).unwrap_or(Self::Scalar)
    }

    fn choose(name: Option<&str>, available: impl Fn(Self) -> bool) -> Result<Self> {
        let Some(name) = name else { return Ok(Self::best(available)) };
        let known = Self::ALL.into_iter().find(|isa| isa.name() == name);
        if let Some(isa) = known.filter(|isa| available(*isa)) {
            return Ok(isa);
        }
        let has: Vec<&str> =
            Self::ALL.into_iter().filter(|isa| available(*isa)).map(Self::name).collect();
        let expected = format!("what this machine has ({})", has.join(", "));
        let fix = "unset it for the best of them";
        Err(Error::invalid(VARIABLE, expected, format!("{name:?}"), fix))
    }
}

/// Forces a lower instruction set.
const VARIABLE: &str = "NEARFIELD_ISA";

static DETECTED: OnceLock<Isa> = OnceLock::new();

/// Whether codes of so many bits are about the mean of their cluster: then the record has more
/// fields. One bit is not: they would take another cache line; neither are eight, which need no help.
pub(crate) const fn is_clustered(bits: usize) -> bool {
    bits == 2 || bits == 4
}

/// Width of a code's components in bits.
///
/// A byte of a block holds `8 / bits` components, a *plane* each: byte `k` of a block of `b`
/// bytes holds components `k`, `k + b`, `k + 2b`, ... of that block, lowest bits first.
pub(crate) const fn planes(bits: usize) -> usize {
    8 / bits
}

/// The kernels of one instruction set.
///
/// # Safety
/// Of every function: the instruction set is available; each code pointer is readable for
/// `BLOCK` bytes a block of the query.
pub(crate) trait Kernel {
    /// `sum(code[i] * query[i])` of four codes of `BITS` bits. `query` holds `planes(BITS)`
    /// blocks a block of the code.
    unsafe fn sums4<const BITS: usize>(codes: [*const u8; 4], query: &[Block]) -> [i32; 4];

    /// The same of one code.
    unsafe fn sum1<const BITS: usize>(code: *const u8, query: &[Block]) -> i32;

    /// Keeps those of `slots` whose score, from their sums, is above `threshold`, in any order;
    /// returns how many. `kept` has 8 places more than there are slots.
    ///
    /// Also required: the fields of each slot's record are readable.
    #[inline(always)]
    unsafe fn survivors<const BITS: usize>(
        asked: Asked<'_>,
        records: Records,
        slots: &[u32],
        sums: &[i32],
        threshold: f32,
        kept: &mut [Candidate],
    ) -> usize {
        let mut count = 0;
        for (slot, sum) in slots.iter().zip(sums) {
            let at = records.fields(*slot);
            // SAFETY: the caller promises readable fields.
            let words = unsafe { at.cast::<[u32; 2]>().read_unaligned() }.map(u32::from_le);
            let [factor, norm2] = words.map(f32::from_bits);
            let score = if is_clustered(BITS) {
                // SAFETY: the same; these are sixteen bytes further.
                let more = unsafe { at.add(16).cast::<[u32; 2]>().read_unaligned() };
                let [offset, cluster] = more.map(u32::from_le);
                // What a file says may be no cluster.
                let base = asked.bases[cluster as usize & (asked.bases.len() - 1)];
                let offset = f32::from_bits(offset);
                asked.scoring.score_in_cluster(base, (*sum, factor), (norm2, offset))
            } else {
                asked.scoring.score(*sum, factor, norm2)
            };
            // The place is written in any case: no branch to mispredict.
            kept[count] = Candidate::new(score, *slot);
            count += usize::from(score > threshold);
        }
        count
    }

    /// Scores the codes of a hop and keeps the survivors as above. Between them it asks for the
    /// records ahead: while one hop computes, those of the next arrive.
    ///
    /// Also required: the records of all slots are readable.
    #[inline(always)]
    unsafe fn hop<const BITS: usize>(
        asked: Asked<'_>,
        records: Records,
        hop: Hop<'_>,
        threshold: f32,
        kept: &mut [Candidate],
    ) -> usize {
        let mut count = 0;
        let mut ahead = hop.ahead.chunks(hop.share());
        for (slots, groups) in hop.slots.chunks(16).zip(hop.groups.chunks(4)) {
            let mut sums = [[0; 4]; 4];
            for (sums, group) in sums.iter_mut().zip(groups) {
                // SAFETY: the caller promises readable records, which hold the code's blocks.
                *sums = unsafe {
                    Self::prefetch_records(records, ahead.next().unwrap_or_default());
                    Self::sums4::<BITS>(group.map(|slot| records.code(slot)), asked.code)
                };
            }
            let kept = &mut kept[count..];
            // SAFETY: the caller promises readable records.
            count += unsafe {
                let sums = sums.as_flattened();
                Self::survivors::<BITS>(asked, records, slots, sums, threshold, kept)
            };
        }
        count
    }

    /// Asks for the records of slots; never faults.
    #[inline(always)]
    unsafe fn prefetch_records(records: Records, slots: &[u32]) {
        for slot in slots {
            let code = records.code(*slot);
            // SAFETY: a prefetch never faults.
            unsafe {
                if records.stride == 128 {
                    Self::prefetch(code);
                    Self::prefetch(code.wrapping_add(64));
                } else {
                    let lines = (0..records.stride).step_by(64);
                    lines.for_each(|line| Self::prefetch(code.wrapping_add(line)));
                }
            }
        }
    }

    /// Those of `slots` whose bit is set in `wanted` and not in `known`, in order, into `out`; returns
    /// how many. The first that is not below `limit` ends them.
    ///
    /// Also required: both have a bit for each slot below `limit`, `out` 16 places more than there
    /// are slots.
    #[inline(always)]
    unsafe fn members(
        slots: &[u32],
        (wanted, known): (&[u64], &[u64]),
        limit: u32,
        out: &mut [u32],
    ) -> usize {
        let mut count = 0;
        for &slot in slots.iter().take_while(|slot| **slot < limit) {
            // The place is written in any case: no branch to mispredict.
            out[count] = slot;
            let at = slot as usize / 64;
            count += ((wanted[at] & !known[at]) >> (slot % 64) & 1) as usize;
        }
        count
    }

    /// Asks for the cache line at `at`; never faults.
    unsafe fn prefetch(at: *const u8);
}

//! Exact similarities from the original vectors: f32 in, f64 sums in a fixed order of sixteen
//! lanes, the same bits on every instruction set.

use super::{Isa, simsimd};
use crate::metric::Metric;
use crate::originals::Originals;
use crate::types::Dtype;

/// A query to be compared exactly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    vector: Vec<f32>,
    metric: Option<Metric>,
    norm: f64,
}

impl Query {
    /// Prepares a query. A zero vector under cosine has similarity 0 to everything; callers
    /// refuse it before.
    pub(crate) fn new(metric: Metric, vector: &[f32]) -> Self {
        let mut query = Self::default();
        query.prepare(metric, vector);
        query
    }

    /// As [`Self::new`], reusing the buffer.
    pub(crate) fn prepare(&mut self, metric: Metric, vector: &[f32]) {
        self.vector.clear();
        self.vector.extend_from_slice(vector);
        self.metric = Some(metric);
        self.norm = dot(vector, vector).sqrt();
    }

    /// The similarity to a row.
    pub(crate) fn similarity(&self, rows: &Originals<'_>, row: u32) -> f64 {
        let bytes = rows.row(row as usize);
        let (product, norm2) = match self.metric {
            // Not negated: a distance of 0 is a similarity of 0, not of -0.
            Some(Metric::L2) => {
                return 0.0 - sums(&self.vector, rows.dtype(), bytes, Sums::Distance).0;
            }
            Some(Metric::InnerProduct) => sums(&self.vector, rows.dtype(), bytes, Sums::Product),
            _ => sums(&self.vector, rows.dtype(), bytes, Sums::ProductAndNorm),
        };
        if self.metric == Some(Metric::InnerProduct) {
            return product;
        }
        let norms = self.norm * norm2.sqrt();
        if norms > 0.0 { (product / norms).clamp(-1.0, 1.0) } else { 0.0 }
    }

    /// A bound that the similarity to a row of 32-bit floats can't exceed, cheaper than the
    /// similarity itself; infinite when there is none.
    pub(crate) fn bound(&self, rows: &Originals<'_>, row: u32) -> f64 {
        if rows.dtype() != Dtype::F32 {
            return f64::INFINITY;
        }
        // Any order of summing d products in 32 bits errs by less than d * 2^-24 of the product
        // of the norms (Higham 2002, section 3.1).
        let slack = (self.vector.len() + 16) as f64 / f64::from(1 << 24);
        let Some(row) = simsimd::Row::new(rows.row(row as usize)) else { return f64::INFINITY };
        let bound = match self.metric {
            Some(Metric::L2) => {
                row.squared_distance(&self.vector).map(|d| -d * (1.0 - 2.0 * slack))
            }
            Some(Metric::InnerProduct) => row
                .dot(&self.vector)
                .zip(row.norm2())
                .map(|(p, n)| p + 2.0 * slack * self.norm * n.sqrt()),
            _ => row
                .dot(&self.vector)
                .zip(row.norm2())
                .map(|(p, n)| p / (self.norm * n.sqrt()) + 4.0 * slack),
        };
        bound.filter(|b| b.is_finite()).unwrap_or(f64::INFINITY)
    }

    /// Asks for a row's cache lines.
    pub(crate) fn prefetch(rows: &Originals<'_>, row: u32) {
        #[cfg(target_arch = "x86_64")]
        for line in rows.row(row as usize).chunks(64) {
            // SAFETY: a prefetch never faults, and SSE is part of x86-64.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                    line.as_ptr().cast(),
                );
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (rows, row);
    }
}

/// Which sums of a pair of vectors are wanted.
#[derive(Debug, Clone, Copy)]
enum Sums {
    Product,
    ProductAndNorm,
    Distance,
}

/// The inner product, in f64.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    dispatch(a, b, Sums::Product).0
}

fn sums(query: &[f32], dtype: Dtype, row: &[u8], sums: Sums) -> (f64, f64) {
    match dtype {
        Dtype::F32 => dispatch(query, row.as_chunks::<4>().0, sums),
        Dtype::F16 => dispatch(query, row.as_chunks::<2>().0, sums),
        Dtype::U8 => dispatch(query, row, sums),
        Dtype::I8 => dispatch(query, I8::of(row), sums),
    }
}

fn dispatch<T: Component>(a: &[f32], b: &[T], sums: Sums) -> (f64, f64) {
    #[cfg(target_arch = "x86_64")]
    match Isa::detected() {
        // SAFETY: the instruction set was detected.
        Isa::Avx512 => return unsafe { lanes_avx512(a, b, sums) },
        // SAFETY: the instruction set was detected.
        Isa::Avx2 => return unsafe { lanes_avx2(a, b, sums) },
        Isa::Scalar => {}
    }
    lanes(a, b, sums)
}

/// # Safety
/// AVX-512 F, VL and F16C are available.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn lanes_avx512<T: Component>(a: &[f32], b: &[T], sums: Sums) -> (f64, f64) {
    lanes(a, b, sums)
}

/// # Safety
/// AVX2 is available.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn lanes_avx2<T: Component>(a: &[f32], b: &[T], sums: Sums) -> (f64, f64) {
    lanes(a, b, sums)
}

#[inline(always)]
fn lanes<T: Component>(a: &[f32], b: &[T], sums: Sums) -> (f64, f64) {
    match sums {
        Sums::Product => (fold(a, b, |x, y| x * y), 0.0),
        Sums::Distance => (fold(a, b, |x, y| (x - y) * (x - y)), 0.0),
        // The second pass finds the row in the nearest cache.
        Sums::ProductAndNorm => (fold(a, b, |x, y| x * y), fold(a, b, |_, y| y * y)),
    }
}

/// Independent sums, so that the additions of a row overlap; added in a fixed order.
const LANES: usize = 16;

#[inline(always)]
fn fold<T: Component>(a: &[f32], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_whole.iter().zip(b_whole) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += term(f64::from(*x), y.value());
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += term(f64::from(*x), y.value());
    }
    sums.iter().sum()
}

/// A stored component.
trait Component {
    fn value(&self) -> f64;
}

impl Component for f32 {
    #[inline(always)]
    fn value(&self) -> f64 {
        f64::from(*self)
    }
}

impl Component for [u8; 4] {
    #[inline(always)]
    fn value(&self) -> f64 {
        f64::from(f32::from_le_bytes(*self))
    }
}

impl Component for [u8; 2] {
    #[inline(always)]
    fn value(&self) -> f64 {
        half::f16::from_le_bytes(*self).to_f64()
    }
}

impl Component for u8 {
    #[inline(always)]
    fn value(&self) -> f64 {
        f64::from(*self)
    }
}

/// A signed byte in place.
#[repr(transparent)]
struct I8(u8);

impl I8 {
    fn of(bytes: &[u8]) -> &[Self] {
        // SAFETY: `I8` is a transparent byte: same size and alignment, every bit pattern valid.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
    }
}

impl Component for I8 {
    #[inline(always)]
    fn value(&self) -> f64 {
        f64::from(self.0 as i8)
    }
}

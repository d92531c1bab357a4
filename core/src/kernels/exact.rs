//! Exact similarities from the original vectors: f32 in, f64 sums in a fixed order of sixteen
//! lanes, the same bits on every instruction set.

use half::f16;
use half::slice::HalfFloatSliceExt;

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
        Dtype::F16 => half_sums(query, row, sums),
        Dtype::U8 => dispatch(query, row, sums),
        Dtype::I8 => dispatch(query, I8::of(row), sums),
    }
}

/// Sums over a row of 16-bit floats, widened a piece at a time by the processor where it can. A
/// piece is whole lanes, so the order of additions is that of one row.
fn half_sums(query: &[f32], row: &[u8], sums: Sums) -> (f64, f64) {
    // Small: both buffers are cleared for each row.
    const PIECE: usize = 8 * LANES;
    let mut halves = [f16::ZERO; PIECE];
    let mut floats = [0.0_f32; PIECE];
    let mut total = Partial::default();
    for (query, bytes) in query.chunks(PIECE).zip(row.chunks(2 * PIECE)) {
        let (halves, floats) = (&mut halves[..query.len()], &mut floats[..query.len()]);
        for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        halves.convert_to_f32_slice(floats);
        total.add(query, floats, sums);
    }
    total.finish()
}

fn dispatch<T: Component>(a: &[f32], b: &[T], sums: Sums) -> (f64, f64) {
    let mut total = Partial::default();
    total.add(a, b, sums);
    total.finish()
}

/// Independent sums, so that the additions of a row overlap; added in a fixed order.
const LANES: usize = 16;

/// The lanes of a sum, and of the row's norm where it is wanted.
#[derive(Default)]
struct Partial {
    sum: [f64; LANES],
    norm2: [f64; LANES],
}

impl Partial {
    /// Adds a piece of a row; all but the last are whole lanes.
    fn add<T: Component>(&mut self, a: &[f32], b: &[T], sums: Sums) {
        #[cfg(target_arch = "x86_64")]
        match Isa::detected() {
            // SAFETY: the instruction set was detected.
            Isa::Avx512 => return unsafe { self.lanes_avx512(a, b, sums) },
            // SAFETY: the instruction set was detected.
            Isa::Avx2 => return unsafe { self.lanes_avx2(a, b, sums) },
            Isa::Scalar => {}
        }
        self.lanes(a, b, sums);
    }

    /// # Safety
    /// AVX-512 F and VL are available.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl")]
    unsafe fn lanes_avx512<T: Component>(&mut self, a: &[f32], b: &[T], sums: Sums) {
        self.lanes(a, b, sums);
    }

    /// # Safety
    /// AVX2 is available.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn lanes_avx2<T: Component>(&mut self, a: &[f32], b: &[T], sums: Sums) {
        self.lanes(a, b, sums);
    }

    #[inline(always)]
    fn lanes<T: Component>(&mut self, a: &[f32], b: &[T], sums: Sums) {
        match sums {
            Sums::Product => fold(&mut self.sum, a, b, |x, y| x * y),
            Sums::Distance => fold(&mut self.sum, a, b, |x, y| (x - y) * (x - y)),
            Sums::ProductAndNorm => self.product_and_norm(a, b),
        }
    }

    /// Two folds in one pass: a row is read and widened once.
    #[inline(always)]
    fn product_and_norm<T: Component>(&mut self, a: &[f32], b: &[T]) {
        // Copies, so that the lanes stay in registers.
        let (mut sum, mut norm2) = (self.sum, self.norm2);
        let mut add = |lane: usize, x: f32, y: f64| {
            sum[lane] += f64::from(x) * y;
            norm2[lane] += y * y;
        };
        let (a_whole, a_rest) = a.as_chunks::<LANES>();
        let (b_whole, b_rest) = b.as_chunks::<LANES>();
        for (x, y) in a_whole.iter().zip(b_whole) {
            for lane in 0..LANES {
                add(lane, x[lane], y[lane].value());
            }
        }
        for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
            add(lane, *x, y.value());
        }
        (self.sum, self.norm2) = (sum, norm2);
    }

    fn finish(&self) -> (f64, f64) {
        (self.sum.iter().sum(), self.norm2.iter().sum())
    }
}

#[inline(always)]
fn fold<T: Component>(sums: &mut [f64; LANES], a: &[f32], b: &[T], term: impl Fn(f64, f64) -> f64) {
    // A copy, so that the lanes stay in registers.
    let mut lanes = *sums;
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_whole.iter().zip(b_whole) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += term(f64::from(*x), y.value());
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += term(f64::from(*x), y.value());
    }
    *sums = lanes;
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

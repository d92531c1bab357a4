//! Exact similarities from the original vectors: f32 in, f64 sums in a fixed order.

use crate::metric::Metric;
use crate::originals::Originals;
use crate::types::Dtype;

/// A query to be compared exactly.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    metric: Metric,
    vector: Vec<f32>,
    /// Under cosine, the reciprocal of its length.
    inverse_norm: f64,
}

impl Query {
    /// Prepares a query. A zero vector under cosine has similarity 0 to everything; callers
    /// refuse it before.
    pub(crate) fn new(metric: Metric, vector: &[f32]) -> Self {
        let norm = dot::<f32>(vector, vector).sqrt();
        let inverse_norm = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        Self { metric, vector: vector.to_vec(), inverse_norm }
    }

    /// The similarity to a row.
    pub(crate) fn similarity(&self, rows: &Originals<'_>, row: u32) -> f64 {
        let bytes = rows.row(row as usize);
        match rows.dtype() {
            Dtype::F32 => self.compare(bytes.as_chunks::<4>().0),
            Dtype::F16 => self.compare(bytes.as_chunks::<2>().0),
            Dtype::U8 => self.compare(bytes),
            Dtype::I8 => self.compare(bytemuck_i8(bytes)),
        }
    }

    fn compare<T: Component>(&self, row: &[T]) -> f64 {
        match self.metric {
            Metric::InnerProduct => dot(&self.vector, row),
            Metric::L2 => -squared_distance(&self.vector, row),
            Metric::Cosine => {
                let (product, norm2) = dot_and_norm2(&self.vector, row);
                if norm2 > 0.0 {
                    (product * self.inverse_norm / norm2.sqrt()).clamp(-1.0, 1.0)
                } else {
                    0.0
                }
            }
        }
    }
}

/// A view of bytes as signed bytes.
fn bytemuck_i8(bytes: &[u8]) -> &[I8] {
    // SAFETY: `I8` is a transparent byte: same size and alignment, every bit pattern valid.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// A signed byte in place.
#[repr(transparent)]
struct I8(u8);

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

impl Component for I8 {
    #[inline(always)]
    fn value(&self) -> f64 {
        f64::from(self.0 as i8)
    }
}

/// Independent sums, so that the additions of a row overlap; added in a fixed order.
const LANES: usize = 16;

#[inline(always)]
fn lanes<T: Component>(a: &[f32], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (ac, ar) = a.as_chunks::<LANES>();
    let (bc, br) = b.as_chunks::<LANES>();
    for (x, y) in ac.iter().zip(bc) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += term(f64::from(*x), y.value());
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(ar).zip(br) {
        *sum += term(f64::from(*x), y.value());
    }
    sums.iter().sum()
}

fn dot<T: Component>(a: &[f32], b: &[T]) -> f64 {
    lanes(a, b, |x, y| x * y)
}

fn squared_distance<T: Component>(a: &[f32], b: &[T]) -> f64 {
    lanes(a, b, |x, y| (x - y) * (x - y))
}

fn dot_and_norm2<T: Component>(a: &[f32], b: &[T]) -> (f64, f64) {
    (dot(a, b), lanes(a, b, |_, y| y * y))
}

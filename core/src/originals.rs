//! The original vectors, read in place: little-endian rows of a [`Dtype`], nothing between them.

use half::f16;

use crate::types::Dtype;

/// A view of original vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Originals<'a> {
    dtype: Dtype,
    dim: usize,
    bytes: &'a [u8],
}

impl<'a> Originals<'a> {
    /// A view of `bytes`, whose length is a multiple of the row's; what is beyond is ignored.
    pub(crate) fn new(dtype: Dtype, dim: usize, bytes: &'a [u8]) -> Self {
        Self { dtype, dim, bytes }
    }

    pub(crate) fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn rows(&self) -> usize {
        self.bytes.len() / self.row_bytes()
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.dim * self.dtype.bytes()
    }

    /// The bytes of a row.
    pub(crate) fn row(&self, row: usize) -> &'a [u8] {
        let n = self.row_bytes();
        &self.bytes[row * n..(row + 1) * n]
    }

    /// Copies a row as 32-bit floats; `out` is `dim` long.
    pub(crate) fn copy_row(&self, row: usize, out: &mut [f32]) {
        let bytes = self.row(row);
        match self.dtype {
            Dtype::F32 => {
                for (o, c) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *o = f32::from_le_bytes(*c);
                }
            }
            Dtype::F16 => {
                for (o, c) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *o = f16::from_le_bytes(*c).to_f32();
                }
            }
            Dtype::U8 => out.iter_mut().zip(bytes).for_each(|(o, v)| *o = f32::from(*v)),
            Dtype::I8 => out.iter_mut().zip(bytes).for_each(|(o, v)| *o = f32::from(*v as i8)),
        }
    }
}

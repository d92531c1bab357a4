//! The components of raw vectors, little-endian in every format.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float16Array, Float32Array, Float64Array, Int8Array, Int32Array, UInt8Array,
};
use arrow_schema::DataType;
use half::f16;

/// The type of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    F32,
    F64,
    U8,
    I8,
    I32,
}

impl Element {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 => 8,
        }
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::F16 => DataType::Float16,
            Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
            Self::U8 => DataType::UInt8,
            Self::I8 => DataType::Int8,
            Self::I32 => DataType::Int32,
        }
    }

    /// Decodes whole components; a rest shorter than one is left out.
    pub(crate) fn decode(self, bytes: &[u8]) -> ArrayRef {
        match self {
            Self::U8 => Arc::new(UInt8Array::from(bytes.to_vec())),
            Self::I8 => {
                Arc::new(Int8Array::from_iter_values(bytes.iter().map(|&b| b.cast_signed())))
            }
            Self::F16 => Arc::new(Float16Array::from_iter_values(
                bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b)),
            )),
            Self::F32 => Arc::new(Float32Array::from_iter_values(
                bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)),
            )),
            Self::I32 => Arc::new(Int32Array::from_iter_values(
                bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b)),
            )),
            Self::F64 => Arc::new(Float64Array::from_iter_values(
                bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)),
            )),
        }
    }
}

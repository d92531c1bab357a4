//! Vectors, as numbers or packed.

use std::borrow::Cow;

use half::f16;
use nearfield::{Error, Result, VectorData, Vectors};

use crate::v1;
use crate::v1::vector::Data as One;
use crate::v1::vectors::Data;

/// One vector, as a matrix of one row.
///
/// # Errors
/// [`Error::InvalidArgument`] where there is none, [`Error::DimensionMismatch`].
pub fn single(field: &str, message: Option<v1::Vector>, dim: usize) -> Result<Vectors<'static>> {
    let Some(one) = message.and_then(|vector| vector.data) else {
        let expected = "one of floats, f32_le, f16_le, u8, i8";
        return Err(Error::invalid(field, expected, "none of them", ""));
    };
    let data = components(
        field,
        match one {
            One::Floats(list) => Data::Floats(list),
            One::F32Le(bytes) => Data::F32Le(bytes),
            One::F16Le(bytes) => Data::F16Le(bytes),
            One::U8(bytes) => Data::U8(bytes),
            One::I8(bytes) => Data::I8(bytes),
        },
    )?;
    let found = length(&data);
    if found != dim {
        return Err(Error::DimensionMismatch { argument: field.to_owned(), expected: dim, found });
    }
    Vectors::new(dim, data)
}

/// Vectors one after the other; none where the message has none.
///
/// # Errors
/// [`Error::DimensionMismatch`] where they don't end with a whole one.
pub fn many(field: &str, message: Option<v1::Vectors>, dim: usize) -> Result<Vectors<'static>> {
    let data = match message.and_then(|vectors| vectors.data) {
        Some(data) => components(field, data)?,
        None => VectorData::F32(Cow::Borrowed(&[])),
    };
    let found = length(&data);
    if !found.is_multiple_of(dim) {
        let expected = format!("rows of {dim} components");
        let fix = "every vector has the collection's dimension";
        return Err(Error::invalid(field, expected, format!("{found} components"), fix));
    }
    Vectors::new(dim, data)
}

fn components(field: &str, data: Data) -> Result<VectorData<'static>> {
    Ok(match data {
        Data::Floats(list) => VectorData::F32(Cow::Owned(list.values)),
        Data::F32Le(bytes) => {
            let field = format!("{field}.f32_le");
            VectorData::F32(Cow::Owned(words(&field, &bytes, f32::from_le_bytes)?))
        }
        Data::F16Le(bytes) => {
            let field = format!("{field}.f16_le");
            VectorData::F16(Cow::Owned(words(&field, &bytes, f16::from_le_bytes)?))
        }
        Data::U8(bytes) => VectorData::U8(Cow::Owned(bytes.to_vec())),
        Data::I8(bytes) => VectorData::I8(Cow::Owned(bytes.iter().map(|b| *b as i8).collect())),
    })
}

fn length(data: &VectorData<'_>) -> usize {
    match data {
        VectorData::F32(x) => x.len(),
        VectorData::F16(x) => x.len(),
        VectorData::F64(x) => x.len(),
        VectorData::U8(x) => x.len(),
        VectorData::I8(x) => x.len(),
    }
}

fn words<const N: usize, T>(
    field: &str,
    bytes: &[u8],
    from_le: fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let (words, rest) = bytes.as_chunks::<N>();
    if rest.is_empty() {
        return Ok(words.iter().map(|word| from_le(*word)).collect());
    }
    let expected = format!("a multiple of {N} bytes");
    Err(Error::invalid(field, expected, format!("{} bytes", bytes.len()), "send whole components"))
}

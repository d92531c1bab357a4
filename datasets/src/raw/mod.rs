//! Files that hold nothing but vectors: `.npy`, the `.*vecs` family, the `.*bin` family.
//!
//! Each format is reduced to a [`Layout`]: where the rows begin, how long one is, what a component
//! is. One reader streams all of them. A layout is checked against the file's length before a row
//! is read, so nothing is ever allocated by what a header claims.

mod bin;
mod element;
mod layout;
pub(crate) mod npy;
mod rows;
mod vecs;

use std::path::Path;
use std::sync::Arc;

use arrow_schema::Schema;

pub(crate) use layout::{RawFile, open_file};

use crate::error::Result;
use crate::options::ReadOptions;
use crate::source::Source;

/// Name of the column of vectors.
const VECTOR: &str = "vector";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RawFormat {
    Npy,
    Fvecs,
    Bvecs,
    Ivecs,
    Fbin,
    U8bin,
    I8bin,
}

pub(crate) fn open(path: &Path, format: RawFormat, options: &ReadOptions) -> Result<Source> {
    let mut file = RawFile::open(path)?;
    let layout = match format {
        RawFormat::Npy => npy::vectors(&mut file)?,
        RawFormat::Fvecs => vecs::layout(&mut file, element::Element::F32)?,
        RawFormat::Bvecs => vecs::layout(&mut file, element::Element::U8)?,
        RawFormat::Ivecs => vecs::layout(&mut file, element::Element::I32)?,
        RawFormat::Fbin => bin::layout(&mut file, element::Element::F32)?,
        RawFormat::U8bin => bin::layout(&mut file, element::Element::U8)?,
        RawFormat::I8bin => bin::layout(&mut file, element::Element::I8)?,
    };
    let schema = Arc::new(Schema::new(vec![layout.field(VECTOR)]));
    // There is one column: a projection can only name it.
    options.project(&schema, &file.blame)?;
    let rows = layout.rows;
    let reader = rows::Rows::new(file, layout, schema.clone(), options)?;
    Ok(Source::new(schema, Some(rows), reader))
}

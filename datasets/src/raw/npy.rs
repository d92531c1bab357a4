//! `.npy`: magic, version, and a Python dict literal that gives type, order and shape.
//!
//! ```text
//! 93 'NUMPY' | major, minor | header length: u16 (v1) or u32 (v2, v3) | dict literal | data
//! ```

use crate::error::{Position, Result};
use crate::raw::element::Element;
use crate::raw::layout::{Layout, RawFile, check_dim};

mod literal;

use literal::Value;

const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// The dict of a plain array takes about 100 bytes; NumPy itself stops at 10,000.
const HEADER_MAX: u32 = 65_536;

/// What the header says.
#[derive(Debug)]
pub(crate) struct Header {
    /// The type as NumPy writes it, such as `<f4`.
    pub(crate) descr: String,
    pub(crate) shape: Vec<u64>,
    /// Offset of the data.
    pub(crate) start: u64,
}

/// The layout of an array of vectors: two-dimensional, C order.
pub(crate) fn vectors(file: &mut RawFile) -> Result<Layout> {
    let header = header(file)?;
    let at = Position::byte(MAGIC.len() as u64);
    let element = match header.descr.as_str() {
        "<f2" => Element::F16,
        "<f4" => Element::F32,
        "<f8" => Element::F64,
        "|u1" | "<u1" => Element::U8,
        "|i1" | "<i1" => Element::I8,
        other => {
            return Err(file.blame.unsupported(
                at,
                "a dtype of <f2, <f4, <f8, |u1 or |i1",
                other,
                "save it again with arr.astype(\"<f4\")",
            ));
        }
    };
    let &[rows, dim] = header.shape.as_slice() else {
        return Err(file.blame.unsupported(
            at,
            "2 dimensions (rows, components)",
            format!("{}: shape {:?}", header.shape.len(), header.shape),
            "save it again with arr.reshape(rows, -1)",
        ));
    };
    let dim = check_dim(dim, at.byte.unwrap_or(0), &file.blame)?;
    Layout { start: header.start, rows, dim, element, prefixed: false }
        .check(file, MAGIC.len() as u64)
}

/// Reads and checks the header; refuses Fortran order and pickled objects.
pub(crate) fn header(file: &mut RawFile) -> Result<Header> {
    let magic: [u8; 6] = file.header(0)?;
    if magic != MAGIC {
        return Err(file.blame.malformed(
            Position::byte(0),
            "\"\\x93NUMPY\"",
            format!("\"{}\"", magic.escape_ascii()),
            "save the array with numpy.save",
        ));
    }
    let [major, minor] = file.header(6)?;
    let (length, text_at) = match major {
        1 => (u32::from(u16::from_le_bytes(file.header(8)?)), 10),
        2 | 3 => (u32::from_le_bytes(file.header(8)?), 12),
        _ => {
            return Err(file.blame.unsupported(
                Position::byte(6),
                "version 1, 2 or 3",
                format!("version {major}.{minor}"),
                "save the array with numpy.save",
            ));
        }
    };
    let start = text_at + u64::from(length);
    if length > HEADER_MAX || start > file.len {
        return Err(file.blame.malformed(
            Position::byte(8),
            format!("a header of at most {HEADER_MAX} bytes that fits the file"),
            format!("{length} bytes in a file of {}", file.len),
            "the file is cut off or damaged; copy it again",
        ));
    }
    let mut text = vec![0; length as usize];
    file.read(&mut text, Position::byte(text_at))?;
    let (descr, shape) = entries(&text, text_at, file)?;
    Ok(Header { descr, shape, start })
}

fn entries(text: &[u8], at: u64, file: &RawFile) -> Result<(String, Vec<u64>)> {
    let malformed = |offset: usize, expected: &str, found: String| {
        let at = Position::byte(at + offset as u64);
        file.blame.malformed(at, expected, found, "save the array with numpy.save")
    };
    let dict = literal::parse(text)
        .map_err(|(offset, expected)| malformed(offset, expected, excerpt(text, offset)))?;
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    for (key, value) in dict {
        match (key.as_str(), value) {
            ("descr", value) => descr = Some(value),
            ("fortran_order", Value::Bool(value)) => fortran = Some(value),
            ("shape", Value::Tuple(value)) => shape = Some(value),
            (other, _) => {
                let expected = "the entries descr, fortran_order and shape";
                return Err(malformed(0, expected, format!("{other:?}")));
            }
        }
    }
    let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
        let expected = "the entries descr, fortran_order and shape";
        return Err(malformed(0, expected, excerpt(text, 0)));
    };
    let at = Position::byte(at);
    let descr = match descr {
        Value::Text(text) if !text.ends_with('O') => text,
        _ => {
            return Err(file.blame.unsupported(
                at,
                "an array of plain numbers",
                "an array of objects or records",
                "save the numbers alone, with arr.astype(\"<f4\")",
            ));
        }
    };
    if fortran {
        return Err(file.blame.unsupported(
            at,
            "C order",
            "Fortran order",
            "save it again with numpy.ascontiguousarray(arr)",
        ));
    }
    Ok((descr, shape))
}

/// A few bytes of a header, for a message.
fn excerpt(text: &[u8], offset: usize) -> String {
    let rest = text.get(offset..).unwrap_or_default();
    let shown = rest.get(..24).unwrap_or(rest);
    if shown.is_empty() {
        "the end of the header".into()
    } else {
        format!("\"{}\"", shown.escape_ascii())
    }
}

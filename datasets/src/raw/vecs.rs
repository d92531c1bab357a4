//! `.fvecs`, `.bvecs`, `.ivecs`: every row is its dimension (i32) and its components.
//!
//! There is no header: the first row gives the dimension, the length of the file the rows.

use crate::error::{Position, Result};
use crate::raw::element::Element;
use crate::raw::layout::{Layout, RawFile, check_dim};

pub(crate) fn layout(file: &mut RawFile, element: Element) -> Result<Layout> {
    if file.len == 0 {
        return Err(file.blame.malformed(
            Position::byte(0),
            "at least one row, which gives the dimension",
            "an empty file",
            "write the file again",
        ));
    }
    let dim = i32::from_le_bytes(file.header(0)?);
    let Ok(dim) = u64::try_from(dim) else {
        return Err(file.blame.malformed(
            Position::row(0, 0),
            "a dimension above 0",
            dim.to_string(),
            "check that the file is of the format that its extension names",
        ));
    };
    let dim = check_dim(dim, 0, &file.blame)?;
    let mut layout = Layout { start: 0, rows: 0, dim, element, prefixed: true };
    // A partial row at the end counts as promised, so that the check reports it.
    layout.rows = file.len.div_ceil(layout.record() as u64);
    layout.check(file, 0)
}

//! `.fbin`, `.u8bin`, `.i8bin`: rows (u32), dimension (u32), then the components.

use crate::error::Result;
use crate::raw::element::Element;
use crate::raw::layout::{Layout, RawFile, check_dim};

const HEADER: u64 = 8;

pub(crate) fn layout(file: &mut RawFile, element: Element) -> Result<Layout> {
    let rows = u32::from_le_bytes(file.header(0)?);
    let dim = u32::from_le_bytes(file.header(4)?);
    let dim = check_dim(u64::from(dim), 4, &file.blame)?;
    Layout { start: HEADER, rows: u64::from(rows), dim, element, prefixed: false }.check(file, 0)
}

//! Values of a column, from any segments, as one Arrow array.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};

use super::Column;
use crate::error::{Error, Result};
use crate::types::AttributeType;

/// An array of [`AttributeType::arrow`] in the making.
pub(crate) struct ColumnOut {
    builder: Builder,
    bytes: usize,
}

enum Builder {
    String(StringBuilder),
    List(ListBuilder<StringBuilder>),
    I64(Int64Builder),
    F64(Float64Builder),
    Bool(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl ColumnOut {
    pub(crate) fn new(kind: AttributeType) -> Self {
        let builder = match kind {
            AttributeType::Keyword | AttributeType::Text => Builder::String(StringBuilder::new()),
            AttributeType::KeywordList => Builder::List(ListBuilder::new(StringBuilder::new())),
            AttributeType::I64 => Builder::I64(Int64Builder::new()),
            AttributeType::F64 => Builder::F64(Float64Builder::new()),
            AttributeType::Bool => Builder::Bool(BooleanBuilder::new()),
            AttributeType::Timestamp => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
        };
        Self { builder, bytes: 0 }
    }

    /// Appends the value of a slot.
    pub(crate) fn push(&mut self, column: &Column<'_>, slot: u32) -> Result<()> {
        match &mut self.builder {
            Builder::String(out) if column.kind() == AttributeType::Text => {
                let text = column.text(slot)?;
                grow(&mut self.bytes, text.map_or(0, str::len))?;
                out.append_option(text);
            }
            Builder::String(out) => {
                let keyword = column.keyword(slot);
                grow(&mut self.bytes, keyword.map_or(0, str::len))?;
                out.append_option(keyword);
            }
            Builder::List(out) => match column.keywords(slot) {
                Some(items) => {
                    for item in items.iter() {
                        grow(&mut self.bytes, item.len() + 1)?;
                        out.values().append_value(item);
                    }
                    out.append(true);
                }
                None => out.append(false),
            },
            Builder::I64(out) => out.append_option(column.i64(slot)),
            Builder::F64(out) => out.append_option(column.f64(slot)),
            Builder::Bool(out) => out.append_option(column.bool(slot)),
            Builder::Timestamp(out) => out.append_option(column.i64(slot)),
        }
        Ok(())
    }

    /// Appends a null.
    pub(crate) fn push_null(&mut self) {
        match &mut self.builder {
            Builder::String(out) => out.append_null(),
            Builder::List(out) => out.append(false),
            Builder::I64(out) => out.append_null(),
            Builder::F64(out) => out.append_null(),
            Builder::Bool(out) => out.append_null(),
            Builder::Timestamp(out) => out.append_null(),
        }
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self.builder {
            Builder::String(mut out) => Arc::new(out.finish()),
            Builder::List(mut out) => Arc::new(out.finish()),
            Builder::I64(mut out) => Arc::new(out.finish()),
            Builder::F64(mut out) => Arc::new(out.finish()),
            Builder::Bool(mut out) => Arc::new(out.finish()),
            Builder::Timestamp(mut out) => Arc::new(out.finish()),
        }
    }
}

/// Counts the bytes of strings: an Arrow array of them ends at 2 GiB.
fn grow(bytes: &mut usize, more: usize) -> Result<()> {
    *bytes += more;
    if i32::try_from(*bytes).is_ok() {
        return Ok(());
    }
    Err(Error::ResourceLimit {
        what: "strings of one result".to_owned(),
        limit: format!("{} bytes", i32::MAX),
        found: "more".to_owned(),
        fix: "ask for fewer points at once".to_owned(),
    })
}

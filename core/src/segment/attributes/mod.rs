//! Attribute columns: taken in from Arrow ([`convert`]), gathered in memory ([`buffer`]), read in
//! place from a segment ([`parts`], [`column`]) or replaced since ([`patch`]), written to the log
//! ([`wire`]), given back as Arrow ([`out`]). [`ranks`] finds the slots of a value for filters.

mod bits;
mod buffer;
mod column;
mod convert;
mod lists;
mod out;
mod page;
mod parts;
mod patch;
mod ranks;
pub(crate) mod wire;

pub(crate) use buffer::ColumnBuffer;
pub(crate) use column::{Column, Dictionary};
pub(crate) use convert::{Intake, strings, unpack};
pub(crate) use lists::ListRows;
pub(crate) use out::ColumnOut;
pub(crate) use page::{Cell, Items};
pub(crate) use parts::ColumnParts;
pub(crate) use patch::{ColumnPatch, Patch, Value};
pub(crate) use ranks::{Ranked, Ranks, float_key};
pub(crate) use wire::ValueRef;

use bits::{Bits, bit_at};
use column::{LazyBytes, NULL_CODE};
use convert::numbers;

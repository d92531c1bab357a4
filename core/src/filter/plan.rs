//! A filter, typed and without negation but at its leaves.
//!
//! Three-valued logic in one set a node: the true rows. NOT is pushed down to the leaves, where
//! the rows for which `NOT test` is true are those that have a value and fail the test.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::like::Pattern;
use super::number::{Keys, Mark, Order};
use crate::types::{AttributeType, Ids};

/// A filter, checked against a schema. What `now()` is, is not known yet.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) root: Node,
    pub(super) uses_now: bool,
}

/// A plan as one request sees it: with the time bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(super) plan: &'a Plan,
    pub(super) now_us: i64,
}

impl Plan {
    /// Whether it depends on the time of the request, so that its rows can't be kept.
    pub(crate) fn uses_now(&self) -> bool {
        self.uses_now
    }

    /// The plan at a time, in microseconds since 1970.
    pub(crate) fn bind(&self, now_us: i64) -> Bound<'_> {
        Bound { plan: self, now_us }
    }
}

/// A part of a filter; its rows are those for which it is true.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Every one of these; with none, all rows.
    All(Vec<Node>),
    /// Any of these; with none, no row.
    Any(Vec<Node>),
    Leaf(Leaf),
}

impl Node {
    /// What is true of no row, or unknown for every one.
    pub(super) fn never() -> Self {
        Self::Any(Vec::new())
    }

    /// True of every row.
    pub(super) fn always() -> Self {
        Self::All(Vec::new())
    }
}

/// A test of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    pub(super) column: ColumnRef,
    pub(super) test: Test,
    /// Passed by the values that fail the test; null passes neither.
    pub(super) negated: bool,
}

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnRef {
    Id,
    Attribute { position: usize, kind: AttributeType },
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// Null: the one test that null passes or fails like any value.
    Null,
    /// One of these keywords, ascending; a list: any of its items.
    Words(Vec<String>),
    /// A keyword on this side of another, bytewise.
    Side(Order, String),
    Like(Pattern),
    /// A number or a moment whose key is in one of these ranges, ascending.
    Keys(Vec<Keys>),
    /// A moment on this side of `now()` and so many microseconds.
    Now(Order, i128),
    /// A `bool` that is true.
    True,
    /// One of these ids.
    Ids(Ids),
}

impl Test {
    /// The ranges of keys that pass a numeric test at this time.
    pub(super) fn keys(&self, now_us: i64) -> Vec<Keys> {
        match self {
            Self::Keys(ranges) => ranges.clone(),
            Self::Now(order, offset) => {
                Mark::at(i128::from(now_us)).plus(*offset).keys(*order).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

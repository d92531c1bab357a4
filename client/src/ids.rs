//! Ids as Rust has them.

use std::fmt;

use crate::v1;
use crate::v1::ids::Kind;

/// An id of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// An integer.
    U64(u64),
    /// A string.
    Str(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(id) => id.fmt(f),
            Self::Str(id) => id.fmt(f),
        }
    }
}

/// Ids of one kind: that of the collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Integers.
    U64(Vec<u64>),
    /// Strings.
    Str(Vec<String>),
}

impl Ids {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::U64(ids) => ids.len(),
            Self::Str(ids) => ids.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at a place.
    pub fn get(&self, at: usize) -> Option<Id> {
        match self {
            Self::U64(ids) => ids.get(at).copied().map(Id::U64),
            Self::Str(ids) => ids.get(at).cloned().map(Id::Str),
        }
    }
}

impl From<Vec<u64>> for Ids {
    fn from(ids: Vec<u64>) -> Self {
        Self::U64(ids)
    }
}

impl From<Vec<String>> for Ids {
    fn from(ids: Vec<String>) -> Self {
        Self::Str(ids)
    }
}

impl From<&[&str]> for Ids {
    fn from(ids: &[&str]) -> Self {
        Self::Str(ids.iter().map(ToString::to_string).collect())
    }
}

impl From<Ids> for v1::Ids {
    fn from(ids: Ids) -> Self {
        let kind = match ids {
            Ids::U64(values) => Kind::U64(v1::U64List { values }),
            Ids::Str(values) => Kind::Str(v1::StringList { values }),
        };
        Self { kind: Some(kind) }
    }
}

impl From<v1::Ids> for Ids {
    fn from(message: v1::Ids) -> Self {
        match message.kind {
            Some(Kind::U64(list)) => Self::U64(list.values),
            Some(Kind::Str(list)) => Self::Str(list.values),
            None => Self::U64(Vec::new()),
        }
    }
}

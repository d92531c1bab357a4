//! The words of the crate: ids, columns, vectors. See the glossary in ARCHITECTURE.md.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use half::f16;

use crate::error::{Error, Result};

/// Largest dimension of a vector.
pub const DIM_MAX: usize = 16_384;
/// Largest number of results of a query.
pub const K_MAX: usize = 10_000;
/// Largest effort (`ef`) of a query.
pub const EFFORT_MAX: usize = 100_000;
/// The reserved column of the times at which points expire: `timestamp`, there once a point has
/// been given one, null for points that stay.
pub const EXPIRES_AT: &str = "expires_at";
/// Longest string id, in bytes.
pub const STRING_ID_BYTES_MAX: usize = 512;

/// Declares an enum whose values have one name in every interface.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in the order of their codes in files.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in every interface.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| {
                    let names: Vec<_> = Self::ALL.iter().map(|v| format!("{:?}", v.name())).collect();
                    Error::invalid($what, format!("one of {}", names.join(", ")), format!("{text:?}"), "")
                })
            }
        }
    };
}

named_enum! {
    /// What identifies a point.
    IdType, "id_type" {
        /// 0 to `u64::MAX - 1`.
        U64 = "u64",
        /// 1 to 512 bytes of UTF-8, compared bytewise.
        Str = "str",
    }
}

named_enum! {
    /// How the original vectors are stored.
    Dtype, "dtype" {
        /// 32-bit floats.
        F32 = "f32",
        /// 16-bit floats; the input is rounded once, when it enters.
        F16 = "f16",
        /// Unsigned bytes; only integers 0 to 255 are accepted.
        U8 = "u8",
        /// Signed bytes; only integers -128 to 127 are accepted.
        I8 = "i8",
    }
}

impl Dtype {
    /// Bytes of one component.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::U8 | Self::I8 => 1,
        }
    }
}

named_enum! {
    /// A trade of memory against speed.
    Profile, "profile" {
        /// A wider graph: faster at high recall, more memory.
        Fast = "fast",
        /// The default.
        Balanced = "balanced",
        /// The smallest codes: least memory.
        Compact = "compact",
    }
}

named_enum! {
    /// Which graph a sealed segment holds.
    IndexKind, "index" {
        /// The flat graph of this crate.
        Graph = "graph",
        /// The graph of the `hnsw_rs` crate in the same file layout: built by one thread, which
        /// takes many times as long, and searched as ours is.
        Hnsw = "hnsw",
    }
}

named_enum! {
    /// When a write is acknowledged.
    Durability, "durability" {
        /// Once it survives a power cut.
        Sync = "sync",
        /// Once it survives the end of the process.
        Buffered = "buffered",
    }
}

named_enum! {
    /// Where a segment's bytes live while it is open.
    MemoryMode, "memory" {
        /// Mapped from the file: the page cache holds what is used.
        Mapped = "mapped",
        /// Codes and edges copied into huge pages, the rest mapped.
        Pinned = "pinned",
        /// The whole file read into memory; for file systems that don't map well.
        Heap = "heap",
    }
}

named_enum! {
    /// The type of an attribute column; any value may be null.
    AttributeType, "attribute type" {
        /// A short string that is filtered and grouped by.
        Keyword = "keyword",
        /// Several keywords.
        KeywordList = "keyword[]",
        /// A 64-bit integer.
        I64 = "i64",
        /// A 64-bit float.
        F64 = "f64",
        /// True or false.
        Bool = "bool",
        /// A moment in UTC, in microseconds.
        Timestamp = "timestamp",
        /// A string that is stored and returned, but not filtered by.
        Text = "text",
    }
}

impl AttributeType {
    /// A column of this type in words.
    pub(crate) fn column(self) -> String {
        let article = if matches!(self, Self::I64 | Self::F64) { "an" } else { "a" };
        format!("{article} {self} column")
    }

    /// The Arrow type in which columns of this type are given and returned.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Keyword | Self::Text => DataType::Utf8,
            Self::KeywordList => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            Self::I64 => DataType::Int64,
            Self::F64 => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// The attribute columns of a collection, in the order they were declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    columns: Vec<(String, AttributeType)>,
}

impl Schema {
    /// A schema of these columns.
    ///
    /// # Errors
    /// A name that is empty, longer than 128 bytes, repeated or reserved (`id`, `vector`,
    /// `query`, `rank`, `score`, `distance` stay free for results: only `id`, `vector` and
    /// `expires_at` are refused).
    pub fn new(columns: impl IntoIterator<Item = (String, AttributeType)>) -> Result<Self> {
        let mut schema = Self::default();
        for (name, kind) in columns {
            schema.push(name, kind)?;
        }
        Ok(schema)
    }

    /// The schema of a collection that is there: it may have [`EXPIRES_AT`].
    pub(crate) fn stored(
        columns: impl IntoIterator<Item = (String, AttributeType)>,
    ) -> Result<Self> {
        let mut schema = Self::default();
        for (name, kind) in columns {
            let expiry = name == EXPIRES_AT && kind == AttributeType::Timestamp;
            if expiry && schema.position(EXPIRES_AT).is_none() {
                schema.columns.push((name, kind));
            } else {
                schema.push(name, kind)?;
            }
        }
        Ok(schema)
    }

    fn push(&mut self, name: String, kind: AttributeType) -> Result<()> {
        let bad = |expected: &str| {
            Err(Error::invalid(
                format!("schema column {name:?}"),
                expected,
                format!("{name:?}"),
                "rename the column",
            ))
        };
        if name.is_empty() || name.len() > 128 {
            return bad("a name of 1 to 128 bytes");
        }
        if ["id", "vector", EXPIRES_AT].contains(&name.as_str()) {
            return bad("a name that is not reserved (id, vector, expires_at)");
        }
        if self.position(&name).is_some() {
            return bad("every name once");
        }
        self.columns.push((name, kind));
        Ok(())
    }

    /// Names and types, in order.
    pub fn columns(&self) -> &[(String, AttributeType)] {
        &self.columns
    }

    /// Where the column of this name is.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(n, _)| n == name)
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

/// The identity of an embedding space: `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Space(String);

impl Space {
    /// The text `name@version`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Space {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('@') {
            Some((name, version))
                if !name.is_empty()
                    && !version.is_empty()
                    && text.len() <= 256
                    && !version.contains('@') =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Error::invalid(
                "space",
                "name@version, at most 256 bytes",
                format!("{text:?}"),
                "for example \"minilm-l6@1\"",
            )),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One id. Ordered by value, strings bytewise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointId {
    /// An integer id.
    U64(u64),
    /// A string id.
    Str(String),
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(id) => write!(f, "{id}"),
            Self::Str(id) => f.write_str(id),
        }
    }
}

/// A column of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Integer ids.
    U64(Vec<u64>),
    /// String ids.
    Str(Vec<String>),
}

impl Ids {
    /// Number of ids.
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

    /// The type of the ids.
    pub fn id_type(&self) -> IdType {
        match self {
            Self::U64(_) => IdType::U64,
            Self::Str(_) => IdType::Str,
        }
    }

    /// These ids and others of the same type, which are dropped if they are not.
    pub(crate) fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::U64(mut ids), Self::U64(more)) => {
                ids.extend(more);
                Self::U64(ids)
            }
            (Self::Str(mut ids), Self::Str(more)) => {
                ids.extend(more);
                Self::Str(ids)
            }
            (ids, _) => ids,
        }
    }

    /// The id at `row`.
    ///
    /// # Panics
    /// When `row` is not below [`Ids::len`].
    pub fn get(&self, row: usize) -> PointId {
        match self {
            Self::U64(ids) => PointId::U64(ids[row]),
            Self::Str(ids) => PointId::Str(ids[row].clone()),
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

/// The components of vectors, row after row, borrowed or owned.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorData<'a> {
    /// 32-bit floats.
    F32(Cow<'a, [f32]>),
    /// 16-bit floats.
    F16(Cow<'a, [f16]>),
    /// 64-bit floats; rounded to 32 bits when they enter.
    F64(Cow<'a, [f64]>),
    /// Unsigned bytes.
    U8(Cow<'a, [u8]>),
    /// Signed bytes.
    I8(Cow<'a, [i8]>),
}

/// A matrix of vectors, C order, one vector a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors<'a> {
    dim: usize,
    data: VectorData<'a>,
}

impl<'a> Vectors<'a> {
    /// A matrix of `dim` columns.
    ///
    /// # Errors
    /// When the number of components is no multiple of `dim`, or `dim` is 0.
    pub fn new(dim: usize, data: VectorData<'a>) -> Result<Self> {
        let vectors = Self { dim, data };
        let len = vectors.components();
        if dim == 0 || !len.is_multiple_of(dim) {
            return Err(Error::invalid(
                "vectors",
                format!("rows of {dim} components"),
                format!("{len} components"),
                "pass a two-dimensional array",
            ));
        }
        Ok(vectors)
    }

    /// A matrix over borrowed 32-bit floats.
    ///
    /// # Errors
    /// As [`Vectors::new`].
    pub fn from_f32(dim: usize, data: &'a [f32]) -> Result<Self> {
        Self::new(dim, VectorData::F32(Cow::Borrowed(data)))
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.components() / self.dim
    }

    /// The components.
    pub fn data(&self) -> &VectorData<'a> {
        &self.data
    }

    fn components(&self) -> usize {
        match &self.data {
            VectorData::F32(x) => x.len(),
            VectorData::F16(x) => x.len(),
            VectorData::F64(x) => x.len(),
            VectorData::U8(x) => x.len(),
            VectorData::I8(x) => x.len(),
        }
    }

    /// Copies row `row` into `out` as 32-bit floats.
    ///
    /// # Panics
    /// When `row` is not below [`Vectors::rows`] or `out` is not [`Vectors::dim`] long.
    pub fn copy_row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.data {
            VectorData::F32(x) => out.copy_from_slice(&x[range]),
            VectorData::F16(x) => out.iter_mut().zip(&x[range]).for_each(|(o, v)| *o = v.to_f32()),
            VectorData::F64(x) => out.iter_mut().zip(&x[range]).for_each(|(o, v)| *o = *v as f32),
            VectorData::U8(x) => {
                out.iter_mut().zip(&x[range]).for_each(|(o, v)| *o = f32::from(*v));
            }
            VectorData::I8(x) => {
                out.iter_mut().zip(&x[range]).for_each(|(o, v)| *o = f32::from(*v));
            }
        }
    }
}

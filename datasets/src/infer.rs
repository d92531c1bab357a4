//! Proposes how a file's columns become a collection: id, vector, attributes.
//!
//! Deterministic: a schema and the rows of one sample batch decide, nothing else. Types are named
//! as everywhere in nearfield (`keyword`, `i64`, ...), as plain strings.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};

mod text;

/// Columns that the caller chose; `None` leaves the choice to [`infer()`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InferOptions {
    /// The column of the ids.
    pub id: Option<String>,
    /// The column of the vectors.
    pub vector: Option<String>,
}

/// How the columns of a file become a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inferred {
    /// The column of the ids; `None` where no column could be one: number the rows.
    pub id: Option<String>,
    /// `"u64"` or `"str"`.
    pub id_type: &'static str,
    /// The column of the vectors.
    pub vector: String,
    /// Components of a vector; `None` where neither the type nor the sample says.
    pub dim: Option<usize>,
    /// `"f32"`, `"f16"`, `"u8"` or `"i8"`; f64 is stored as f32.
    pub dtype: &'static str,
    /// The other columns and their types: `"keyword"`, `"keyword[]"`, `"i64"`, `"f64"`, `"bool"`,
    /// `"timestamp"`, `"text"`.
    pub attributes: Vec<(String, &'static str)>,
    /// Columns that can't be attributes, and why.
    pub left_out: Vec<(String, String)>,
}

/// Why no proposal can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// Several columns could be the ids, and none is named `id`.
    #[error(
        "id column: expected one named \"id\", found candidates {candidates}; name the id column"
    )]
    AmbiguousId {
        /// The candidates.
        candidates: String,
    },
    /// No column, or several, could be the vectors.
    #[error(
        "vector column: expected one list of floats, or one named \"vector\" or \"embedding\", found {found}; name the vector column"
    )]
    Vector {
        /// The candidates.
        found: String,
    },
    /// A column that the caller named does not exist, or has a type that can't be used.
    #[error("{role} column {column:?}: expected {expected}, found {found}; name another column")]
    Column {
        /// `"id"` or `"vector"`.
        role: &'static str,
        /// The name given.
        column: String,
        /// What would be taken.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// Names that a collection keeps for itself.
const RESERVED: [&str; 3] = ["id", "vector", "expires_at"];

/// Proposes id, vector and attribute columns.
///
/// - id: the column named `id`. Without one: an error that lists the integer and string columns,
///   or `None` where there are none (a file of vectors only).
/// - vector: the only column of lists of f16, f32 or f64 (or fixed-size lists of u8 or i8); of
///   several, the one named `vector`, else `embedding`.
/// - integers become `i64`, floats `f64`, timestamps `timestamp`, lists of strings `keyword[]`,
///   dictionaries of strings `keyword`.
/// - other strings: of the first 4,096 rows of `sample`, nulls aside. All of 32 bytes at most:
///   `keyword`. All of 256 bytes at most and at least half of them repeated: `keyword`. No value
///   at all: `keyword`. Else `text`.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema};
/// use nearfield_datasets::{InferOptions, infer};
///
/// let list = DataType::new_fixed_size_list(DataType::Float32, 384, false);
/// let schema = Schema::new(vec![
///     Field::new("id", DataType::Utf8, false),
///     Field::new("score", DataType::Int32, true),
///     Field::new("embedding", list, false),
/// ]);
/// let inferred = infer(&schema, None, &InferOptions::default())?;
/// assert_eq!((inferred.id_type, inferred.dim), ("str", Some(384)));
/// assert_eq!(inferred.attributes, [("score".to_owned(), "i64")]);
/// # Ok::<(), nearfield_datasets::InferError>(())
/// ```
pub fn infer(
    schema: &Schema,
    sample: Option<&RecordBatch>,
    options: &InferOptions,
) -> Result<Inferred, InferError> {
    let vector = find_vector(schema, options)?;
    let id = find_id(schema, &vector, options)?;
    let column = |name: &str| sample.and_then(|batch| batch.column_by_name(name));
    let data_type = |name: &str| schema.field_with_name(name).ok().map(|f| f.data_type().clone());
    let (dim, dtype) = data_type(&vector).and_then(|t| vector_type(&t)).unwrap_or((None, "f32"));
    let dim = dim.or_else(|| column(&vector).and_then(list_length));
    let id_type = id.as_deref().and_then(|id| id_type(&data_type(id)?)).unwrap_or("u64");
    let (mut attributes, mut left_out) = (Vec::new(), Vec::new());
    for field in schema.fields() {
        let name = field.name();
        if *name == vector || Some(name) == id.as_ref() {
            continue;
        }
        if RESERVED.contains(&name.as_str()) {
            left_out.push((name.clone(), "the name is reserved".into()));
        } else if let Some(kind) = attribute_type(field.data_type(), column(name)) {
            attributes.push((name.clone(), kind));
        } else {
            left_out.push((name.clone(), format!("no attribute holds {}", field.data_type())));
        }
    }
    Ok(Inferred { id, id_type, vector, dim, dtype, attributes, left_out })
}

fn find_vector(schema: &Schema, options: &InferOptions) -> Result<String, InferError> {
    if let Some(name) = &options.vector {
        let expected = "a list of f16, f32 or f64, or a fixed-size list of u8 or i8";
        return named(schema, "vector", name, expected, |t| vector_type(t).is_some());
    }
    let candidates = names(schema, |t| vector_type(t).is_some());
    let preferred = ["vector", "embedding"].into_iter().find(|name| candidates.contains(name));
    match (candidates.as_slice(), preferred) {
        (&[only], _) | (_, Some(only)) => Ok(only.into()),
        _ => Err(InferError::Vector { found: quoted(&candidates) }),
    }
}

fn find_id(
    schema: &Schema,
    vector: &str,
    options: &InferOptions,
) -> Result<Option<String>, InferError> {
    let usable = |t: &DataType| id_type(t).is_some();
    let expected = "integers or strings";
    if let Some(name) = &options.id {
        return named(schema, "id", name, expected, usable).map(Some);
    }
    if vector != "id" && schema.column_with_name("id").is_some() {
        return named(schema, "id", "id", expected, usable).map(Some);
    }
    let candidates = names(schema, usable);
    if candidates.is_empty() {
        return Ok(None);
    }
    Err(InferError::AmbiguousId { candidates: quoted(&candidates) })
}

fn named(
    schema: &Schema,
    role: &'static str,
    name: &str,
    expected: &str,
    usable: impl Fn(&DataType) -> bool,
) -> Result<String, InferError> {
    let error = |expected: String, found: String| {
        Err(InferError::Column { role, column: name.into(), expected, found })
    };
    match schema.field_with_name(name) {
        Ok(field) if usable(field.data_type()) => Ok(name.into()),
        Ok(field) => error(expected.into(), field.data_type().to_string()),
        Err(_) => {
            error(format!("one of {}", quoted(&names(schema, usable))), "no such column".into())
        }
    }
}

fn names(schema: &Schema, usable: impl Fn(&DataType) -> bool) -> Vec<&str> {
    let fields = schema.fields().iter().filter(|field| usable(field.data_type()));
    fields.map(|field| field.name().as_str()).collect()
}

fn quoted(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn id_type(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        t if t.is_integer() => Some("u64"),
        t if is_text(t) => Some("str"),
        _ => None,
    }
}

/// Dimension, where the type has one, and how the components are stored.
fn vector_type(data_type: &DataType) -> Option<(Option<usize>, &'static str)> {
    let (item, dim) = match data_type {
        DataType::FixedSizeList(item, dim) => (item, usize::try_from(*dim).ok()),
        DataType::List(item) | DataType::LargeList(item) => (item, None),
        _ => return None,
    };
    let dtype = match item.data_type() {
        DataType::Float16 => "f16",
        DataType::Float32 | DataType::Float64 => "f32",
        DataType::UInt8 if dim.is_some() => "u8",
        DataType::Int8 if dim.is_some() => "i8",
        _ => return None,
    };
    Some((dim, dtype))
}

/// Length of the first list of a sample that is not null.
fn list_length(column: &ArrayRef) -> Option<usize> {
    let any = column.as_any();
    let first = (0..column.len()).find(|&row| column.is_valid(row))?;
    if let Some(lists) = any.downcast_ref::<arrow_array::ListArray>() {
        return Some(lists.value(first).len());
    }
    any.downcast_ref::<arrow_array::LargeListArray>().map(|lists| lists.value(first).len())
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn attribute_type(data_type: &DataType, sample: Option<&ArrayRef>) -> Option<&'static str> {
    match data_type {
        t if is_text(t) => {
            Some(if sample.is_none_or(text::is_keyword) { "keyword" } else { "text" })
        }
        t if t.is_integer() => Some("i64"),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some("f64"),
        DataType::Boolean => Some("bool"),
        DataType::Timestamp(..) => Some("timestamp"),
        DataType::Dictionary(_, values) if is_text(values) => Some("keyword"),
        DataType::List(item) | DataType::LargeList(item) if is_text(item.data_type()) => {
            Some("keyword[]")
        }
        _ => None,
    }
}

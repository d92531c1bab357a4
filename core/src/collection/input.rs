//! Validates what a caller gives, and turns it into rows as they are stored. Every error names
//! the row (of the call) and the column.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use half::f16;
use rayon::prelude::*;

use super::pool;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::segment::Rows;
use crate::segment::attributes::{ColumnBuffer, Intake, strings, unpack};
use crate::types::{Dtype, EXPIRES_AT, IdType, Ids, STRING_ID_BYTES_MAX, VectorData, Vectors};

/// Fewer rows are taken faster than shared out.
const SHARED_ROWS: usize = 16_384;
/// Rows that one task takes.
const TASK_ROWS: usize = 2_048;

/// Rows of one call, so far.
pub(super) struct Input<'a> {
    config: &'a CollectionConfig,
    rows: Rows,
    /// Rows whose vectors are there: in step with the ids between batches.
    vectors: u64,
}

impl<'a> Input<'a> {
    pub(super) fn new(config: &'a CollectionConfig) -> Self {
        Self { config, rows: Rows::new(config), vectors: 0 }
    }

    /// Goes on after rows that were checked before.
    pub(super) fn resume(&mut self, rows: Rows) {
        self.vectors = rows.len() as u64;
        self.rows = rows;
    }

    /// The rows so far.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn finish(self) -> Rows {
        self.rows
    }

    /// Appends ids.
    pub(super) fn ids(&mut self, ids: &Ids) -> Result<()> {
        self.rows.check_room(ids.len())?;
        let first = self.rows.len();
        match (&mut self.rows.ids, ids) {
            (Ids::U64(out), Ids::U64(ids)) => {
                if let Some(row) = ids.iter().position(|id| *id == u64::MAX) {
                    return Err(bad_u64(&format!("ids, row {}", first + row)));
                }
                out.extend_from_slice(ids);
            }
            (Ids::Str(out), Ids::Str(ids)) => {
                for (row, id) in ids.iter().enumerate() {
                    check_string(id, || format!("ids, row {}", first + row))?;
                }
                out.extend_from_slice(ids);
            }
            _ => return Err(wrong_id_type("ids", self.config.id_type, ids.id_type().name())),
        }
        Ok(())
    }

    /// Appends the ids of an Arrow column.
    pub(super) fn id_column(&mut self, name: &str, array: &ArrayRef) -> Result<()> {
        self.rows.check_room(array.len())?;
        let first = self.rows.len();
        let at = |row: usize| format!("column {name:?}, row {}", first + row);
        if let Some(row) = (0..array.len()).find(|row| array.is_null(*row)) {
            return Err(Error::invalid(at(row), "an id", "null", "give every point an id"));
        }
        let array = &*unpack(array)?;
        let found = array.data_type();
        let wrong = || {
            let column = format!("column {name:?}");
            Err(wrong_id_type(&column, self.config.id_type, &found.to_string()))
        };
        match &mut self.rows.ids {
            Ids::U64(out) => {
                if !found.is_integer() {
                    return wrong();
                }
                // What doesn't fit, the negative ones, becomes null.
                let cast = arrow_cast::cast(array, &arrow_schema::DataType::UInt64)
                    .map_err(|e| Error::invalid(at(0), "integers", e.to_string(), ""))?;
                for (row, id) in cast.as_primitive::<UInt64Type>().iter().enumerate() {
                    match id {
                        Some(u64::MAX) => return Err(bad_u64(&at(row))),
                        Some(id) => out.push(id),
                        None => {
                            let expected = "an integer of at least 0";
                            return Err(Error::invalid(at(row), expected, "a negative one", ""));
                        }
                    }
                }
            }
            Ids::Str(out) => {
                let Some(ids) = strings(array) else { return wrong() };
                for (row, id) in ids.enumerate() {
                    let id = id.unwrap_or_default();
                    check_string(id, || at(row))?;
                    out.push(id.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Appends vectors; `what` names them in errors.
    pub(super) fn vectors(&mut self, what: &str, vectors: &Vectors<'_>) -> Result<()> {
        let dim = self.config.dim;
        if vectors.dim() != dim && vectors.rows() > 0 {
            return Err(Error::DimensionMismatch {
                argument: what.to_owned(),
                expected: dim,
                found: vectors.dim(),
            });
        }
        check_dtype(what, self.config.dtype, vectors.data())?;
        if vectors.rows() == 0 {
            return Ok(());
        }
        let (dtype, metric) = (self.config.dtype, self.config.metric);
        let row_bytes = dim * dtype.bytes();
        let encode = |row: &mut Vec<f32>, first: usize, out: &mut [u8]| {
            row.resize(dim, 0.0);
            for (position, out) in (first..).zip(out.chunks_exact_mut(row_bytes)) {
                vectors.copy_row(position, row);
                encode_row(dtype, metric, row, out).map_err(|fault| (position, fault))?;
            }
            Ok(())
        };
        let out = &mut self.rows.vectors;
        let start = out.len();
        let bytes = vectors.rows() * row_bytes;
        if start == 0 {
            // Zeroed by the system, a page at a time, by whoever fills it.
            *out = vec![0; bytes];
        } else {
            out.resize(start + bytes, 0);
        }
        let out = &mut out[start..];
        let encoded = if vectors.rows() < SHARED_ROWS {
            encode(&mut Vec::new(), 0, out)
        } else {
            let tasks = out.par_chunks_mut(TASK_ROWS * row_bytes).enumerate();
            let parts: Vec<_> = pool()?.install(|| {
                let encode = |row: &mut Vec<f32>, (task, out): (usize, &mut [u8])| {
                    encode(row, task * TASK_ROWS, out)
                };
                tasks.map_init(Vec::new, encode).collect()
            });
            parts.into_iter().collect()
        };
        if let Err((position, fault)) = encoded {
            let place = format!("{what}, row {}", self.vectors + position as u64);
            return Err(match fault {
                Fault::Zero => {
                    let fix = "leave the row out, or use metric \"ip\" or \"l2\"";
                    Error::invalid(place, "a vector with a length", "a zero vector", fix)
                }
                Fault::Component { component, expected } => {
                    let mut row = vec![0.0; dim];
                    vectors.copy_row(position, &mut row);
                    let found = match vectors.data() {
                        VectorData::F64(x) => x[position * dim + component].to_string(),
                        _ => row[component].to_string(),
                    };
                    let place = format!("{place}, component {component}");
                    Error::invalid(place, expected, found, "leave the row out")
                }
            });
        }
        self.vectors += vectors.rows() as u64;
        Ok(())
    }

    /// Appends the columns of the schema, in its order; `None` is all null.
    pub(super) fn attributes(&mut self, columns: &[Option<&ArrayRef>], rows: usize) -> Result<()> {
        let first_row = (self.rows.len() - rows) as u64;
        let names = self.config.schema.columns();
        for ((buffer, (name, _)), column) in self.rows.columns.iter_mut().zip(names).zip(columns) {
            match column {
                Some(array) => buffer.append(array, Intake { column: name, first_row })?,
                None => buffer.append_nulls(rows),
            }
        }
        Ok(())
    }
}

fn bad_u64(place: &str) -> Error {
    let expected = format!("0 to {}", u64::MAX - 1);
    Error::invalid(place, expected, u64::MAX.to_string(), "the largest u64 means \"no point\"")
}

fn check_string(id: &str, place: impl Fn() -> String) -> Result<()> {
    if (1..=STRING_ID_BYTES_MAX).contains(&id.len()) {
        return Ok(());
    }
    let expected = format!("1 to {STRING_ID_BYTES_MAX} bytes");
    Err(Error::invalid(place(), expected, format!("{} bytes", id.len()), ""))
}

/// The error for ids of another type than the collection's.
pub(super) fn wrong_id_type(what: &str, expected: IdType, found: &str) -> Error {
    let expected = match expected {
        IdType::U64 => "integers (the collection's id_type is u64)",
        IdType::Str => "strings (the collection's id_type is str)",
    };
    Error::invalid(what, expected, found, "convert the ids")
}

/// Bytes are accepted only as they are stored, floats everywhere.
fn check_dtype(what: &str, dtype: Dtype, data: &VectorData<'_>) -> Result<()> {
    let (fits, found) = match data {
        VectorData::F32(_) => (true, "f32"),
        VectorData::F16(_) => (true, "f16"),
        VectorData::F64(_) => (true, "f64"),
        VectorData::U8(_) => (dtype == Dtype::U8, "u8"),
        VectorData::I8(_) => (dtype == Dtype::I8, "i8"),
    };
    if fits {
        return Ok(());
    }
    let expected = match dtype {
        Dtype::F32 | Dtype::F16 => "components of f16, f32 or f64".to_owned(),
        Dtype::U8 | Dtype::I8 => format!("components of {dtype}, f16, f32 or f64"),
    };
    Err(Error::invalid(what, expected, found, "convert them, or create with that dtype"))
}

/// What is wrong with a vector.
enum Fault {
    Zero,
    Component { component: usize, expected: &'static str },
}

/// Writes a row as it is stored, after checking that it can be.
fn encode_row(
    dtype: Dtype,
    metric: Metric,
    row: &[f32],
    out: &mut [u8],
) -> std::result::Result<(), Fault> {
    let fail = |bad: fn(f32) -> bool, expected| {
        let component = row.iter().position(|v| bad(*v)).unwrap_or_default();
        Err(Fault::Component { component, expected })
    };
    let whole = |v: f32, low: f32, high: f32| v.fract() == 0.0 && (low..=high).contains(&v);
    match dtype {
        Dtype::F32 => {
            if !row.iter().all(|v| v.is_finite()) {
                return fail(|v| !v.is_finite(), "a finite 32-bit float");
            }
            out.as_chunks_mut().0.iter_mut().zip(row).for_each(|(o, v)| *o = v.to_le_bytes());
        }
        Dtype::F16 => {
            if !row.iter().all(|v| f16::from_f32(*v).is_finite()) {
                return fail(|v| !f16::from_f32(v).is_finite(), "a finite 16-bit float");
            }
            let halves = row.iter().map(|v| f16::from_f32(*v).to_le_bytes());
            out.as_chunks_mut().0.iter_mut().zip(halves).for_each(|(o, v)| *o = v);
        }
        Dtype::U8 => {
            if !row.iter().all(|v| whole(*v, 0.0, 255.0)) {
                let bad = |v: f32| v.fract() != 0.0 || !(0.0..=255.0).contains(&v);
                return fail(bad, "an integer of 0 to 255");
            }
            out.iter_mut().zip(row).for_each(|(o, v)| *o = *v as u8);
        }
        Dtype::I8 => {
            if !row.iter().all(|v| whole(*v, -128.0, 127.0)) {
                let bad = |v: f32| v.fract() != 0.0 || !(-128.0..=127.0).contains(&v);
                return fail(bad, "an integer of -128 to 127");
            }
            out.iter_mut().zip(row).for_each(|(o, v)| *o = *v as i8 as u8);
        }
    }
    if metric == Metric::Cosine && is_zero(dtype, out) { Err(Fault::Zero) } else { Ok(()) }
}

/// Whether every component of a stored row is zero; -0 is too.
fn is_zero(dtype: Dtype, row: &[u8]) -> bool {
    match dtype {
        Dtype::F32 => row.as_chunks().0.iter().all(|c| f32::from_le_bytes(*c) == 0.0),
        Dtype::F16 => row.as_chunks().0.iter().all(|c| f16::from_le_bytes(*c) == f16::ZERO),
        Dtype::U8 | Dtype::I8 => row.iter().all(|b| *b == 0),
    }
}

/// The columns of the schema in a batch that must have exactly them; none given is all null.
pub(super) fn check_attributes<'b>(
    config: &CollectionConfig,
    attributes: Option<&'b RecordBatch>,
    rows: usize,
) -> Result<Vec<Option<&'b ArrayRef>>> {
    let Some(batch) = attributes else { return Ok(vec![None; config.schema.len()]) };
    if batch.num_rows() != rows && batch.num_columns() > 0 {
        let found = format!("{} rows", batch.num_rows());
        return Err(Error::invalid("attributes", format!("{rows} rows, one an id"), found, ""));
    }
    check_names(config, batch)?;
    config.schema.columns().iter().map(|(name, _)| column_of(batch, name)).collect()
}

/// The column of this name; only times of expiry may be left out.
pub(super) fn column_of<'b>(batch: &'b RecordBatch, name: &str) -> Result<Option<&'b ArrayRef>> {
    match batch.column_by_name(name) {
        None if name != EXPIRES_AT => Err(missing_column(name)),
        column => Ok(column),
    }
}

/// Checks that every column of a batch is one of the schema, and there once.
fn check_names(config: &CollectionConfig, batch: &RecordBatch) -> Result<()> {
    let schema = batch.schema();
    for (position, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if config.schema.position(name).is_none() {
            let known = config.schema.columns().iter().map(|(n, _)| n.as_str());
            return Err(unknown_column(name, known));
        }
        if schema.fields().iter().take(position).any(|f| f.name() == name) {
            return Err(Error::invalid("attributes", "every column once", format!("{name:?}"), ""));
        }
    }
    Ok(())
}

/// The columns of a batch that replaces values: their positions in the schema, ascending.
pub(super) fn check_updates(
    config: &CollectionConfig,
    batch: &RecordBatch,
    rows: usize,
) -> Result<Vec<(usize, ColumnBuffer)>> {
    if batch.num_rows() != rows && batch.num_columns() > 0 {
        let found = format!("{} rows", batch.num_rows());
        return Err(Error::invalid("attributes", format!("{rows} rows, one an id"), found, ""));
    }
    check_names(config, batch)?;
    let mut columns = Vec::new();
    for (position, (name, kind)) in config.schema.columns().iter().enumerate() {
        if let Some(array) = batch.column_by_name(name) {
            let mut buffer = ColumnBuffer::new(*kind);
            buffer.append(array, Intake { column: name, first_row: 0 })?;
            columns.push((position, buffer));
        }
    }
    Ok(columns)
}

/// The error for a column of the schema that isn't there.
pub(super) fn missing_column(name: &str) -> Error {
    let fix = "give every column of the schema; its values may be null";
    Error::invalid("attributes", format!("a column {name:?}"), "none of that name", fix)
}

/// The error for a column that the schema doesn't have, with the nearest one that it has.
pub(crate) fn unknown_column<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Error {
    let known: Vec<&str> = known.collect();
    let fix = meant(name, &known).unwrap_or_else(|| "check the name".to_owned());
    let expected = match known.as_slice() {
        [] => "no column: the schema has none".to_owned(),
        known => format!("a column of the schema ({})", known.join(", ")),
    };
    Error::invalid(format!("column {name:?}"), expected, "no such column", fix)
}

/// Asks whether the nearest of these names was meant, if it is near.
pub(super) fn meant(name: &str, known: &[&str]) -> Option<String> {
    let (edits, near) = known.iter().map(|k| (edits(name, k), *k)).min()?;
    (edits <= 1 + name.chars().count() / 3).then(|| format!("did you mean {near:?}?"))
}

/// Fewest insertions, deletions and replacements that turn one name into the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(edits("subredit", "subreddit"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        let text = unknown_column("subredit", ["score", "subreddit"].into_iter()).to_string();
        assert!(text.contains("did you mean \"subreddit\"?"), "{text}");
        let text = unknown_column("zzz", ["score"].into_iter()).to_string();
        assert!(!text.contains("did you mean"), "{text}");
    }
}

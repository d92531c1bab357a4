//! Points whose every component and value follows from an id and a version: what comes back tells
//! which write it is from.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field};

use crate::types::{AttributeType, IdType, Ids, PointId, Schema};

pub(super) const DIM: usize = 4;

/// Which write the vector is from, and which one the attributes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) vector: u32,
    pub(super) attributes: u32,
    /// That of the column that was added; the same write, or null.
    pub(super) extra: Option<u32>,
}

/// The column that collections are created without.
pub(super) const EXTRA: &str = "extra";

/// Scatters bits; the same everywhere.
pub(super) fn mix(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The vector that write `version` gives point `id`.
pub(super) fn vector(id: u64, version: u32) -> [f32; DIM] {
    let noise = mix(id ^ (u64::from(version) << 32));
    [id as f32, version as f32, (noise & 0xFF) as f32, (noise >> 8 & 0xFF) as f32]
}

pub(super) fn vectors(points: &[(u64, u32)]) -> Vec<f32> {
    points.iter().flat_map(|(id, version)| vector(*id, *version)).collect()
}

fn tag(id: u64, version: u32) -> String {
    format!("tag {id} {}", "x".repeat(version as usize % 40))
}

pub(super) fn schema() -> Schema {
    let columns = [("n", AttributeType::I64), ("tag", AttributeType::Keyword)];
    Schema::new(columns.map(|(name, kind)| (name.to_owned(), kind))).unwrap()
}

pub(super) fn ids(kind: IdType, ids: impl Iterator<Item = u64>) -> Ids {
    match kind {
        IdType::U64 => Ids::U64(ids.collect()),
        IdType::Str => Ids::Str(ids.map(|id| format!("id {id}")).collect()),
    }
}

/// The number that an id was made of.
pub(super) fn number(id: &PointId) -> u64 {
    match id {
        PointId::U64(id) => *id,
        // A file that was changed on purpose may hold others.
        PointId::Str(id) => id.trim_start_matches("id ").parse().unwrap_or(u64::MAX),
    }
}

fn columns(points: &[(u64, u32)], extra: bool) -> Vec<(&'static str, ArrayRef)> {
    let numbers: Int64Array = points.iter().map(|(_, v)| Some(i64::from(*v))).collect();
    let tags: StringArray = points.iter().map(|(id, v)| Some(tag(*id, *v))).collect();
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("n", Arc::new(numbers.clone())), ("tag", Arc::new(tags))];
    if extra {
        columns.push((EXTRA, Arc::new(numbers)));
    }
    columns
}

pub(super) fn attributes(points: &[(u64, u32)], extra: bool) -> RecordBatch {
    let columns = columns(points, extra).into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// What a file of these points would hold.
pub(super) fn rows(kind: IdType, points: &[(u64, u32)], extra: bool) -> RecordBatch {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(vectors(points)));
    let id: ArrayRef = match ids(kind, points.iter().map(|(id, _)| *id)) {
        Ids::U64(ids) => Arc::new(UInt64Array::from(ids)),
        Ids::Str(ids) => Arc::new(StringArray::from(ids)),
    };
    let mut all = vec![("id", id)];
    all.push(("vector", Arc::new(FixedSizeListArray::new(item, DIM as i32, values, None))));
    all.extend(columns(points, extra));
    let all = all.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(all).unwrap()
}

/// Which write row `row` of what `get` returned for `id` is from; else what is wrong with it.
pub(super) fn read_back(batch: &RecordBatch, row: usize, id: u64) -> Result<Point, String> {
    let column = |name: &str| batch.column_by_name(name).ok_or(format!("no column {name}"));
    let list = column("vector")?.as_fixed_size_list().value(row);
    let found = list.as_primitive::<Float32Type>().values();
    let version = found[1] as u32;
    if **found != vector(id, version) {
        return Err(format!("point {id} has the vector {found:?}, of no write"));
    }
    let numbers = column("n")?.as_primitive::<Int64Type>();
    let tags = column("tag")?.as_string::<i32>();
    let attributes = if numbers.is_valid(row) { numbers.value(row) as u32 } else { 0 };
    let value = if tags.is_valid(row) { tags.value(row) } else { "null" };
    if value != tag(id, attributes) {
        return Err(format!("point {id} has n = {attributes} and tag = {value:?}: two writes"));
    }
    let extra = match batch.column_by_name(EXTRA).map(AsArray::as_primitive::<Int64Type>) {
        Some(column) if column.is_valid(row) => Some(column.value(row) as u32),
        _ => None,
    };
    Ok(Point { vector: version, attributes, extra })
}

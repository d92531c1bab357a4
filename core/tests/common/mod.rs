//! Collections to test with.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field};
use nearfield::{
    AttributeType, Collection, CollectionConfig, IdType, Ids, LoadOptions, Metric, Mode,
    OpenOptions, Progress, Schema, Vectors,
};

/// A stream of numbers that is the same everywhere.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// -1 to 1.
    pub fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// `rows * dim` components.
pub fn components(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut numbers = Numbers(seed);
    (0..rows * dim).map(|_| numbers.float()).collect()
}

/// A column of every type.
pub fn every_type() -> Schema {
    Schema::new([
        ("tag".to_owned(), AttributeType::Keyword),
        ("flair".to_owned(), AttributeType::KeywordList),
        ("score".to_owned(), AttributeType::I64),
        ("ratio".to_owned(), AttributeType::F64),
        ("over_18".to_owned(), AttributeType::Bool),
        ("created".to_owned(), AttributeType::Timestamp),
        ("title".to_owned(), AttributeType::Text),
    ])
    .unwrap()
}

pub fn config(dim: usize) -> CollectionConfig {
    let mut config = CollectionConfig::new(dim, Metric::Cosine);
    config.schema = every_type();
    config
}

/// Values of [`every_type`] for rows `from..to`; every seventh of a column is null.
pub fn attributes(from: u64, to: u64) -> RecordBatch {
    let rows = || from..to;
    let some = |row: u64, column: u64| !(row + column).is_multiple_of(7);
    let mut flairs = ListBuilder::new(StringBuilder::new());
    for row in rows() {
        if some(row, 1) {
            (0..row % 4).for_each(|i| flairs.values().append_value(format!("f{}", row % 5 + i)));
            flairs.append(true);
        } else {
            flairs.append(false);
        }
    }
    let tags = rows().map(|r| some(r, 0).then(|| format!("tag {}", r % 13)));
    let scores = rows().map(|r| some(r, 2).then_some(r as i64 * 3 - 100));
    let ratios = rows().map(|r| some(r, 3).then_some(r as f64 / 8.0));
    let flags = rows().map(|r| some(r, 4).then_some(r % 3 == 0));
    let times = rows().map(|r| some(r, 5).then_some(1_350_000_000_000_000 + r as i64));
    let titles =
        rows().map(|r| some(r, 6).then(|| format!("Title of {r}: {}", "ä".repeat(r as usize % 9))));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(tags.collect::<StringArray>()),
        Arc::new(flairs.finish()),
        Arc::new(scores.collect::<Int64Array>()),
        Arc::new(ratios.collect::<Float64Array>()),
        Arc::new(flags.collect::<BooleanArray>()),
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(titles.collect::<StringArray>()),
    ];
    let schema = every_type();
    let names = schema.columns().iter().map(|(name, _)| name.as_str());
    RecordBatch::try_from_iter_with_nullable(names.zip(columns).map(|(n, c)| (n, c, true))).unwrap()
}

/// Ids for rows `from..to`, of this type, in no order.
pub fn ids(kind: IdType, from: u64, to: u64) -> Ids {
    match kind {
        IdType::U64 => Ids::U64((from..to).map(|r| Numbers(r).next() >> 1).collect()),
        IdType::Str => {
            Ids::Str((from..to).map(|r| format!("id-{:x}", Numbers(r).next())).collect())
        }
    }
}

/// Upserts rows `from..to`.
pub fn upsert(collection: &Collection, from: u64, to: u64) {
    let config = collection.config();
    let data = components((to - from) as usize, config.dim, from + 1);
    let vectors = Vectors::from_f32(config.dim, &data).unwrap();
    let attributes = (!config.schema.is_empty()).then(|| attributes(from, to));
    let ids = ids(config.id_type, from, to);
    collection.upsert(&ids, &vectors, attributes.as_ref(), &Progress::new()).unwrap();
}

/// Replaces the score of rows `from..to`.
pub fn rescore(collection: &Collection, from: u64, to: u64) -> nearfield::Result<()> {
    let scores: ArrayRef = Arc::new((from..to).map(|r| r as i64 + 7).collect::<Int64Array>());
    let attributes = RecordBatch::try_from_iter([("score", scores)]).unwrap();
    collection.update(&ids(collection.config().id_type, from, to), &attributes)
}

/// Writes until there is a file of every kind: two segments, the first with an index, tombstones
/// and replaced values, and a log.
pub fn every_kind_of_file(collection: &Collection) {
    upsert(collection, 0, 1100);
    exclude(collection);
    collection.optimize(&Progress::new()).unwrap();
    upsert(collection, 0, 30);
    rescore(collection, 40, 50).unwrap();
    let more = batch(&collection.config(), 1100, 1110);
    collection.load(source(vec![more]), &LoadOptions::default(), &Progress::new()).unwrap();
    upsert(collection, 30, 33);
    collection.delete(&ids(collection.config().id_type, 33, 35)).unwrap();
}

/// Adds to exclusion sets.
pub fn exclude(collection: &Collection) {
    let kind = collection.config().id_type;
    collection.add_exclusions("user:42:seen", &ids(kind, 10, 40), None).unwrap();
    collection.add_exclusions("user:43:seen", &ids(kind, 5, 9), None).unwrap();
    collection.add_exclusions("user:43:seen", &ids(kind, 90, 99), None).unwrap();
}

/// What a file of rows `from..to` would hold: `id`, `vector` and the attributes.
pub fn batch(config: &CollectionConfig, from: u64, to: u64) -> RecordBatch {
    let data = components((to - from) as usize, config.dim, from + 1);
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(data));
    let vectors = FixedSizeListArray::new(item, config.dim as i32, values, None);
    let id_column: ArrayRef = match ids(config.id_type, from, to) {
        Ids::U64(ids) => Arc::new(UInt64Array::from(ids)),
        Ids::Str(ids) => Arc::new(StringArray::from(ids)),
    };
    let mut columns: Vec<(String, ArrayRef, bool)> =
        vec![("id".to_owned(), id_column, true), ("vector".to_owned(), Arc::new(vectors), true)];
    if !config.schema.is_empty() {
        let attributes = attributes(from, to);
        for (field, column) in attributes.schema().fields().iter().zip(attributes.columns()) {
            columns.push((field.name().clone(), column.clone(), true));
        }
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A source that can't fail.
pub fn source(
    batches: Vec<RecordBatch>,
) -> impl Iterator<Item = Result<RecordBatch, std::convert::Infallible>> {
    batches.into_iter().map(Ok)
}

pub fn open(path: &Path, mode: Mode) -> nearfield::Result<Collection> {
    Collection::open(path, OpenOptions { mode, memory: None })
}

/// Every file below a directory, by its name relative to it, but the lock.
pub fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in ["", "segments", "tombstones", "attributes", "wal", "exclusions"] {
        for entry in std::fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_file() && name != "LOCK" {
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The bytes of the one segment.
pub fn only_segment(root: &Path) -> Vec<u8> {
    let mut segments: Vec<_> =
        files(root).into_iter().filter(|(name, _)| name.starts_with("segments")).collect();
    assert_eq!(segments.len(), 1, "segments of {}", root.display());
    segments.remove(0).1
}

/// How many times as many cases as in `make test`: `NEARFIELD_SOAK`, else 1.
pub fn soak() -> u64 {
    std::env::var("NEARFIELD_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// What random choices begin with: `NEARFIELD_TEST_SEED`, else 0.
pub fn seed() -> u64 {
    std::env::var("NEARFIELD_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0)
}

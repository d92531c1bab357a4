//! Files that a hostile writer made: wrong inside, but with right checksums. Opening and using
//! them gives an error or some answer; never a panic.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_array::{TimestampMicrosecondArray, cast::AsArray};

use super::Collection;
use crate::config::{Cap, CollectionConfig, Decay, Effort, OpenOptions, Progress, SearchRequest};
use crate::curve::{Curve, Point, Points};
use crate::error::{Error, Result};
use crate::format::{BLOCK, SectionKind, Table, crc};
use crate::manifest::{Manifest, manifest_file, segment_file};
use crate::metric::Metric;
use crate::types::{AttributeType, EFFORT_MAX, IdType, Ids, K_MAX, Schema, Vectors};

const DIM: usize = 24;
const ROWS: usize = 1_100;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % n
    }
}

fn attributes() -> RecordBatch {
    let rows = 0..ROWS as i64;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows.clone() {
        lists.append_value((0..row % 3).map(|i| Some(format!("l{i}"))));
    }
    let times: TimestampMicrosecondArray = rows.clone().map(Some).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "k",
            std::sync::Arc::new(
                rows.clone().map(|r| Some(format!("k{}", r % 9))).collect::<StringArray>(),
            ),
        ),
        ("l", std::sync::Arc::new(lists.finish())),
        (
            "i",
            std::sync::Arc::new(
                rows.clone().map(|r| (r % 5 != 0).then_some(r)).collect::<Int64Array>(),
            ),
        ),
        ("f", std::sync::Arc::new(rows.clone().map(|r| Some(r as f64)).collect::<Float64Array>())),
        (
            "b",
            std::sync::Arc::new(rows.clone().map(|r| Some(r % 2 == 0)).collect::<BooleanArray>()),
        ),
        ("t", std::sync::Arc::new(times)),
        (
            "x",
            std::sync::Arc::new(rows.map(|r| Some(format!("text {r}"))).collect::<StringArray>()),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn create(path: &Path, id_type: IdType) {
    let mut config = CollectionConfig::new(DIM, Metric::Cosine);
    config.id_type = id_type;
    let names = ["k", "l", "i", "f", "b", "t", "x"];
    let kinds = [
        AttributeType::Keyword,
        AttributeType::KeywordList,
        AttributeType::I64,
        AttributeType::F64,
        AttributeType::Bool,
        AttributeType::Timestamp,
        AttributeType::Text,
    ];
    let columns = names.iter().zip(kinds).map(|(name, kind)| ((*name).to_owned(), kind));
    config.schema = Schema::new(columns).unwrap();
    let collection = Collection::create(path, config).unwrap();
    let mut random = Random(7);
    let data: Vec<f32> = (0..ROWS * DIM).map(|_| random.below(2000) as f32 - 999.5).collect();
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    collection.upsert(&ids(id_type), &vectors, Some(&attributes()), &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
}

fn ids(id_type: IdType) -> Ids {
    match id_type {
        IdType::U64 => Ids::U64((0..ROWS as u64).collect()),
        IdType::Str => Ids::Str((0..ROWS).map(|r| format!("id {r}")).collect()),
    }
}

/// Gives a changed segment the checksums of what it holds now, and the manifest its seal.
fn seal(path: &Path, file: &mut [u8], table: &Table) {
    let (sums, sections) = table.entries.split_last().unwrap();
    for entry in sections {
        let blocks: Vec<u32> = file[entry.range.clone()].chunks(BLOCK).map(crc).collect();
        for (block, sum) in blocks.iter().enumerate() {
            let at = sums.range.start + (entry.first_block + block) * 4;
            file[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let (head, all_sums) = (crc(&file[..table.head_end]), crc(&file[sums.range.clone()]));
    file[table.footer_at + 8..][..4].copy_from_slice(&head.to_le_bytes());
    file[table.footer_at + 12..][..4].copy_from_slice(&all_sums.to_le_bytes());
    let (name, mut manifest) = manifest(path);
    manifest.segments[0].seal = crc(&file[table.footer_at..]);
    fs::write(path.join(segment_file(manifest.segments[0].id)), file).unwrap();
    fs::write(name, manifest.encode().unwrap()).unwrap();
}

fn manifest(path: &Path) -> (PathBuf, Manifest) {
    let version = (1..20).find(|v| path.join(manifest_file(*v)).exists()).unwrap();
    let name = path.join(manifest_file(version));
    let manifest = Manifest::decode(&fs::read(&name).unwrap()).unwrap();
    (name, manifest)
}

/// Everything that reads a segment.
fn use_all(path: &Path, id_type: IdType) -> Result<()> {
    let reader = Collection::open(path, OpenOptions::default())?;
    let query = vec![1.0; DIM];
    let queries = Vectors::from_f32(DIM, &query)?;
    let mut results = Vec::new();
    for (effort, group) in [
        (Effort::Ef(64), None),
        (Effort::Recall(0.9), None),
        (Effort::Exact, Some("k")),
        (Effort::Ef(200), Some("i")),
    ] {
        let mut request = SearchRequest::new(20);
        request.effort = effort;
        request.with_attributes = ["k", "l", "i", "f", "b", "t", "x"].map(str::to_owned).to_vec();
        request.with_vectors = true;
        request.exclude = Some(ids(id_type));
        if let Some(group_by) = group {
            request.exclude = None;
            request.cap = Some(Cap { group_by: group_by.to_owned(), max_per_group: 2 });
            request.decay = Some(Decay {
                column: "t".to_owned(),
                half_life: Duration::from_millis(1),
                origin_us: Some(1000),
                weight: 0.5,
            });
        }
        results.push(reader.search(&queries, &request).map(drop));
        request.exclude = None;
        results.push(reader.search(&queries, &request).map(drop));
    }
    results.push(reader.get(&ids(id_type), true).map(|points| {
        // Reading what came back must be safe too.
        points
            .batch
            .column(1)
            .as_string::<i32>()
            .iter()
            .flatten()
            .for_each(|s| assert!(s.len() < 99));
    }));
    results.push(reader.stats().map(drop));
    for result in results {
        assert!(matches!(result, Ok(()) | Err(Error::Corruption { .. })), "{result:?}");
    }
    reader.verify().map(drop)
}

fn no_panic(path: &Path, id_type: IdType, what: &str) -> Result<()> {
    let used = catch_unwind(AssertUnwindSafe(|| use_all(path, id_type)));
    let result = used.unwrap_or_else(|_| panic!("a panic: {what}"));
    assert!(
        matches!(result, Ok(()) | Err(Error::Corruption { .. } | Error::UnsupportedVersion { .. })),
        "{what}: {result:?}"
    );
    result
}

fn hostile_sections(id_type: IdType) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    create(&path, id_type);
    let good = fs::read(path.join(segment_file(manifest(&path).1.segments[0].id))).unwrap();
    let table = Table::decode(&good).unwrap();
    let mut random = Random(id_type as u64);
    let (_, sections) = table.entries.split_last().unwrap();
    let mut found = 0;
    for entry in sections.iter().filter(|e| !e.range.is_empty()) {
        // Metadata decides most of what happens; each of its bytes gets its turn.
        let cases = if entry.kind == SectionKind::Meta { entry.range.len().min(600) } else { 25 };
        for case in 0..cases {
            let mut bad = good.clone();
            let at = match (entry.kind, case) {
                (SectionKind::Meta, case) => entry.range.start + case,
                (_, 0) => entry.range.start,
                (_, 1) => entry.range.end.saturating_sub(8).max(entry.range.start),
                _ => entry.range.start + random.below(entry.range.len()) / 8 * 8,
            };
            let width = [1, 4, 8][case % 3].min(entry.range.end - at);
            let pattern = [0xFF, 0x00, 0x7F, 0x80, 0x01][random.below(5)];
            bad[at..at + width].fill(pattern);
            seal(&path, &mut bad, &table);
            let what = format!("{}: {width} x {pattern:#x} at {at}", entry.name());
            found += usize::from(no_panic(&path, id_type, &what).is_err());
        }
    }
    assert!(found > 50, "only {found} found");
    let mut same = good.clone();
    seal(&path, &mut same, &table);
    no_panic(&path, id_type, "unchanged").unwrap();
}

#[test]
fn hostile_sections_u64() {
    hostile_sections(IdType::U64);
}

#[test]
fn hostile_sections_str() {
    hostile_sections(IdType::Str);
}

#[test]
fn hostile_tables() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    create(&path, IdType::U64);
    let good = fs::read(path.join(segment_file(manifest(&path).1.segments[0].id))).unwrap();
    let table = Table::decode(&good).unwrap();
    let mut random = Random(3);
    for at in 32..64 + table.entries.len() * 32 {
        let mut bad = good.clone();
        bad[at] = [0xFF, 0x00, 0x7F, 0x80, 0x01][random.below(5)];
        let same = bad == good;
        seal(&path, &mut bad, &table);
        let result = no_panic(&path, IdType::U64, &format!("table byte {at}"));
        // A validity section may move to another column: wrong, but not to be told.
        let moved = at >= 64 && (at - 64) % 32 / 4 == 1;
        assert!(result.is_err() || same || moved, "byte {at}: {result:?}");
    }
}

#[test]
fn hostile_curves_in_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    create(&path, IdType::U64);
    let (name, good) = manifest(&path);
    let (k, ef) = (K_MAX as u32, EFFORT_MAX as u32);
    let flat: Vec<(u32, f32)> = (1..=ef).map(|ef| (ef, 0.0)).collect();
    let size = |k, points: Vec<(u32, f32)>| {
        let point = |(effort, recall)| Point { effort, recall, reach: 1.5 };
        Points { k, points: points.into_iter().map(point).collect() }
    };
    let cases = [
        (size(1, vec![(ef, 0.0)]), true),
        (size(k, vec![(1, 1.0)]), true),
        (size(10, Vec::new()), true),
        (size(10, flat), true),
        (size(10, vec![(1, 1.0), (2, 0.0), (3, 1.0)]), true),
        (size(0, vec![(1, 1.0)]), false),
        (size(10, vec![(1, f32::NAN)]), false),
        (size(10, vec![(1, f32::INFINITY)]), false),
        (size(10, vec![(u32::MAX, 0.5)]), false),
    ];
    for (points, sound) in cases {
        let what = format!("k {}, {} points", points.k, points.points.len());
        let mut bad = good.clone();
        bad.segments[0].curve = Some(Curve { sizes: vec![points] });
        fs::write(&name, bad.encode().unwrap()).unwrap();
        assert_eq!(no_panic(&path, IdType::U64, &what).is_ok(), sound, "{what}");
    }
}

//! A writer beside damage: what is written goes on, what needs the damaged bytes is a typed error
//! that names them, and the damage is told in the statistics.

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;

use common::{batch, components, config, files, ids, open, rescore, source, upsert};
use nearfield::{
    Collection, CollectionConfig, Error, IdType, Ids, LoadOptions, Metric, Mode, Progress,
    SearchRequest, Vectors,
};

const DIM: usize = 16;
const ROWS: u64 = 1_200;

/// A segment of its own of these points.
fn load(collection: &Collection, from: u64) {
    let batches = source(vec![batch(&collection.config(), from, from + ROWS)]);
    collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
}

/// Flips a bit of a file at this place of it.
fn flip(path: &Path, name: &str, at: impl Fn(&[u8]) -> usize) {
    let mut bytes = fs::read(path.join(name)).unwrap();
    let at = at(&bytes);
    bytes[at] ^= 1;
    fs::write(path.join(name), bytes).unwrap();
}

fn rows(rows: Range<u64>) -> Ids {
    ids(IdType::U64, rows.start, rows.end)
}

/// Where the id of a row is.
fn id_in(bytes: &[u8], row: u64) -> usize {
    let Ids::U64(ids) = rows(row..row + 1) else { return 0 };
    let id = ids[0].to_le_bytes();
    bytes.chunks_exact(8).position(|chunk| chunk == id).unwrap() * 8
}

/// Waits until something is wrong.
fn problems(collection: &Collection) -> Vec<String> {
    for _ in 0..100_000 {
        let problems = collection.stats().unwrap().problems;
        if !problems.is_empty() {
            return problems;
        }
        std::thread::yield_now();
    }
    Vec::new()
}

fn is_corruption(error: &Error, name: &str) -> bool {
    matches!(error, Error::Corruption { path, .. } if path.ends_with(name))
}

fn write(collection: &Collection, of: Range<u64>) -> nearfield::Result<()> {
    let data = components((of.end - of.start) as usize, DIM, 7);
    let vectors = Vectors::from_f32(DIM, &data)?;
    collection.upsert(&rows(of), &vectors, None, &Progress::new())
}

/// Scrubbing refuses the segment; its ids are sound, so that everything can be written.
#[test]
fn damaged_vectors_refuse_searches_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(DIM)).unwrap();
    load(&collection, 0);
    load(&collection, ROWS);
    drop(collection);
    let name = files(&path).iter().map(|f| f.0.clone()).find(|n| n.starts_with("segments/"));
    let name = name.unwrap();
    // Vectors are the largest section.
    flip(&path, &name, |bytes| bytes.len() / 2);
    let writer = open(&path, Mode::Write).unwrap();
    let found = problems(&writer);
    assert!(found.len() == 1 && found[0].contains(&name), "{found:?}");
    let query = vec![0.5; DIM];
    let queries = Vectors::from_f32(DIM, &query).unwrap();
    let error = writer.search(&queries, &SearchRequest::new(5)).unwrap_err();
    assert!(is_corruption(&error, &name), "{error}");

    write(&writer, 10_000..10_010).unwrap();
    write(&writer, 0..10).unwrap();
    rescore(&writer, 20, 30).unwrap();
    assert_eq!(writer.delete(&rows(30..40)).unwrap(), 10);
    let deleted = writer.delete_where("score < 1000").unwrap();
    assert!(deleted > 250, "{deleted}");
    let left = 2 * ROWS + 10 - 10 - deleted;
    assert_eq!(writer.len(), left);
    let error = writer.optimize(&Progress::new()).unwrap_err();
    assert!(is_corruption(&error, &name), "{error}");
    writer.close().unwrap();
    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!(reader.len(), left);
    assert!(is_corruption(&reader.verify().unwrap_err(), &name));
}

/// Nobody knows which points are there: writes are refused, each with the place, and the writer
/// does not stop.
#[test]
fn damaged_ids_refuse_writes_that_need_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(DIM)).unwrap();
    upsert(&collection, 5_000, 5_100);
    collection.optimize(&Progress::new()).unwrap();
    drop(collection);
    let name = files(&path).iter().map(|f| f.0.clone()).find(|n| n.starts_with("segments/"));
    let name = name.unwrap();
    flip(&path, &name, |bytes| id_in(bytes, 5_000));
    let writer = open(&path, Mode::Write).unwrap();
    for _ in 0..3 {
        let refused = [
            write(&writer, 0..10).unwrap_err(),
            writer.delete(&rows(1..2)).unwrap_err(),
            writer.delete_where("score < 5").unwrap_err(),
            rescore(&writer, 5_001, 5_002).unwrap_err(),
        ];
        for error in refused {
            assert!(is_corruption(&error, &name), "{error}");
        }
        writer.add_exclusions("seen", &Ids::U64(vec![1, 2]), None).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// A merge that meets damage leaves the segment alone from then on, and merges the others.
#[test]
fn merges_go_around_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(DIM)).unwrap();
    load(&collection, 0);
    let name = files(&path).iter().map(|f| f.0.clone()).find(|n| n.starts_with("segments/"));
    let name = name.unwrap();
    drop(collection);
    flip(&path, &name, |bytes| bytes.len() / 2);
    let writer = open(&path, Mode::Write).unwrap();
    for segment in 1..5 {
        load(&writer, segment * ROWS);
    }
    let settled = (0..5_000_000).any(|_| {
        std::thread::yield_now();
        writer.stats().unwrap().segments.len() == 2
    });
    assert!(settled, "{:?}", writer.stats().unwrap());
    let stats = writer.stats().unwrap();
    assert_eq!((stats.problems.len(), stats.segments[0].name == name), (1, true), "{stats:?}");
    assert_eq!(writer.len(), 5 * ROWS);
    write(&writer, 0..10).unwrap();
    writer.close().unwrap();
}

/// An error of the disk is told as long as it lasts.
#[test]
fn what_fails_in_the_background_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("c"), dir.path().join("aside"));
    let mut config = CollectionConfig::new(4, Metric::L2);
    config.durability = nearfield::Durability::Buffered;
    let collection = Collection::create(&path, config).unwrap();
    assert!(collection.stats().unwrap().problems.is_empty());
    fs::rename(path.join("segments"), &aside).unwrap();
    let data = components(9_000, 4, 3);
    let vectors = Vectors::from_f32(4, &data).unwrap();
    let ids = Ids::U64((0..9_000).collect());
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    let mut found = Vec::new();
    for _ in 0..5_000_000 {
        found = collection.stats().unwrap().problems;
        if !found.is_empty() {
            break;
        }
        std::thread::yield_now();
    }
    assert!(found.len() == 1 && found[0].contains("segments/"), "{found:?}");
    fs::rename(&aside, path.join("segments")).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!(collection.stats().unwrap().segments.len(), 1);
}

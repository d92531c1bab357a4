//! `calibrate`: the recall dial learned from the caller's own queries.

mod common;

use std::path::Path;
use std::thread;
use std::time::Duration;

use common::{Numbers, components, files, open, upsert};
use nearfield::{
    Collection, CollectionConfig, Effort, Error, Ids, Metric, Mode, Progress, SearchRequest,
    Vectors,
};

const DIM: usize = 48;
const ROWS: usize = 20_000;
const QUERIES: usize = 400;

/// Vectors close to a few dozen centres.
fn clustered() -> Vec<f32> {
    let centres = components(60, DIM, 1);
    let mut numbers = Numbers(2);
    (0..ROWS * DIM)
        .map(|i| centres[i / DIM % 60 * DIM + i % DIM] + 0.35 * numbers.float())
        .collect()
}

fn filled(path: &Path) -> Collection {
    let collection = Collection::create(path, CollectionConfig::new(DIM, Metric::Cosine)).unwrap();
    let data = clustered();
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    let ids = Ids::U64((0..ROWS as u64).collect());
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    collection
}

fn calibrate(collection: &Collection, queries: &[f32]) -> nearfield::Result<()> {
    let queries = Vectors::from_f32(collection.config().dim, queries).unwrap();
    collection.calibrate(&queries, &Progress::new())
}

/// Recall at 10 of a search that asks for 0.95.
fn recall(collection: &Collection, queries: &[f32]) -> f64 {
    let queries = Vectors::from_f32(DIM, queries).unwrap();
    let ids = |effort| {
        let request = SearchRequest { effort, ..SearchRequest::new(10) };
        let Ids::U64(ids) = collection.search(&queries, &request).unwrap().ids else {
            panic!("u64 ids")
        };
        ids
    };
    let (found, truth) = (ids(Effort::Recall(0.95)), ids(Effort::Exact));
    let rows = found.chunks(10).zip(truth.chunks(10));
    let hits: usize = rows.map(|(f, t)| f.iter().filter(|id| t.contains(id)).count()).sum();
    hits as f64 / truth.len() as f64
}

#[test]
fn queries_unlike_the_data_are_met_after_calibrating_and_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = filled(&path);
    // All over space, where no point is.
    let (learned, others) = (components(QUERIES, DIM, 7), components(QUERIES, DIM, 8));
    let before = recall(&collection, &others);
    assert!(before < 0.94, "nothing to learn: {before}");
    let effort = collection.effort(10, 0.95).unwrap().unwrap();

    calibrate(&collection, &learned).unwrap();
    let after = recall(&collection, &others);
    assert!(after >= 0.94, "before {before}, after {after}");
    let calibrated = collection.effort(10, 0.95).unwrap().unwrap();
    // Not because everything is compared now.
    assert!(effort < calibrated && calibrated < ROWS / 4, "{effort}, then {calibrated}");
    let version = collection.stats().unwrap().version;
    drop(collection);

    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!(reader.effort(10, 0.95).unwrap(), Some(calibrated));
    assert_eq!(reader.stats().unwrap().version, version);
    assert!((recall(&reader, &others) - after).abs() < 1e-9);
    reader.verify().unwrap();
    drop(reader);

    // Deletions by replacement keep what was learned; a rebuild measures anew.
    let writer = open(&path, Mode::Write).unwrap();
    let one = components(1, DIM, 5);
    let vectors = Vectors::from_f32(DIM, &one).unwrap();
    writer.upsert(&Ids::U64(vec![3]), &vectors, None, &Progress::new()).unwrap();
    assert_eq!(writer.effort(10, 0.95).unwrap(), Some(calibrated));
    writer.optimize(&Progress::new()).unwrap();
    assert!(writer.effort(10, 0.95).unwrap().unwrap() < calibrated);
}

/// A small collection with an index.
fn small(path: &Path) -> Collection {
    let collection = Collection::create(path, CollectionConfig::new(8, Metric::Cosine)).unwrap();
    upsert(&collection, 0, 1_500);
    collection.optimize(&Progress::new()).unwrap();
    collection
}

#[test]
fn what_cannot_be_learned_from_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = small(&path);
    let before = files(&path);
    let good = components(20, 8, 1);
    let mut infinite = good.clone();
    infinite[17 * 8 + 2] = f32::INFINITY;
    let mut zero = good.clone();
    zero[5 * 8..6 * 8].fill(0.0);
    for (queries, word) in
        [(&infinite, "row 17"), (&zero, "row 5"), (&good[..72].to_vec(), "found 9")]
    {
        let error = calibrate(&collection, queries).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let narrow = Vectors::from_f32(4, &good).unwrap();
    let error = collection.calibrate(&narrow, &Progress::new()).unwrap_err();
    assert!(matches!(error, Error::DimensionMismatch { .. }), "{error}");
    assert!(before == files(&path));
    for (k, recall) in [(0, 0.9), (10, 1.0), (10, f32::NAN)] {
        assert!(collection.effort(k, recall).is_err());
    }
    drop(collection);

    let reader = open(&path, Mode::Read).unwrap();
    let error = calibrate(&reader, &good).unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert!(before == files(&path));
}

#[test]
fn an_interrupted_calibration_leaves_the_old_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = filled(&path);
    let before = files(&path);
    let data = components(1_000, DIM, 3);
    let queries = Vectors::from_f32(DIM, &data).unwrap();
    for wait in [0, 30] {
        let progress = Progress::new();
        let cancel = progress.clone();
        let result = thread::scope(|scope| {
            scope.spawn(move || {
                // Once it is under way, where it is to be.
                while wait > 0 && cancel.get().0 == 0 {
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(wait));
                cancel.cancel();
            });
            if wait == 0 {
                progress.cancel();
            }
            collection.calibrate(&queries, &progress)
        });
        assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
        assert!(before == files(&path));
    }
    collection
        .upsert(
            &Ids::U64(vec![1]),
            &Vectors::from_f32(DIM, &data[..DIM]).unwrap(),
            None,
            &Progress::new(),
        )
        .unwrap();
}

#[test]
fn progress_ends_where_it_said_it_would() {
    let dir = tempfile::tempdir().unwrap();
    let collection = small(&dir.path().join("c"));
    let data = components(30, 8, 4);
    let progress = Progress::new();
    collection.calibrate(&Vectors::from_f32(8, &data).unwrap(), &progress).unwrap();
    let (done, total) = progress.get();
    assert!(done == total && total > 0, "{done} of {total}");
}

#[test]
fn without_an_index_there_is_nothing_to_learn() {
    let collection = Collection::in_memory(CollectionConfig::new(8, Metric::Cosine)).unwrap();
    let data = components(30, 8, 4);
    calibrate(&collection, &data).unwrap();
    upsert(&collection, 0, 50);
    let version = collection.stats().unwrap().version;
    calibrate(&collection, &data).unwrap();
    assert_eq!(collection.effort(10, 0.9).unwrap(), None);
    assert_eq!(collection.stats().unwrap().version, version);
}

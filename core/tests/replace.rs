//! All points replaced in one step; and the small calls that servers need.

mod common;

use std::path::PathBuf;

use common::{batch, config, exclude, ids, open, source};
use nearfield::{Collection, Error, IdType, LoadOptions, Mode, Progress, SearchRequest, Vectors};

const DIM: usize = 16;

fn everything(collection: &Collection) -> u64 {
    collection.verify().unwrap();
    collection.len()
}

#[test]
fn new_points_stand_in_place_of_all_old_ones_and_sets_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nf");
    let collection = Collection::create(&path, config(DIM)).unwrap();
    common::upsert(&collection, 0, 1200);
    collection.optimize(&Progress::new()).unwrap();
    common::upsert(&collection, 1000, 1300);
    exclude(&collection);
    let reader = open(&path, Mode::Read).unwrap();
    let batches = source(vec![batch(&collection.config(), 20, 1120)]);
    let options = LoadOptions::default();
    let report = collection.replace(batches, &options, &Progress::new()).unwrap();
    assert_eq!(report.points, 1100);
    assert_eq!((everything(&collection), reader.len()), (1100, 1300));
    assert!(collection.get(&ids(IdType::U64, 0, 20), false).unwrap().found.iter().all(|f| !f));
    reader.refresh().unwrap();
    assert_eq!(reader.len(), 1100);
    common::upsert(&collection, 2000, 2003);
    collection.close().unwrap();
    let collection = open(&path, Mode::Write).unwrap();
    assert_eq!(everything(&collection), 1103);
    let query = vec![1.0; DIM];
    let mut request = SearchRequest::new(2000);
    request.exclude_sets = vec!["user:42:seen".into()];
    let found = collection.search(&Vectors::from_f32(DIM, &query).unwrap(), &request).unwrap();
    // 10 to 39 are in the set, and 20 to 39 among the points.
    assert_eq!(found.counts, [1083]);
}

#[test]
fn what_fails_or_is_interrupted_leaves_the_old_points() {
    let dir = tempfile::tempdir().unwrap();
    let collection = Collection::create(dir.path().join("a.nf"), config(DIM)).unwrap();
    common::upsert(&collection, 0, 100);
    let options = LoadOptions::default();
    let narrow = batch(&config(DIM / 2), 0, 10);
    collection.replace(source(vec![narrow]), &options, &Progress::new()).unwrap_err();
    let stopped = Progress::new();
    stopped.cancel();
    let batches = source(vec![batch(&config(DIM), 0, 10)]);
    let error = collection.replace(batches, &options, &stopped).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    assert_eq!(everything(&collection), 100);
    collection.replace(source(Vec::new()), &options, &Progress::new()).unwrap();
    assert_eq!(everything(&collection), 0);
}

#[test]
fn a_search_is_given_up_when_it_is_asked_for() {
    let collection = Collection::in_memory(config(DIM)).unwrap();
    common::upsert(&collection, 0, 100);
    let query = vec![1.0; DIM];
    let query = Vectors::from_f32(DIM, &query).unwrap();
    let mut request = SearchRequest::new(10);
    let stop = Progress::new();
    request.stop = Some(stop.clone());
    assert_eq!(collection.search(&query, &request).unwrap().counts, [10]);
    stop.cancel();
    let error = collection.search(&query, &request).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
}

#[test]
fn a_check_says_what_the_upsert_would_and_writes_nothing() {
    let collection = Collection::in_memory(config(DIM)).unwrap();
    let vectors = common::components(3, DIM, 1);
    let good = Vectors::from_f32(DIM, &vectors).unwrap();
    let attributes = common::attributes(0, 3);
    let three = ids(IdType::U64, 0, 3);
    collection.check_upsert(&three, &good, Some(&attributes)).unwrap();
    assert!(collection.is_empty());
    let mut bad = vectors.clone();
    bad[DIM] = f32::NAN;
    let bad = Vectors::from_f32(DIM, &bad).unwrap();
    for (ids, vectors) in [(&three, &bad), (&ids(IdType::U64, 0, 2), &good)] {
        let told = collection.check_upsert(ids, vectors, Some(&attributes)).unwrap_err();
        let write = collection.upsert(ids, vectors, Some(&attributes), &Progress::new());
        assert_eq!(told.to_string(), write.unwrap_err().to_string());
    }
}

#[test]
fn an_alias_says_where_it_leads() {
    let dir = tempfile::tempdir().unwrap();
    let (alias, path) = (dir.path().join("live.nf"), dir.path().join("a.nf"));
    Collection::create(&path, config(DIM)).unwrap();
    assert_eq!(Collection::alias_target(&path), None::<PathBuf>);
    Collection::set_alias(&alias, &path).unwrap();
    assert_eq!(Collection::alias_target(&alias), Some(path));
}

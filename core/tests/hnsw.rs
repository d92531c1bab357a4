//! `index="hnsw"`: the graph of the `hnsw_rs` crate in our segments, end to end.

mod common;

use std::path::Path;

use common::{batch, components, config, files, only_segment, open, source, upsert};
use nearfield::{
    Collection, CollectionConfig, Effort, Error, Ids, IndexKind, LoadOptions, Metric, Mode,
    Progress, SearchRequest, Vectors,
};

const DIM: usize = 48;
const ROWS: usize = 4_000;
const QUERIES: usize = 100;

/// Vectors around a few dozen centres, the queries after the points.
fn clustered() -> (Vec<f32>, Vec<f32>) {
    let (centres, noise) = (components(40, DIM, 1), components(ROWS + QUERIES, DIM, 2));
    let mut base: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(i, noise)| centres[i / DIM % 40 * DIM + i % DIM] + 0.6 * noise)
        .collect();
    let queries = base.split_off(ROWS * DIM);
    (base, queries)
}

fn created(path: &Path, metric: Metric) -> Collection {
    let config = CollectionConfig { index: IndexKind::Hnsw, ..CollectionConfig::new(DIM, metric) };
    let collection = Collection::create(path, config).unwrap();
    let vectors = clustered().0;
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let ids = Ids::U64((0..ROWS as u64).collect());
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    collection
}

fn search(collection: &Collection, effort: Effort) -> Vec<u64> {
    let queries = clustered().1;
    let queries = Vectors::from_f32(DIM, &queries).unwrap();
    let request = SearchRequest { effort, ..SearchRequest::new(10) };
    let Ids::U64(ids) = collection.search(&queries, &request).unwrap().ids else {
        panic!("u64 ids")
    };
    ids
}

fn recall(collection: &Collection, effort: Effort) -> f64 {
    let (found, truth) = (search(collection, effort), search(collection, Effort::Exact));
    let rows = found.chunks(10).zip(truth.chunks(10));
    let hits: usize = rows.map(|(f, t)| f.iter().filter(|id| t.contains(id)).count()).sum();
    hits as f64 / truth.len() as f64
}

#[test]
fn finds_neighbours_now_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    for metric in Metric::ALL {
        let path = dir.path().join(metric.name());
        let collection = created(&path, metric);
        let found = recall(&collection, Effort::Ef(80));
        assert!(found >= 0.95, "{metric}: recall {found}");
        let dial = recall(&collection, Effort::Recall(0.9));
        assert!(dial >= 0.88, "{metric}: recall {dial} where 0.9 was asked for");
        let stats = collection.stats().unwrap();
        assert!(stats.index == IndexKind::Hnsw && stats.segments[0].indexed);
        let ids = search(&collection, Effort::Ef(80));
        drop(collection);

        let reader = open(&path, Mode::Read).unwrap();
        assert_eq!(reader.config().index, IndexKind::Hnsw);
        assert_eq!(search(&reader, Effort::Ef(80)), ids, "{metric}");
        reader.verify().unwrap();
    }
}

#[test]
fn the_same_points_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let segment = |name: &str| {
        let path = dir.path().join(name);
        drop(created(&path, Metric::Cosine));
        only_segment(&path)
    };
    assert!(segment("one") == segment("two"));
}

#[test]
fn it_differs_from_our_graph_in_the_edges_only() {
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours");
    let collection = Collection::create(&ours, CollectionConfig::new(DIM, Metric::L2)).unwrap();
    let vectors = clustered().0;
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let ids = Ids::U64((0..ROWS as u64).collect());
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    let theirs = created(&dir.path().join("theirs"), Metric::L2);
    let (ours, theirs) = (collection.stats().unwrap(), theirs.stats().unwrap());
    assert_eq!((ours.bytes_hot, ours.bytes_warm), (theirs.bytes_hot, theirs.bytes_warm));
}

#[test]
fn loads_replaces_and_rebuilds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut config = config(16);
    config.index = IndexKind::Hnsw;
    let collection = Collection::create(&path, config.clone()).unwrap();
    let batches = source(vec![batch(&config, 0, 1_200)]);
    collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
    upsert(&collection, 1_000, 1_500);
    assert_eq!(collection.len(), 1_500);
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!(collection.len(), 1_500);
    assert!(collection.stats().unwrap().segments[0].indexed);
    collection.verify().unwrap();
}

#[test]
fn an_interrupted_build_leaves_the_old_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut config = config(16);
    config.index = IndexKind::Hnsw;
    let collection = Collection::create(&path, config).unwrap();
    upsert(&collection, 0, 3_000);
    let before = files(&path);
    let progress = Progress::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Under way: some points are in the graph.
            while progress.get().0 == 0 {
                std::thread::yield_now();
            }
            progress.cancel();
        });
        collection.optimize(&progress)
    });
    assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
    assert!(before == files(&path));
}

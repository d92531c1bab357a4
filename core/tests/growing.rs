//! Points that arrive steadily get an index in memory, which grows on: every one of them is found at
//! once, nothing is lost on the way to the disk, and what dies or changes meanwhile stays so.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{components, open};
use nearfield::{
    AttributeType, Collection, CollectionConfig, Durability, Effort, Ids, Metric, Mode, Progress,
    Schema, SearchRequest, Vectors,
};

const DIM: usize = 32;
/// Points of a call, and calls a second: far from what is too slow or too fast to be indexed.
const CALL: u64 = 40;
const EACH: Duration = Duration::from_millis(8);
/// Calls at most until there is an index: a minute.
const CALLS: u64 = 7_500;

fn create(path: &Path) -> Collection {
    let mut config = CollectionConfig::new(DIM, Metric::L2);
    config.schema = Schema::new([("n".to_owned(), AttributeType::I64)]).unwrap();
    config.durability = Durability::Buffered;
    Collection::create(path, config).unwrap()
}

fn vector(id: u64, version: u64) -> Vec<f32> {
    components(1, DIM, id * 1_000 + version)
}

/// Writes points of a version.
fn put(collection: &Collection, ids: &[u64], version: u64) {
    let data: Vec<f32> = ids.iter().flat_map(|id| vector(*id, version)).collect();
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    collection.upsert(&Ids::U64(ids.to_vec()), &vectors, None, &Progress::new()).unwrap();
}

/// How many of these points are the nearest to where they are.
fn found(collection: &Collection, points: &BTreeMap<u64, u64>, effort: Effort) -> usize {
    let data: Vec<f32> = points.iter().flat_map(|(id, version)| vector(*id, *version)).collect();
    let mut request = SearchRequest::new(1);
    request.effort = effort;
    let hits = collection.search(&Vectors::from_f32(DIM, &data).unwrap(), &request).unwrap();
    let Ids::U64(ids) = hits.ids else { return 0 };
    ids.iter().zip(points.keys()).filter(|(found, id)| found == id).count()
}

#[test]
fn what_is_growing_is_indexed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = create(&path);
    let mut points: BTreeMap<u64, u64> = BTreeMap::new();
    let begin = Instant::now();
    let mut indexed = 0;
    for call in 0..CALLS {
        let ids: Vec<u64> = (call * CALL..(call + 1) * CALL).collect();
        put(&collection, &ids, 0);
        points.extend(ids.iter().map(|id| (*id, 0)));
        // Some are replaced and some deleted, whatever is done with them meanwhile.
        let again: Vec<u64> = points.keys().copied().filter(|id| id % 97 == call % 97).collect();
        let (again, gone) = again.split_at(again.len() / 2);
        put(&collection, again, call + 1);
        points.extend(again.iter().map(|id| (*id, call + 1)));
        collection.delete(&Ids::U64(gone.to_vec())).unwrap();
        points.retain(|id, _| !gone.contains(id));
        let stats = collection.stats().unwrap();
        indexed += usize::from(stats.segments.iter().any(|s| s.name == "(growing)" && s.indexed));
        if indexed >= 150 {
            break;
        }
        while begin.elapsed() < EACH * (call as u32 + 1) {
            std::thread::yield_now();
        }
    }
    assert!(indexed > 0, "no index in {CALLS} calls: {:?}", collection.stats().unwrap());
    assert_eq!(collection.len(), points.len() as u64);
    assert_eq!(found(&collection, &points, Effort::Exact), points.len());
    let near = found(&collection, &points, Effort::Recall(0.95));
    assert!(near as f64 >= 0.95 * points.len() as f64, "{near} of {}", points.len());
    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!(found(&reader, &points, Effort::Exact), points.len());
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!(found(&collection, &points, Effort::Exact), points.len());
    assert_eq!(collection.len(), points.len() as u64);
    assert_eq!(collection.stats().unwrap().segments.len(), 1);
    collection.close().unwrap();
    open(&path, Mode::Write).unwrap().verify().unwrap();
}

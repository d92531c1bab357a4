//! Points that expire: at their time they are gone, everywhere and for good.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray};
use common::{components, open};
use nearfield::{
    AttributeType, Collection, CollectionConfig, EXPIRES_AT, Effort, Error, Ids, Metric, Mode,
    Progress, Schema, SearchRequest, Vectors,
};

const DIM: usize = 8;
const HOUR: Duration = Duration::from_secs(3_600);

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

fn batch(times: Vec<Option<i64>>) -> RecordBatch {
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times));
    RecordBatch::try_from_iter([(EXPIRES_AT, times)]).unwrap()
}

/// Writes ids from `from` that expire at these times.
fn upsert_at(collection: &Collection, from: u64, times: Vec<Option<i64>>) {
    let rows = times.len();
    let ids = Ids::U64((from..from + rows as u64).collect());
    let vectors = components(rows, DIM, from + 1);
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    collection.upsert(&ids, &vectors, Some(&batch(times)), &Progress::new()).unwrap();
}

fn found(collection: &Collection) -> Vec<u64> {
    let vector = components(1, DIM, 99);
    let vector = Vectors::from_f32(DIM, &vector).unwrap();
    let request = SearchRequest { effort: Effort::Exact, ..SearchRequest::new(100) };
    let results = collection.search(&vector, &request).unwrap();
    let Ids::U64(mut ids) = results.ids else { panic!("integers") };
    ids.truncate(results.counts[0]);
    ids.sort_unstable();
    assert_eq!(ids.len() as u64, collection.len());
    ids
}

fn create(path: &Path) -> Collection {
    Collection::create(path, CollectionConfig::new(DIM, Metric::L2)).unwrap()
}

#[test]
fn what_has_expired_is_gone_whoever_looks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.nf");
    let collection = create(&path);
    upsert_at(&collection, 0, vec![None, Some(1), Some(i64::MAX), Some(now_us() + 300_000)]);
    let soon = found(&collection);
    assert!(soon == [0, 2, 3] || soon == [0, 2], "{soon:?}");
    while collection.len() > 2 {
        std::thread::yield_now();
    }
    assert_eq!(found(&collection), [0, 2]);
    assert_eq!(
        collection.get(&Ids::U64(vec![0, 1, 2, 3]), true).unwrap().found,
        [true, false, true, false]
    );
    assert_eq!(collection.delete(&Ids::U64(vec![1, 3])).unwrap(), 0);
    let gone = collection.update(&Ids::U64(vec![3]), &batch(vec![None]));
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");

    assert_eq!(found(&open(&path, Mode::Read).unwrap()), [0, 2]);
    collection.optimize(&Progress::new()).unwrap();
    let stats = collection.stats().unwrap();
    assert_eq!((stats.points, stats.segments[0].rows, stats.segments[0].dead), (2, 2, 0));
    collection.close().unwrap();
    assert_eq!(found(&open(&path, Mode::Write).unwrap()), [0, 2]);
}

#[test]
fn a_time_to_live_is_a_time_to_expire_and_set_anew_by_each_upsert() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.nf");
    let collection = create(&path);
    let ids = Ids::U64(vec![1, 2, 3]);
    let vectors = components(3, DIM, 1);
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let before = now_us();
    collection.upsert_with_ttl(&ids, &vectors, None, HOUR, &Progress::new()).unwrap();
    let times = collection.get(&ids, false).unwrap().batch;
    let times = times.column_by_name(EXPIRES_AT).unwrap();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let hour = HOUR.as_micros() as i64;
    assert!((before + hour..=now_us() + hour).contains(&times.value(0)));

    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    let times = collection.get(&ids, false).unwrap().batch;
    assert_eq!(times.column_by_name(EXPIRES_AT).unwrap().null_count(), 3);

    collection.upsert_with_ttl(&ids, &vectors, None, Duration::ZERO, &Progress::new()).unwrap();
    assert_eq!(found(&collection), [0_u64; 0]);
    collection.upsert_with_ttl(&ids, &vectors, None, Duration::MAX, &Progress::new()).unwrap();
    assert_eq!(found(&collection), [1, 2, 3]);

    // Earlier, and not at all.
    collection.update(&Ids::U64(vec![1, 2]), &batch(vec![Some(5), None])).unwrap();
    assert_eq!(found(&collection), [2, 3]);
    drop(collection);
    assert_eq!(found(&open(&path, Mode::Write).unwrap()), [2, 3]);
}

#[test]
fn the_name_is_reserved_and_one_way_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let collection = create(&dir.path().join("c.nf"));
    assert!(Schema::new([(EXPIRES_AT.to_owned(), AttributeType::Timestamp)]).is_err());
    assert!(collection.add_column(EXPIRES_AT, AttributeType::Timestamp).is_err());
    let vectors = components(1, DIM, 1);
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let ids = Ids::U64(vec![1]);
    let both = collection.upsert_with_ttl(
        &ids,
        &vectors,
        Some(&batch(vec![None])),
        HOUR,
        &Progress::new(),
    );
    assert!(both.unwrap_err().to_string().contains("ttl"));
    assert!(collection.is_empty());
    collection.add_column("note", AttributeType::Text).unwrap();
    collection.upsert_with_ttl(&ids, &vectors, None, HOUR, &Progress::new()).unwrap();
    assert_eq!(collection.len(), 1);
}

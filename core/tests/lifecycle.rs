//! Create, write, close, open again: what was written is there.

mod common;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use common::{attributes, components, config, ids, open, upsert};
use nearfield::{
    Collection, CollectionConfig, Dtype, Error, IdType, Ids, MemoryMode, Metric, Mode, OpenOptions,
    Progress, Vectors,
};

const DIM: usize = 24;

/// Asserts that exactly rows `from..to` of the generator are there.
fn assert_rows(collection: &Collection, from: u64, to: u64) {
    let ids = ids(collection.config().id_type, from, to);
    let points = collection.get(&ids, true).unwrap();
    assert!(points.found.iter().all(|f| *f));
    assert_eq!(collection.len(), to - from);
    let expected = attributes(from, to);
    for (field, column) in expected.schema().fields().iter().zip(expected.columns()) {
        let found = points.batch.column_by_name(field.name()).unwrap();
        assert_eq!(found.to_data(), column.to_data(), "column {}", field.name());
    }
}

fn vector(collection: &Collection, id: u64) -> Vec<f32> {
    let points = collection.get(&Ids::U64(vec![id]), true).unwrap();
    let lists = points.batch.column_by_name("vector").unwrap().as_fixed_size_list().clone();
    lists.values().as_primitive::<Float32Type>().values().to_vec()
}

#[test]
fn points_come_back_after_reopening_in_every_memory_mode() {
    for id_type in [IdType::U64, IdType::Str] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("posts.nf");
        let mut config = config(DIM);
        config.id_type = id_type;
        let collection = Collection::create(&path, config.clone()).unwrap();
        upsert(&collection, 0, 700);
        upsert(&collection, 700, 1500);
        assert_rows(&collection, 0, 1500);
        collection.close().unwrap();
        for memory in MemoryMode::ALL {
            let options = OpenOptions { mode: Mode::Read, memory: Some(*memory) };
            let reader = Collection::open(&path, options).unwrap();
            assert_rows(&reader, 0, 1500);
            reader.verify().unwrap();
        }
        let writer = open(&path, Mode::Write).unwrap();
        assert_eq!(*writer.config(), config);
        writer.optimize(&Progress::new()).unwrap();
        assert_rows(&writer, 0, 1500);
        let stats = writer.stats().unwrap();
        assert_eq!(stats.segments.len(), 1);
        assert!(stats.segments[0].indexed);
        drop(writer);
        for memory in MemoryMode::ALL {
            let options = OpenOptions { mode: Mode::Read, memory: Some(*memory) };
            let reader = Collection::open(&path, options).unwrap();
            assert_rows(&reader, 0, 1500);
            let report = reader.verify().unwrap();
            assert_eq!((report.files, report.points), (3, 1500));
            let stats = reader.stats().unwrap();
            assert!(stats.bytes_hot > 0 && stats.bytes_warm > 0 && stats.bytes_cold > 0);
            assert!(stats.bytes_resident > 0 && stats.bytes_disk > stats.bytes_hot);
        }
    }
}

#[test]
fn a_collection_in_memory_behaves_like_one_on_disk() {
    let collection = Collection::in_memory(config(DIM)).unwrap();
    assert!(collection.is_empty() && collection.is_writable() && collection.path().is_none());
    upsert(&collection, 0, 1200);
    collection.optimize(&Progress::new()).unwrap();
    assert_rows(&collection, 0, 1200);
    assert_eq!(collection.verify().unwrap().points, 1200);
    let stats = collection.stats().unwrap();
    assert_eq!((stats.bytes_disk, stats.segments[0].name.as_str()), (0, ""));
}

#[test]
fn upsert_replaces_whole_points_and_the_last_of_an_id_wins() {
    let collection = Collection::in_memory(CollectionConfig::new(2, Metric::L2)).unwrap();
    let put = |ids: Vec<u64>, data: &[f32]| {
        let vectors = Vectors::from_f32(2, data).unwrap();
        collection.upsert(&Ids::U64(ids), &vectors, None, &Progress::new()).unwrap();
    };
    put(vec![1, 2, 1], &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    assert_eq!(collection.len(), 2);
    assert_eq!(vector(&collection, 1), [3.0, 3.0]);
    put((100..2100).collect(), &components(2000, 2, 5));
    put(vec![2], &[9.0, 9.0]);
    assert_eq!(collection.len(), 2002);
    assert_eq!(vector(&collection, 2), [9.0, 9.0]);
    let dead: u64 = collection.stats().unwrap().segments.iter().map(|s| s.dead).sum();
    collection.verify().unwrap();
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!((collection.len(), vector(&collection, 2)), (2002, vec![9.0, 9.0]));
    let stats = collection.stats().unwrap();
    assert_eq!((stats.segments.len(), stats.segments[0].dead), (1, 0));
    // Into an indexed segment: a tombstone there.
    put(vec![150], &[7.0, 7.0]);
    assert_eq!((collection.len(), vector(&collection, 150)), (2002, vec![7.0, 7.0]));
    let now: u64 = collection.stats().unwrap().segments.iter().map(|s| s.dead).sum();
    assert_eq!(now, 1, "before: {dead}");
    collection.verify().unwrap();
}

#[test]
fn tombstones_survive_reopening_and_fully_dead_segments_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, CollectionConfig::new(4, Metric::L2)).unwrap();
    let put = |from: u64, to: u64| {
        let data = components((to - from) as usize, 4, to);
        let vectors = Vectors::from_f32(4, &data).unwrap();
        let ids = Ids::U64((from..to).collect());
        collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    };
    put(0, 2000);
    collection.optimize(&Progress::new()).unwrap();
    put(0, 100);
    put(50, 120);
    collection.close().unwrap();
    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!(reader.len(), 2000);
    assert_eq!(reader.stats().unwrap().segments[0].dead, 120);
    assert_eq!(reader.verify().unwrap().points, 2000);
    let writer = open(&path, Mode::Write).unwrap();
    let data = components(2000, 4, 9);
    let vectors = Vectors::from_f32(4, &data).unwrap();
    let all = Ids::U64((0..2000).collect());
    writer.upsert(&all, &vectors, None, &Progress::new()).unwrap();
    writer.optimize(&Progress::new()).unwrap();
    let stats = writer.stats().unwrap();
    assert_eq!((stats.segments.len(), stats.points), (1, 2000), "{stats:?}");
    assert!(!common::files(&path).iter().any(|(name, _)| name.starts_with("tombstones")));
    // The reader keeps what it opened.
    assert_eq!(reader.len(), 2000);
    assert_eq!(vector(&reader, 1999).len(), 4);
}

#[test]
fn get_gives_the_order_asked_and_nulls_for_what_is_missing() {
    let collection = Collection::in_memory(config(DIM)).unwrap();
    upsert(&collection, 0, 10);
    let Ids::U64(known) = ids(IdType::U64, 0, 10) else { unreachable!() };
    let asked = vec![known[7], 12345, known[2], known[7]];
    let points = collection.get(&Ids::U64(asked), true).unwrap();
    assert_eq!(points.found, [true, false, true, true]);
    let names: Vec<_> = points.batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names[0], "id");
    assert_eq!(names[8], "vector");
    for column in &points.batch.columns()[1..] {
        assert!(column.is_null(1));
    }
    assert!(points.batch.column(0).is_valid(1));
    let without = collection.get(&ids(IdType::U64, 0, 1), false).unwrap();
    assert_eq!(without.batch.num_columns(), 8);
    let none = collection.get(&Ids::U64(vec![]), true).unwrap();
    assert_eq!(none.batch.num_rows(), 0);
    let wrong = collection.get(&Ids::Str(vec!["a".to_owned()]), true).unwrap_err();
    assert!(wrong.to_string().contains("expected integers"), "{wrong}");
}

#[test]
fn stored_types_round_once() {
    for (dtype, data, stored) in [
        (Dtype::F16, vec![0.1_f32, 2.0, -3.5, 1000.0], vec![0.099_975_586_f32, 2.0, -3.5, 1000.0]),
        (Dtype::U8, vec![0.0, 255.0, 7.0, 128.0], vec![0.0, 255.0, 7.0, 128.0]),
        (Dtype::I8, vec![-128.0, 127.0, -1.0, 3.0], vec![-128.0, 127.0, -1.0, 3.0]),
    ] {
        let mut config = CollectionConfig::new(4, Metric::L2);
        config.dtype = dtype;
        let collection = Collection::in_memory(config).unwrap();
        let vectors = Vectors::from_f32(4, &data).unwrap();
        collection.upsert(&Ids::U64(vec![1]), &vectors, None, &Progress::new()).unwrap();
        assert_eq!(vector(&collection, 1), stored, "{dtype}");
    }
}

#[test]
fn optimize_changes_nothing_that_is_optimal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(DIM)).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    for rows in [10, 1200] {
        upsert(&collection, 0, rows);
        collection.optimize(&Progress::new()).unwrap();
        let before = common::files(&path);
        collection.optimize(&Progress::new()).unwrap();
        assert!(before == common::files(&path), "{rows} rows");
    }
}

#[test]
fn many_small_upserts_leave_few_segments() {
    let collection = Collection::in_memory(CollectionConfig::new(2, Metric::L2)).unwrap();
    for id in 0..300_u64 {
        let data = [id as f32, 1.0];
        let vectors = Vectors::from_f32(2, &data).unwrap();
        collection.upsert(&Ids::U64(vec![id]), &vectors, None, &Progress::new()).unwrap();
    }
    let stats = collection.stats().unwrap();
    assert_eq!(stats.points, 300);
    assert!(stats.segments.len() <= 10, "{} segments", stats.segments.len());
}

#[test]
fn a_closed_collection_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(DIM)).unwrap();
    upsert(&collection, 0, 5);
    collection.close().unwrap();
    collection.close().unwrap();
    assert_eq!(collection.len(), 0);
    let closed = |result: nearfield::Result<()>| {
        assert!(matches!(result, Err(Error::Closed { .. })), "{result:?}");
    };
    closed(collection.get(&ids(IdType::U64, 0, 1), true).map(drop));
    closed(collection.stats().map(drop));
    closed(collection.verify().map(drop));
    closed(collection.flush());
    closed(collection.optimize(&Progress::new()));
    // The lock is free again.
    open(&path, Mode::Write).unwrap();
}

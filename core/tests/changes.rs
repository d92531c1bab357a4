//! Points that are deleted, updated, listed, given more columns, copied and restored; and what a
//! reader beside the writer sees.

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use common::{attributes, components, config, ids, open, rescore, upsert};
use nearfield::{
    AttributeType, Collection, CollectionConfig, Effort, Error, IdType, Ids, Metric, Mode, PointId,
    Points, Progress, SearchRequest, Vectors,
};

fn scores(points: &Points) -> Vec<Option<i64>> {
    points.batch.column_by_name("score").unwrap().as_primitive::<Int64Type>().iter().collect()
}

/// Asserts that rows 0..100 are there, but for those deleted, with the scores they should have.
fn assert_changed(collection: &Collection) {
    let kind = collection.config().id_type;
    assert_eq!(collection.len(), 90);
    let points = collection.get(&ids(kind, 0, 100), true).unwrap();
    let expected = attributes(0, 100);
    let before = expected.column_by_name("score").unwrap().as_primitive::<Int64Type>().clone();
    for row in 0..100 {
        let deleted = (20..30).contains(&row);
        assert_eq!(points.found[row], !deleted, "row {row}");
        let score = match row {
            20..30 => None,
            40..60 => Some(row as i64 + 7),
            _ => before.is_valid(row).then(|| before.value(row)),
        };
        assert_eq!(scores(&points)[row], score, "row {row}");
    }
    let tags = points.batch.column_by_name("tag").unwrap().as_string::<i32>();
    assert_eq!((tags.value(50), tags.value(51)), ("tag 11", "tag 12"));
}

#[test]
fn deletes_and_updates_stay_through_sealing_and_reopening() {
    for kind in [IdType::U64, IdType::Str] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let mut config = config(8);
        config.id_type = kind;
        let collection = Collection::create(&path, config).unwrap();
        upsert(&collection, 0, 50);
        collection.optimize(&Progress::new()).unwrap();
        upsert(&collection, 50, 100);
        // Half of what changes is sealed, half is growing.
        assert_eq!(collection.delete(&ids(kind, 20, 30)).unwrap(), 10);
        assert_eq!(collection.delete(&ids(kind, 20, 30)).unwrap(), 0);
        rescore(&collection, 40, 60).unwrap();
        assert_changed(&collection);
        assert_changed(&open(&path, Mode::Read).unwrap());
        drop(collection);
        let collection = open(&path, Mode::Write).unwrap();
        assert_changed(&collection);
        collection.optimize(&Progress::new()).unwrap();
        assert_changed(&collection);
        assert_eq!(collection.stats().unwrap().segments[0].rows, 90);
        drop(collection);
        assert_changed(&open(&path, Mode::Read).unwrap());
    }
}

#[test]
fn an_update_of_an_unknown_id_changes_nothing() {
    let collection = Collection::in_memory(config(8)).unwrap();
    upsert(&collection, 0, 10);
    let before = scores(&collection.get(&ids(IdType::U64, 0, 10), false).unwrap());
    let error = rescore(&collection, 5, 15).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(scores(&collection.get(&ids(IdType::U64, 0, 10), false).unwrap()), before);
    let unknown: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("points", unknown)]).unwrap();
    let error = collection.update(&ids(IdType::U64, 0, 1), &batch).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    // None sets null; an id given twice: the last wins.
    let Ids::U64(one) = ids(IdType::U64, 3, 4) else { unreachable!() };
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
    let batch = RecordBatch::try_from_iter_with_nullable([("score", values, true)]).unwrap();
    collection.update(&Ids::U64(vec![one[0], one[0]]), &batch).unwrap();
    assert_eq!(scores(&collection.get(&Ids::U64(one), false).unwrap()), [None]);
}

#[test]
fn deleted_points_are_never_found() {
    let collection = Collection::in_memory(CollectionConfig::new(2, Metric::L2)).unwrap();
    let data: Vec<f32> = (0..4000_u16).flat_map(|i| [f32::from(i), 0.0]).collect();
    let vectors = Vectors::from_f32(2, &data).unwrap();
    collection.upsert(&Ids::U64((0..4000).collect()), &vectors, None, &Progress::new()).unwrap();
    let near = |effort| {
        let request = SearchRequest { effort, ..SearchRequest::new(5) };
        let query = Vectors::from_f32(2, &[100.0, 0.0]).unwrap();
        let Ids::U64(mut ids) = collection.search(&query, &request).unwrap().ids else {
            panic!("u64 ids")
        };
        ids.sort_unstable();
        ids
    };
    for round in 0..2 {
        for effort in [Effort::Exact, Effort::Recall(0.99)] {
            let expected =
                if round == 0 { [98, 99, 100, 101, 102] } else { [96, 97, 103, 104, 105] };
            let found = near(effort);
            if round == 0 {
                assert_eq!(found, expected);
            } else {
                assert!(found.iter().all(|id| !(98..=102).contains(id)), "{found:?}");
            }
        }
        collection.delete(&Ids::U64((98..=102).collect())).unwrap();
        if round == 0 {
            collection.optimize(&Progress::new()).unwrap();
        }
    }
}

#[test]
fn points_come_in_the_order_of_their_ids() {
    for kind in [IdType::U64, IdType::Str] {
        let mut config = config(8);
        config.id_type = kind;
        let collection = Collection::in_memory(config).unwrap();
        upsert(&collection, 0, 60);
        collection.optimize(&Progress::new()).unwrap();
        upsert(&collection, 40, 90);
        collection.delete(&ids(kind, 10, 20)).unwrap();
        let mut all: Vec<PointId> = Vec::new();
        loop {
            let points = collection.scan(all.last(), 7, true).unwrap();
            let column = points.batch.column(0);
            let more: Vec<PointId> = match kind {
                IdType::U64 => {
                    let ids = column.as_primitive::<arrow_array::types::UInt64Type>();
                    ids.values().iter().map(|id| PointId::U64(*id)).collect()
                }
                IdType::Str => column
                    .as_string::<i32>()
                    .iter()
                    .map(|id| PointId::Str(id.unwrap().into()))
                    .collect(),
            };
            assert!(points.found.iter().all(|found| *found));
            let done = more.len() < 7;
            all.extend(more);
            if done {
                break;
            }
        }
        let (first, rest) = (ids(kind, 0, 10), ids(kind, 20, 90));
        let mut expected: Vec<PointId> = (0..10).map(|row| first.get(row)).collect();
        expected.extend((0..70).map(|row| rest.get(row)));
        expected.sort();
        assert_eq!(all, expected);
        assert!(collection.scan(None, 0, false).is_err());
    }
}

#[test]
fn a_column_that_is_added_is_null_until_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, CollectionConfig::new(8, Metric::L2)).unwrap();
    upsert(&collection, 0, 20);
    collection.optimize(&Progress::new()).unwrap();
    upsert(&collection, 20, 40);
    collection.add_column("note", AttributeType::Keyword).unwrap();
    let error = collection.add_column("note", AttributeType::I64).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let batch = RecordBatch::try_from_iter([("note", notes)]).unwrap();
    let Ids::U64(all) = ids(IdType::U64, 0, 40) else { unreachable!() };
    collection.update(&Ids::U64(vec![all[3], all[30]]), &batch).unwrap();
    let check = |collection: &Collection| {
        assert_eq!(collection.config().schema.len(), 1);
        let points = collection.get(&Ids::U64(all.clone()), false).unwrap();
        let notes = points.batch.column_by_name("note").unwrap().as_string::<i32>();
        for row in 0..40 {
            let note = notes.is_valid(row).then(|| notes.value(row));
            assert_eq!(
                note,
                [(3, "x"), (30, "y")].iter().find(|(r, _)| *r == row).map(|(_, n)| *n)
            );
        }
    };
    check(&collection);
    collection.optimize(&Progress::new()).unwrap();
    check(&collection);
    drop(collection);
    check(&open(&path, Mode::Write).unwrap());
}

fn count(path: &Path) -> u64 {
    let reader = open(path, Mode::Read).unwrap();
    reader.verify().unwrap();
    reader.len()
}

#[test]
fn snapshots_are_collections_that_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let collection = Collection::create(at("c"), config(8)).unwrap();
    upsert(&collection, 0, 1100);
    collection.optimize(&Progress::new()).unwrap();
    upsert(&collection, 1090, 1120);
    rescore(&collection, 3, 9).unwrap();
    collection.snapshot(at("one")).unwrap();
    let error = collection.snapshot(at("one")).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    upsert(&collection, 2000, 2010);
    // A reader can copy too, beside the writer.
    let reader = open(&at("c"), Mode::Read).unwrap();
    reader.snapshot(at("two")).unwrap();
    collection.delete(&ids(IdType::U64, 0, 2)).unwrap();
    upsert(&collection, 3000, 3010);
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!([count(&at("one")), count(&at("two")), count(&at("c"))], [1120, 1130, 1138]);
    // What it sees, though its files are gone.
    reader.snapshot(at("three")).unwrap();
    assert_eq!(count(&at("three")), 1130);
    let three = open(&at("three"), Mode::Write).unwrap();
    assert_eq!(scores(&three.get(&ids(IdType::U64, 4, 5), false).unwrap()), [Some(11)]);
    upsert(&three, 2005, 2015);
    drop(three);
    assert_eq!(count(&at("three")), 1135);
    Collection::restore(at("one"), at("again")).unwrap();
    let again = open(&at("again"), Mode::Write).unwrap();
    assert_eq!(scores(&again.get(&ids(IdType::U64, 4, 5), false).unwrap()), [Some(11)]);
    upsert(&again, 5000, 5003);
    again.optimize(&Progress::new()).unwrap();
    assert_eq!([count(&at("again")), count(&at("one"))], [1123, 1120]);
    let error = Collection::restore(at("one"), at("again")).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    let memory = Collection::in_memory(config(8)).unwrap();
    assert!(memory.snapshot(at("four")).is_err() && !at("four").exists());
}

#[test]
fn a_reader_stays_where_it_is_until_it_is_told_to_move() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let writer = Collection::create(&path, config(8)).unwrap();
    upsert(&writer, 0, 10);
    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!(reader.len(), 10);
    for step in 1..6 {
        upsert(&writer, step * 10, step * 10 + 10);
        if step % 2 == 0 {
            writer.delete(&ids(IdType::U64, step, step + 1)).unwrap();
            writer.optimize(&Progress::new()).unwrap();
        }
        let before = reader.len();
        assert!(before < writer.len());
        reader.refresh().unwrap();
        assert_eq!(reader.len(), writer.len());
        reader.verify().unwrap();
    }
}

#[test]
fn points_that_are_not_sealed_are_found_by_their_codes_too() {
    let dim = 96;
    let collection = Collection::in_memory(CollectionConfig::new(dim, Metric::Cosine)).unwrap();
    let vectors = components(3_000, dim, 5);
    for start in (0..3_000).step_by(250) {
        let ids = Ids::U64((start as u64..start as u64 + 250).collect());
        let rows = &vectors[start * dim..(start + 250) * dim];
        collection
            .upsert(&ids, &Vectors::from_f32(dim, rows).unwrap(), None, &Progress::new())
            .unwrap();
    }
    collection.delete(&Ids::U64((0..3_000).step_by(7).collect())).unwrap();
    let queries = components(50, dim, 6);
    let queries = Vectors::from_f32(dim, &queries).unwrap();
    let search = |effort| {
        let request = SearchRequest { effort, ..SearchRequest::new(10) };
        collection.search(&queries, &request).unwrap()
    };
    let truth = search(Effort::Exact);
    assert_eq!(truth.counters.codes_scored, 0);
    // The codes are made beside the writer.
    let found = (0..1_000_000)
        .map(|_| {
            std::thread::yield_now();
            search(Effort::Recall(0.95))
        })
        .find(|found| found.counters.codes_scored > 0)
        .unwrap();
    let (Ids::U64(truth), Ids::U64(found)) = (truth.ids, found.ids) else { panic!("integers") };
    let same = |(a, b): (&[u64], &[u64])| b.iter().filter(|id| a.contains(id)).count();
    let hits: usize = truth.chunks(10).zip(found.chunks(10)).map(same).sum();
    assert!(hits >= 490, "{hits} of 500");
    assert!(found.iter().all(|id| id % 7 != 0), "a deleted point was found");
}

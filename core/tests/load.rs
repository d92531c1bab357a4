//! Load: batches in, one sealed and indexed segment out.

mod common;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float16Builder, Float64Builder, LargeListBuilder, ListBuilder};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int32Array, RecordBatch, StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field};
use common::{attributes, batch, components, config, files, ids, only_segment, open, source};
use half::f16;
use nearfield::{
    Collection, CollectionConfig, Error, IdType, Ids, LoadOptions, Metric, Mode, OpenOptions,
    Progress, Vectors,
};

const DIM: usize = 16;

fn pieces(config: &CollectionConfig, rows: u64, step: u64) -> Vec<RecordBatch> {
    let whole = batch(config, 0, rows);
    (0..rows)
        .step_by(step as usize)
        .map(|from| whole.slice(from as usize, step.min(rows - from) as usize))
        .collect()
}

#[test]
fn what_is_loaded_comes_back_in_one_indexed_segment() {
    for id_type in [IdType::U64, IdType::Str] {
        let mut config = config(DIM);
        config.id_type = id_type;
        let collection = Collection::in_memory(config.clone()).unwrap();
        let progress = Progress::new();
        let batches = source(pieces(&config, 1500, 400));
        let report = collection.load(batches, &LoadOptions::default(), &progress).unwrap();
        assert_eq!((report.points, report.skipped_columns.len()), (1500, 0));
        assert_eq!(progress.get(), (3000, 3000));
        let stats = collection.stats().unwrap();
        assert_eq!((stats.segments.len(), stats.segments[0].indexed), (1, true));
        let points = collection.get(&ids(id_type, 0, 1500), true).unwrap();
        let expected = attributes(0, 1500);
        for (column, expected) in points.batch.columns()[1..].iter().zip(expected.columns()) {
            assert_eq!(column.to_data(), expected.to_data());
        }
        collection.verify().unwrap();
    }
}

#[test]
fn loaded_points_replace_those_of_the_same_id() {
    let config = config(DIM);
    let collection = Collection::in_memory(config.clone()).unwrap();
    common::upsert(&collection, 0, 100);
    let batches = source(vec![batch(&config, 50, 1200)]);
    collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
    assert_eq!(collection.len(), 1200);
    // Small loads don't pile up as segments.
    for from in 0..20 {
        let batches = source(vec![batch(&config, from * 10, from * 10 + 10)]);
        collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
    }
    let stats = collection.stats().unwrap();
    assert_eq!(stats.points, 1200);
    assert!(stats.segments.len() < 8, "{} segments", stats.segments.len());
    collection.verify().unwrap();
}

#[test]
fn vectors_may_be_plain_lists_and_ids_row_numbers() {
    let collection = Collection::in_memory(CollectionConfig::new(2, Metric::L2)).unwrap();
    let mut halves = ListBuilder::new(Float16Builder::new());
    let mut doubles = LargeListBuilder::new(Float64Builder::new());
    for row in 0..4 {
        let values = [f64::from(row), f64::from(row) + 0.5];
        halves.append_value(values.map(|v| Some(f16::from_f64(v))));
        doubles.append_value(values.map(|v| Some(v + 10.0)));
    }
    let lists: [ArrayRef; 2] = [Arc::new(halves.finish()), Arc::new(doubles.finish())];
    let batches: Vec<RecordBatch> = lists
        .into_iter()
        .map(|list| {
            let text: ArrayRef = Arc::new(StringArray::from(vec!["x"; 4]));
            let more: ArrayRef = Arc::new(Int32Array::from(vec![1; 4]));
            RecordBatch::try_from_iter([("text", text), ("emb", list), ("more", more)]).unwrap()
        })
        .collect();
    let options = LoadOptions { id: None, vector: "emb".to_owned(), source: None };
    let report = collection.load(source(batches), &options, &Progress::new()).unwrap();
    assert_eq!((report.points, report.skipped_columns), (8, vec!["text".into(), "more".into()]));
    let points = collection.get(&Ids::U64(vec![3, 4, 8]), true).unwrap();
    assert_eq!(points.found, [true, true, false]);
    let text = format!("{:?}", points.batch.column_by_name("vector").unwrap());
    assert!(text.contains("3.5") && text.contains("10.5"), "{text}");
}

#[test]
fn a_load_gives_the_bytes_of_an_upsert_and_optimize() {
    for (id_type, rows) in [(IdType::U64, 2500), (IdType::Str, 2500), (IdType::Str, 300)] {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let mut config = config(DIM);
        config.id_type = id_type;
        let loaded = Collection::create(&one, config.clone()).unwrap();
        // Some rows twice: the last wins, in both.
        let mut batches = pieces(&config, rows, 700);
        batches.push(batch(&config, 10, 40));
        loaded.load(source(batches), &LoadOptions::default(), &Progress::new()).unwrap();

        let written = Collection::create(&two, config.clone()).unwrap();
        let mut data = components(rows as usize, DIM, 1);
        data.extend(components(30, DIM, 11));
        let all = match (ids(id_type, 0, rows), ids(id_type, 10, 40)) {
            (Ids::U64(a), Ids::U64(b)) => Ids::U64([a, b].concat()),
            (Ids::Str(a), Ids::Str(b)) => Ids::Str([a, b].concat()),
            _ => unreachable!(),
        };
        let columns = [attributes(0, rows), attributes(10, 40)];
        let columns = arrow_select::concat::concat_batches(&columns[0].schema(), &columns).unwrap();
        let vectors = Vectors::from_f32(DIM, &data).unwrap();
        written.upsert(&all, &vectors, Some(&columns), &Progress::new()).unwrap();
        written.optimize(&Progress::new()).unwrap();
        assert_eq!(loaded.len(), rows);
        assert!(only_segment(&one) == only_segment(&two), "{id_type} {rows}");
    }
}

#[test]
fn an_interrupted_or_failed_call_leaves_the_old_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let config = config(DIM);
    let collection = Collection::create(&path, config.clone()).unwrap();
    common::upsert(&collection, 0, 1100);
    let before = files(&path);

    let progress = Progress::new();
    let inside = progress.clone();
    let batches = pieces(&config, 3000, 500).into_iter().enumerate().map(move |(i, b)| {
        if i == 3 {
            inside.cancel();
        }
        Ok::<_, Infallible>(b)
    });
    let error = collection.load(batches, &LoadOptions::default(), &progress).unwrap_err();
    assert!(matches!(error, Error::Interrupted { operation: "load" }), "{error}");

    let bad = pieces(&config, 3000, 500).into_iter().map(Ok).chain([Err(std::fmt::Error)]);
    let error = collection.load(bad, &LoadOptions::default(), &Progress::new()).unwrap_err();
    assert!(matches!(error, Error::Source(_)), "{error}");

    let cancelled = Progress::new();
    cancelled.cancel();
    let error = collection.optimize(&cancelled).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    let vectors = Vectors::from_f32(DIM, &[1.0; DIM]).unwrap();
    let error = collection.upsert(&Ids::U64(vec![1]), &vectors, None, &cancelled).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");

    assert!(before == files(&path));
    assert_eq!(collection.len(), 1100);
    // And the handle still writes.
    common::upsert(&collection, 1100, 1200);
    assert_eq!(open(&path, Mode::Read).unwrap().len(), 1200);
}

#[test]
fn a_load_that_was_cut_short_goes_on_where_it_stopped() {
    const ROWS: usize = 75_000;
    let dir = tempfile::tempdir().unwrap();
    let config = CollectionConfig::new(2, Metric::L2);
    let batches = || {
        (0..ROWS).step_by(10_000).map(|start| {
            let rows = start..(start + 10_000).min(ROWS);
            // Some ids come twice, in other parts.
            let ids = UInt64Array::from_iter_values(rows.clone().map(|r| (r % 70_000) as u64));
            let item = Arc::new(Field::new_list_field(DataType::Float32, false));
            let values = rows.flat_map(|r| [(r % 977) as f32, (r / 977) as f32]);
            let values = Arc::new(Float32Array::from_iter_values(values));
            let vectors = FixedSizeListArray::new(item, 2, values, None);
            let columns: [(&str, ArrayRef); 2] =
                [("id", Arc::new(ids)), ("vector", Arc::new(vectors))];
            Ok::<_, Infallible>(RecordBatch::try_from_iter(columns).unwrap())
        })
    };
    let options = LoadOptions { source: Some("rows".to_owned()), ..LoadOptions::default() };
    let whole = Collection::create(dir.path().join("whole.nf"), config.clone()).unwrap();
    let report = whole.load(batches(), &LoadOptions::default(), &Progress::new()).unwrap();
    assert_eq!((report.points, report.resumed), (70_000, 0));

    let path = dir.path().join("cut.nf");
    let cut = Collection::create(&path, config).unwrap();
    let progress = Progress::new();
    let until = |n: usize| {
        let progress = progress.clone();
        batches().inspect(move |_| {
            if progress.get().0 >= n as u64 {
                progress.cancel();
            }
        })
    };
    assert!(matches!(cut.load(until(50_000), &options, &progress), Err(Error::Interrupted { .. })));
    assert!(cut.is_empty() && path.join("load").exists());
    drop(cut);
    let cut = Collection::open(&path, OpenOptions { mode: Mode::Write, memory: None }).unwrap();
    let report = cut.load(batches(), &options, &Progress::new()).unwrap();
    assert_eq!((report.points, report.resumed), (70_000, 40_000));
    assert!(!path.join("load").exists());
    let bytes = |path: &Path| std::fs::read(path.join("segments/1.seg")).unwrap();
    assert!(bytes(&path) == bytes(&dir.path().join("whole.nf")), "other bytes");
}

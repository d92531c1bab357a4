//! Parquet files that are written in parts, by processes that end too early.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use nearfield_datasets::{Parts, open};

fn batch(from: i64, to: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new((from..to).collect::<Int64Array>());
    let texts = (from..to).map(|n| Some(format!("t{}", n % 7)));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap()
}

/// Number and text of each row.
fn rows(batch: &RecordBatch) -> Vec<(i64, String)> {
    let numbers = batch.column(0).as_primitive::<Int64Type>().values().iter().copied();
    let texts = batch.column(1).as_string::<i32>().iter();
    numbers.zip(texts.map(|text| text.unwrap().to_owned())).collect()
}

fn read(path: &Path) -> Vec<(i64, String)> {
    open(path).unwrap().flat_map(|batch| rows(&batch.unwrap())).collect()
}

#[test]
fn parts_become_one_file_of_their_row_groups() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("out.parquet");
    fs::write(&target, "what was there before").unwrap();
    let mut parts = Parts::open(&target, "job").unwrap();
    for (from, to) in [(0, 1_000), (1_000, 1_000), (1_000, 1_001), (1_001, 5_000)] {
        parts.write(&batch(from, to), 3).unwrap();
    }
    assert_eq!(parts.steps(), 12);
    Parts::open(&target, "job").expect_err("somebody else writes it");
    parts.finish().unwrap();
    assert_eq!(read(&target), rows(&batch(0, 5_000)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no part is left");
}

#[test]
fn who_comes_after_a_kill_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("out.parquet");
    let mut parts = Parts::open(&target, "job").unwrap();
    parts.write(&batch(0, 10), 1).unwrap();
    parts.write(&batch(10, 20), 1).unwrap();
    parts.write(&batch(20, 30), 1).unwrap();
    drop(parts);
    let beside = directory.path().join("out.parquet.parts");
    fs::write(beside.join("000003.tmp"), "half of a part").unwrap();
    let last = fs::read(beside.join("000002.parquet")).unwrap();
    fs::write(beside.join("000002.parquet"), &last[..last.len() / 2]).unwrap();
    let mut parts = Parts::open(&target, "job").unwrap();
    assert_eq!(parts.steps(), 2, "one was cut off");
    assert!(!beside.join("000003.tmp").exists() && !beside.join("000002.parquet").exists());
    parts.write(&batch(20, 40), 2).unwrap();
    parts.finish().unwrap();
    assert_eq!(read(&target), rows(&batch(0, 40)));
}

#[test]
fn another_job_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("out.parquet");
    Parts::open(&target, "job").unwrap().write(&batch(0, 10), 1).unwrap();
    let mut parts = Parts::open(&target, "another").unwrap();
    assert_eq!(parts.steps(), 0);
    parts.write(&batch(5, 6), 1).unwrap();
    parts.finish().unwrap();
    assert_eq!(read(&target), rows(&batch(5, 6)));
    let nowhere = directory.path().join("out.parquet").join("deeper.parquet");
    let error = Parts::open(nowhere, "job").expect_err("no directory").to_string();
    assert!(error.contains("cannot create the directory"), "{error}");
}

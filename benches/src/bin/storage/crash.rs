//! Opening after a process was killed with much in the log.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use nearfield::{
    AttributeType, Collection, CollectionConfig, Durability, Ids, Metric, Mode, OpenOptions,
    Progress, Schema, SearchRequest, Vectors,
};

use crate::Outcome;
use crate::support::{BATCH, Bench, DIM, config, data, line, upsert};

/// Bytes of vectors in the log.
const BYTES: usize = 64 << 20;

pub(crate) fn run(bench: &Bench) -> Outcome {
    let path = bench.path("crash")?;
    // It ends by its own hand, without closing; that is no failure of ours.
    Command::new(std::env::current_exe()?).arg("child-crash").arg(&path).status()?;
    let points = BYTES / (DIM * 4);
    let (data, _) = data(points, 0);
    let log: u64 = std::fs::read_dir(path.join("wal"))?
        .flatten()
        .filter_map(|e| e.metadata().ok())
        .map(|m| m.len())
        .sum();
    for (what, mode) in [("a reader", Mode::Read), ("a writer", Mode::Write)] {
        let begin = Instant::now();
        let collection = Collection::open(&path, OpenOptions { mode, memory: None })?;
        let vector = Vectors::from_f32(DIM, data.row(points - 1))?;
        let found = collection.search(&vector, &SearchRequest::new(1))?;
        let took = begin.elapsed().as_secs_f64();
        assert_eq!((collection.len(), found.counts[0]), (points as u64, 1));
        let text = format!("{took:.2} s");
        let what = format!("open and search after a crash with {} MiB of log, {what}", log >> 20);
        line(&what, text, "< 1 s");
    }
    for dim in [DIM, 8] {
        changes(bench, dim)?;
    }
    bench.path("crash")?;
    Ok(())
}

/// A log of small units: a point upserted, updated, and every other time deleted.
fn changes(bench: &Bench, dim: usize) -> Outcome {
    let path = bench.path("crash")?;
    let exe = std::env::current_exe()?;
    Command::new(exe).args(["child-changes", &dim.to_string()]).arg(&path).status()?;
    let log: u64 = std::fs::read_dir(path.join("wal"))?
        .flatten()
        .filter_map(|e| e.metadata().ok())
        .map(|m| m.len())
        .sum();
    let begin = Instant::now();
    let collection = Collection::open(&path, OpenOptions::default())?;
    let vector = vec![1.0; dim];
    collection.search(&Vectors::from_f32(dim, &vector)?, &SearchRequest::new(1))?;
    let text = format!("{:.2} s", begin.elapsed().as_secs_f64());
    let what = format!("{} MiB of units of one point, {dim}-d, that alternate", log >> 20);
    line(&what, text, "< 1 s");
    Ok(())
}

/// Writes these units and is gone.
pub(crate) fn child_changes(args: &[String]) -> Outcome {
    let [dim, path] = args else { return Err("a dimension and a path".into()) };
    let dim: usize = dim.parse()?;
    let schema = Schema::new([("score".to_owned(), AttributeType::I64)])?;
    let durability = Durability::Buffered;
    let config = CollectionConfig { schema, durability, ..CollectionConfig::new(dim, Metric::L2) };
    let collection = Collection::create(Path::new(path), config)?;
    let length = || {
        let files = std::fs::read_dir(Path::new(path).join("wal")).into_iter().flatten().flatten();
        files.filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum::<u64>()
    };
    for call in 0_u64.. {
        if call % 1_000 == 0 && length() >= BYTES as u64 {
            break;
        }
        let ids = Ids::U64(vec![call % 200]);
        let vector: Vec<f32> = (0..dim).map(|i| (call * 31 + i as u64) as f32).collect();
        let score = |value: u64| -> Result<RecordBatch, arrow_schema::ArrowError> {
            let values: ArrayRef = Arc::new(Int64Array::from(vec![value as i64]));
            RecordBatch::try_from_iter([("score", values)])
        };
        let vectors = Vectors::from_f32(dim, &vector)?;
        collection.upsert(&ids, &vectors, Some(&score(call)?), &Progress::new())?;
        collection.update(&ids, &score(call + 1)?)?;
        if call % 2 == 0 {
            collection.delete(&ids)?;
        }
    }
    std::process::abort();
}

/// Writes the points and is gone.
pub(crate) fn child(args: &[String]) -> Outcome {
    let path = Path::new(args.first().ok_or("a path")?);
    let points = BYTES / (DIM * 4);
    let (data, _) = data(points, 0);
    let collection = Collection::create(path, config())?;
    for start in (0..points).step_by(BATCH) {
        upsert(&collection, &data, start..(start + BATCH).min(points), 0)?;
    }
    std::process::abort();
}

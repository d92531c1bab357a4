//! Opening after a process was killed with much in the log.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nearfield::{Collection, Mode, OpenOptions, SearchRequest, Vectors};

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
    bench.path("crash")?;
    Ok(())
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

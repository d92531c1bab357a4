//! Durable upserts: in batches against the disk and against `load`, and single points by one
//! writer and by 32.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nearfield::{Collection, LoadOptions, Progress};

use crate::Outcome;
use crate::disk::probe;
use crate::support::{BATCH, Bench, DIM, config, data, line, settle, upsert};

/// Points of the burst.
const BURST: usize = 50_000;

pub(crate) fn batches(bench: &Bench) -> Outcome {
    let (data, _) = data(bench.points.max(BURST), 0);
    let (disk, _) = probe(bench, BATCH * DIM * 4, Duration::from_secs(2))?;
    let path = bench.path("upserts")?;
    let collection = Collection::create(&path, config())?;
    let begin = Instant::now();
    let mut burst = 0.0;
    for start in (0..data.rows()).step_by(BATCH) {
        upsert(&collection, &data, start..(start + BATCH).min(data.rows()), 0)?;
        if start + BATCH >= BURST && burst == 0.0 {
            burst = (start + BATCH) as f64 / begin.elapsed().as_secs_f64();
        }
    }
    let sustained = data.rows() as f64 / begin.elapsed().as_secs_f64();
    let share = burst * (DIM * 4) as f64 / disk * 100.0;
    let text = format!("{burst:.0}/s, {share:.0} %");
    line("upserts, batches of 256, first 50,000; of the disk's rate", text, ">= 60 %");
    settle(&collection)?;
    let settled = begin.elapsed();
    collection.close()?;

    let path = bench.path("upserts")?;
    let collection = Collection::create(&path, config())?;
    let begin = Instant::now();
    let options = LoadOptions::default();
    collection.load(data.batches(8_192), &options, &Progress::new())?;
    let loaded = data.rows() as f64 / begin.elapsed().as_secs_f64();
    collection.close()?;
    bench.path("upserts")?;
    let text = format!("{sustained:.0}/s, {:.2} x", sustained / loaded);
    let what = format!("the same, {} points; against load's {loaded:.0}/s", data.rows());
    line(&what, text, ">= 0.8 x");
    line(
        "until all of them are indexed and merged",
        format!("{:.1} s", settled.as_secs_f64()),
        "-",
    );
    Ok(())
}

/// Points a second that `writers` threads write, one a call.
fn rate(bench: &Bench, writers: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let (data, _) = data(20_000, 0);
    let path = bench.path("singles")?;
    let collection = Collection::create(&path, config())?;
    let (next, begin) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while begin.elapsed() < Duration::from_secs(3) {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    if row >= data.rows() {
                        return;
                    }
                    upsert(&collection, &data, row..row + 1, 0).expect("a write");
                }
            });
        }
    });
    let written = collection.len() as f64;
    let rate = written / begin.elapsed().as_secs_f64();
    collection.close()?;
    bench.path("singles")?;
    Ok(rate)
}

pub(crate) fn singles(bench: &Bench) -> Outcome {
    let (_, sync) = probe(bench, 4_096, Duration::from_secs(1))?;
    let (one, many) = (rate(bench, 1)?, rate(bench, 32)?);
    let text = format!("{many:.0}/s, {:.1} x {one:.0}/s", many / one);
    let reach = if sync >= Duration::from_micros(500) { ">= 20 x" } else { "- (a sync < 0.5 ms)" };
    line("upserts of one point, 32 writers against one", text, reach);
    Ok(())
}

//! Searches while points arrive, against the same collection without writes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nearfield::{Collection, LoadOptions, Progress};

use crate::Outcome;
use crate::support::{Bench, config, given_data, latencies, line, percentile, settle, upsert};

/// Points that arrive a second, and a call.
const RATE: usize = 5_000;
const CALL: usize = 50;
/// How long they arrive.
const LONG: Duration = Duration::from_secs(30);

pub(crate) fn run(bench: &Bench) -> Outcome {
    let arriving = RATE * LONG.as_secs() as usize;
    let (data, queries) = given_data(bench, bench.points + arriving, 2_000)?;
    let path = bench.path("queries")?;
    let collection = Collection::create(&path, config())?;
    let first = data.range(0..bench.points);
    collection.load(first.batches(8_192), &LoadOptions::default(), &Progress::new())?;
    latencies(&collection, &queries, Duration::from_secs(2))?;
    let before = latencies(&collection, &queries, Duration::from_secs(5))?;

    let (done, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (during, arrived) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            for call in 0..arriving / CALL {
                let due = Duration::from_secs_f64((call * CALL) as f64 / RATE as f64);
                std::thread::sleep(due.saturating_sub(begin.elapsed()));
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let row = bench.points + call * CALL;
                upsert(&collection, &data, row..row + CALL, 0).expect("a write");
                written.fetch_add(CALL, Ordering::Relaxed);
            }
        });
        let during = latencies(&collection, &queries, LONG);
        done.store(true, Ordering::Relaxed);
        (during, written.load(Ordering::Relaxed))
    });
    let during = during?;
    let segments = collection.stats()?.segments.len();
    settle(&collection)?;
    let settled = collection.stats()?.segments.len();
    let after = latencies(&collection, &queries, Duration::from_secs(5))?;
    let p = |times: &[Duration]| {
        format!("{:.0} / {:.0}", percentile(times, 0.5), percentile(times, 0.99))
    };
    line("queries, p50 / p99 before, microseconds", p(&before), "-");
    let rate = arrived as f64 / LONG.as_secs_f64();
    line(
        &format!("while {rate:.0} upserts/s arrive ({segments} segments at the end)"),
        p(&during),
        "-",
    );
    line(&format!("after, with {settled} segments"), p(&after), "-");
    let against = |times: &[Duration]| percentile(&during, 0.99) / percentile(times, 0.99);
    let text = format!("{:.2} x, {:.2} x", against(&before), against(&after));
    line("p99 against before, against after", text, "<= 2 x");
    collection.close()?;
    bench.path("queries")?;
    Ok(())
}

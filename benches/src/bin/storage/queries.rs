//! Searches while points arrive, against the same segments without writes.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nearfield::{Collection, LoadOptions, Mode, OpenOptions, Progress};
use nearfield_bench::Data;

use crate::Outcome;
use crate::support::{
    Bench, Times, config, given_data, latencies, line, percentile, settle, upsert,
};

/// Points that arrive a second, and a call.
const RATE: usize = 5_000;
const CALL: usize = 50;
/// How often the state is kept, to be searched without writes afterwards.
const KEPT_EACH: Duration = Duration::from_secs(4);
/// How long a state is searched.
const LONG: Duration = Duration::from_secs(4);

fn p(times: &Times) -> String {
    let served = percentile(&times.served, 0.99);
    format!(
        "{:.0} / {:.0} ({served:.0})",
        percentile(&times.all, 0.5),
        percentile(&times.all, 0.99)
    )
}

/// Upserts these rows at the rate; how long it took.
fn arrive(collection: &Collection, data: &Data, rows: Range<usize>, done: &AtomicBool) -> Duration {
    let begin = Instant::now();
    for (call, row) in rows.clone().step_by(CALL).enumerate() {
        let due = Duration::from_secs_f64((call * CALL) as f64 / RATE as f64);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        if done.load(Ordering::Relaxed) {
            break;
        }
        upsert(collection, data, row..(row + CALL).min(rows.end), 0).expect("a write");
    }
    begin.elapsed()
}

/// Opens the state for reading, again and again; a reader's view stays as it is.
fn keep_states(path: &Path, done: &AtomicBool) -> Vec<Collection> {
    let mut kept = Vec::new();
    let mut next = Instant::now() + KEPT_EACH / 2;
    while !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        if Instant::now() >= next {
            let options = OpenOptions { mode: Mode::Read, ..OpenOptions::default() };
            kept.push(Collection::open(path, options).expect("a reader"));
            next += KEPT_EACH;
        }
    }
    kept
}

pub(crate) fn run(bench: &Bench) -> Outcome {
    let arriving = RATE * bench.seconds;
    let (data, queries) = given_data(bench, bench.points + arriving, 2_000)?;
    let path = bench.path("queries")?;
    let collection = Collection::create(&path, config())?;
    let first = data.range(0..bench.points);
    collection.load(first.batches(8_192), &LoadOptions::default(), &Progress::new())?;
    drop(first);
    latencies(&collection, &queries, Duration::from_secs(2))?;
    let before = latencies(&collection, &queries, LONG)?;

    let done = AtomicBool::new(false);
    let rows = bench.points..bench.points + arriving;
    let (during, took, kept) = std::thread::scope(|scope| {
        let keeper = scope.spawn(|| keep_states(&path, &done));
        let writer = scope.spawn(|| arrive(&collection, &data, rows, &done));
        let during = latencies(&collection, &queries, Duration::from_secs(bench.seconds as u64));
        done.store(true, Ordering::Relaxed);
        (during, writer.join().expect("a writer"), keeper.join().expect("readers"))
    });
    let during = during?;
    let segments = collection.stats()?.segments.len();
    settle(&collection)?;
    let settled = collection.stats()?.segments.len();
    let after = latencies(&collection, &queries, LONG)?;
    collection.close()?;
    line("queries, p50 / p99 (with a core), before, microseconds", p(&before), "-");
    let rate = arriving as f64 / took.as_secs_f64().max(bench.seconds as f64);
    line(
        &format!("while {rate:.0} upserts/s arrive ({segments} segments at the end)"),
        p(&during),
        "-",
    );
    let mut same = Times::default();
    for reader in kept {
        // Codes of what is growing are made beside the first searches.
        latencies(&reader, &queries, LONG / 4)?;
        let times = latencies(&reader, &queries, LONG)?;
        let stats = reader.stats()?;
        let growing = stats.segments.iter().filter(|s| s.name == "(growing)").map(|s| s.rows);
        let growing: u64 = growing.sum();
        let what = format!("of them {} segments, {growing} growing", stats.segments.len());
        line(&format!("  without writes, {what}"), p(&times), "-");
        same.extend(times);
    }
    line("all of the same segments without writes", p(&same), "-");
    line(&format!("after, with {settled} segments"), p(&after), "-");
    let against = |times: &Times| {
        let ratio = |of: fn(&Times) -> &Vec<Duration>| {
            percentile(of(&during), 0.99) / percentile(of(times), 0.99)
        };
        format!("{:.2} x ({:.2} x)", ratio(|t| &t.all), ratio(|t| &t.served))
    };
    line("p99 against the same segments without writes", against(&same), "<= 2 x");
    line("p99 against before", against(&before), "-");
    line("p99 against after", against(&after), "-");
    bench.path("queries")?;
    Ok(())
}

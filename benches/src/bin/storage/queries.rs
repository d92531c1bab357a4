//! Searches while points arrive, against the same segments without writes.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nearfield::{Collection, Ids, LoadOptions, Mode, OpenOptions, Progress, Vectors};
use nearfield_bench::Data;

use crate::Outcome;
use crate::support::{Bench, DIM, Times, config, given_data, latencies, line, percentile, settle};

/// Points that arrive a second, and a call.
const RATE: usize = 5_000;
const CALL: usize = 50;
/// How often the state is kept, to be searched without writes afterwards.
const KEPT_EACH: Duration = Duration::from_secs(4);
/// How long nothing is done in the background after the last write.
const LULL: Duration = Duration::from_millis(700);
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

/// Upserts these rows at the rate, under new ids or those of points that are there; how long it
/// took.
fn arrive(
    collection: &Collection,
    data: &Data,
    rows: Range<usize>,
    replaced: Option<usize>,
    done: &AtomicBool,
) -> Duration {
    let begin = Instant::now();
    let id = |row: usize| match replaced {
        // In an order that looks random.
        Some(points) => (row.wrapping_mul(2_654_435_761) % points) as u64,
        None => row as u64,
    };
    for (call, row) in rows.clone().step_by(CALL).enumerate() {
        let due = Duration::from_secs_f64((call * CALL) as f64 / RATE as f64);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        if done.load(Ordering::Relaxed) {
            break;
        }
        let rows = row..(row + CALL).min(rows.end);
        let vectors = Vectors::from_f32(DIM, data.rows_of(rows.clone())).expect("vectors");
        let ids = Ids::U64(rows.map(id).collect());
        collection.upsert(&ids, &vectors, None, &Progress::new()).expect("a write");
    }
    begin.elapsed()
}

/// Copies the files of the live state, as a power cut would leave them; whether they are of one.
fn copy(from: &Path, to: &Path) -> std::io::Result<bool> {
    let live = || fs::read(from.join("CURRENT"));
    let before = live()?;
    for part in ["wal", "segments", "tombstones", "attributes", "exclusions", ""] {
        fs::create_dir_all(to.join(part))?;
        for entry in fs::read_dir(from.join(part))?.flatten().filter(|e| e.path().is_file()) {
            let name = Path::new(part).join(entry.file_name());
            let link = part == "segments" && fs::hard_link(entry.path(), to.join(&name)).is_ok();
            if !link {
                fs::copy(entry.path(), to.join(name))?;
            }
        }
    }
    Ok(live()? == before)
}

/// Keeps the state from time to time.
fn keep_states(bench: &Bench, path: &Path, done: &AtomicBool) -> std::io::Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    let mut next = Instant::now() + KEPT_EACH / 2;
    while !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        if Instant::now() >= next {
            let to = bench.path(&format!("kept-{}", kept.len()))?;
            // Files may go while they are copied: then once more.
            if copy(path, &to).unwrap_or(false) {
                kept.push(to);
                next += KEPT_EACH;
            }
        }
    }
    Ok(kept)
}

/// How long searches of a kept state take, and what it has.
fn without_writes(path: &Path, queries: &Data) -> Result<(String, Times), Box<dyn Error>> {
    let reader = Collection::open(path, OpenOptions { mode: Mode::Read, memory: None })?;
    // Codes of what is growing are made beside the first searches.
    latencies(&reader, queries, LONG / 4)?;
    let times = latencies(&reader, queries, LONG)?;
    let segments = reader.stats()?.segments;
    let growing: u64 = segments.iter().filter(|s| s.name == "(growing)").map(|s| s.rows).sum();
    Ok((format!("of them {} segments, {growing} growing", segments.len()), times))
}

/// New points arrive.
pub(crate) fn run(bench: &Bench) -> Outcome {
    measure(bench, false)
}

/// Points are replaced by others.
pub(crate) fn replaced(bench: &Bench) -> Outcome {
    measure(bench, true)
}

fn measure(bench: &Bench, replace: bool) -> Outcome {
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
    let replaced = replace.then_some(bench.points);
    let rows = bench.points..bench.points + arriving;
    let (during, took, kept) = std::thread::scope(|scope| {
        let keeper = scope.spawn(|| keep_states(bench, &path, &done));
        let writer = scope.spawn(|| arrive(&collection, &data, rows, replaced, &done));
        let during = latencies(&collection, &queries, Duration::from_secs(bench.seconds as u64));
        done.store(true, Ordering::Relaxed);
        (during, writer.join().expect("a writer"), keeper.join().expect("a copy"))
    });
    let during = during?;
    // What has grown is left as it is for a moment, in case that more comes.
    let stopped = latencies(&collection, &queries, LULL)?;
    let segments = collection.stats()?.segments.len();
    settle(&collection)?;
    let settled = collection.stats()?.segments.len();
    let after = latencies(&collection, &queries, LONG)?;
    collection.close()?;
    line("queries, p50 / p99 (with a core), before, microseconds", p(&before), "-");
    let rate = arriving as f64 / took.as_secs_f64().max(bench.seconds as f64);
    line(
        &format!(
            "while {rate:.0} upserts/s {} ({segments} segments at the end)",
            if replace { "replace points" } else { "arrive" }
        ),
        p(&during),
        "-",
    );
    line("  its last state, when writes have just ended", p(&stopped), "-");
    let mut same = Times::default();
    for kept in kept? {
        let (what, times) = without_writes(&kept, &queries)?;
        fs::remove_dir_all(kept)?;
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
    line("p99 against that last state", against(&stopped), "-");
    line("p99 against before", against(&before), "-");
    line("p99 against after", against(&after), "-");
    bench.path("queries")?;
    Ok(())
}

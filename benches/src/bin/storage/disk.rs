//! What the disk does by itself: the same bytes a batch of upserts has, appended and synced.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::support::{BATCH, Bench, DIM, line};

/// Appends `bytes` and syncs, for this long: bytes a second, and the median time of a sync.
pub(crate) fn probe(
    bench: &Bench,
    bytes: usize,
    long: Duration,
) -> std::io::Result<(f64, Duration)> {
    let path = bench.path("probe")?;
    let mut file = File::create(&path)?;
    // Not zeros, which a disk may treat as nothing.
    let buffer: Vec<u8> =
        (0..bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < long {
        file.write_all(&buffer)?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    let rate = (times.len() * bytes) as f64 / begin.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    Ok((rate, times[times.len() / 2]))
}

pub(crate) fn run(bench: &Bench) -> Outcome {
    let (rate, sync) = probe(bench, BATCH * DIM * 4, Duration::from_secs(2))?;
    let text = format!("{:.0} MB/s, {:.2} ms", rate / 1e6, sync.as_secs_f64() * 1e3);
    line("disk: 384 KiB appended and synced; a sync", text, "-");
    let (_, sync) = probe(bench, 4_096, Duration::from_secs(1))?;
    line("disk: 4 KiB appended; a sync", format!("{:.2} ms", sync.as_secs_f64() * 1e3), "-");
    Ok(())
}

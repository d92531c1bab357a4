//! Recall and disk after deletes and after generations of replaced points, against a fresh
//! collection of the same points.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nearfield::{Collection, Effort, Ids, Progress};
use nearfield_bench::{Data, K, recall};

use crate::Outcome;
use crate::support::{BATCH, Bench, bytes_on_disk, config, given_data, line, settle};

/// The effort at which recall is compared.
const EFFORT: Effort = Effort::Ef(64);
const GENERATIONS: usize = 5;

/// A collection of these points under these ids, in one segment.
fn fresh(
    path: &Path,
    data: &Data,
    points: &[(u64, usize)],
) -> Result<Collection, Box<dyn std::error::Error>> {
    let collection = Collection::create(path, config())?;
    let ids = Ids::U64(points.iter().map(|(id, _)| *id).collect());
    let rows: Vec<usize> = points.iter().map(|(_, row)| *row).collect();
    let picked = data.pick(&rows);
    collection.upsert(&ids, &picked.vectors()?, None, &Progress::new())?;
    collection.optimize(&Progress::new())?;
    Ok(collection)
}

fn deletes(bench: &Bench, data: &Data, queries: &Data, share: usize) -> Outcome {
    let points = data.rows();
    let all: Vec<(u64, usize)> = (0..points).map(|row| (row as u64, row)).collect();
    let collection = fresh(&bench.path("churn")?, data, &all)?;
    let gone = |id: u64| (id.wrapping_mul(2_654_435_761) >> 8) % 100 < share as u64;
    let ids: Vec<u64> = (0..points as u64).filter(|id| gone(*id)).collect();
    let left: Vec<(u64, usize)> = all.iter().copied().filter(|(id, _)| !gone(*id)).collect();
    // In one call, so that nothing is merged before it was measured.
    collection.delete(&Ids::U64(ids))?;
    let queries = queries.vectors()?;
    let before = recall(&collection, &queries, K, EFFORT)?;
    let begin = Instant::now();
    collection.optimize(&Progress::new())?;
    let compacted = begin.elapsed().as_secs_f64();
    let after = recall(&collection, &queries, K, EFFORT)?;
    collection.close()?;
    let begin = Instant::now();
    let other = fresh(&bench.path("fresh")?, data, &left)?;
    let built = begin.elapsed().as_secs_f64();
    let same = recall(&other, &queries, K, EFFORT)?;
    let text = format!("{:+.4}, {:+.4}", before - same, after - same);
    let what = format!("recall@10 after {share} % deletes, and compaction; fresh {same:.4}");
    line(&what, text, ">= -0.01");
    line(
        "the compaction; upsert and build of the same points",
        format!("{compacted:.1} s; {built:.1} s"),
        "-",
    );
    Ok(())
}

/// Replaces a fifth of the points, five times, while the bytes on disk are watched.
fn generations(bench: &Bench, data: &Data, queries: &Data) -> Outcome {
    let points = data.rows() / 2;
    let mut row_of: Vec<usize> = (0..points).collect();
    let first: Vec<(u64, usize)> = row_of.iter().map(|row| (*row as u64, *row)).collect();
    let path = bench.path("churn")?;
    let collection = fresh(&path, data, &first)?;
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(bytes_on_disk(&path), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let churned =
            replace_all(&collection, data, &mut row_of).and_then(|()| settle(&collection));
        done.store(true, Ordering::Relaxed);
        churned
    })?;
    let steady = bytes_on_disk(&path);
    let queries = queries.vectors()?;
    let before = recall(&collection, &queries, K, EFFORT)?;
    let segments = collection.stats()?.segments.len();
    let begin = Instant::now();
    collection.optimize(&Progress::new())?;
    let compacted = begin.elapsed().as_secs_f64();
    let after = recall(&collection, &queries, K, EFFORT)?;
    collection.close()?;
    let last: Vec<(u64, usize)> =
        row_of.iter().enumerate().map(|(id, row)| (id as u64, *row)).collect();
    let path = bench.path("fresh")?;
    let other = fresh(&path, data, &last)?;
    let same = recall(&other, &queries, K, EFFORT)?;
    other.close()?;
    let size = bytes_on_disk(&path) as f64;
    let text = format!("{:+.4}, {:+.4}", before - same, after - same);
    let what = format!("recall@10 after 5 x 20 % replaced, and compaction; fresh {same:.4}");
    line(&what, text, ">= -0.01");
    line(&format!("its compaction from {segments} segments"), format!("{compacted:.1} s"), "-");
    line("disk after it, against fresh", format!("{:.2} x", steady as f64 / size), "<= 2.2 x");
    let most = most.into_inner() as f64 / size;
    line("disk at most meanwhile", format!("{most:.2} x"), "<= 3.2 x");
    Ok(())
}

/// Row `points + n` and so on replace ids in an order that looks random.
fn replace_all(collection: &Collection, data: &Data, row_of: &mut [usize]) -> Outcome {
    let points = row_of.len();
    let mut row = points;
    for generation in 0..GENERATIONS {
        let ids: Vec<usize> = (0..points)
            .filter(|id| (id.wrapping_mul(2_654_435_761) >> 7) % 5 == generation)
            .collect();
        for ids in ids.chunks(BATCH) {
            let rows = row..row + ids.len();
            let picked = data.range(rows.clone());
            let given = Ids::U64(ids.iter().map(|id| *id as u64).collect());
            collection.upsert(&given, &picked.vectors()?, None, &Progress::new())?;
            for (id, row) in ids.iter().zip(rows) {
                row_of[*id] = row;
            }
            row += ids.len();
        }
    }
    Ok(())
}

pub(crate) fn run(bench: &Bench) -> Outcome {
    let (data, queries) = given_data(bench, bench.points, 1_000)?;
    deletes(bench, &data, &queries, 30)?;
    deletes(bench, &data, &queries, 50)?;
    generations(bench, &data, &queries)?;
    bench.path("churn")?;
    bench.path("fresh")?;
    Ok(())
}

//! `nearfield calibrate`: what effort a recall takes, learned from queries.

use std::path::PathBuf;
use std::time::Instant;

use nearfield::{Collection, Mode, OpenOptions};
use serde_json::{Value, json};

use super::{Result, search};
use crate::output::{Layout, Output};
use crate::{progress, vectors};

const EXAMPLE: &str = "\
Example:
  nearfield calibrate posts.nf queries.npy
  nearfield calibrate posts.nf queries.fbin --json

Takes queries of the kind that will be searched with: at least 10, better a few hundred. --recall of
later searches goes by them, until the segments are rebuilt. The queries may be in any format that
load reads.";

/// Recalls and sizes of result that are shown.
const RECALLS: [f32; 3] = [0.9, 0.95, 0.99];
const SIZES: [usize; 2] = [10, 100];

/// Learn from queries what effort a recall takes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// A file of queries (.npy, .fvecs, .fbin, .parquet, ...)
    queries: PathBuf,
}

/// What is shown of one recall and size: efforts, where there is an index.
struct Row {
    k: usize,
    recall: f32,
    before: Option<usize>,
    after: Option<usize>,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
    let collection = Collection::open(&args.path, options)?;
    let queries = vectors::of_file(&args.queries, None)?;
    let before = efforts(&collection)?;
    let start = Instant::now();
    progress::watch("calibrating", |progress| collection.calibrate(&queries, progress))?;
    let elapsed = start.elapsed();
    let after = efforts(&collection)?;
    collection.close()?;
    let efforts = places().zip(before.into_iter().zip(after));
    let rows: Vec<Row> =
        efforts.map(|((k, recall), (before, after))| Row { k, recall, before, after }).collect();
    if out.is_json() {
        return Ok(out.json(&json!({
            "queries": queries.rows(),
            "seconds": elapsed.as_secs_f64(),
            "efforts": rows.iter().map(to_json).collect::<Vec<_>>(),
        }))?);
    }
    if rows.iter().all(|row| row.after.is_none()) {
        out.line("no segment has an index: every search is exact, there is nothing to learn")?;
        return Ok(());
    }
    write_table(&rows, out)?;
    let (rows, time) = (queries.rows(), search::duration(elapsed));
    Ok(out.line(&format!("\nlearned from {rows} queries in {time}"))?)
}

fn places() -> impl Iterator<Item = (usize, f32)> {
    SIZES.into_iter().flat_map(|k| RECALLS.map(|recall| (k, recall)))
}

fn efforts(collection: &Collection) -> Result<Vec<Option<usize>>> {
    places().map(|(k, recall)| Ok(collection.effort(k, recall)?)).collect()
}

fn to_json(row: &Row) -> Value {
    let Row { k, recall, before, after } = row;
    // As it is written: 0.9, not the nearest 32-bit float in 17 digits.
    let recall = recall.to_string().parse::<f64>().unwrap_or_default();
    json!({ "k": k, "recall": recall, "before": before, "after": after })
}

fn write_table(rows: &[Row], out: &Output) -> Result<()> {
    let columns = [
        ("k", Layout::Right),
        ("recall", Layout::Right),
        ("ef before", Layout::Right),
        ("ef after", Layout::Right),
    ];
    let number = |effort: Option<usize>| effort.map_or_else(String::new, |ef| ef.to_string());
    let rows = rows.iter().map(|row| {
        let Row { k, recall, before, after } = row;
        vec![k.to_string(), recall.to_string(), number(*before), number(*after)]
    });
    Ok(out.table(&columns, rows.collect())?)
}

//! The constrained search in one run: time and recall against selectivity, for filters that go
//! with the query, against it, or neither; exclusions; caps; decay; interests; batches. See [`ROWS`].
//!
//! ```text
//! retrieval DIRECTORY [--base X.npy --queries Y.npy --attributes Z.parquet]
//!           [--rounds N] [--shares 0.5,0.1] [--only anti] [ROW ...]
//! ```
//!
//! The collection is made below DIRECTORY the first time and kept. `Z.parquet` has the columns
//! `subreddit`, `domain`, `score` and `created_utc`, row for row with the vectors. Without files the data are
//! generated. One thread; a figure counts on a quiet machine.

mod constraints;
mod data;
mod filters;
mod measure;

use std::error::Error;
use std::path::PathBuf;

use data::Data;
use measure::Bench;

type Outcome = Result<(), Box<dyn Error>>;

type Measure = fn(&Bench) -> Outcome;

/// Names of the rows, and what measures each.
const ROWS: [(&str, Measure); 6] = [
    ("filters", filters::run),
    ("others", filters::others),
    ("exclusions", constraints::exclusions),
    ("caps", constraints::caps),
    ("interests", constraints::interests),
    ("batches", constraints::batches),
];

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let usage = "retrieval DIRECTORY [--base X.npy --queries Y.npy --attributes Z.parquet] \
                 [--rounds N] [--shares LIST] [--only TEXT] [ROW ...]";
    let directory = PathBuf::from(args.next().ok_or(usage)?);
    let mut files = data::Files::default();
    let (mut wanted, mut rounds, mut shares) = (Vec::new(), None, None);
    let mut only = None;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => only = args.next(),
            "--rounds" => rounds = Some(args.next().ok_or(usage)?.parse()?),
            "--shares" => {
                let list = args.next().ok_or(usage)?;
                shares = Some(list.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?);
            }
            "--base" => files.base = Some(args.next().ok_or(usage)?.into()),
            "--queries" => files.queries = Some(args.next().ok_or(usage)?.into()),
            "--attributes" => files.attributes = Some(args.next().ok_or(usage)?.into()),
            name if ROWS.iter().any(|(row, _)| *row == name) => wanted.push(arg),
            _ => return Err(usage.into()),
        }
    }
    let mut bench = Bench::new(Data::read(&files)?, &directory)?;
    bench.rounds = rounds.unwrap_or(bench.rounds);
    bench.shares = shares.unwrap_or(bench.shares);
    bench.only = only.unwrap_or_default();
    for (name, run) in ROWS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            run(&bench)?;
        }
    }
    Ok(())
}

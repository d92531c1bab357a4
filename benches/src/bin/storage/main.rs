//! Every figure of storage in one run, with the disk's own beside it: see [`ROWS`] for what is
//! measured, and `benches/LOG.md` for what was seen.
//!
//! ```text
//! storage DIRECTORY [--points N] [--million N] [--seconds N] [--data FILE] [ROW ...]
//! ```
//!
//! Collections are made below DIRECTORY, on the disk to be measured, and removed. Without names
//! all rows are measured. A failure ends the program.

mod attributes;
mod churn;
mod crash;
mod disk;
mod load;
mod memory;
mod queries;
mod support;
mod upserts;

use std::error::Error;
use std::path::PathBuf;

use support::Bench;

type Outcome = Result<(), Box<dyn Error>>;

type Measure = fn(&Bench) -> Outcome;

/// Names of the rows, and what measures each.
const ROWS: [(&str, Measure); 10] = [
    ("disk", disk::run),
    ("upserts", upserts::batches),
    ("singles", upserts::singles),
    ("queries", queries::run),
    ("replaced", queries::replaced),
    ("churn", churn::run),
    ("attributes", attributes::run),
    ("crash", crash::run),
    ("load", load::run),
    ("memory", memory::run),
];

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let first = args.next().ok_or(
        "storage DIRECTORY [--points N] [--million N] [--seconds N] [--data FILE] [ROW ...]",
    )?;
    // A process of its own, for what needs one.
    if let Some(child) = first.strip_prefix("child-") {
        let args: Vec<String> = args.collect();
        return match child {
            "crash" => crash::child(&args),
            "changes" => crash::child_changes(&args),
            "memory" => memory::child(&args),
            _ => Err(format!("no child {child}").into()),
        };
    }
    let mut bench = Bench::new(PathBuf::from(first))?;
    let mut wanted = Vec::new();
    while let Some(arg) = args.next() {
        let number = |text: Option<String>| text.ok_or("a number")?.parse().map_err(|_| "a number");
        match arg.as_str() {
            "--points" => bench.points = number(args.next())?,
            "--seconds" => bench.seconds = number(args.next())?,
            "--million" => bench.million = number(args.next())?,
            "--data" => bench.data = Some(args.next().ok_or("a file of vectors")?.into()),
            name if ROWS.iter().any(|(row, _)| *row == name) => wanted.push(arg),
            name => return Err(format!("no row {name}").into()),
        }
    }
    support::line("what", "measured", "to reach");
    for (name, run) in ROWS {
        if wanted.is_empty() || wanted.iter().any(|row| row == name) {
            run(&bench)?;
        }
    }
    Ok(())
}

//! `nearfield optimize`: one indexed segment.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::{Result, open_to_write, search};
use crate::output::Output;
use crate::progress;

const EXAMPLE: &str = "\
Example:
  nearfield optimize posts.nf

Searches of one segment are the fastest. Writers seal and merge by themselves; this does all of it at
once, and drops what is deleted.";

/// Seal what is growing and merge the segments into one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open_to_write(&args.path)?;
    let before = collection.stats()?;
    let start = Instant::now();
    progress::watch("optimizing", |progress| collection.optimize(progress))?;
    let elapsed = start.elapsed();
    let after = collection.stats()?;
    collection.close()?;
    if out.is_json() {
        return Ok(out.json(&json!({
            "points": after.points,
            "segments_before": before.segments.len(),
            "segments": after.segments.len(),
            "bytes_before": before.bytes_disk,
            "bytes": after.bytes_disk,
            "seconds": elapsed.as_secs_f64(),
        }))?);
    }
    let (from, to) = (before.segments.len(), after.segments.len());
    let time = search::duration(elapsed);
    Ok(out.line(&format!("{from} segments became {to} in {time}"))?)
}

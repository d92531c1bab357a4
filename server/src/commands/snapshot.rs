//! `nearfield snapshot` and `nearfield restore`: copies of a collection.

use std::path::{Path, PathBuf};

use nearfield::Collection;
use serde_json::json;

use super::{Result, open};
use crate::output::Output;

const SNAPSHOT: &str = "\
Example:
  nearfield snapshot posts.nf backups/monday.nf

Works beside a writer, and takes what was acknowledged. A snapshot is a collection that can be
opened; its files are shared with the original where the file system has hard links.";

const RESTORE: &str = "\
Example:
  nearfield restore backups/monday.nf posts.nf

The snapshot stays as it is; files are shared where the file system has hard links.";

/// Copy a collection as it is now
#[derive(Debug, clap::Args)]
#[command(after_help = SNAPSHOT)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// Where to write the snapshot; must not exist
    target: PathBuf,
}

/// Make a collection of a snapshot
#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE)]
pub struct RestoreArgs {
    /// Directory of the snapshot
    snapshot: PathBuf,
    /// Where to write the collection; must not exist
    path: PathBuf,
}

/// Runs `snapshot`.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    open(&args.path)?.snapshot(&args.target)?;
    report(&args.target, out)
}

/// Runs `restore`.
pub fn restore(args: &RestoreArgs, out: &Output) -> Result<()> {
    Collection::restore(&args.snapshot, &args.path)?;
    report(&args.path, out)
}

fn report(path: &Path, out: &Output) -> Result<()> {
    let points = open(path)?.len();
    if out.is_json() {
        return Ok(out.json(&json!({ "path": path.to_string_lossy(), "points": points }))?);
    }
    Ok(out.line(&format!("{}: {points} points", path.display()))?)
}

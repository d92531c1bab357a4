//! `nearfield verify`: every byte against its checksum.

use std::path::PathBuf;

use indicatif::HumanCount;
use serde_json::json;

use super::{Result, open};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield verify posts.nf && echo sound

Exit status 1 if a byte is wrong; the error names the file, the place and what to do.";

/// Read every byte of a collection against its checksum
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let report = open(&args.path)?.verify()?;
    if out.is_json() {
        return Ok(out.json(&json!({
            "ok": true,
            "files": report.files,
            "bytes": report.bytes,
            "blocks": report.blocks,
            "points": report.points,
        }))?);
    }
    out.line(&format!(
        "{}: sound; read {} bytes of {} files, {} blocks, {} points",
        args.path.display(),
        HumanCount(report.bytes),
        report.files,
        HumanCount(report.blocks),
        HumanCount(report.points)
    ))?;
    Ok(())
}

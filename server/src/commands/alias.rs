//! `nearfield alias`: a name that is moved from one collection to another in one step.

use std::path::PathBuf;

use nearfield::Collection;
use serde_json::json;

use super::Result;
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield alias live.nf posts-v7.nf
  nearfield search live.nf --like t3_v7w6z
  nearfield alias live.nf posts-v8.nf

Who has the collection open that the alias led to keeps it.";

/// Make a path an alias of a collection, or move it to another
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// The alias: a path that is free, or an alias already
    alias: PathBuf,
    /// Directory of the collection
    path: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    Collection::set_alias(&args.alias, &args.path)?;
    let (alias, path) = (args.alias.display(), args.path.display());
    if out.is_json() {
        let (alias, path) = (alias.to_string(), path.to_string());
        return Ok(out.json(&json!({ "alias": alias, "collection": path }))?);
    }
    Ok(out.line(&format!("{alias} is {path}"))?)
}

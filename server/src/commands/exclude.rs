//! `nearfield exclude`: named sets of ids that searches leave out.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::HumanCount;
use serde_json::json;

use super::{Result, args, open_to_write};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield exclude posts.nf user:42:seen t3_v7w6z t3_1b9ftp --ttl 7d
  nearfield search posts.nf --like t3_v7w6z --exclude-set user:42:seen
  nearfield exclude posts.nf user:42:seen --clear

A set is there once it is named. Adding an id again extends its time.";

/// Add ids to an exclusion set, or clear it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// Name of the set
    set: String,
    /// Ids to add; there need not be such points
    #[arg(required_unless_present = "clear", conflicts_with = "clear", value_name = "ID")]
    ids: Vec<String>,
    /// How long they stay in the set; for good if not given
    #[arg(long, value_name = "TIME", value_parser = args::time)]
    ttl: Option<Duration>,
    /// Empty the set
    #[arg(long, conflicts_with = "ttl")]
    clear: bool,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open_to_write(&args.path)?;
    let ids = args::ids(&args.ids, collection.config().id_type)?;
    if args.clear {
        collection.clear_exclusions(&args.set)?;
    } else {
        collection.add_exclusions(&args.set, &ids, args.ttl)?;
    }
    collection.close()?;
    if out.is_json() {
        let cleared = args.clear;
        return Ok(out.json(&json!({ "set": args.set, "added": ids.len(), "cleared": cleared }))?);
    }
    if args.clear {
        return Ok(out.line(&format!("cleared {}", args.set))?);
    }
    Ok(out.line(&format!("added {} ids to {}", HumanCount(ids.len() as u64), args.set))?)
}

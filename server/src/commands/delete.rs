//! `nearfield delete`: points by id.

use std::path::PathBuf;

use indicatif::HumanCount;
use serde_json::json;

use super::{Result, args, open_to_write};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield delete posts.nf t3_v7w6z t3_1b9ftp
  nearfield delete posts.nf 17 --json

Ids that name no point are ignored; what is written says how many did.";

/// Delete points by id
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// Ids of the points
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open_to_write(&args.path)?;
    let ids = args::ids(&args.ids, collection.config().id_type)?;
    let deleted = collection.delete(&ids)?;
    let points = collection.len();
    collection.close()?;
    if out.is_json() {
        return Ok(out.json(&json!({ "deleted": deleted, "points": points }))?);
    }
    let (deleted, points) = (HumanCount(deleted), HumanCount(points));
    Ok(out.line(&format!("deleted {deleted} points, {points} are left"))?)
}

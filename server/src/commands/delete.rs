//! `nearfield delete`: points by id, or those that pass a filter.

use std::path::PathBuf;

use indicatif::HumanCount;
use serde_json::json;

use super::{Result, args, open_to_write};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield delete posts.nf t3_v7w6z t3_1b9ftp
  nearfield delete posts.nf 17 --json
  nearfield delete posts.nf --where \"over_18 OR created_utc < now() - INTERVAL '52 weeks'\"

Ids that name no point are ignored; what is written says how many did.";

/// Delete points, by id or by a condition
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// Ids of the points
    #[arg(required_unless_present = "filter", conflicts_with = "filter", value_name = "ID")]
    ids: Vec<String>,
    /// All points for which this SQL condition on the attributes and the id is true
    #[arg(long = "where", visible_alias = "filter", value_name = "CONDITION")]
    filter: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open_to_write(&args.path)?;
    let deleted = if let Some(filter) = &args.filter {
        collection.delete_where(filter)?
    } else {
        collection.delete(&args::ids(&args.ids, collection.config().id_type)?)?
    };
    let points = collection.len();
    collection.close()?;
    if out.is_json() {
        return Ok(out.json(&json!({ "deleted": deleted, "points": points }))?);
    }
    let (deleted, points) = (HumanCount(deleted), HumanCount(points));
    Ok(out.line(&format!("deleted {deleted} points, {points} are left"))?)
}

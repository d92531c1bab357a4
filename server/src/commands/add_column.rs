//! `nearfield add-column`: another attribute for all points.

use std::path::PathBuf;

use nearfield::AttributeType;
use serde_json::json;

use super::{Result, args, open_to_write};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield add-column posts.nf language keyword
  nearfield update posts.nf t3_v7w6z --set language=en
  nearfield search posts.nf --like t3_v7w6z --where \"language = 'en' OR language IS NULL\"

Points that are there have null in it.";

/// Add an attribute column
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// A name that the schema doesn't have
    name: String,
    /// What its values are
    #[arg(value_name = "TYPE", value_parser = args::named::<AttributeType>(args::names(AttributeType::ALL, AttributeType::name)))]
    kind: AttributeType,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open_to_write(&args.path)?;
    collection.add_column(&args.name, args.kind)?;
    let columns = collection.config().schema.columns().len();
    collection.close()?;
    let kind = args.kind.name();
    if out.is_json() {
        return Ok(out.json(&json!({ "column": args.name, "type": kind, "columns": columns }))?);
    }
    Ok(out.line(&format!("added {} {kind}: {columns} columns", args.name))?)
}

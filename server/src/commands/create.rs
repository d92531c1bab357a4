//! `nearfield create`: an empty collection.

use std::path::PathBuf;

use nearfield::{Collection, CollectionConfig, DIM_MAX, IdType, Metric, Schema};
use serde_json::json;

use super::{Result, Storage, args};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield create posts.nf --dim 384 --metric cosine --id-type str \\
      --schema title:text,subreddit:keyword,score:i64,created_utc:timestamp";

/// Create an empty collection
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection; must not exist yet
    path: PathBuf,
    /// Components of a vector
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=DIM_MAX as i64))]
    dim: u32,
    /// What "near" means
    #[arg(long, value_parser = args::named::<Metric>(Metric::ALL.map(Metric::name)))]
    metric: Metric,
    /// What identifies a point
    #[arg(long, default_value = "u64", value_parser = args::named::<IdType>(args::names(IdType::ALL, IdType::name)))]
    id_type: IdType,
    /// Attribute columns; types: keyword, keyword[], i64, f64, bool, timestamp, text
    #[arg(long, value_name = "NAME:TYPE,...", value_parser = args::schema)]
    schema: Option<Schema>,
    #[command(flatten)]
    storage: Storage,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let mut config = CollectionConfig::new(args.dim as usize, args.metric);
    config.id_type = args.id_type;
    config.schema = args.schema.clone().unwrap_or_default();
    args.storage.apply(&mut config);
    let collection = Collection::create(&args.path, config)?;
    collection.close()?;
    let path = args.path.display();
    if out.is_json() {
        return Ok(out.json(&json!({ "path": path.to_string() }))?);
    }
    out.line(&format!(
        "created {path}: {} dimensions, {}, {} ids, {} columns",
        args.dim,
        args.metric,
        args.id_type,
        args.schema.as_ref().map_or(0, Schema::len)
    ))?;
    Ok(())
}

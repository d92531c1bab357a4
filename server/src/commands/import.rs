//! `nearfield import`: an index of another program becomes a collection.

use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::HumanCount;
use nearfield::{
    Collection, Durability, ImportOptions, MemoryMode, Metric, Profile, Schema, Space,
};
use serde_json::json;

use super::{Result, args};
use crate::output::Output;
use crate::progress;

const EXAMPLE: &str = "\
Example:
  nearfield import hnsw_rs dumps/posts posts.nf
  nearfield import hnsw_rs dumps/posts.hnsw.graph posts.nf --metric cosine --json

Takes over ids, vectors and the graph, which is not built again.";

const HNSW_RS_EXAMPLE: &str = "\
Example:
  nearfield import hnsw_rs dumps/posts posts.nf

DUMP is the name given to Hnsw::file_dump: dumps/posts stands for dumps/posts.hnsw.graph and
dumps/posts.hnsw.data. The ids are the DataIds of the dump. DistCosine becomes cosine, DistDot ip
and DistL2 l2; for a distance of your own say with --metric what it computes. Components are f32,
u8 or i8.";

/// Turn an index of another program into a collection
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Import a dump of the Rust crate `hnsw_rs`
    #[command(name = "hnsw_rs")]
    HnswRs(HnswRs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = HNSW_RS_EXAMPLE)]
struct HnswRs {
    /// The dump: its name, or one of its two files
    dump: PathBuf,
    /// Directory of the collection; must not exist yet
    path: PathBuf,
    /// What "near" means [default: the distance of the dump]
    #[arg(long, value_parser = args::named::<Metric>(Metric::ALL.map(Metric::name)))]
    metric: Option<Metric>,
    /// Attribute columns, null at first; types: keyword, keyword[], i64, f64, bool, timestamp, text
    #[arg(long, value_name = "NAME:TYPE,...", value_parser = args::schema)]
    schema: Option<Schema>,
    /// The embedding space; a query that states another is refused
    #[arg(long, value_name = "NAME@VERSION")]
    space: Option<Space>,
    /// Memory against speed
    #[arg(long, default_value = "balanced", value_parser = args::named::<Profile>(args::names(Profile::ALL, Profile::name)))]
    profile: Profile,
    /// When a write is acknowledged
    #[arg(long, default_value = "sync", value_parser = args::named::<Durability>(args::names(Durability::ALL, Durability::name)))]
    durability: Durability,
    /// Where segments live while open
    #[arg(long, default_value = "mapped", value_parser = args::named::<MemoryMode>(args::names(MemoryMode::ALL, MemoryMode::name)))]
    memory: MemoryMode,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let From::HnswRs(args) = &args.from;
    let options = ImportOptions {
        metric: args.metric,
        schema: args.schema.clone().unwrap_or_default(),
        space: args.space.clone(),
        profile: args.profile,
        durability: args.durability,
        memory: args.memory,
        seed: args.seed,
    };
    let start = Instant::now();
    let collection = progress::watch("importing", |progress| {
        Collection::import_hnsw_rs(&args.dump, Some(&args.path), &options, progress)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let points = collection.len();
    let config = collection.config().clone();
    let indexed = collection.stats()?.segments.iter().any(|segment| segment.indexed);
    collection.close()?;
    if out.is_json() {
        return Ok(out.json(&json!({
            "path": args.path.display().to_string(),
            "points": points,
            "dim": config.dim,
            "dtype": config.dtype.name(),
            "metric": config.metric.name(),
            "indexed": indexed,
            "seconds": seconds,
        }))?);
    }
    let summary = format!("{} dimensions of {}, {}", config.dim, config.dtype, config.metric);
    out.line(&format!("imported {} points in {seconds:.2} s: {summary}", HumanCount(points)))?;
    if !indexed {
        out.line("so few points are scanned: the graph was left out")?;
    }
    Ok(out.line(&next(&args.path))?)
}

fn next(path: &Path) -> String {
    format!("try: nearfield stats {}", path.display())
}

//! `nearfield join`: every query of a file, answered into another.

use std::path::PathBuf;
use std::time::Instant;

use indicatif::HumanCount;
use nearfield::{
    Boost, Cap, Collection, Decay, JoinOptions, JoinReport, JoinSource, K_MAX, Progress,
    SearchRequest, Space,
};
use nearfield_datasets::{Parts, ReadError, ReadOptions, describe, open_all};
use serde_json::json;

use super::search::EffortArgs;
use super::{Result, args, open};
use crate::output::Output;
use crate::progress;

const EXAMPLE: &str = "\
Example:
  nearfield join posts.nf users.parquet candidates.parquet -k 100
  nearfield join posts.nf users.parquet candidates.parquet --where \"NOT over_18\" \\
      --exclude-column seen --exclude-set 'user:{id}:seen'
  nearfield join posts.nf interests.parquet candidates.parquet --group user --weight weight

Writes a row a hit: query_id, rank (from 0), id, score. What was interrupted or killed goes on where it
stopped when the same command is given again; what is done is kept in OUT.parts meanwhile.";

/// Rows of queries that are read together: few, so that they stay in the caches until they are taken.
const BATCH_ROWS: usize = 512;

/// Search for every query of a file
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// The queries: .parquet or .arrow files, or a pattern of such in quotes
    queries: String,
    /// The results, a .parquet file; one that is there is replaced when all is done
    out: PathBuf,
    /// Number of hits a query
    #[arg(short, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=K_MAX as i64))]
    k: u32,
    /// Column of the ids of the queries
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    id: String,
    /// Column of their vectors
    #[arg(long, value_name = "COLUMN", default_value = "embedding")]
    vector: String,
    /// Column of users: the rows of one are their interests, and have one list together
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Column of the weights of interests, above 0
    #[arg(long, value_name = "COLUMN", requires = "group")]
    weight: Option<String>,
    /// Column of lists of ids: what each query leaves out
    #[arg(long, value_name = "COLUMN")]
    exclude_column: Option<String>,
    /// Exclusion set to leave out; {id} stands for the id of the query or the user
    #[arg(long, value_name = "NAME")]
    exclude_set: Option<String>,
    #[command(flatten)]
    effort: EffortArgs,
    /// Only points for which this SQL condition on the attributes and the id is true
    #[arg(long = "where", visible_alias = "filter", value_name = "CONDITION")]
    filter: Option<String>,
    /// Cap the hits of a query with one value of this column
    #[arg(long, value_name = "COLUMN", requires = "max_per_group")]
    group_by: Option<String>,
    /// The cap, at least 1
    #[arg(long, value_name = "N", requires = "group_by", value_parser = clap::value_parser!(u32).range(1..))]
    max_per_group: Option<u32>,
    /// Prefer what is fresh; WEIGHT is 1 and ORIGIN the time of the request if not given
    #[arg(long, value_name = "COLUMN:HALF_LIFE[:WEIGHT[:ORIGIN]]", value_parser = args::decay)]
    decay: Option<Decay>,
    /// Prefer large values of this column; SCALE is linear or log1p
    #[arg(long = "boost", value_name = "COLUMN:WEIGHT[:SCALE]", value_parser = args::boost)]
    boosts: Vec<Boost>,
    /// Drop hits that are less similar than this
    #[arg(long, value_name = "SIMILARITY", allow_hyphen_values = true)]
    min_score: Option<f64>,
    /// The embedding space of the queries; refused if the collection has another
    #[arg(long, value_name = "NAME@VERSION")]
    space: Option<Space>,
    /// Threads that search [default: one a core]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open(&args.path)?;
    let start = Instant::now();
    let report = progress::watch("joining", |progress| join(args, &collection, progress))?;
    let seconds = start.elapsed().as_secs_f64();
    let JoinReport { lists, hits, resumed } = report;
    let rate = lists as f64 / seconds.max(1e-9);
    if out.is_json() {
        return Ok(out.json(&json!({
            "lists": lists,
            "hits": hits,
            "resumed": resumed,
            "seconds": seconds,
            "lists_per_second": rate,
        }))?);
    }
    if resumed > 0 {
        out.line(&format!("{} lists were there", HumanCount(resumed)))?;
    }
    Ok(out.line(&format!(
        "{} lists of {} hits in {seconds:.2} s, {} lists/s",
        HumanCount(lists),
        HumanCount(hits),
        HumanCount(rate as u64)
    ))?)
}

fn join(
    args: &Args,
    collection: &Collection,
    progress: &Progress,
) -> nearfield::Result<JoinReport> {
    let mut options = options(args);
    let place = args.path.canonicalize().unwrap_or_else(|_| args.path.clone());
    let files = describe([args.queries.as_str()]);
    let job = format!("{}\n{options:?}\n{files}", place.display());
    let mut parts = Parts::open(&args.out, &job).map_err(source_error)?;
    options.skip = parts.steps();
    let open = |columns: &[String]| {
        let read = ReadOptions { columns: Some(columns.to_vec()), batch_rows: BATCH_ROWS };
        let source = open_all(&args.queries, &read).map_err(source_error)?;
        Ok(JoinSource {
            schema: source.schema(),
            rows: source.rows(),
            batches: Box::new(source.map(|batch| batch.map_err(source_error))),
        })
    };
    let write = |batch: &_, lists| parts.write(batch, lists).map_err(source_error);
    let report = collection.knn_join(open, &options, write, progress)?;
    parts.finish().map_err(source_error)?;
    Ok(report)
}

fn options(args: &Args) -> JoinOptions {
    let cap = args.group_by.as_ref().zip(args.max_per_group);
    let request = SearchRequest {
        effort: args.effort.effort(),
        space: args.space.clone(),
        filter: args.filter.clone(),
        cap: cap.map(|(column, max)| Cap { group_by: column.clone(), max_per_group: max as usize }),
        decay: args.decay.clone(),
        boosts: args.boosts.clone(),
        min_score: args.min_score,
        threads: args.threads.map(|threads| threads as usize),
        ..SearchRequest::new(args.k as usize)
    };
    JoinOptions {
        request,
        id: args.id.clone(),
        vector: args.vector.clone(),
        exclude_column: args.exclude_column.clone(),
        exclude_set: args.exclude_set.clone(),
        group: args.group.clone(),
        weight: args.weight.clone(),
        ..JoinOptions::new(1)
    }
}

fn source_error(error: ReadError) -> nearfield::Error {
    nearfield::Error::Source(Box::new(error))
}

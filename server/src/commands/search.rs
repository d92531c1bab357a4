//! `nearfield search`: the nearest points to a vector, to the rows of a file, to a point, or to the
//! interests of a user.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nearfield::{
    Boost, Cap, Collection, Decay, EFFORT_MAX, Effort, Examples, Ids, Interests, K_MAX,
    SearchRequest, SearchResults, Space, Vectors,
};

use super::{Result, args, conditions, explain, hits, open};
use crate::output::Output;
use crate::vectors;

const EXAMPLE: &str = "\
Example:
  nearfield search posts.nf --like t3_v7w6z --with title,subreddit
  nearfield search posts.nf --vector-file queries.npy --row 7 -k 20 --recall 0.99
  nearfield search posts.nf --like t3_v7w6z \\
      --where \"subreddit IN ('aww', 'cats') AND NOT over_18 AND score > 100\"
  nearfield search posts.nf --like t3_v7w6z --group-by subreddit --max-per-group 2 \\
      --decay created_utc:6h:0.3 --boost score:0.1:log1p --json
  nearfield search posts.nf --vector-file interests.npy --interests --weights 2,1 -k 100
  nearfield search posts.nf --like t3_v7w6z --where \"score > 100\" --explain
  nearfield search posts.nf --vector-file queries.npy --conditions each.jsonl

A line of --conditions has any of three parts:
  {\"where\": \"score > 5\", \"exclude\": [\"t3_v7w6z\"], \"exclude_sets\": [\"user:42:seen\"]}";

/// Find the points nearest to a vector
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    #[command(flatten)]
    query: Query,
    /// Which row of --vector-file, from 0; without it every row is a query
    #[arg(long, requires = "vector_file")]
    row: Option<usize>,
    /// Number of hits [default: 10, with --min-score all that are similar enough, 10000 at most]
    #[arg(short, value_parser = clap::value_parser!(u32).range(1..=K_MAX as i64))]
    k: Option<u32>,
    #[command(flatten)]
    effort: EffortArgs,
    /// Attribute columns to show
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    with: Vec<String>,
    /// Write the vectors of the hits too; with --json only
    #[arg(long, requires = "json")]
    with_vectors: bool,
    /// Only points for which this SQL condition on the attributes and the id is true
    #[arg(long = "where", visible_alias = "filter", value_name = "CONDITION")]
    filter: Option<String>,
    /// Ids to leave out; unknown ones are ignored
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Exclusion sets whose ids to leave out
    #[arg(long = "exclude-set", value_name = "NAME")]
    exclude_sets: Vec<String>,
    /// Cap the hits with one value of this column
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
    /// A condition and exclusions for each row of --vector-file: a line of JSON each, see the examples
    #[arg(long, value_name = "FILE", requires = "vector_file", conflicts_with_all = ["row", "interests"])]
    conditions: Option<PathBuf>,
    /// The rows of --vector-file, or the points of --like, are the interests of one user: one list
    #[arg(long, conflicts_with_all = ["vector", "unlike", "row"])]
    interests: bool,
    /// A weight above 0 for each interest [default: equal]
    #[arg(
        long,
        value_name = "X,...",
        value_delimiter = ',',
        requires = "interests",
        conflicts_with_all = ["vector", "unlike", "row"],
        allow_hyphen_values = true
    )]
    weights: Vec<f64>,
    /// A least number of hits for each interest, of at most k together
    #[arg(long, value_name = "N,...", value_delimiter = ',', requires = "interests", conflicts_with_all = ["vector", "unlike", "row"])]
    quotas: Vec<usize>,
    /// Say how each query was answered, and what that took
    #[arg(long)]
    explain: bool,
    /// Less like this point, which is left out
    #[arg(long, value_name = "ID", requires = "like")]
    unlike: Vec<String>,
    /// Drop hits that are less similar than this
    #[arg(long, value_name = "SIMILARITY", allow_hyphen_values = true)]
    min_score: Option<f64>,
    /// Give up after this time
    #[arg(long, value_name = "TIME", value_parser = args::time)]
    timeout: Option<Duration>,
    /// The embedding space of the query; refused if the collection has another
    #[arg(long, value_name = "NAME@VERSION")]
    space: Option<Space>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Query {
    /// The query itself
    #[arg(long, value_name = "X,X,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = args::component)]
    vector: Option<Vec<f32>>,
    /// A file of queries (.npy, .fvecs, .fbin, ...)
    #[arg(long, value_name = "FILE")]
    vector_file: Option<PathBuf>,
    /// More like this point, which is left out; several: like their mean
    #[arg(long, value_name = "ID")]
    like: Vec<String>,
}

/// The dial.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct EffortArgs {
    /// The recall expected, above 0 and below 1 [default: 0.95]
    #[arg(long, value_parser = recall)]
    recall: Option<f32>,
    /// Size of the search beam; less than k means k
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=EFFORT_MAX as i64))]
    ef: Option<u32>,
    /// Compare every point
    #[arg(long)]
    exact: bool,
}

impl EffortArgs {
    /// As core takes it.
    pub fn effort(&self) -> Effort {
        match (self.recall, self.ef) {
            _ if self.exact => Effort::Exact,
            (Some(recall), _) => Effort::Recall(recall),
            (None, Some(ef)) => Effort::Ef(ef as usize),
            (None, None) => Effort::default(),
        }
    }
}

/// Reads a recall to ask for.
pub fn recall(text: &str) -> std::result::Result<f32, &'static str> {
    match text.parse() {
        Ok(recall) if recall > 0.0 && recall < 1.0 => Ok(recall),
        _ => Err("expected a number above 0 and below 1; for perfect recall use --exact"),
    }
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open(&args.path)?;
    let id_type = collection.config().id_type;
    let mut request = request(args, args::ids(&args.exclude, id_type)?);
    if let Some(path) = &args.conditions {
        request.per_query = conditions::read(path, id_type)?;
    }
    let queries = queries(args)?;
    let start = Instant::now();
    let results = match &queries {
        _ if args.interests => of_interests(args, &collection, queries, request)?,
        Some(queries) => collection.search(queries, &request)?,
        None => more_like(args, &collection, &request)?,
    };
    let elapsed = start.elapsed();
    if out.is_json() {
        return Ok(out.json(&hits::to_json(&results, elapsed))?);
    }
    hits::write_table(&results, &collection.config().schema, out)?;
    let found: usize = results.counts.iter().sum();
    out.line(&format!("\n{found} hits in {}", duration(elapsed)))?;
    explain::write(&results.explain, out)
}

fn request(args: &Args, exclude: Ids) -> SearchRequest {
    let cap = args.group_by.as_ref().zip(args.max_per_group);
    let k = args.k.unwrap_or(if args.min_score.is_some() { K_MAX as u32 } else { 10 });
    SearchRequest {
        effort: args.effort.effort(),
        space: args.space.clone(),
        filter: args.filter.clone(),
        exclude: Some(exclude).filter(|ids| !ids.is_empty()),
        exclude_sets: args.exclude_sets.clone(),
        cap: cap.map(|(column, max)| Cap { group_by: column.clone(), max_per_group: max as usize }),
        decay: args.decay.clone(),
        boosts: args.boosts.clone(),
        explain: args.explain,
        min_score: args.min_score,
        timeout: args.timeout,
        with_attributes: args.with.clone(),
        with_vectors: args.with_vectors,
        ..SearchRequest::new(k as usize)
    }
}

/// The query vectors; `None` if points are the query.
fn queries(args: &Args) -> Result<Option<Vectors<'static>>> {
    if let Some(path) = &args.query.vector_file {
        return vectors::of_file(path, args.row).map(Some);
    }
    args.query.vector.clone().map(vectors::single).transpose()
}

/// Searches for all interests together; points that are interests are left out.
fn of_interests(
    args: &Args,
    collection: &Collection,
    vectors: Option<Vectors<'_>>,
    mut request: SearchRequest,
) -> Result<SearchResults> {
    let interests = Interests { weights: args.weights.clone(), quotas: args.quotas.clone() };
    if let Some(vectors) = vectors {
        return Ok(collection.search_interests(&vectors, &interests, &request)?);
    }
    let ids = args::ids(&args.query.like, collection.config().id_type)?;
    let rows = vectors::of_points(collection, &ids)?;
    request.exclude = Some(match (request.exclude.take(), ids) {
        (Some(Ids::U64(mut all)), Ids::U64(ids)) => {
            all.extend(ids);
            Ids::U64(all)
        }
        (Some(Ids::Str(mut all)), Ids::Str(ids)) => {
            all.extend(ids);
            Ids::Str(all)
        }
        (_, ids) => ids,
    });
    let data = rows.concat();
    let vectors = Vectors::from_f32(collection.config().dim, &data)?;
    Ok(collection.search_interests(&vectors, &interests, &request)?)
}

/// Searches from the points of `--like` and `--unlike`.
fn more_like(
    args: &Args,
    collection: &Collection,
    request: &SearchRequest,
) -> Result<SearchResults> {
    let kind = collection.config().id_type;
    let (like, unlike) = (args::ids(&args.query.like, kind)?, args::ids(&args.unlike, kind)?);
    if like.len() == 1 && unlike.is_empty() {
        return Ok(collection.search_ids(&like, request)?);
    }
    Ok(collection.recommend(Examples::Ids(&like), Some(Examples::Ids(&unlike)), request)?)
}

/// Three digits and a unit.
pub fn duration(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let text = |micros| duration(Duration::from_micros(micros));
        assert_eq!(text(123), "0.12 ms");
        assert_eq!(text(12_340), "12.3 ms");
        assert_eq!(text(123_400), "123 ms");
        assert_eq!(text(1_234_000), "1.23 s");
    }
}

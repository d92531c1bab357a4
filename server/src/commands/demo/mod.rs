//! `nearfield demo`: the bundled Reddit sample, three searches a person can judge, what to try
//! next. Embedded: no server, no network, nothing but the binary.

mod next;
mod searches;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use nearfield::{Collection, Metric, Mode, OpenOptions};
use nearfield_datasets::reddit_mini::{self, SPACE};
use nearfield_datasets::{InferOptions, ReadError, ReadOptions, Source, infer};
use serde_json::json;
use tempfile::TempDir;

use super::load::fill;
use super::search::duration;
use super::{Error, Result, Storage};
use crate::output::Output;
use crate::source;

const EXAMPLE: &str = "\
Example:
  nearfield demo
  nearfield demo --dir reddit

The collections stay where they were made, for you to go on with.";

/// Columns of the output where there is no terminal.
const WIDTH: u16 = 110;

/// Load real Reddit posts, search them, show what was found
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Where to make posts.nf and communities.nf [default: a fresh temporary directory]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// The sample, loaded.
struct Sample {
    dir: PathBuf,
    posts: Collection,
    communities: Collection,
}

/// Runs the command.
pub fn run(args: &Args, mut out: Output) -> Result<()> {
    out.or_width(WIDTH);
    let (dir, temporary) = directory(args)?;
    let sample = load(&dir, &out)?;
    // From here on the collections are whole: they are the user's.
    let _: Option<PathBuf> = temporary.map(TempDir::keep);
    let found = searches::run(&sample, &out)?;
    if out.is_json() {
        return Ok(out.json(&json!({ "dir": dir.to_string_lossy(), "searches": found }))?);
    }
    next::write(&sample.dir, &out)
}

fn directory(args: &Args) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(dir) = &args.dir {
        let what = format!("{}: cannot create the directory", dir.display());
        std::fs::create_dir_all(dir).map_err(Error::system(what))?;
        return Ok((dir.clone(), None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("nearfield-demo-")
        .tempdir()
        .map_err(Error::system("cannot create a temporary directory; name one with --dir"))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn load(dir: &Path, out: &Output) -> Result<Sample> {
    let all = ReadOptions::default();
    let (posts, posts_time) = load_one(&dir.join("posts.nf"), || reddit_mini::posts(&all))?;
    let (communities, communities_time) =
        load_one(&dir.join("communities.nf"), || reddit_mini::communities(&all))?;
    if !out.is_json() {
        let count = |collection: &Collection| HumanCount(collection.len()).to_string();
        out.line(&format!(
            "Loaded {} Reddit posts in {} and {} communities in {}, {} dimensions each, into {}",
            count(&posts),
            duration(posts_time),
            count(&communities),
            duration(communities_time),
            posts.config().dim,
            dir.display()
        ))?;
    }
    Ok(Sample { dir: dir.to_owned(), posts, communities })
}

/// Loads a file of the sample as `nearfield load` would, and opens what came of it for reading.
fn load_one(
    path: &Path,
    source: impl Fn() -> std::result::Result<Source, ReadError>,
) -> Result<(Collection, Duration)> {
    let start = Instant::now();
    let schema = source()?.schema();
    let first = source()?.next().transpose()?;
    let inferred = infer(&schema, first.as_ref(), &InferOptions::default())?;
    let mut config = source::config(&inferred, Metric::Cosine, &Storage::default())?;
    config.space = Some(SPACE.parse()?);
    let collection = Collection::create(path, config)?;
    let options = source::load_options(&inferred);
    fill(collection, true, source()?, &options)?;
    let elapsed = start.elapsed();
    let options = OpenOptions { mode: Mode::Read, ..OpenOptions::default() };
    Ok((Collection::open(path, options)?, elapsed))
}

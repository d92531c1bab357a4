//! `nearfield bench`: recall, speed and memory of a user's own data, on a user's own machine.
//!
//! Exact search says once what there is to find; each setting is then measured against it: single
//! queries on one thread, and all queries in one call on all threads.

mod axis;
mod machine;
mod measure;
mod plot;
mod queries;
mod report;
mod settings;
mod subject;
mod truth;

use std::fs;
use std::path::PathBuf;

use nearfield::{K_MAX, MemoryMode, SearchRequest};

use self::machine::Machine;
use self::measure::Bench;
use self::queries::Queries;
use self::report::Report;
use self::settings::SettingArgs;
use self::subject::{BuildArgs, Subject};
use self::truth::Truth;
use super::{Error, Result, args};
use crate::output::Output;
use crate::progress::Steps;

const EXAMPLE: &str = "\
Example:
  nearfield bench posts.nf queries.npy
  nearfield bench posts.nf queries.npy --ef 16,32,64,128,256 --plot curve.svg
  nearfield bench posts.parquet queries.npy --vector embedding --profile compact --json

Recall is measured against exact search: the share of the k nearest points that were found. QPS is
the median pass over all queries, with the best beside it; latencies are those of single calls on
one thread; hops, codes, refined and rescored are counts a query. Data given instead of a collection
is built into a temporary directory (TMPDIR says where) that goes away again. For figures that mean
something use queries that are not points of the collection, on a machine that does nothing else.";

/// Measure recall, speed and memory on your own queries
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection, or a file of points to build one from
    path: PathBuf,
    /// A file of queries (.npy, .fvecs, .fbin, ...)
    #[arg(value_name = "QUERIES")]
    queries_file: PathBuf,
    /// Number of hits
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=K_MAX as i64))]
    k: u32,
    #[command(flatten)]
    settings: SettingArgs,
    /// How many rows of QUERIES to ask, from the first
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    queries: u32,
    /// Threads of the batch [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Where segments live while open [default: as the collection was created]
    #[arg(long, value_parser = args::named::<MemoryMode>(args::names(MemoryMode::ALL, MemoryMode::name)))]
    memory: Option<MemoryMode>,
    /// Draw the curve of speed against recall
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    build: BuildArgs,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    args.plot.as_deref().map(plot::check).transpose()?;
    let queries = Queries::read(&args.queries_file, args.queries as usize)?;
    let subject = Subject::new(&args.path, &args.build, args.memory, &queries)?;
    let report = measure(args, &queries, &subject)?;
    report.write(out)?;
    if let Some(path) = &args.plot {
        let what = format!("{}: cannot write the plot", path.display());
        fs::write(path, plot::svg(&report)?).map_err(Error::system(what))?;
    }
    Ok(())
}

fn measure(args: &Args, queries: &Queries, subject: &Subject) -> Result<Report> {
    let (collection, k) = (&subject.collection, args.k as usize);
    let threads = args.threads.map(|threads| threads as usize);
    let request = SearchRequest { threads, ..SearchRequest::new(k) };
    let efforts = args.settings.efforts();
    let steps = Steps::new("bench", Truth::steps(queries) + efforts.len() * Bench::STEPS);
    let truth = Truth::compute(collection, queries, &request, &steps)?;
    let bench = Bench { collection, queries, truth: &truth, request };
    let measured = efforts.into_iter().map(|effort| bench.measure(effort, &steps));
    let settings = measured.collect::<Result<Vec<_>>>()?;
    Ok(Report {
        path: args.path.display().to_string(),
        stats: collection.stats()?,
        built: subject.built,
        queries: queries.len(),
        k,
        machine: Machine::new(threads),
        settings,
    })
}

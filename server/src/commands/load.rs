//! `nearfield load`: points from files into a collection, which is created if it isn't there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use indicatif::{HumanBytes, HumanCount};
use nearfield::{
    Collection, LoadOptions, LoadReport, MemoryEstimate, Metric, Mode, OpenOptions, Schema,
};
use nearfield_datasets::{InferOptions, Inferred, ReadError};
use serde_json::json;

use super::{Error, Result, Storage, args};
use crate::output::{Layout, Output};
use crate::progress;
use crate::source::{self, Files};

const EXAMPLE: &str = "\
Example:
  nearfield load posts.nf posts.parquet --vector embedding
  nearfield load posts.nf 'parts/*.parquet' --id post_id
  nearfield load vectors.nf vectors.npy --ids ids.npy --metric l2

Reads .parquet, .arrow, .npy, .fvecs, .bvecs, .fbin, .u8bin and .i8bin. A new collection takes its
schema, dimension and types from the first rows; `create` one to choose them. An id that is in the
collection is replaced. A load is applied whole or not at all; one that was interrupted or killed goes
on where it stopped when the same files are loaded again.";

/// Load points from files
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection; created if it does not exist
    path: PathBuf,
    /// Files, or patterns of files in quotes
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Column of the ids [default: id; without such a column rows are numbered]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Column of the vectors [default: the only one; of several, vector or embedding]
    #[arg(long, value_name = "COLUMN")]
    vector: Option<String>,
    /// Ids of the vectors in FILE: a .npy of u64 or i64
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    ids: Option<PathBuf>,
    /// What "near" means in a new collection [default: cosine]
    #[arg(long, value_parser = args::named::<Metric>(Metric::ALL.map(Metric::name)))]
    metric: Option<Metric>,
    #[command(flatten)]
    storage: Storage,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let files = Files::new(&args.files, args.ids.as_deref())?;
    let chosen = InferOptions { id: args.id.clone(), vector: args.vector.clone() };
    let inferred = files.infer(&chosen)?;
    let created = !args.path.exists();
    let collection = if created { create(args, &inferred)? } else { open(args)? };
    if created && !out.is_json() {
        write_schema(&collection, &inferred, out)?;
    }
    let schema = collection.config().schema.clone();
    // What can't be read is for the load to tell.
    let size = files.size(&schema).unwrap_or_default();
    let memory = size.map(|(rows, bytes)| collection.estimate_load(rows, bytes)).transpose()?;
    if let Some(memory) = memory.filter(|_| !out.is_json()) {
        out.line(&memory_line(&memory))?;
    }
    let start = Instant::now();
    let columns = source::load_options(&inferred);
    let source = format!("{:?} {:?}\n{}", columns.id, columns.vector, files.describe());
    let options = LoadOptions { source: Some(source), ..columns };
    let report = fill(collection, created, files.batches(), &options)?;
    write_report(&report, &schema, created, (start.elapsed(), memory), out)
}

/// Loads batches and closes the collection. One that was `created` for them goes away again if
/// they can't be loaded.
pub fn fill(
    collection: Collection,
    created: bool,
    batches: impl Iterator<Item = std::result::Result<RecordBatch, ReadError>>,
    options: &LoadOptions,
) -> Result<LoadReport> {
    let loaded = progress::watch("loading", |progress| {
        let report = collection.load(batches, options, progress)?;
        collection.close()?;
        Ok(report)
    });
    // What an interrupted one has read is there for the next.
    let resumable = matches!(&loaded, Err(nearfield::Error::Interrupted { .. }));
    if loaded.is_err() && created && !(resumable && options.source.is_some()) {
        let path = collection.path().map(Path::to_owned);
        // What went wrong first is what is told.
        let _ = collection.close();
        drop(collection);
        if let Some(path) = path {
            let what = format!("{}: cannot remove what was not loaded", path.display());
            fs::remove_dir_all(&path).map_err(Error::system(what))?;
        }
    }
    loaded.map_err(Error::Core)
}

fn create(args: &Args, inferred: &Inferred) -> Result<Collection> {
    let metric = args.metric.unwrap_or(Metric::Cosine);
    let config = source::config(inferred, metric, &args.storage)?;
    Ok(Collection::create(&args.path, config)?)
}

fn open(args: &Args) -> Result<Collection> {
    let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
    let collection = Collection::open(&args.path, options)?;
    let path = args.path.display();
    let metric = collection.config().metric;
    if let Some(given) = args.metric.filter(|given| *given != metric) {
        return Err(Error::Failed(format!(
            "{path}: expected metric {metric}, with which it was created, found {given}; leave \
             --metric out, or load into a new path"
        )));
    }
    if let Some(flag) = args.storage.given() {
        return Err(Error::Failed(format!(
            "{path}: {flag} is chosen when a collection is created, and this one exists; leave it \
             out, or load into a new path"
        )));
    }
    Ok(collection)
}

fn write_schema(collection: &Collection, inferred: &Inferred, out: &Output) -> Result<()> {
    let config = collection.config();
    let id = inferred.id.as_deref().unwrap_or("(row number)");
    let vector = format!("{} dimensions of {}, {}", config.dim, config.dtype, config.metric);
    let mut rows = vec![
        [id.to_owned(), format!("id: {}", config.id_type), String::new()],
        [inferred.vector.clone(), "vector".into(), vector],
    ];
    rows.extend(
        config
            .schema
            .columns()
            .iter()
            .map(|(name, kind)| [name.clone(), kind.to_string(), String::new()]),
    );
    rows.extend(
        inferred.left_out.iter().map(|(name, why)| [name.clone(), "left out".into(), why.clone()]),
    );
    let columns = [("column", Layout::Left), ("type", Layout::Left), ("", Layout::Flexible)];
    out.table(&columns, rows.into_iter().map(Vec::from).collect())?;
    Ok(out.line("")?)
}

/// Told before a build begins.
fn memory_line(memory: &MemoryEstimate) -> String {
    let needed = HumanBytes(memory.needed);
    match memory.available {
        Some(available) => {
            format!("needs about {needed} of memory; {} available", HumanBytes(available))
        }
        None => format!("needs about {needed} of memory"),
    }
}

fn write_report(
    report: &LoadReport,
    schema: &Schema,
    created: bool,
    (elapsed, memory): (Duration, Option<MemoryEstimate>),
    out: &Output,
) -> Result<()> {
    let seconds = elapsed.as_secs_f64();
    let rate = report.points as f64 / seconds.max(1e-9);
    if out.is_json() {
        let columns = schema.columns().iter();
        return Ok(out.json(&json!({
            "points": report.points,
            "seconds": seconds,
            "points_per_second": rate,
            "created": created,
            "memory": memory.map(|m| json!({ "needed": m.needed, "available": m.available })),
            "schema": columns.map(|(name, kind)| json!({ "name": name, "type": kind.name() })).collect::<Vec<_>>(),
            "skipped_columns": report.skipped_columns,
        }))?);
    }
    if !created && !report.skipped_columns.is_empty() {
        out.line(&format!("left out: {}", report.skipped_columns.join(", ")))?;
    }
    Ok(out.line(&format!(
        "loaded {} points in {seconds:.2} s, {} points/s",
        HumanCount(report.points),
        HumanCount(rate as u64)
    ))?)
}

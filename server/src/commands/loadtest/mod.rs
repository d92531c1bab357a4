//! `nearfield loadtest`: what a running server bears.
//!
//! Open loop: requests are sent when their time has come, whether or not earlier ones were answered,
//! and a latency counts from that time on. So waiting is counted, also that of requests which a slow
//! server kept from being sent. With `--clients` each of so many sends its next request when it has
//! its answer, which finds the most that the server can do.

mod drive;
mod tally;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nearfield::K_MAX;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::drive::{Drive, Load};
use self::tally::Summary;
use self::target::Target;
use super::search::recall;
use super::{Error, Result};
use crate::output::{Layout, Output};

const EXAMPLE: &str = "\
Example:
  nearfield loadtest posts queries.npy --rate 500,1000,2000
  nearfield loadtest posts queries.npy --clients 8,64 --batch 64 -k 100 --recall 0.95
  nearfield loadtest posts queries.npy --addr https://feed:50051 --ca ca.pem --token-file feed.token

Latencies count from the moment at which a request was due; `service` is the median from when it was
sent. Refused requests (the server is full) and those past their deadline are counted apart. Recall
is that of the answers, against exact searches made before. Run it on another machine than the
server, or know that the two share the cores.";

/// Measure what a running server bears
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Name of a collection of the server
    collection: String,
    /// A file of queries (.npy, .fvecs, .fbin, ...)
    #[arg(value_name = "QUERIES")]
    queries: PathBuf,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:50051", value_name = "URL")]
    addr: String,
    /// Requests a second, each rate for itself
    #[arg(long, value_name = "N,...", value_delimiter = ',', required_unless_present = "clients")]
    rate: Vec<f64>,
    /// So many clients instead, each of which waits for its answer
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "rate")]
    clients: Vec<usize>,
    /// Time of each
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    time: Duration,
    /// Time before it that isn't measured
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = time)]
    warm_up: Duration,
    /// Connections; clients take turns
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Queries a request; one is Search, more are `SearchBatch`
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// Number of hits
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=K_MAX as i64))]
    k: u32,
    /// The recall asked for
    #[arg(long, default_value_t = 0.95, value_parser = recall, conflicts_with = "ef")]
    recall: f32,
    /// Size of the search beam instead
    #[arg(long)]
    ef: Option<u32>,
    /// A SQL condition
    #[arg(long = "where", value_name = "SQL")]
    filter: Option<String>,
    /// Deadline of a request
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    deadline: Duration,
    /// How many queries to compare with exact searches; 0 is none
    #[arg(long, default_value_t = 200)]
    truth: usize,
    /// A file with a token
    #[arg(long, value_name = "FILE", env = "NEARFIELD_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Certificates in PEM of the authorities to trust, for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Of the moments at which requests are sent
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn time(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a time like 30s or 5m".to_owned())
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    if args.rate.iter().any(|rate| !(0.001..=1e6).contains(rate)) {
        return Err(Error::Usage("--rate: expected requests a second, 0.001 to 1000000".into()));
    }
    if args.clients.iter().any(|clients| !(1..=100_000).contains(clients)) {
        return Err(Error::Usage("--clients: expected 1 to 100000".into()));
    }
    let runtime = Runtime::new().map_err(Error::system("cannot start the threads"))?;
    let target = Arc::new(runtime.block_on(Target::new(args))?);
    let rates = args.rate.iter().map(|rate| Load::Rate(*rate));
    let loads = rates.chain(args.clients.iter().map(|clients| Load::Clients(*clients)));
    let mut found = Vec::new();
    for load in loads {
        let drive = Drive {
            target: &target,
            load,
            warm_up: args.warm_up,
            time: args.time,
            seed: args.seed,
        };
        found.push((load, drive.run(&runtime)?));
    }
    write(args, &found, out)
}

fn write(args: &Args, found: &[(Load, Summary)], out: &Output) -> Result<()> {
    if out.is_json() {
        let loads: Vec<Value> =
            found.iter().map(|(load, summary)| to_json(*load, summary)).collect();
        let told = json!({
            "collection": args.collection, "k": args.k, "batch": args.batch, "loads": loads,
        });
        return Ok(out.json(&told)?);
    }
    let recall = format!("recall@{}", args.k);
    let names = [
        "load",
        "answers/s",
        "queries/s",
        "refused",
        "late",
        "failed",
        "service",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        &recall,
    ];
    let columns: Vec<_> = names
        .iter()
        .map(|name| (*name, if *name == "load" { Layout::Left } else { Layout::Right }))
        .collect();
    Ok(out.table(&columns, found.iter().map(|(load, summary)| row(*load, summary)).collect())?)
}

fn row(load: Load, summary: &Summary) -> Vec<String> {
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let mut row = vec![
        load.to_string(),
        format!("{:.1}", summary.rate),
        format!("{:.1}", summary.queries),
        summary.refused.to_string(),
        summary.late.to_string(),
        summary.failed.to_string(),
        ms(summary.service),
    ];
    row.extend(summary.times.iter().map(|(_, time)| ms(*time)));
    row.push(summary.recall.map_or("-".to_owned(), |recall| format!("{recall:.4}")));
    row
}

fn to_json(load: Load, summary: &Summary) -> Value {
    let mut told = json!({
        "load": load.to_string(),
        "answers_per_second": summary.rate,
        "queries_per_second": summary.queries,
        "answered": summary.answered,
        "refused": summary.refused,
        "late": summary.late,
        "failed": summary.failed,
        "first_failure": summary.failure,
        "refusal_ms": summary.refusal.as_secs_f64() * 1e3,
        "service_p50_ms": summary.service.as_secs_f64() * 1e3,
        "recall": summary.recall,
    });
    for (name, time) in &summary.times {
        told[format!("{name}_ms")] = json!(time.as_secs_f64() * 1e3);
    }
    told
}

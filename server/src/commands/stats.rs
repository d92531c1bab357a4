//! `nearfield stats`: what a collection is and how large.

use std::path::PathBuf;

use indicatif::{BinaryBytes, HumanCount};
use nearfield::{SegmentStats, Stats};
use serde_json::{Value, json};

use super::{Result, open};
use crate::output::{Layout, Output};

const EXAMPLE: &str = "\
Example:
  nearfield stats posts.nf
  nearfield stats posts.nf --json";

/// Show what a collection is and how large
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let stats = open(&args.path)?.stats()?;
    if out.is_json() {
        return Ok(out.json(&to_json(&stats))?);
    }
    let rows = facts(&stats).into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    out.table(
        &[("collection", Layout::Left), (&args.path.to_string_lossy(), Layout::Left)],
        rows.collect(),
    )?;
    if !stats.segments.is_empty() {
        out.line("")?;
        write_segments(&stats.segments, out)?;
    }
    for problem in &stats.problems {
        out.line(&format!("problem: {problem}"))?;
    }
    Ok(())
}

fn to_json(stats: &Stats) -> Value {
    let segments = stats.segments.iter().map(|segment| {
        json!({
            "name": segment.name,
            "rows": segment.rows,
            "dead": segment.dead,
            "indexed": segment.indexed,
            "bytes": segment.bytes,
        })
    });
    let schema = stats.schema.iter().map(|(name, kind)| json!({ "name": name, "type": kind }));
    json!({
        "points": stats.points,
        "dim": stats.dim,
        "metric": stats.metric.name(),
        "id_type": stats.id_type.name(),
        "dtype": stats.dtype.name(),
        "profile": stats.profile.name(),
        "index": stats.index.name(),
        "space": stats.space,
        "schema": schema.collect::<Vec<_>>(),
        "version": stats.version,
        "segments": segments.collect::<Vec<_>>(),
        "bytes_disk": stats.bytes_disk,
        "bytes_hot": stats.bytes_hot,
        "bytes_warm": stats.bytes_warm,
        "bytes_cold": stats.bytes_cold,
        "bytes_resident": stats.bytes_resident,
        "problems": stats.problems,
    })
}

fn facts(stats: &Stats) -> Vec<(&'static str, String)> {
    let size = |bytes: u64| BinaryBytes(bytes).to_string();
    let columns = stats.schema.iter().map(|(name, kind)| format!("{name}:{kind}"));
    vec![
        ("points", HumanCount(stats.points).to_string()),
        ("dim", stats.dim.to_string()),
        ("metric", stats.metric.to_string()),
        ("ids", stats.id_type.to_string()),
        ("stored as", stats.dtype.to_string()),
        ("profile", stats.profile.to_string()),
        ("index", stats.index.to_string()),
        ("space", stats.space.clone().unwrap_or_else(|| "not stated".into())),
        ("schema", columns.collect::<Vec<_>>().join(",")),
        ("version", stats.version.to_string()),
        ("on disk", size(stats.bytes_disk)),
        ("every search reads", format!("{} (codes, edges)", size(stats.bytes_hot))),
        ("refinement reads", format!("{} (8-bit rows, ids)", size(stats.bytes_warm))),
        ("results read", format!("{} (vectors, attributes)", size(stats.bytes_cold))),
        ("in memory now", size(stats.bytes_resident)),
    ]
}

fn write_segments(segments: &[SegmentStats], out: &Output) -> Result<()> {
    let columns = [
        ("segment", Layout::Left),
        ("rows", Layout::Right),
        ("dead", Layout::Right),
        ("bytes", Layout::Right),
        ("search", Layout::Left),
    ];
    let rows = segments.iter().map(|segment| {
        let name = if segment.name.is_empty() { "(in memory)" } else { &segment.name };
        vec![
            name.to_owned(),
            HumanCount(segment.rows).to_string(),
            HumanCount(segment.dead).to_string(),
            BinaryBytes(segment.bytes).to_string(),
            if segment.indexed { "graph" } else { "scan" }.to_owned(),
        ]
    });
    Ok(out.table(&columns, rows.collect())?)
}

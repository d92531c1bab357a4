//! Recall of a setting, and the note that `table.py` reads.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::{env, fs};

use nearfield::{Collection, Effort, Result, SearchRequest, Vectors};

use crate::ids;

/// Share of the true neighbours that a search with `effort` finds.
pub fn recall(
    collection: &Collection,
    queries: &Vectors<'_>,
    k: usize,
    effort: Effort,
) -> Result<f64> {
    let truth = ids(collection, queries, &with(k, Effort::Exact))?;
    let found = ids(collection, queries, &with(k, effort))?;
    let hits: usize = truth
        .chunks_exact(k)
        .zip(found.chunks_exact(k))
        .map(|(truth, found)| truth.iter().filter(|id| found.contains(id)).count())
        .sum();
    Ok(hits as f64 / truth.len() as f64)
}

fn with(k: usize, effort: Effort) -> SearchRequest {
    SearchRequest { effort, ..SearchRequest::new(k) }
}

/// Keeps `recall` under the id of a benchmark, in `recall.json` where criterion keeps its results;
/// does nothing when `CRITERION_HOME` isn't set.
pub fn note_recall(benchmark: &str, recall: f64) -> io::Result<()> {
    let Some(home) = env::var_os("CRITERION_HOME").map(PathBuf::from) else { return Ok(()) };
    fs::create_dir_all(&home)?;
    let path = home.join("recall.json");
    let mut notes: BTreeMap<String, f64> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error),
    };
    notes.insert(benchmark.to_owned(), recall);
    fs::write(path, serde_json::to_vec_pretty(&notes)?)
}

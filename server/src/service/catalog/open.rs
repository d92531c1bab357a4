//! Opening a collection to serve it: for writing if nobody else does, and warm before the first
//! request comes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use nearfield::{Collection, Error, Mode, OpenOptions, Result, SearchRequest, VectorData, Vectors};
use rustix::fs::{Advice, fadvise};

use super::{Catalog, Served};
use crate::vectors;

/// Points that a collection is searched with before it is served.
const WARM_UP: usize = 16;

/// Which directory this is, whatever it is called.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Catalog {
    /// Opens what is at a path, warm.
    pub(super) fn open(&self, name: &str, path: &Path) -> Result<Arc<Served>> {
        let collection = open(path, self.options.read_only)?;
        Ok(Arc::new(served(name, path, collection)))
    }
}

/// A collection that was opened just now, as it is served.
pub(super) fn served(name: &str, path: &Path, collection: Collection) -> Served {
    warm(path, &collection);
    Served {
        name: name.to_owned(),
        path: path.to_owned(),
        collection,
        opened: SystemTime::now(),
        identity: identity(path),
    }
}

fn open(path: &Path, read_only: bool) -> Result<Collection> {
    let reading = || Collection::open(path, OpenOptions::default());
    if read_only {
        return reading();
    }
    let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
    match Collection::open(path, options) {
        // Somebody else writes, or nobody can.
        Err(Error::Locked { .. } | Error::Io { .. } | Error::ReadOnly { .. }) => reading(),
        opened => opened,
    }
}

/// Asks the system to read the files ahead, and searches a few times.
fn warm(path: &Path, collection: &Collection) {
    let segments = fs::read_dir(path.join("segments")).into_iter().flatten().flatten();
    for file in segments.filter_map(|entry| fs::File::open(entry.path()).ok()) {
        // A hint: nothing depends on it.
        let _ = fadvise(&file, 0, None, Advice::WillNeed);
    }
    if let Err(error) = search_some(collection) {
        tracing::warn!(path = %path.display(), %error, "the warm-up failed");
    }
}

fn search_some(collection: &Collection) -> Result<()> {
    let points = collection.scan(None, WARM_UP, true)?;
    let rows = (0..points.batch.num_rows()).filter_map(|row| vectors::of_row(&points.batch, row));
    let components: Vec<f32> = rows.flatten().collect();
    if components.is_empty() {
        return Ok(());
    }
    let queries = Vectors::new(collection.config().dim, VectorData::F32(components.into()))?;
    collection.search(&queries, &SearchRequest::new(10)).map(drop)
}

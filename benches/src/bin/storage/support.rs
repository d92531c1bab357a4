//! What the rows share: where, how much, and how a line looks.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nearfield::{Collection, CollectionConfig, Ids, Metric, Progress, SearchRequest, Vectors};
use nearfield_bench::Data;
use nearfield_datasets::generate::Shape;

/// Components of every vector.
pub(crate) const DIM: usize = 384;
/// Points of a call, where calls are batches.
pub(crate) const BATCH: usize = 256;

/// Where and how much is measured.
pub(crate) struct Bench {
    directory: PathBuf,
    /// Points of the collections.
    pub(crate) points: usize,
    /// Points of the load whose memory is measured.
    pub(crate) million: usize,
    /// How long points arrive beside searches.
    pub(crate) seconds: usize,
    /// A file of vectors to search and to churn, in place of generated ones.
    pub(crate) data: Option<PathBuf>,
}

impl Bench {
    pub(crate) fn new(directory: PathBuf) -> std::io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, points: 200_000, million: 1_000_000, seconds: 30, data: None })
    }

    /// A path below the directory where nothing is.
    pub(crate) fn path(&self, name: &str) -> std::io::Result<PathBuf> {
        let path = self.directory.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(path),
        }
    }
}

/// Points and queries of the same clusters.
pub(crate) fn data(points: usize, queries: usize) -> (Data, Data) {
    Data::clustered(Shape { rows: points, dim: DIM, seed: 7 }, queries)
}

/// Points and queries where it matters which: of the file, if one was named.
pub(crate) fn given_data(
    bench: &Bench,
    points: usize,
    queries: usize,
) -> Result<(Data, Data), Box<dyn Error>> {
    match &bench.data {
        Some(path) => Data::read(path, points, queries),
        None => Ok(data(points, queries)),
    }
}

/// A line of the report.
pub(crate) fn line(what: &str, measured: impl std::fmt::Display, reach: &str) {
    println!("{what:<58} {:>22}  {reach}", measured.to_string());
}

/// The configuration of all rows.
pub(crate) fn config() -> CollectionConfig {
    CollectionConfig::new(DIM, Metric::Cosine)
}

/// Rows of the data as one call takes them; ids are the rows plus `shift`.
pub(crate) fn upsert(
    collection: &Collection,
    data: &Data,
    rows: std::ops::Range<usize>,
    shift: u64,
) -> Result<(), Box<dyn Error>> {
    let ids = Ids::U64(rows.clone().map(|row| row as u64 + shift).collect());
    let vectors = Vectors::from_f32(DIM, data.rows_of(rows))?;
    Ok(collection.upsert(&ids, &vectors, None, &Progress::new())?)
}

/// Bytes of all files below a directory; a hard link counts for each of its names.
pub(crate) fn bytes_on_disk(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_on_disk(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Times of searches, ascending.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) all: Vec<Duration>,
    /// Of those that had a core all the time, where the system says so: on a shared machine the
    /// others tell of its other users.
    pub(crate) served: Vec<Duration>,
}

impl Times {
    pub(crate) fn extend(&mut self, other: Self) {
        self.all.extend(other.all);
        self.served.extend(other.served);
        self.all.sort_unstable();
        self.served.sort_unstable();
    }
}

/// Searches with each query in turn for this long.
pub(crate) fn latencies(
    collection: &Collection,
    queries: &Data,
    long: Duration,
) -> Result<Times, Box<dyn Error>> {
    let request = SearchRequest::new(nearfield_bench::K);
    let (begin, mut times) = (Instant::now(), Times::default());
    let mut waited = waited();
    while begin.elapsed() < long {
        let row = times.all.len() % queries.rows();
        let vector = Vectors::from_f32(DIM, queries.row(row))?;
        let start = Instant::now();
        collection.search(&vector, &request)?;
        let time = start.elapsed();
        times.all.push(time);
        let now = self::waited();
        times.served.extend((now == waited).then_some(time));
        waited = now;
    }
    times.extend(Times::default());
    Ok(times)
}

/// Nanoseconds that this thread has waited for a core; 0 where the system doesn't say.
fn waited() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// The value below which this share of the sorted times lies, in microseconds.
pub(crate) fn percentile(times: &[Duration], share: f64) -> f64 {
    let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// Waits until the thread beside the writers has nothing more to do: the segments stay the same.
pub(crate) fn settle(collection: &Collection) -> Result<(), Box<dyn Error>> {
    let (mut before, mut same) = (0, 0);
    while same < 20 {
        std::thread::sleep(Duration::from_millis(500));
        let version = collection.stats()?.version;
        same = if version == before { same + 1 } else { 0 };
        before = version;
    }
    Ok(())
}

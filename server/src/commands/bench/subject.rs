//! The collection that is measured: one that exists, or one built from data for the purpose.

use std::path::Path;
use std::time::Instant;

use nearfield::{Collection, Dtype, IndexKind, MemoryMode, Metric, OpenOptions, Profile};
use nearfield_datasets::InferOptions;
use tempfile::TempDir;

use super::machine;
use super::queries::Queries;
use crate::commands::args::{named, names};
use crate::commands::load::fill;
use crate::commands::{Error, Result, Storage};
use crate::source::{self, Files};

/// How a collection is built from data; as `nearfield load` does, where nothing is said.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Building from data")]
pub struct BuildArgs {
    /// PATH is data to build from, as it is anyhow where it is a file; a pattern needs this
    #[arg(long)]
    build: bool,
    /// Column of the vectors [default: the only one; of several, vector or embedding]
    #[arg(long, value_name = "COLUMN")]
    vector: Option<String>,
    /// What "near" means [default: cosine]
    #[arg(long, value_parser = named::<Metric>(Metric::ALL.map(Metric::name)))]
    metric: Option<Metric>,
    /// How the original vectors are stored [default: as in the data]
    #[arg(long, value_parser = named::<Dtype>(names(Dtype::ALL, Dtype::name)))]
    dtype: Option<Dtype>,
    /// Memory against speed [default: balanced]
    #[arg(long, value_parser = named::<Profile>(names(Profile::ALL, Profile::name)))]
    profile: Option<Profile>,
    /// Which graph to build [default: graph]
    #[arg(long, value_parser = named::<IndexKind>(names(IndexKind::ALL, IndexKind::name)))]
    index: Option<IndexKind>,
}

impl BuildArgs {
    /// The first flag that has no meaning for a collection that exists, if one was given.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--vector", self.vector.is_some()),
            ("--metric", self.metric.is_some()),
            ("--dtype", self.dtype.is_some()),
            ("--profile", self.profile.is_some()),
            ("--index", self.index.is_some()),
        ];
        flags.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}

/// What a build took.
#[derive(Debug, Clone, Copy)]
pub struct Built {
    /// From the first byte read to a collection that is searchable and on disk.
    pub seconds: f64,
    /// Points read.
    pub points: u64,
    /// Bytes that were to be needed at the peak, as told before, where the data says its rows.
    pub stated_bytes: Option<u64>,
    /// Bytes in memory at the peak of this process so far, where the system says.
    pub peak_bytes: Option<u64>,
}

impl Built {
    /// Points a second.
    pub fn rate(&self) -> f64 {
        self.points as f64 / self.seconds.max(1e-9)
    }
}

/// The collection, open for reading.
#[derive(Debug)]
pub struct Subject {
    /// Dropped before the directory that it may be in.
    pub collection: Collection,
    /// Of a collection that was built for this.
    pub built: Option<Built>,
    _dir: Option<TempDir>,
}

impl Subject {
    /// Opens the collection at `path`, or builds one from the data there, for these queries.
    ///
    /// # Errors
    /// Queries of another dimension; a collection or data without points; what opening and
    /// loading refuse.
    pub fn new(
        path: &Path,
        args: &BuildArgs,
        memory: Option<MemoryMode>,
        queries: &Queries,
    ) -> Result<Self> {
        let subject = if args.build || path.is_file() {
            Self::build(path, args, memory, queries)?
        } else {
            Self::open(path, args, memory)?
        };
        same_dimension(subject.collection.config().dim, queries)?;
        if subject.collection.is_empty() {
            return Err(Error::Failed(format!(
                "{}: expected points to search, found none; search where there are some",
                path.display()
            )));
        }
        Ok(subject)
    }

    fn open(path: &Path, args: &BuildArgs, memory: Option<MemoryMode>) -> Result<Self> {
        let collection = Collection::open(path, OpenOptions { memory, ..OpenOptions::default() })?;
        match args.given() {
            Some(flag) => Err(Error::Failed(format!(
                "{}: {flag} is chosen when a collection is created, and this one exists; leave it \
                 out, or give the data to build from instead",
                path.display()
            ))),
            None => Ok(Self { collection, built: None, _dir: None }),
        }
    }

    fn build(
        path: &Path,
        args: &BuildArgs,
        memory: Option<MemoryMode>,
        queries: &Queries,
    ) -> Result<Self> {
        let files = Files::new(&[path.to_string_lossy().into_owned()], None)?;
        let inferred = files.infer(&InferOptions { id: None, vector: args.vector.clone() })?;
        let metric = args.metric.unwrap_or(Metric::Cosine);
        let mut config = source::config(&inferred, metric, &Storage::default())?;
        // Told before the build, which may take long.
        same_dimension(config.dim, queries)?;
        config.dtype = args.dtype.unwrap_or(config.dtype);
        config.profile = args.profile.unwrap_or(config.profile);
        config.index = args.index.unwrap_or(config.index);
        let dir = tempfile::Builder::new().prefix("nearfield-bench-").tempdir().map_err(
            Error::system("cannot create a temporary directory; name another place with TMPDIR"),
        )?;
        let place = dir.path().join("bench.nf");
        let start = Instant::now();
        let collection = Collection::create(&place, config)?;
        let size = files.size(&collection.config().schema).unwrap_or_default();
        let stated = size.map(|(rows, bytes)| collection.estimate_load(rows, bytes)).transpose()?;
        let report = fill(collection, true, files.batches(), &source::load_options(&inferred))?;
        let built = Built {
            seconds: start.elapsed().as_secs_f64(),
            points: report.points,
            stated_bytes: stated.map(|memory| memory.needed),
            peak_bytes: machine::peak_bytes(),
        };
        let options = OpenOptions { memory, ..OpenOptions::default() };
        let collection = Collection::open(&place, options)?;
        Ok(Self { collection, built: Some(built), _dir: Some(dir) })
    }
}

fn same_dimension(expected: usize, queries: &Queries) -> Result<()> {
    if expected == queries.dim() {
        return Ok(());
    }
    let (argument, found) = ("queries".to_owned(), queries.dim());
    Err(Error::Core(nearfield::Error::DimensionMismatch { argument, expected, found }))
}

//! How a collection is created, opened, written and asked. Everything is validated here, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::types::{
    DIM_MAX, Dtype, Durability, EFFORT_MAX, IdType, Ids, IndexKind, K_MAX, MemoryMode, Profile,
    Schema, Space,
};

/// What a collection is; fixed when it is created, but for `memory` and `durability`.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionConfig {
    /// Components of a vector, 1 to 16,384.
    pub dim: usize,
    /// What "near" means.
    pub metric: Metric,
    /// What identifies a point.
    pub id_type: IdType,
    /// The attribute columns.
    pub schema: Schema,
    /// The embedding space, if stated.
    pub space: Option<Space>,
    /// How the original vectors are stored.
    pub dtype: Dtype,
    /// Memory against speed.
    pub profile: Profile,
    /// Which graph sealed segments hold.
    pub index: IndexKind,
    /// When a write is acknowledged.
    pub durability: Durability,
    /// Where segments live while open.
    pub memory: MemoryMode,
    /// Seed of everything random in a build.
    pub seed: u64,
}

impl CollectionConfig {
    /// The defaults: u64 ids, no attributes, f32, balanced, graph, sync, mapped, seed 0.
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self {
            dim,
            metric,
            id_type: IdType::U64,
            schema: Schema::default(),
            space: None,
            dtype: Dtype::F32,
            profile: Profile::Balanced,
            index: IndexKind::Graph,
            durability: Durability::Sync,
            memory: MemoryMode::Mapped,
            seed: 0,
        }
    }

    /// Checks every value against its limits.
    pub fn validate(&self) -> Result<()> {
        if !(1..=DIM_MAX).contains(&self.dim) {
            return Err(Error::invalid("dim", format!("1 to {DIM_MAX}"), self.dim.to_string(), ""));
        }
        Ok(())
    }
}

/// Whether a handle may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Any number of processes read (`"r"`).
    Read,
    /// One process writes (`"r+"`).
    Write,
}

/// How a collection is opened.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Whether the handle may write; [`Mode::Read`] by default.
    pub mode: Mode,
    /// Overrides where segments live while open.
    pub memory: Option<MemoryMode>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { mode: Mode::Read, memory: None }
    }
}

/// Names of the id and vector columns in what is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Column of the ids; without one, rows are numbered from 0 (u64 ids only).
    pub id: Option<String>,
    /// Column of the vectors.
    pub vector: String,
    /// What tells this source from any other, for example its files with their sizes and times.
    /// With it a load that was cut short, by whatever, goes on where it stopped when the same
    /// source is loaded again: what was read is kept in the collection's directory meanwhile.
    pub source: Option<String>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { id: Some("id".into()), vector: "vector".into(), source: None }
    }
}

/// What a load did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Points loaded.
    pub points: u64,
    /// Columns of the source that the schema does not name.
    pub skipped_columns: Vec<String>,
    /// Rows of the source that an earlier load had read, which was cut short.
    pub resumed: u64,
}

/// What an imported collection is, beyond what the dump says: its ids, vectors and graph.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// What "near" means; `None` takes it from the dump's distance. To be given where that is a
    /// function of the caller's, which a dump only names.
    pub metric: Option<Metric>,
    /// The attribute columns; every value is null at first.
    pub schema: Schema,
    /// The embedding space, if stated.
    pub space: Option<Space>,
    /// Memory against speed: the size of the codes. The degree of the graph is the dump's.
    pub profile: Profile,
    /// When a write is acknowledged.
    pub durability: Durability,
    /// Where segments live while open.
    pub memory: MemoryMode,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for ImportOptions {
    fn default() -> Self {
        let config = CollectionConfig::new(1, Metric::Cosine);
        let CollectionConfig { schema, space, profile, durability, memory, seed, .. } = config;
        Self { metric: None, schema, space, profile, durability, memory, seed }
    }
}

/// The dial of recall against speed: one of three.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effort {
    /// Expected recall, above 0 and below 1, by the segment's calibration.
    Recall(f32),
    /// Size of the search beam; at least k is used.
    Ef(usize),
    /// Every eligible point is compared.
    Exact,
}

impl Default for Effort {
    fn default() -> Self {
        Self::Recall(0.95)
    }
}

/// At most `max_per_group` results with one value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// A `keyword`, `i64`, `bool` or `timestamp` column.
    pub group_by: String,
    /// At least 1.
    pub max_per_group: usize,
}

/// Prefers what is fresh: adds `weight * 2^(-max(0, origin - t) / half_life)` to the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Decay {
    /// A `timestamp` column; null adds 0.
    pub column: String,
    /// Above zero.
    pub half_life: Duration,
    /// Microseconds since 1970 in UTC; `None` is the time of the request.
    pub origin_us: Option<i64>,
    /// At least 0.
    pub weight: f64,
}

/// Who is eligible for one query of several. What is left out is as in the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// See [`SearchRequest::filter`].
    pub filter: Option<String>,
    /// See [`SearchRequest::exclude`].
    pub exclude: Option<Ids>,
    /// See [`SearchRequest::exclude_sets`].
    pub exclude_sets: Vec<String>,
}

/// How a boost takes a value, before it is divided by that of the column's maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// As it is.
    #[default]
    Linear,
    /// `ln(1 + x)`: large values count for less.
    Log1p,
}

impl std::str::FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "linear" => Ok(Self::Linear),
            "log1p" => Ok(Self::Log1p),
            _ => Err(Error::invalid("scale", "\"linear\" or \"log1p\"", format!("{text:?}"), "")),
        }
    }
}

/// Prefers large values: adds `weight * scale(x) / scale(maximum of the column)` to the score, the
/// quotient clamped to 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Boost {
    /// An `i64` or `f64` column; null adds 0.
    pub column: String,
    /// At least 0.
    pub weight: f64,
    /// How values are taken.
    pub scale: Scale,
}

/// The interests of one user, besides their vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interests {
    /// A weight each, above 0; only their ratios count. Empty for equal ones.
    pub weights: Vec<f64>,
    /// Least numbers of results that fit each best, of at most k together. Empty for none.
    pub quotas: Vec<usize>,
}

/// What to search for and what to return.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// Results a query, 1 to 10,000.
    pub k: usize,
    /// Recall against speed.
    pub effort: Effort,
    /// The space that the queries come from; checked when given.
    pub space: Option<Space>,
    /// A SQL condition on the attributes and the id, as after WHERE: only points for which it is
    /// true are found. See `docs/filters.md`.
    pub filter: Option<String>,
    /// Ids to leave out; unknown ones are ignored.
    pub exclude: Option<Ids>,
    /// Names of exclusion sets whose ids to leave out; one that was never written is empty.
    pub exclude_sets: Vec<String>,
    /// A filter and exclusions for each query, in place of those above; empty, or one a query.
    pub per_query: Vec<Conditions>,
    /// At most so many results with one value of an attribute.
    pub cap: Option<Cap>,
    /// Prefers fresh points.
    pub decay: Option<Decay>,
    /// Prefers large values of these attributes.
    pub boosts: Vec<Boost>,
    /// Hits less similar than this are dropped afterwards. With `k` = [`K_MAX`] the results have only as
    /// many places as the longest row takes: a search by distance.
    pub min_score: Option<f64>,
    /// The search is given up after this time, with [`Error::Deadline`].
    pub timeout: Option<Duration>,
    /// Attribute columns to return.
    pub with_attributes: Vec<String>,
    /// Whether to return the vectors.
    pub with_vectors: bool,
    /// Threads of a batch; `None` is all of the pool.
    pub threads: Option<usize>,
    /// Whether to say how each query was answered, see `SearchResults::explain`. Queries of a
    /// batch are walked one by one then, which takes longer; they find the same.
    pub explain: bool,
    /// Lets somebody else give the search up: it ends with [`Error::Interrupted`] once this is
    /// cancelled.
    pub stop: Option<Progress>,
}

impl SearchRequest {
    /// The defaults: recall 0.95, nothing left out, ids and scores only.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            effort: Effort::default(),
            space: None,
            filter: None,
            exclude: None,
            exclude_sets: Vec::new(),
            per_query: Vec::new(),
            cap: None,
            decay: None,
            boosts: Vec::new(),
            min_score: None,
            timeout: None,
            with_attributes: Vec::new(),
            with_vectors: false,
            threads: None,
            explain: false,
            stop: None,
        }
    }

    /// Checks every value against its limits.
    pub fn validate(&self) -> Result<()> {
        if !(1..=K_MAX).contains(&self.k) {
            return Err(Error::invalid("k", format!("1 to {K_MAX}"), self.k.to_string(), ""));
        }
        match self.effort {
            Effort::Recall(r) if !(r > 0.0 && r < 1.0) => {
                return Err(Error::invalid(
                    "recall",
                    "a number above 0 and below 1",
                    r.to_string(),
                    "for perfect recall use exact search",
                ));
            }
            Effort::Ef(ef) if !(1..=EFFORT_MAX).contains(&ef) => {
                return Err(Error::invalid("ef", format!("1 to {EFFORT_MAX}"), ef.to_string(), ""));
            }
            _ => {}
        }
        if let Some(cap) = &self.cap
            && cap.max_per_group == 0
        {
            return Err(Error::invalid("max_per_group", "at least 1", "0", ""));
        }
        if let Some(decay) = &self.decay {
            if decay.half_life.is_zero() {
                return Err(Error::invalid("decay half_life", "a time above zero", "0", ""));
            }
            if !(decay.weight.is_finite() && decay.weight >= 0.0) {
                return Err(Error::invalid(
                    "decay weight",
                    "a number of at least 0",
                    decay.weight.to_string(),
                    "",
                ));
            }
        }
        if self.min_score.is_some_and(f64::is_nan) {
            return Err(Error::invalid("min_score", "a number", "NaN", ""));
        }
        for boost in &self.boosts {
            if !(boost.weight.is_finite() && boost.weight >= 0.0) {
                let found = boost.weight.to_string();
                return Err(Error::invalid("boost weight", "a number of at least 0", found, ""));
            }
        }
        if self.threads == Some(0) {
            return Err(Error::invalid("threads", "at least 1", "0", "leave it out for all"));
        }
        Ok(())
    }
}

/// Shared between a long call and who watches it: how far it is, and whether to stop.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    state: Arc<ProgressState>,
    cancelled: Stop,
    /// Others that end the call.
    stops: Vec<Stop>,
}

#[derive(Debug, Default)]
struct ProgressState {
    done: AtomicU64,
    total: AtomicU64,
}

/// Ends work that nobody wants any more. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Equal when they are of one call.
impl PartialEq for Progress {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

impl Progress {
    /// A fresh one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the call to stop; it returns [`Error::Interrupted`] and leaves the old state.
    pub fn cancel(&self) {
        self.cancelled.set();
    }

    /// Whether the call was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_set() || self.stops.iter().any(Stop::is_set)
    }

    /// Steps done and steps in all (0 while unknown). A step is a point.
    pub fn get(&self) -> (u64, u64) {
        (self.state.done.load(Ordering::Relaxed), self.state.total.load(Ordering::Relaxed))
    }

    /// Set once the caller wants it to stop.
    pub(crate) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled.0)
    }

    /// The same, but that it ends for another reason too.
    pub(crate) fn stopped_by(&self, stop: &Stop) -> Self {
        let mut progress = self.clone();
        progress.stops.push(stop.clone());
        progress
    }

    pub(crate) fn begin(&self, total: u64) {
        self.state.done.store(0, Ordering::Relaxed);
        self.state.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, steps: u64) {
        self.state.done.fetch_add(steps, Ordering::Relaxed);
    }

    pub(crate) fn check(&self, operation: &'static str) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::Interrupted { operation });
        }
        Ok(())
    }
}

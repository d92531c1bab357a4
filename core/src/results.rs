//! What calls return.

use arrow_array::{ArrayRef, RecordBatch};

pub use crate::counters::SearchCounters;
use crate::explain::Explain;
use crate::types::{Dtype, IdType, Ids, IndexKind, Profile};

/// Hits of `queries` queries, `k` places each, row after row. A place without a hit holds id
/// `u64::MAX` or the empty string, score and similarity -inf, distance +inf; [`Self::counts`]
/// says how many places of a row are hits.
#[derive(Debug, Clone)]
pub struct SearchResults {
    /// Number of queries.
    pub queries: usize,
    /// Places a query.
    pub k: usize,
    /// Hits a query, at most `k`.
    pub counts: Vec<usize>,
    /// `queries * k` ids, best first within a row.
    pub ids: Ids,
    /// What the hits are ordered by: larger is better; ties by the smaller id.
    pub scores: Vec<f64>,
    /// Larger is nearer; exact, from the original vectors.
    pub similarities: Vec<f64>,
    /// Smaller is nearer; exact, from the original vectors.
    pub distances: Vec<f64>,
    /// The attribute columns asked for, `queries * k` rows each, null where there is no hit.
    pub attributes: Vec<(String, ArrayRef)>,
    /// The vectors, if asked for: `queries * k * dim` components, 0 where there is no hit.
    pub vectors: Option<Vec<f32>>,
    /// What the search did, summed over the queries.
    pub counters: SearchCounters,
    /// How each query was answered, if asked for.
    pub explain: Vec<Explain>,
}

/// Memory that a build will take, and what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Bytes at the peak, an upper bound.
    pub needed: u64,
    /// Bytes that this process may still take: what the machine and the control group have left,
    /// at most `NEARFIELD_MEMORY_LIMIT`. `None` where nothing says.
    pub available: Option<u64>,
}

/// The state of a collection.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Points alive.
    pub points: u64,
    /// Components of a vector.
    pub dim: usize,
    /// `cosine`, `ip` or `l2`.
    pub metric: crate::metric::Metric,
    /// Type of the ids.
    pub id_type: IdType,
    /// Stored type of the vectors.
    pub dtype: Dtype,
    /// Memory against speed.
    pub profile: Profile,
    /// Which graph sealed segments hold.
    pub index: IndexKind,
    /// The embedding space.
    pub space: Option<String>,
    /// Names and types of the attribute columns.
    pub schema: Vec<(String, String)>,
    /// Number of the manifest that is live.
    pub version: u64,
    /// The segments, oldest first.
    pub segments: Vec<SegmentStats>,
    /// Bytes of all files of the collection.
    pub bytes_disk: u64,
    /// Bytes that every search reads: codes and edges.
    pub bytes_hot: u64,
    /// Bytes that refinement reads: 8-bit rows and ids.
    pub bytes_warm: u64,
    /// Bytes that only results read: original vectors and attributes.
    pub bytes_cold: u64,
    /// Bytes of the segments that are in physical memory now.
    pub bytes_resident: u64,
    /// What is wrong, as far as this handle came upon it, each once: damaged segments, what could
    /// not be done in the background and is tried again, why the writer stopped. Empty when all
    /// is well.
    pub problems: Vec<String>,
}

/// One segment; the points that are growing count as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentStats {
    /// File name, or `(growing)`; empty in memory.
    pub name: String,
    /// Rows, dead ones included.
    pub rows: u64,
    /// Rows replaced or deleted since.
    pub dead: u64,
    /// Whether a graph indexes it, or most of what is growing; else it is scanned.
    pub indexed: bool,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What `verify` read. It returns an error instead if a byte is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Checksummed blocks compared.
    pub blocks: u64,
    /// Points alive.
    pub points: u64,
}

/// Points by id: one row an id asked for, in that order.
#[derive(Debug, Clone)]
pub struct Points {
    /// Columns `id`, the attributes and, if asked for, `vector` (fixed-size list of 32-bit
    /// floats). A missing id has nulls in every column but `id`.
    pub batch: RecordBatch,
    /// Whether each id was found.
    pub found: Vec<bool>,
}

//! Embedded vector similarity search for candidate retrieval, over mmap'd segments.

mod bitmap;
mod canary;
mod codec;
mod codes;
mod collection;
mod compaction;
mod config;
mod counters;
#[cfg(test)]
mod crash_tests;
mod curve;
mod environment;
mod error;
mod exclusions;
mod explain;
mod filter;
mod format;
mod graph;
mod huge;
mod import;
mod kernels;
mod manifest;
mod memory;
mod metric;
mod originals;
mod results;
mod retrieval;
mod segment;
mod sync;
mod types;
mod vfs;
mod wal;

pub use collection::{Collection, Examples, JoinOptions, JoinReport, JoinSource};
pub use config::{
    Boost, Cap, CollectionConfig, Conditions, Decay, Effort, ImportOptions, Interests, LoadOptions,
    LoadReport, Mode, OpenOptions, Progress, Scale, SearchRequest,
};
pub use error::{Error, Result};
pub use explain::{Eligibility, Explain, PlanKind, SegmentExplain, Stage, Stages};
#[doc(hidden)]
pub use kernels::bench;
pub use metric::Metric;
pub use results::{
    MemoryEstimate, Points, SearchCounters, SearchResults, SegmentStats, Stats, VerifyReport,
};
pub use types::{
    AttributeType, DIM_MAX, Dtype, Durability, EFFORT_MAX, EXPIRES_AT, IdType, Ids, IndexKind,
    K_MAX, MemoryMode, PointId, Profile, STRING_ID_BYTES_MAX, Schema, Space, VectorData, Vectors,
};

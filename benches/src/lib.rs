//! What the benchmarks share: generated data, filled collections, and recall noted beside
//! criterion's results so that a gain in speed that costs recall shows in the table.
//!
//! Everything but the kernels goes through the public API of `nearfield`. A failure ends the
//! benchmark.

mod data;
mod recall;

pub use data::Data;
pub use recall::{note_recall, recall};

use nearfield::{Collection, CollectionConfig, Ids, Progress, Result, SearchRequest, Vectors};

/// Hits a query.
pub const K: usize = 10;

/// Writes every row of `data` into `collection`, numbered from 0, and seals it.
pub fn fill(collection: &Collection, data: &Data) -> Result<()> {
    let ids = Ids::U64((0..data.rows() as u64).collect());
    let progress = Progress::new();
    collection.upsert(&ids, &data.vectors()?, None, &progress)?;
    collection.optimize(&progress)
}

/// A sealed collection in memory that holds `data`.
pub fn in_memory(config: CollectionConfig, data: &Data) -> Result<Collection> {
    let collection = Collection::in_memory(config)?;
    fill(&collection, data)?;
    Ok(collection)
}

/// The ids of the hits of every query, row after row.
pub fn ids(
    collection: &Collection,
    queries: &Vectors<'_>,
    request: &SearchRequest,
) -> Result<Vec<u64>> {
    match collection.search(queries, request)?.ids {
        Ids::U64(ids) => Ok(ids),
        Ids::Str(_) => unreachable!("collections of the benchmarks have integer ids"),
    }
}

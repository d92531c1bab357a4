//! A filled collection, and queries timed one after the other on one thread.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use nearfield::{
    AttributeType, Collection, CollectionConfig, Effort, Ids, Metric, Mode, OpenOptions, Progress,
    Schema, SearchRequest, SearchResults, Vectors,
};

use crate::data::Data;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Queries of a setting.
pub const QUERIES: usize = 100;
/// Shares of the points that pass a filter.
const SHARES: [f64; 8] = [0.5, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001];

/// The data and the collection that holds them.
pub struct Bench {
    pub data: Data,
    pub collection: Collection,
    /// Times that all queries are asked, one after the other.
    pub rounds: usize,
    /// Shares of the points that pass a filter.
    pub shares: Vec<f64>,
}

/// What was measured of a setting.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    pub recall: f64,
    /// Fewer hits than there are to be found, or one twice.
    pub wrong: usize,
    /// Means a query.
    pub hops: f64,
    pub peeks: f64,
    pub codes: f64,
    pub refined: f64,
    pub rescored: f64,
}

impl Bench {
    pub fn new(data: Data, directory: &Path) -> Result<Self> {
        let path = directory.join(format!("{}x{}.nf", data.rows(), data.dim));
        let collection = if path.exists() {
            Collection::open(&path, OpenOptions { mode: Mode::Read, memory: None })?
        } else {
            std::fs::create_dir_all(directory)?;
            let mut config = CollectionConfig::new(data.dim, Metric::Cosine);
            config.schema = Schema::new(vec![
                ("community".into(), AttributeType::Keyword),
                ("shuffled".into(), AttributeType::I64),
                ("created".into(), AttributeType::Timestamp),
            ])?;
            let collection = Collection::create(&path, config)?;
            let ids = Ids::U64((0..data.rows() as u64).collect());
            let vectors = Vectors::from_f32(data.dim, &data.base)?;
            let attributes = data.attributes()?;
            let progress = Progress::new();
            collection.upsert(&ids, &vectors, Some(&attributes), &progress)?;
            collection.optimize(&progress)?;
            collection
        };
        Ok(Self { data, collection, rounds: 5, shares: SHARES.to_vec() })
    }

    /// Asks each request of its query; the truth comes from the same request, exactly.
    pub fn measure(&self, requests: &[SearchRequest]) -> Result<Figure> {
        let query = |i: usize| Vectors::from_f32(self.data.dim, self.data.query(i * 7));
        let mut figure = Figure {
            p50: 0.0,
            p99: 0.0,
            recall: 0.0,
            wrong: 0,
            hops: 0.0,
            peeks: 0.0,
            codes: 0.0,
            refined: 0.0,
            rescored: 0.0,
        };
        let mut share = (0.0, 0.0);
        for (i, request) in requests.iter().enumerate() {
            let exact = SearchRequest { effort: Effort::Exact, threads: None, ..request.clone() };
            let truth = self.collection.search(&query(i)?, &exact)?;
            let found = self.collection.search(&query(i)?, request)?;
            let n = 1.0 / requests.len() as f64;
            let counters = found.counters;
            figure.hops += n * counters.hops as f64;
            figure.peeks += n * counters.peeks as f64;
            figure.codes += n * counters.codes_scored as f64;
            figure.refined += n * counters.rows_refined as f64;
            figure.rescored += n * counters.rows_rescored as f64;
            figure.wrong += usize::from(found.counts != truth.counts || has_twice(&found));
            share.0 += hits(&truth, &found) as f64;
            share.1 += truth.counts[0] as f64;
        }
        figure.recall = if share.1 > 0.0 { share.0 / share.1 } else { 1.0 };
        let mut times = Vec::with_capacity(self.rounds * requests.len());
        for _ in 0..self.rounds {
            for (i, request) in requests.iter().enumerate() {
                let query = query(i)?;
                let start = Instant::now();
                let found = self.collection.search(&query, request)?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
                drop(found);
            }
        }
        times.sort_by(f64::total_cmp);
        figure.p50 = times[times.len() / 2];
        figure.p99 = times[times.len() * 99 / 100];
        Ok(figure)
    }
}

/// Hits that are as good as the last of the truth.
fn hits(truth: &SearchResults, found: &SearchResults) -> usize {
    let count = truth.counts[0];
    let Some(last) = count.checked_sub(1).map(|last| truth.scores[last]) else { return 0 };
    found.scores[..found.counts[0]].iter().take(count).filter(|s| **s >= last - 1e-9).count()
}

fn has_twice(found: &SearchResults) -> bool {
    let Ids::U64(ids) = &found.ids else { return false };
    let mut ids = ids[..found.counts[0]].to_vec();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

//! A filled collection, and queries timed one after the other on one thread, those of a setting in
//! turn with plain ones, so that a busy machine slows both.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use nearfield::{
    AttributeType, Collection, CollectionConfig, Effort, Ids, Interests, Metric, Mode, OpenOptions,
    Progress, Schema, SearchRequest, SearchResults, Vectors,
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
    /// Times that all queries are asked, one after the other; the best of each counts.
    pub rounds: usize,
    /// Shares of the points that pass a filter.
    pub shares: Vec<f64>,
    /// Filters whose names hold this.
    pub only: String,
}

/// What was measured of a setting.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figure {
    /// Of the plain queries, in microseconds.
    pub base: f64,
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

impl Figure {
    /// The columns of [`Self::line`].
    pub fn head(first: &str) {
        println!(
            "| {first} | p50 | of plain | p99 | recall | wrong | hops | peeks | codes | refined | rescored |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    }

    /// A line of a table.
    pub fn line(&self, name: &str) {
        let Self { base, p50, p99, recall, wrong, hops, peeks, codes, refined, rescored } = *self;
        println!(
            "| {name} | {p50:.0} | {:.2} | {p99:.0} | {recall:.3} | {wrong} | {hops:.0} | {peeks:.0} | {codes:.0} | {refined:.0} | {rescored:.0} |",
            p50 / base
        );
    }
}

/// What is asked: one vector, or several interests.
pub enum Ask {
    One(SearchRequest),
    Many(SearchRequest, usize),
}

impl Bench {
    pub fn new(data: Data, directory: &Path) -> Result<Self> {
        let path = directory.join(format!("{}x{}-6.nf", data.rows(), data.dim));
        if !path.exists() {
            std::fs::create_dir_all(directory)?;
            let mut config = CollectionConfig::new(data.dim, Metric::Cosine);
            config.schema = Schema::new(vec![
                ("community".into(), AttributeType::Keyword),
                ("shuffled".into(), AttributeType::I64),
                ("created".into(), AttributeType::Timestamp),
                ("domain".into(), AttributeType::Keyword),
                ("score".into(), AttributeType::I64),
                ("slope".into(), AttributeType::F64),
            ])?;
            let collection = Collection::create(&path, config)?;
            let ids = Ids::U64((0..data.rows() as u64).collect());
            let vectors = Vectors::from_f32(data.dim, &data.base)?;
            let attributes = data.attributes()?;
            let progress = Progress::new();
            collection.upsert(&ids, &vectors, Some(&attributes), &progress)?;
            collection.optimize(&progress)?;
        }
        let collection = Collection::open(&path, OpenOptions { mode: Mode::Write, memory: None })?;
        Ok(Self { data, collection, rounds: 5, shares: SHARES.to_vec(), only: String::new() })
    }

    /// Asks each request of its query, in turn with plain searches for as many results.
    pub fn measure(&self, requests: Vec<SearchRequest>) -> Result<Figure> {
        let k = requests.first().map_or(10, |request| request.k);
        let plain = SearchRequest { threads: Some(1), ..SearchRequest::new(k) };
        let plain: Vec<Ask> = requests.iter().map(|_| Ask::One(plain.clone())).collect();
        let requests: Vec<Ask> = requests.into_iter().map(Ask::One).collect();
        self.compare(&requests, &plain)
    }

    /// Measures requests beside others; the truth comes from the same requests, exactly.
    pub fn compare(&self, requests: &[Ask], plain: &[Ask]) -> Result<Figure> {
        let mut figure = Figure::default();
        let mut share = (0.0, 0.0);
        let n = 1.0 / requests.len() as f64;
        for (i, request) in requests.iter().enumerate() {
            let truth = self.ask(i, &request.exactly())?;
            let found = self.ask(i, request)?;
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
        let mut best = [vec![f64::INFINITY; requests.len()], vec![f64::INFINITY; plain.len()]];
        for _ in 0..self.rounds {
            for (best, requests) in best.iter_mut().zip([requests, plain]) {
                for (i, (best, request)) in best.iter_mut().zip(requests).enumerate() {
                    let start = Instant::now();
                    let found = self.ask(i, request)?;
                    *best = best.min(start.elapsed().as_secs_f64() * 1e6);
                    drop(found);
                }
            }
        }
        for times in &mut best {
            times.sort_by(f64::total_cmp);
        }
        let [times, plain] = best;
        figure.base = plain[plain.len() / 2];
        figure.p50 = times[times.len() / 2];
        figure.p99 = times[times.len() * 99 / 100];
        Ok(figure)
    }

    fn ask(&self, i: usize, request: &Ask) -> Result<SearchResults> {
        let dim = self.data.dim;
        match request {
            Ask::One(request) => {
                let query = Vectors::from_f32(dim, self.data.query(i * 7))?;
                Ok(self.collection.search(&query, request)?)
            }
            Ask::Many(request, interests) => {
                let vectors: Vec<f32> = (0..*interests)
                    .flat_map(|other| self.data.query(i * 7 + 311 * other))
                    .copied()
                    .collect();
                let vectors = Vectors::from_f32(dim, &vectors)?;
                Ok(self.collection.search_interests(&vectors, &Interests::default(), request)?)
            }
        }
    }
}

impl Ask {
    fn exactly(&self) -> Self {
        let exact = |request: &SearchRequest| SearchRequest {
            effort: Effort::Exact,
            threads: None,
            ..request.clone()
        };
        match self {
            Self::One(request) => Self::One(exact(request)),
            Self::Many(request, interests) => Self::Many(exact(request), *interests),
        }
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

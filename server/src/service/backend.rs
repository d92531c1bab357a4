//! What the services share: collections, gates, limits, counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nearfield::{CollectionConfig, SearchRequest};
use prost::Message;
use tonic::{Code, Request, Response, Status};

use super::budget::Budget;
use super::caller::{Call, Scope};
use super::catalog::{Catalog, Served};
use super::convert;
use super::gate::Gate;
use super::ingest::Streams;
use super::limits::Limits;
use super::metrics::SharedMetrics;
use super::recall::Sampler;
use super::status::{refused, status};
use super::stop::Stop;
use crate::v1;

/// What a hit takes on the wire beside its vector and attributes.
const HIT_BYTES: usize = 40;

/// Of so many searches with conditions one is explained.
const EXPLAIN_EVERY: u64 = 16;

/// What the services share.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The collections.
    pub catalog: Arc<Catalog>,
    /// Where searches and other reads run.
    pub reads: Gate,
    /// Where writes run.
    pub writes: Gate,
    /// Where merges and copies run.
    pub upkeep: Gate,
    /// What is counted.
    pub metrics: SharedMetrics,
    /// Sizes that are refused.
    pub limits: Limits,
    /// Memory for messages.
    pub budget: Budget,
    /// Measures the recall of some searches.
    pub sampler: Sampler,
    /// The Ingest streams that are open.
    pub streams: Streams,
    /// Whether the server is stopping.
    pub stop: Stop,
    /// Searches with conditions so far.
    pub narrowed: Arc<AtomicU64>,
}

impl Backend {
    /// Runs `work` with the collection that a request names, through a gate.
    ///
    /// # Errors
    /// Those of finding the collection, of the gate, and of the work.
    pub async fn run<M, T>(
        &self,
        gate: &Gate,
        scope: Scope,
        request: Request<M>,
        work: impl FnOnce(&Self, &Call, &Arc<Served>, M) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status>
    where
        M: Named + Send + 'static,
        T: Message + Send + 'static,
    {
        let call = Call::of(&request)?;
        let message = request.into_inner();
        let served = self.catalog.find(&call.caller, message.collection(), scope)?;
        let (backend, inner) = (self.clone(), call.clone());
        let work = move || {
            let answer = work(&backend, &inner, &served, message)?;
            let bytes = backend.limits.check_answer(&answer)?;
            let mut answer = Response::new(answer);
            if let Some(held) = backend.budget.answer(bytes)? {
                answer.extensions_mut().insert(held);
            }
            Ok(answer)
        };
        gate.run(&call, work).await
    }

    /// The options of a search, with what is left of the call's time.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `RESOURCE_EXHAUSTED` where the answer could not be sent.
    pub fn asked(
        &self,
        call: &Call,
        options: Option<v1::SearchOptions>,
        config: &CollectionConfig,
        queries: usize,
    ) -> Result<SearchRequest, Status> {
        let mut request = convert::options(options, config).map_err(|error| status(&error))?;
        let vector = if request.with_vectors { config.dim * size_of::<f32>() } else { 0 };
        // With a least score k is only a bound.
        if request.min_score.is_none() {
            let hits = queries.saturating_mul(request.k);
            self.limits.check_hits(hits, HIT_BYTES + vector)?;
        }
        let left = call.time_left()?;
        request.timeout = request.timeout.into_iter().chain(left).min();
        request.stop = Some(call.stop.clone());
        let narrowed = request.filter.is_some() || !request.exclude_sets.is_empty();
        // Some are asked how many points they could find.
        request.explain |=
            narrowed && self.narrowed.fetch_add(1, Ordering::Relaxed).is_multiple_of(EXPLAIN_EVERY);
        Ok(request)
    }

    /// Measures a stage of a search.
    pub fn timed<T>(&self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.metrics.stage(stage, began.elapsed());
        result
    }
}

/// A message that names a collection.
pub trait Named {
    /// The name.
    fn collection(&self) -> &str;
}

macro_rules! named {
    ($($message:ident),+ $(,)?) => {
        $(impl Named for v1::$message {
            fn collection(&self) -> &str {
                &self.collection
            }
        })+
    };
}

named!(
    SearchRequest,
    SearchBatchRequest,
    SearchIdsRequest,
    RecommendRequest,
    SearchInterestsRequest,
    UpsertRequest,
    UpdateRequest,
    DeleteRequest,
    PointServiceGetRequest,
    CollectionServiceGetRequest,
    SnapshotRequest,
    SetAliasRequest,
    AddRequest,
    ClearRequest,
    StatsRequest,
    OptimizeRequest,
    CalibrateRequest,
    VerifyRequest,
);

/// An answer that is too large to be sent.
pub fn too_large(what: &str, limit: usize, found: usize) -> Status {
    let message = format!("{what}: expected at most {limit} bytes, found {found}; ask for less");
    refused(Code::ResourceExhausted, "ANSWER_TOO_LARGE", message)
}

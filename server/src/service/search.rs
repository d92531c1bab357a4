//! `SearchService`.

use std::sync::Arc;

use nearfield::{Interests, Result as CoreResult, SearchRequest as Asked, SearchResults, Vectors};
use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::caller::Scope;
use super::catalog::Served;
use super::convert::{conditions, counts, examples, hits, ids, is_explained, many, single};
use super::status::status;
use crate::v1::search_service_server::SearchService;
use crate::v1::{
    Hits, RecommendRequest, RecommendResponse, SearchBatchRequest, SearchBatchResponse,
    SearchIdsRequest, SearchIdsResponse, SearchInterestsRequest, SearchInterestsResponse,
    SearchRequest, SearchResponse,
};

/// Answers searches.
#[derive(Debug)]
pub struct Search(pub Backend);

type Answer<T> = Result<Response<T>, Status>;

/// The library's part of a call.
fn core<T>(result: CoreResult<T>) -> Result<T, Status> {
    result.map_err(|error| status(&error))
}

/// Searches, and turns what is found into a message; `told` says whether it is to explain itself.
fn find(
    backend: &Backend,
    served: &Served,
    told: bool,
    search: impl FnOnce() -> CoreResult<SearchResults>,
) -> Result<(SearchResults, Hits), Status> {
    let results = core(backend.timed("search", search))?;
    backend.metrics.searched(&served.name, &results.counters);
    if let Some(first) = results.explain.first() {
        backend.metrics.selective(&served.name, first.eligible.selectivity());
    }
    let found = backend.timed("encode", || hits(&results, told));
    Ok((results, found))
}

/// Searches with vectors, of which some are searched with again, exactly, to measure recall.
fn find_vectors(
    backend: &Backend,
    served: &Arc<Served>,
    (queries, told): (&Vectors<'static>, bool),
    asked: &Asked,
) -> Result<(SearchResults, Hits), Status> {
    let found = find(backend, served, told, || served.collection.search(queries, asked))?;
    backend.sampler.offer(served, queries, asked, &found.0);
    Ok(found)
}

#[tonic::async_trait]
impl SearchService for Search {
    async fn search(&self, request: Request<SearchRequest>) -> Answer<SearchResponse> {
        let run = |backend: &Backend, call: &_, served: &Arc<Served>, message: SearchRequest| {
            let config = served.collection.config();
            let query = core(single("vector", message.vector, config.dim))?;
            let told = is_explained(message.options.as_ref());
            let asked = backend.asked(call, message.options, &config, 1)?;
            let (_, hits) = find_vectors(backend, served, (&query, told), &asked)?;
            Ok(SearchResponse { hits: Some(hits) })
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }

    async fn search_batch(
        &self,
        request: Request<SearchBatchRequest>,
    ) -> Answer<SearchBatchResponse> {
        let run = |backend: &Backend, call: &_, served: &Arc<Served>, m: SearchBatchRequest| {
            let config = served.collection.config();
            let queries = core(many("vectors", m.vectors, config.dim))?;
            let told = is_explained(m.options.as_ref());
            let mut asked = backend.asked(call, m.options, &config, queries.rows())?;
            asked.per_query = core(conditions(m.per_query, &config))?;
            let (results, hits) = find_vectors(backend, served, (&queries, told), &asked)?;
            Ok(SearchBatchResponse { counts: counts(&results), hits: Some(hits) })
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }

    async fn search_ids(&self, request: Request<SearchIdsRequest>) -> Answer<SearchIdsResponse> {
        let run = |backend: &Backend, call: &_, served: &Arc<Served>, m: SearchIdsRequest| {
            let config = served.collection.config();
            let ids = core(ids("ids", m.ids, config.id_type))?;
            let told = is_explained(m.options.as_ref());
            let mut asked = backend.asked(call, m.options, &config, ids.len())?;
            asked.per_query = core(conditions(m.per_query, &config))?;
            let search = || served.collection.search_ids(&ids, &asked);
            let (results, hits) = find(backend, served, told, search)?;
            Ok(SearchIdsResponse { counts: counts(&results), hits: Some(hits) })
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }

    async fn recommend(&self, request: Request<RecommendRequest>) -> Answer<RecommendResponse> {
        let run = |backend: &Backend, call: &_, served: &Arc<Served>, m: RecommendRequest| {
            let config = served.collection.config();
            let positive = core(examples("positive", m.positive, &config))?;
            let negative = core(examples("negative", m.negative, &config))?;
            let told = is_explained(m.options.as_ref());
            let asked = backend.asked(call, m.options, &config, 1)?;
            let (positive, negative) = (positive.as_examples(), negative.as_examples());
            let search = || served.collection.recommend(positive, Some(negative), &asked);
            let (_, hits) = find(backend, served, told, search)?;
            Ok(RecommendResponse { hits: Some(hits) })
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }

    async fn search_interests(
        &self,
        request: Request<SearchInterestsRequest>,
    ) -> Answer<SearchInterestsResponse> {
        let run = |backend: &Backend, call: &_, served: &Arc<Served>, m: SearchInterestsRequest| {
            let config = served.collection.config();
            let vectors = core(many("vectors", m.vectors, config.dim))?;
            let told = is_explained(m.options.as_ref());
            let asked = backend.asked(call, m.options, &config, 1)?;
            let quotas = m.quotas.into_iter().map(|quota| quota as usize).collect();
            let interests = Interests { weights: m.weights, quotas };
            let search = || served.collection.search_interests(&vectors, &interests, &asked);
            let (_, hits) = find(backend, served, told, search)?;
            Ok(SearchInterestsResponse { hits: Some(hits) })
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }
}

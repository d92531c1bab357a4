//! `SearchService`.

use std::sync::Arc;

use nearfield::Collection;
use tonic::{Request, Response, Status};

use super::convert::{self, Search as Parts};
use super::status::status;
use super::{Collections, Pool};
use crate::v1::search_service_server::SearchService;
use crate::v1::{SearchRequest, SearchResponse};

/// Answers searches from open collections.
#[derive(Debug)]
pub struct Search {
    collections: Collections,
    pool: Pool,
}

impl Search {
    /// A service over these collections, whose searches run in `pool`.
    pub fn new(collections: Collections, pool: Pool) -> Self {
        Self { collections, pool }
    }

    /// A collection by its name; the ending `.nf` of its directory may be given or left out.
    fn collection(&self, name: &str) -> Result<Arc<Collection>, Status> {
        let known = name.strip_suffix(".nf").unwrap_or(name);
        self.collections.get(known).cloned().ok_or_else(|| {
            let names: Vec<_> = self.collections.keys().map(String::as_str).collect();
            let names = names.join(", ");
            Status::not_found(format!(
                "collection: expected one of those served ({names}), found {name:?}"
            ))
        })
    }
}

#[tonic::async_trait]
impl SearchService for Search {
    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchResponse>, Status> {
        let request = request.into_inner();
        let collection = self.collection(&request.collection)?;
        let answer = self.pool.run(move || answer(&collection, request)).await?;
        answer.map(Response::new)
    }
}

fn answer(collection: &Collection, request: SearchRequest) -> Result<SearchResponse, Status> {
    let Parts { query, request } =
        convert::request(request, &collection.config()).map_err(|error| status(&error))?;
    let results = collection.search(&query, &request).map_err(|error| status(&error))?;
    Ok(convert::response(&results))
}

//! `ExclusionService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::caller::{Call, Scope};
use super::catalog::Served;
use super::convert::{duration, ids};
use super::status::status;
use crate::v1::exclusion_service_server::ExclusionService;
use crate::v1::{AddRequest, AddResponse, ClearRequest, ClearResponse};

/// Keeps exclusion sets.
#[derive(Debug)]
pub struct Exclusions(pub Backend);

#[tonic::async_trait]
impl ExclusionService for Exclusions {
    async fn add(&self, request: Request<AddRequest>) -> Result<Response<AddResponse>, Status> {
        let run = |_: &Backend, _: &Call, served: &Arc<Served>, message: AddRequest| {
            let collection = &served.collection;
            let added = || {
                let ids = ids("ids", message.ids, collection.config().id_type)?;
                let ttl = message.ttl.map(|ttl| duration("ttl", ttl)).transpose()?;
                collection.add_exclusions(&message.set, &ids, ttl)
            };
            added().map_err(|error| status(&error))?;
            Ok(AddResponse {})
        };
        self.0.run(&self.0.writes, Scope::Write, request, run).await
    }

    async fn clear(
        &self,
        request: Request<ClearRequest>,
    ) -> Result<Response<ClearResponse>, Status> {
        let run = |_: &Backend, _: &Call, served: &Arc<Served>, message: ClearRequest| {
            let cleared = served.collection.clear_exclusions(&message.set);
            cleared.map_err(|error| status(&error))?;
            Ok(ClearResponse {})
        };
        self.0.run(&self.0.writes, Scope::Write, request, run).await
    }
}

//! `PointService`.

use std::sync::Arc;

use nearfield::Progress;
use tonic::{Code, Request, Response, Status, Streaming};

use super::backend::{Backend, too_large};
use super::caller::{Call, Scope};
use super::catalog::Served;
use super::convert::{Fields, duration, ids, many, points, record_batch};
use super::ingest;
use super::status::{bad_field, refused, status};
use crate::v1;
use crate::v1::delete_request::Which;
use crate::v1::point_service_server::PointService;
use crate::v1::{
    DeleteRequest, DeleteResponse, IngestRequest, PointServiceGetRequest, PointServiceGetResponse,
    UpdateRequest, UpdateResponse, UpsertRequest, UpsertResponse,
};

/// Writes and fetches points.
#[derive(Debug)]
pub struct Points(pub Backend);

type Answer<T> = Result<Response<T>, Status>;

/// Whole points as the library takes them.
pub(super) struct Given {
    pub ids: nearfield::Ids,
    pub vectors: nearfield::Vectors<'static>,
    pub attributes: Option<arrow_array::RecordBatch>,
}

impl Given {
    /// Those of a message.
    pub fn of(rows: v1::Rows, config: &nearfield::CollectionConfig) -> nearfield::Result<Self> {
        let ids = ids("rows.ids", rows.ids, config.id_type)?;
        let vectors = many("rows.vectors", rows.vectors, config.dim)?;
        let batch = |attributes| record_batch(attributes, ids.len(), config);
        let attributes = rows.attributes.map(batch).transpose()?;
        Ok(Self { ids, vectors, attributes })
    }
}

#[tonic::async_trait]
impl PointService for Points {
    async fn upsert(&self, request: Request<UpsertRequest>) -> Answer<UpsertResponse> {
        let run = |_: &Backend, _: &Call, served: &Arc<Served>, message: UpsertRequest| {
            let collection = &served.collection;
            let written = || {
                let given = Given::of(message.rows.unwrap_or_default(), &collection.config())?;
                let Given { ids, vectors, attributes } = &given;
                let attributes = attributes.as_ref();
                let ttl = message.ttl.map(|ttl| duration("ttl", ttl)).transpose()?;
                let progress = Progress::new();
                match ttl {
                    Some(ttl) => {
                        collection.upsert_with_ttl(ids, vectors, attributes, ttl, &progress)
                    }
                    None => collection.upsert(ids, vectors, attributes, &progress),
                }
            };
            written().map_err(|error| status(&error))?;
            Ok(UpsertResponse {})
        };
        self.0.run(&self.0.writes, Scope::Write, request, run).await
    }

    async fn update(&self, request: Request<UpdateRequest>) -> Answer<UpdateResponse> {
        let run = |_: &Backend, _: &Call, served: &Arc<Served>, message: UpdateRequest| {
            let collection = &served.collection;
            let config = collection.config();
            let written = || {
                let ids = ids("ids", message.ids, config.id_type)?;
                let attributes = message.attributes.unwrap_or_default();
                let attributes = record_batch(attributes, ids.len(), &config)?;
                collection.update(&ids, &attributes)
            };
            written().map_err(|error| status(&error))?;
            Ok(UpdateResponse {})
        };
        self.0.run(&self.0.writes, Scope::Write, request, run).await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        let run = |_: &Backend, _: &Call, served: &Arc<Served>, message: DeleteRequest| {
            let collection = &served.collection;
            let deleted = match message.which {
                None => return Err(bad_field("which", "expected ids or where, found neither")),
                Some(Which::Where(filter)) => collection.delete_where(&filter),
                Some(Which::Ids(message)) => ids("ids", Some(message), collection.config().id_type)
                    .and_then(|ids| collection.delete(&ids)),
            };
            Ok(DeleteResponse { deleted: deleted.map_err(|error| status(&error))? })
        };
        self.0.run(&self.0.writes, Scope::Write, request, run).await
    }

    async fn get(
        &self,
        request: Request<PointServiceGetRequest>,
    ) -> Answer<PointServiceGetResponse> {
        let run = |backend: &Backend, _: &Call, served: &Arc<Served>, m: PointServiceGetRequest| {
            let collection = &served.collection;
            let config = collection.config();
            let with_vectors = m.with_vectors.unwrap_or(true);
            let fields = Fields::of(m.with_attributes, Fields::All);
            if let Fields::Named(names) = &fields
                && let Some(name) = names.iter().find(|name| config.schema.position(name).is_none())
            {
                let message = format!("expected columns of the schema, found {name:?}");
                return Err(bad_field("with_attributes", message));
            }
            let ids = ids("ids", m.ids, config.id_type).map_err(|error| status(&error))?;
            let vector = if with_vectors { config.dim * size_of::<f32>() } else { 0 };
            let (limit, bytes) = (backend.limits.answer_bytes, ids.len().saturating_mul(vector));
            if bytes > limit {
                return Err(too_large("vectors", limit, bytes));
            }
            let found = collection.get(&ids, with_vectors).map_err(|error| status(&error))?;
            Ok(points(ids, &found, &fields))
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }

    type IngestStream = ingest::Responses;

    async fn ingest(
        &self,
        request: Request<Streaming<IngestRequest>>,
    ) -> Answer<ingest::Responses> {
        let call = Call::of(&request)?;
        if self.0.stop.is_set() {
            return Err(super::status::stopping());
        }
        if call.caller.scope < Scope::Write {
            return Err(refused(Code::PermissionDenied, "SCOPE", "expected the scope write"));
        }
        ingest::begin(self.0.clone(), call, request.into_inner()).map(Response::new)
    }
}

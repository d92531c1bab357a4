//! `AdminService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::caller::{Call, Scope};
use super::catalog::Served;
use super::convert::{config_message, many};
use super::status::status;
use crate::v1::admin_service_server::AdminService;
use crate::v1::{
    CalibrateRequest, CalibrateResponse, OptimizeRequest, OptimizeResponse, Segment, StatsRequest,
    StatsResponse, VerifyRequest, VerifyResponse,
};

/// Looks after collections.
#[derive(Debug)]
pub struct Admin(pub Backend);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdminService for Admin {
    async fn stats(&self, request: Request<StatsRequest>) -> Answer<StatsResponse> {
        let run = |_: &Backend, _: &Call, served: &Arc<Served>, _: StatsRequest| {
            let stats = served.collection.stats().map_err(|error| status(&error))?;
            let segments = stats.segments.into_iter().map(|segment| Segment {
                name: segment.name,
                rows: segment.rows,
                dead: segment.dead,
                indexed: segment.indexed,
                bytes: segment.bytes,
            });
            Ok(StatsResponse {
                points: stats.points,
                version: stats.version,
                segments: segments.collect(),
                bytes_disk: stats.bytes_disk,
                bytes_hot: stats.bytes_hot,
                bytes_warm: stats.bytes_warm,
                bytes_cold: stats.bytes_cold,
                bytes_resident: stats.bytes_resident,
                config: Some(config_message(&served.collection.config())),
            })
        };
        self.0.run(&self.0.reads, Scope::Read, request, run).await
    }

    async fn optimize(&self, request: Request<OptimizeRequest>) -> Answer<OptimizeResponse> {
        let run = |_: &Backend, call: &Call, served: &Arc<Served>, _: OptimizeRequest| {
            served.collection.optimize(&call.stop).map_err(|error| status(&error))?;
            Ok(OptimizeResponse {})
        };
        self.0.run(&self.0.upkeep, Scope::Admin, request, run).await
    }

    async fn calibrate(&self, request: Request<CalibrateRequest>) -> Answer<CalibrateResponse> {
        let run = |_: &Backend, call: &Call, served: &Arc<Served>, message: CalibrateRequest| {
            let collection = &served.collection;
            many("queries", message.queries, collection.config().dim)
                .and_then(|queries| collection.calibrate(&queries, &call.stop))
                .map_err(|error| status(&error))?;
            Ok(CalibrateResponse {})
        };
        self.0.run(&self.0.upkeep, Scope::Admin, request, run).await
    }

    async fn verify(&self, request: Request<VerifyRequest>) -> Answer<VerifyResponse> {
        let run = |_: &Backend, call: &Call, served: &Arc<Served>, _: VerifyRequest| {
            let report = served.collection.verify_with(&call.stop);
            let report = report.map_err(|error| status(&error))?;
            let nearfield::VerifyReport { files, bytes, blocks, points } = report;
            Ok(VerifyResponse { files, bytes, blocks, points })
        };
        self.0.run(&self.0.upkeep, Scope::Admin, request, run).await
    }
}

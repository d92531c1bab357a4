//! `CollectionService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::caller::{Call, Scope};
use super::catalog::{Served, Table, check_name};
use super::convert::{config, config_message};
use super::health::Health;
use super::status::{bad_field, status};
use crate::v1;
use crate::v1::collection_service_server::CollectionService;
use crate::v1::{
    CollectionServiceGetRequest, CollectionServiceGetResponse, CreateRequest, CreateResponse,
    DropRequest, DropResponse, ListRequest, ListResponse, RestoreRequest, RestoreResponse,
    SetAliasRequest, SetAliasResponse, SnapshotRequest, SnapshotResponse,
};

/// Collections of a page when the request doesn't say.
const PAGE: usize = 100;
/// Most collections of a page.
const PAGE_MAX: usize = 1000;

/// Keeps collections.
#[derive(Debug)]
pub struct Collections {
    /// What services share.
    pub backend: Backend,
    /// Where it is said which collections are served.
    pub health: Health,
}

type Answer<T> = Result<Response<T>, Status>;

fn message(table: &Table, served: &Served) -> v1::Collection {
    v1::Collection {
        name: served.name.clone(),
        config: Some(config_message(&served.collection.config())),
        points: served.collection.len(),
        writable: served.collection.is_writable(),
        aliases: table.aliases_of(&served.name),
        opened_at: Some(served.opened.into()),
    }
}

impl Collections {
    /// Runs a change of the table of collections; the caller is an admin of all these names.
    async fn change<T: Send + 'static>(
        &self,
        call: &Call,
        names: &[&str],
        work: impl FnOnce(&Backend) -> Result<T, Status> + Send + 'static,
    ) -> Answer<T> {
        for name in names {
            let name = name.strip_suffix(".nf").unwrap_or(name);
            if !call.caller.may(Scope::Admin, name) {
                return Err(call.caller.denied(Scope::Admin, name));
            }
        }
        let backend = self.backend.clone();
        let changed = self.backend.upkeep.run(call, move || work(&backend)).await?;
        self.health.follow(&self.backend.catalog.table(), &self.backend.metrics).await;
        Ok(Response::new(changed))
    }
}

#[tonic::async_trait]
impl CollectionService for Collections {
    async fn create(&self, request: Request<CreateRequest>) -> Answer<CreateResponse> {
        let call = Call::of(&request)?;
        let CreateRequest { collection: name, config: given } = request.into_inner();
        check_name("collection", &name)?;
        self.change(&call, &[&name.clone()], move |backend| {
            let config = config(given).map_err(|error| status(&error))?;
            let served = backend.catalog.create(&name, config)?;
            let collection = message(&backend.catalog.table(), &served);
            Ok(CreateResponse { collection: Some(collection) })
        })
        .await
    }

    async fn get(
        &self,
        request: Request<CollectionServiceGetRequest>,
    ) -> Answer<CollectionServiceGetResponse> {
        let run = |backend: &Backend, _: &Call, served: &Arc<Served>, _: _| {
            let collection = Some(message(&backend.catalog.table(), served));
            Ok(CollectionServiceGetResponse { collection })
        };
        self.backend.run(&self.backend.reads, Scope::Read, request, run).await
    }

    async fn list(&self, request: Request<ListRequest>) -> Answer<ListResponse> {
        let call = Call::of(&request)?;
        let ListRequest { page_size, page_token } = request.into_inner();
        let size = match page_size as usize {
            0 => PAGE,
            size @ 1..=PAGE_MAX => size,
            size => {
                let message = format!("expected at most {PAGE_MAX}, found {size}");
                return Err(bad_field("page_size", message));
            }
        };
        let table = self.backend.catalog.table();
        let from = page_token.as_str();
        let readable = |served: &Served| {
            let aliases = table.aliases_of(&served.name);
            let mut names = aliases.iter().chain([&served.name]);
            names.any(|name| call.caller.may(Scope::Read, name))
        };
        let mut rest = table
            .collections
            .range::<str, _>((std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded))
            .map(|(_, served)| served)
            .filter(|served| readable(served))
            .peekable();
        let collections: Vec<_> =
            rest.by_ref().take(size).map(|served| message(&table, served)).collect();
        let next_page_token = match (rest.peek(), collections.last()) {
            (Some(_), Some(last)) => last.name.clone(),
            _ => String::new(),
        };
        Ok(Response::new(ListResponse { collections, next_page_token }))
    }

    async fn drop(&self, request: Request<DropRequest>) -> Answer<DropResponse> {
        let call = Call::of(&request)?;
        let DropRequest { collection: name } = request.into_inner();
        self.change(&call, &[&name.clone()], move |backend| {
            backend.catalog.remove(&name)?;
            Ok(DropResponse {})
        })
        .await
    }

    async fn set_alias(&self, request: Request<SetAliasRequest>) -> Answer<SetAliasResponse> {
        let call = Call::of(&request)?;
        let SetAliasRequest { alias, collection } = request.into_inner();
        let served = self.backend.catalog.find(&call.caller, &collection, Scope::Admin)?;
        self.change(&call, &[&alias.clone()], move |backend| {
            backend.catalog.set_alias(&alias, &served)?;
            Ok(SetAliasResponse {})
        })
        .await
    }

    async fn snapshot(&self, request: Request<SnapshotRequest>) -> Answer<SnapshotResponse> {
        let run = |backend: &Backend, _: &Call, served: &Arc<Served>, m: SnapshotRequest| {
            backend.catalog.snapshot(served, &m.snapshot)?;
            Ok(SnapshotResponse {})
        };
        self.backend.run(&self.backend.upkeep, Scope::Admin, request, run).await
    }

    async fn restore(&self, request: Request<RestoreRequest>) -> Answer<RestoreResponse> {
        let call = Call::of(&request)?;
        let RestoreRequest { snapshot, collection: name } = request.into_inner();
        // Whose points are in a snapshot its name doesn't say.
        if call.caller.collections.is_some() {
            return Err(call.caller.denied(Scope::Admin, "(all)"));
        }
        self.change(&call, &[&name.clone()], move |backend| {
            let served = backend.catalog.restore(&snapshot, &name)?;
            let collection = message(&backend.catalog.table(), &served);
            Ok(RestoreResponse { collection: Some(collection) })
        })
        .await
    }
}

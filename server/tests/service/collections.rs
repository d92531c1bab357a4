//! Collections: made, listed, named, copied, removed; and those that appear beside.

use nearfield::{Collection, Mode, OpenOptions};
use nearfield_server::service::{Catalog, CatalogOptions};
use nearfield_server::v1::{
    CalibrateRequest, CollectionConfig, CollectionServiceGetRequest, CreateRequest, DropRequest,
    ListRequest, OptimizeRequest, RestoreRequest, SchemaColumn, SearchOptions, SearchRequest,
    SetAliasRequest, SnapshotRequest, StatsRequest, VerifyRequest,
};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::points::packed;
use super::running::{Server, asked, eventually, refused};

fn create(name: &str) -> CreateRequest {
    let config = CollectionConfig { dim: 2, ..CollectionConfig::default() };
    CreateRequest { collection: name.into(), config: Some(config) }
}

fn alias(alias: &str, collection: &str) -> SetAliasRequest {
    SetAliasRequest { alias: alias.into(), collection: collection.into() }
}

fn searching(name: &str) -> SearchRequest {
    SearchRequest { collection: name.into(), ..asked(SearchOptions::default()) }
}

async fn health(server: &Server, service: &str) -> Result<ServingStatus, Code> {
    let mut client = HealthClient::new(server.channel.clone());
    let answer = client.check(HealthCheckRequest { service: service.into() }).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn collections_are_made_listed_and_removed() {
    let server = Server::start().await;
    let mut client = server.collections();
    for name in ["b", "a", "c"] {
        let made = client.create(create(name)).await.expect("made").into_inner();
        let made = made.collection.expect("a collection");
        assert_eq!((made.name.as_str(), made.points, made.writable), (name, 0, true));
        let service = format!("collections/{name}");
        assert_eq!(health(&server, &service).await, Ok(ServingStatus::Serving));
    }
    refused(client.create(create("a")).await, Code::AlreadyExists, &["a"]);
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = client.list(ListRequest { page_size: 3, page_token }).await.expect("a page");
        let page = page.into_inner();
        names.extend(page.collections.into_iter().map(|collection| collection.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "points"]);
    client.drop(DropRequest { collection: "a".into() }).await.expect("removed");
    let gone = client.drop(DropRequest { collection: "a".into() }).await;
    refused(gone, Code::NotFound, &["a"]);
    assert_eq!(health(&server, "collections/a").await, Ok(ServingStatus::NotServing));
    assert!(!server.data.join("a.nf").exists());
    let get = CollectionServiceGetRequest { collection: "points".into() };
    let found = client.get(get).await.expect("found").into_inner().collection.expect("one");
    assert_eq!((found.points, found.config.expect("config").schema.len()), (4, 3));
}

#[tokio::test]
async fn names_and_configurations_are_checked() {
    let server = Server::start().await;
    let mut client = server.collections();
    for name in ["", "..", "../x", "a/b", ".x", "snapshots", &"x".repeat(200), "\0"] {
        refused(client.create(create(name)).await, Code::InvalidArgument, &["collection"]);
    }
    let config = |edit: fn(&mut CollectionConfig)| {
        let mut request = create("fresh");
        edit(request.config.as_mut().expect("a config"));
        request
    };
    let column = |name: &str, kind| SchemaColumn { name: name.into(), r#type: kind };
    let twice = CreateRequest {
        config: Some(CollectionConfig {
            dim: 2,
            schema: vec![column("a", 1), column("a", 1)],
            ..CollectionConfig::default()
        }),
        ..create("fresh")
    };
    let reserved = CreateRequest {
        config: Some(CollectionConfig {
            dim: 2,
            schema: vec![column("expires_at", 6)],
            ..CollectionConfig::default()
        }),
        ..create("fresh")
    };
    let cases: Vec<(CreateRequest, &[&str])> = vec![
        (CreateRequest { config: None, ..create("fresh") }, &["config"]),
        (config(|c| c.dim = 0), &["dim"]),
        (config(|c| c.dim = 20_000), &["dim"]),
        (config(|c| c.metric = 77), &["metric", "77"]),
        (config(|c| c.id_type = -1), &["id_type"]),
        (config(|c| c.dtype = 9), &["dtype"]),
        (config(|c| c.memory = 9), &["memory"]),
        (config(|c| c.space = Some("x".into())), &["space"]),
        (config(|c| c.schema = vec![SchemaColumn::default()]), &["type"]),
        (twice, &["every name once"]),
        (reserved, &["reserved"]),
    ];
    for (request, words) in cases {
        refused(client.create(request).await, Code::InvalidArgument, words);
    }
    let page = ListRequest { page_size: 5000, page_token: String::new() };
    refused(client.list(page).await, Code::InvalidArgument, &["page_size"]);
    assert_eq!(server.dir.names(), ["points.nf"]);
}

#[tokio::test]
async fn copies_are_written_and_read() {
    let server = Server::start().await;
    let mut client = server.collections();
    let snapshot =
        |name: &str| SnapshotRequest { collection: "points".into(), snapshot: name.into() };
    client.snapshot(snapshot("monday")).await.expect("written");
    refused(client.snapshot(snapshot("monday")).await, Code::AlreadyExists, &["monday"]);
    let answer = client.snapshot(snapshot("../monday")).await;
    refused(answer, Code::InvalidArgument, &["snapshot"]);
    let restore =
        |from: &str, to: &str| RestoreRequest { snapshot: from.into(), collection: to.into() };
    client.restore(restore("monday", "again")).await.expect("read");
    assert_eq!(server.search(searching("again")).await.expect("found").scores.len(), 4);
    refused(client.restore(restore("sunday", "x")).await, Code::NotFound, &["sunday"]);
    refused(client.restore(restore("monday", "again")).await, Code::AlreadyExists, &["again"]);
    let answer = client.restore(restore("/etc", "x")).await;
    refused(answer, Code::InvalidArgument, &["snapshot"]);
}

#[tokio::test]
async fn an_alias_moves_without_a_failed_request() {
    let server = Server::start().await;
    let mut client = server.collections();
    client.create(create("other")).await.expect("made");
    client.set_alias(alias("live", "points")).await.expect("set");
    refused(client.set_alias(alias("points", "other")).await, Code::AlreadyExists, &["points"]);
    refused(client.set_alias(alias("live", "nothing")).await, Code::NotFound, &["nothing"]);
    refused(client.set_alias(alias("../x", "points")).await, Code::InvalidArgument, &["alias"]);
    let drop = DropRequest { collection: "points".into() };
    refused(client.drop(drop).await, Code::FailedPrecondition, &["live"]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let asking = async {
        let mut seen = [0, 0];
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let found = server.search(searching("live")).await.expect("never a failure");
            seen[usize::from(found.scores.is_empty())] += 1;
        }
        seen
    };
    let moving = async {
        for round in 0..40 {
            let to = if round % 2 == 0 { "other" } else { "points" };
            client.set_alias(alias("live", to)).await.expect("moved");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(asking, moving);
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    let dropped = DropRequest { collection: "live".into() };
    server.collections().drop(dropped).await.expect("removed");
    refused(server.search(searching("live")).await, Code::NotFound, &["live"]);
}

#[tokio::test]
async fn what_others_put_beside_is_served() {
    let server = Server::start().await;
    server.dir.collection("v2.nf");
    eventually(async || server.search(searching("v2")).await.is_ok()).await;
    assert_eq!(health(&server, "collections/v2").await, Ok(ServingStatus::Serving));
    Collection::set_alias(server.data.join("live.nf"), server.data.join("v2.nf")).expect("set");
    eventually(async || server.search(searching("live")).await.is_ok()).await;
    std::fs::remove_file(server.data.join("live.nf")).expect("removed");
    eventually(async || server.search(searching("live")).await.is_err()).await;
}

#[tokio::test]
async fn what_others_write_to_is_read_anew() {
    let dir = crate::support::Dir::new();
    let path = dir.collection("points.nf");
    let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
    let writer = Collection::open(&path, options).expect("opened");
    let server = Server::over(dir, |_| ());
    eventually(async || server.search(searching("points")).await.is_ok()).await;
    let optimize = OptimizeRequest { collection: "points".into() };
    refused(server.admin().optimize(optimize.clone()).await, Code::FailedPrecondition, &["r+"]);
    writer.delete_where("score = 4").expect("deleted");
    eventually(async || server.found(SearchOptions::default()).await.len() == 3).await;
    writer.close().expect("closed");
    eventually(async || server.admin().optimize(optimize.clone()).await.is_ok()).await;
}

#[tokio::test]
async fn an_operator_looks_and_tidies() {
    let server = Server::start().await;
    let mut client = server.admin();
    let collection = || "points".to_owned();
    let stats = client.stats(StatsRequest { collection: collection() }).await.expect("stats");
    let stats = stats.into_inner();
    assert_eq!((stats.points, stats.segments.len()), (4, 1));
    client.optimize(OptimizeRequest { collection: collection() }).await.expect("optimized");
    let queries = Some(packed(&[1.0, 0.0].repeat(20)));
    let calibrate = CalibrateRequest { collection: collection(), queries };
    client.calibrate(calibrate).await.expect("calibrated");
    let wrong = CalibrateRequest { collection: collection(), queries: Some(packed(&[1.0])) };
    refused(client.calibrate(wrong).await, Code::InvalidArgument, &["queries"]);
    let report = client.verify(VerifyRequest { collection: collection() }).await.expect("right");
    assert_eq!(report.into_inner().points, 4);
    let segments = server.data.join("points.nf/segments");
    for file in std::fs::read_dir(segments).expect("a listing").flatten() {
        let mut bytes = std::fs::read(file.path()).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file.path(), bytes).expect("written");
    }
    let answer = client.verify(VerifyRequest { collection: collection() }).await;
    refused(answer, Code::DataLoss, &[]);
}

#[tokio::test]
async fn a_server_of_paths_makes_nothing() {
    let server = Server::with(|setup| {
        let paths = [setup.catalog.data_directory().expect("one").join("points.nf")];
        let catalog = Catalog::new(CatalogOptions::default());
        catalog.serve_paths(&paths).expect("served");
        setup.catalog = std::sync::Arc::new(catalog);
    })
    .await;
    assert_eq!(server.found(SearchOptions::default()).await.len(), 4);
    let answer = server.collections().create(create("x")).await;
    refused(answer, Code::FailedPrecondition, &["--data"]);
}

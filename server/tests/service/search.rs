//! The service over a real connection: answers, errors, health, the end.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nearfield::{Collection, OpenOptions};
use nearfield_server::service::{Collections, serve};
use nearfield_server::v1::point_id::Kind;
use nearfield_server::v1::search_request::Effort;
use nearfield_server::v1::search_service_client::SearchServiceClient;
use nearfield_server::v1::vector::Data;
use nearfield_server::v1::{
    Decay, FloatList, PointId, SearchRequest, SearchResponse, Vector, value,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Dir, NEWEST_MS};

const SERVICE: &str = "nearfield.v1.SearchService";

/// The four points, served until it is stopped.
struct Server {
    channel: Channel,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _dir: Dir,
}

impl Server {
    async fn start() -> Self {
        let dir = Dir::new();
        let path = dir.collection("points.nf");
        let collection = Collection::open(path, OpenOptions::default()).expect("opened");
        let collections = Collections::from([("points".to_owned(), Arc::new(collection))]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            serve(listener, collections, stop).await.expect("served");
        });
        let channel = Channel::from_shared(address).expect("a URI").connect().await;
        Self { channel: channel.expect("connected"), stop, ended, _dir: dir }
    }

    async fn search(&self, request: SearchRequest) -> Result<SearchResponse, Status> {
        let mut client = SearchServiceClient::new(self.channel.clone());
        client.search(request).await.map(tonic::Response::into_inner)
    }

    async fn refuses(&self, request: SearchRequest, code: Code, words: &[&str]) {
        let status = self.search(request).await.expect_err("refused");
        assert_eq!(status.code(), code, "{status:?}");
        for word in words {
            assert!(status.message().contains(word), "{word:?} is not in {status:?}");
        }
    }
}

fn floats(values: &[f32]) -> Vector {
    Vector { data: Some(Data::Floats(FloatList { values: values.to_vec() })) }
}

fn request(vector: impl Into<Option<Vector>>) -> SearchRequest {
    SearchRequest { collection: "points".into(), vector: vector.into(), ..SearchRequest::default() }
}

fn east() -> SearchRequest {
    request(floats(&[1.0, 0.0]))
}

fn text(id: &str) -> PointId {
    PointId { kind: Some(Kind::Str(id.into())) }
}

fn ids(response: &SearchResponse) -> Vec<&str> {
    let ids = response.hits.iter().map(|hit| match hit.id.as_ref()?.kind.as_ref()? {
        Kind::Str(id) => Some(id.as_str()),
        Kind::U64(_) => None,
    });
    ids.map(|id| id.expect("a string id")).collect()
}

#[tokio::test]
async fn answers_hold_what_was_asked_for() {
    let server = Server::start().await;
    let found = server
        .search(SearchRequest {
            with_attributes: vec!["group".into(), "score".into(), "created_utc".into()],
            with_vectors: true,
            effort: Some(Effort::Exact(true)),
            k: Some(2),
            ..east()
        })
        .await
        .expect("found");
    assert_eq!(ids(&found), ["east", "near"]);
    let first = &found.hits[0];
    assert!((first.similarity - 1.0).abs() < 1e-6 && first.distance.abs() < 1e-6);
    assert!((first.score - first.similarity).abs() < 1e-12);
    assert_eq!(first.vector, [1.0, 0.0]);
    let attribute = |name: &str| first.attributes[name].kind.clone().expect("a value");
    assert_eq!(attribute("group"), value::Kind::StringValue("a".into()));
    assert_eq!(attribute("score"), value::Kind::IntValue(1));
    let newest = prost_types::Timestamp { seconds: NEWEST_MS / 1000, nanos: 0 };
    assert_eq!(attribute("created_utc"), value::Kind::TimestampValue(newest));
}

#[tokio::test]
async fn every_form_of_a_vector_is_the_same_query() {
    let server = Server::start().await;
    let packed = |data| request(Vector { data: Some(data) });
    let f32_le = [0.5f32, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    // One half and one as 16-bit floats.
    let f16_le = [0x3800u16, 0x3c00].iter().flat_map(|x| x.to_le_bytes()).collect();
    let plain = server.search(request(floats(&[0.5, 1.0]))).await.expect("found");
    assert_eq!(ids(&plain), ["north", "far", "near", "east"]);
    for data in [Data::F32Le(f32_le), Data::F16Le(f16_le)] {
        assert_eq!(server.search(packed(data)).await.expect("found"), plain);
    }
}

#[tokio::test]
async fn defaults_are_those_of_the_library() {
    let server = Server::start().await;
    let found = server.search(east()).await.expect("found");
    assert_eq!(ids(&found), ["east", "near", "far", "north"]);
    assert!(found.hits.iter().all(|hit| hit.attributes.is_empty() && hit.vector.is_empty()));
    for effort in [Effort::Recall(0.9), Effort::Ef(1), Effort::Exact(false)] {
        let asked = SearchRequest { effort: Some(effort), ..east() };
        assert_eq!(server.search(asked).await.expect("found"), found);
    }
    let suffixed = SearchRequest { collection: "points.nf".into(), ..east() };
    assert_eq!(server.search(suffixed).await.expect("found"), found);
    let space = SearchRequest { space: Some("compass@1".into()), ..east() };
    assert_eq!(server.search(space).await.expect("found"), found);
}

#[tokio::test]
async fn exclusions_caps_and_decay_hold() {
    let server = Server::start().await;
    let without = SearchRequest { exclude: vec![text("east"), text("unknown")], ..east() };
    assert_eq!(ids(&server.search(without).await.expect("found")), ["near", "far", "north"]);
    let capped = SearchRequest { group_by: Some("group".into()), max_per_group: Some(1), ..east() };
    assert_eq!(ids(&server.search(capped).await.expect("found")), ["east", "far"]);
    let fresh = SearchRequest {
        decay: Some(decay("created_utc")),
        k: Some(1),
        ..request(floats(&[0.0, 1.0]))
    };
    let found = server.search(fresh).await.expect("found");
    assert_eq!(ids(&found), ["east"]);
    assert!((found.hits[0].score - 1.0).abs() < 1e-6 && found.hits[0].similarity.abs() < 1e-6);
}

/// A weight of 1, gone after an hour, from the moment of the newest point.
fn decay(column: &str) -> Decay {
    Decay {
        column: column.into(),
        half_life: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
        origin: Some(prost_types::Timestamp { seconds: NEWEST_MS / 1000, nanos: 0 }),
        weight: None,
    }
}

#[tokio::test]
async fn bad_requests_are_never_internal() {
    let server = Server::start().await;
    let unknown = SearchRequest { collection: "posts".into(), ..east() };
    server.refuses(unknown, Code::NotFound, &["points", "posts"]).await;
    let number = PointId { kind: Some(Kind::U64(7)) };
    let nothing = PointId { kind: None };
    let half = Vector { data: Some(Data::F32Le(vec![0; 7])) };
    let late = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    let cases: [(SearchRequest, &[&str]); 20] = [
        (request(None), &["vector"]),
        (request(Vector { data: None }), &["vector"]),
        (request(half), &["f32_le", "7 bytes"]),
        (request(floats(&[1.0])), &["dimension 2", "1"]),
        (request(floats(&[])), &["dimension 2", "0"]),
        (request(floats(&[1.0, f32::NAN])), &["NaN"]),
        (request(floats(&[0.0, 0.0])), &["zero"]),
        (SearchRequest { k: Some(0), ..east() }, &["k", "1 to 10000"]),
        (SearchRequest { k: Some(u32::MAX), ..east() }, &["k", "1 to 10000"]),
        (SearchRequest { effort: Some(Effort::Recall(1.0)), ..east() }, &["recall"]),
        (SearchRequest { effort: Some(Effort::Recall(f32::NAN)), ..east() }, &["recall"]),
        (SearchRequest { effort: Some(Effort::Ef(0)), ..east() }, &["ef"]),
        (SearchRequest { exclude: vec![text("a"), number], ..east() }, &["exclude, row 1", "u64"]),
        (SearchRequest { exclude: vec![nothing], ..east() }, &["exclude, row 0"]),
        (SearchRequest { group_by: Some("group".into()), ..east() }, &["max_per_group"]),
        (SearchRequest { max_per_group: Some(1), ..east() }, &["group_by"]),
        (SearchRequest { with_attributes: vec!["titel".into()], ..east() }, &["titel"]),
        (SearchRequest { decay: Some(decay("titel")), ..east() }, &["titel"]),
        (SearchRequest { space: Some("other@1".into()), ..east() }, &["compass@1", "other@1"]),
        (
            SearchRequest {
                decay: Some(Decay { origin: Some(late), ..decay("created_utc") }),
                ..east()
            },
            &["decay.origin"],
        ),
    ];
    for (request, words) in cases {
        server.refuses(request, Code::InvalidArgument, words).await;
    }
    let decay = Decay { half_life: None, ..decay("created_utc") };
    let request = SearchRequest { decay: Some(decay), ..east() };
    server.refuses(request, Code::InvalidArgument, &["half_life"]).await;
    assert_eq!(server.search(east()).await.expect("found").hits.len(), 4);
}

#[tokio::test]
async fn health_is_per_service_and_stops_are_graceful() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel.clone());
    for service in ["", SERVICE] {
        let asked = HealthCheckRequest { service: service.into() };
        let answer = health.check(asked).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let asked = HealthCheckRequest { service: "nearfield.v1.Nothing".into() };
    assert_eq!(health.check(asked).await.expect_err("unknown").code(), Code::NotFound);
    let asked = HealthCheckRequest { service: SERVICE.into() };
    let mut watch = health.watch(asked).await.expect("a stream").into_inner();
    let mut next = async || watch.message().await.expect("a message").map(|m| m.status());
    assert_eq!(next().await, Some(ServingStatus::Serving));
    server.stop.send(()).expect("it still runs");
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    drop((watch, health, server.channel));
    let ended = tokio::time::timeout(Duration::from_secs(5), server.ended).await;
    ended.expect("in time").expect("without a panic");
}

#[test]
fn the_command_serves_what_the_command_loaded() {
    let dir = Dir::new();
    dir.collection("points.nf");
    std::fs::create_dir(dir.path("no-collection")).expect("a directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_nearfield"))
        .args(["serve", "--data", dir.path(".").to_str().expect("UTF-8"), "--json"])
        .args(["--addr", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stdout = child.stdout.take().expect("a pipe");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("a line");
    let served: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(served["collections"][0]["name"], "points");
    assert_eq!(served["collections"].as_array().map(Vec::len), Some(1));
    let address = format!("http://{}", served["addr"].as_str().expect("an address"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let found = runtime.block_on(async {
        let mut client = SearchServiceClient::connect(address).await.expect("connected");
        client.search(east()).await.expect("found").into_inner()
    });
    assert_eq!(ids(&found), ["east", "near", "far", "north"]);
    let killed = Command::new("kill").arg(child.id().to_string()).status().expect("a signal");
    assert!(killed.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

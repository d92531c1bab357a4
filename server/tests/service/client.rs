//! The client crate, and the load generator, against a server.

use nearfield_client::{Client, Error, Id, Ids, Options, Retry};
use nearfield_server::v1::column::Values;
use nearfield_server::v1::{
    Attributes, CollectionConfig, Column, I64List, IngestMode, Rows, SchemaColumn, SearchOptions,
};
use tonic::Code;

use super::command::Process;
use super::points::packed;
use super::running::{Server, eventually, numbers};
use crate::command::{fails, json};
use crate::support::Dir;

async fn connected(server: &Server) -> Client {
    Client::connect(&format!("http://{}", server.addr)).await.expect("connected")
}

fn top(k: u32) -> SearchOptions {
    SearchOptions { k: Some(k), ..SearchOptions::default() }
}

fn numbered() -> CollectionConfig {
    let schema = vec![SchemaColumn { name: "n".into(), r#type: 3 }];
    CollectionConfig { dim: 2, metric: 3, schema, ..CollectionConfig::default() }
}

fn rows(from: u64, count: u64) -> Rows {
    let ids: Vec<u64> = (from..from + count).collect();
    let vectors: Vec<f32> = ids.iter().flat_map(|id| [*id as f32, 0.0]).collect();
    let values = ids.iter().map(|id| *id as i64).collect();
    let column =
        Column { name: "n".into(), values: Some(Values::Ints(I64List { values })), nulls: vec![] };
    let attributes = Some(Attributes { columns: vec![column] });
    Rows { ids: Some(numbers(&ids)), vectors: Some(packed(&vectors)), attributes }
}

#[tokio::test]
async fn a_collection_does_what_the_embedded_one_does() {
    let server = Server::start().await;
    let client = connected(&server).await;
    let points = client.create("numbers", numbered()).await.expect("made");
    let Rows { attributes, .. } = rows(0, 3);
    points.upsert(vec![0, 1, 2], &[0.0, 0.0, 1.0, 0.0, 2.0, 0.0], attributes).await.expect("in");
    assert_eq!(points.describe().await.expect("described").points, 3);
    let hits = points.search(&[0.9, 0.0], top(2)).await.expect("found");
    let ids: Vec<_> = hits.iter().map(|hit| hit.id).collect();
    assert_eq!(ids, [Id::U64(1), Id::U64(0)]);
    let with = SearchOptions {
        with_attributes: Some(prost_types::FieldMask { paths: vec!["n".into()] }),
        with_vectors: true,
        ..top(1)
    };
    let each = points.search_batch(&[0.0, 0.0, 2.0, 0.0], with).await.expect("found");
    assert_eq!(each.len(), 2);
    assert_eq!(each[1].ids, Ids::U64(vec![2]));
    assert_eq!(each[1].vectors, [2.0, 0.0]);
    let n = each[1].attributes[0].values.clone();
    assert_eq!(n, Some(Values::Ints(I64List { values: vec![2] })));
    let like = points.search_ids(vec![0], top(1)).await.expect("found");
    assert_eq!(like[0].ids, Ids::U64(vec![1]));
    points.exclude("seen", vec![1], None).await.expect("in the set");
    let (got, vectors) = points.get(vec![1, 7]).await.expect("fetched");
    assert_eq!((got.found, vectors), (vec![true, false], vec![1.0, 0.0, 0.0, 0.0]));
    client.set_alias("live", "numbers").await.expect("set");
    assert_eq!(client.collection("live").delete(vec![2, 9]).await.expect("gone"), 1);
    assert_eq!(points.delete_where("n >= 0").await.expect("gone"), 2);
    points.optimize().await.expect("optimized");
    let wrong = points.search(&[1.0], top(1)).await.expect_err("of another dimension");
    let Error::Refused { code, reason, field, .. } = &wrong else { panic!("{wrong:?}") };
    assert_eq!((*code, reason.as_str()), (Code::InvalidArgument, "DIMENSION_MISMATCH"));
    assert_eq!(field.as_deref(), Some("vector"));
    let nothing = client.collection("nothing").describe().await.expect_err("unknown");
    assert_eq!(nothing.code(), Some(Code::NotFound));
}

#[tokio::test]
async fn a_load_goes_on_where_it_stopped() {
    let server = Server::start().await;
    let client = connected(&server).await;
    let points = client.create("numbers", numbered()).await.expect("made");
    let mut load = points.ingest("load", IngestMode::Live).await.expect("begun");
    for part in 0..50 {
        load.send(&rows(part * 20, 20)).await.expect("sent");
    }
    let loaded = load.commit().await.expect("durable");
    assert_eq!((loaded.points, loaded.skipped_batches), (1000, 0));
    let mut again = points.ingest("load", IngestMode::Live).await.expect("begun");
    for part in 0..50 {
        again.send(&rows(part * 20, 20)).await.expect("sent");
    }
    let loaded = again.commit().await.expect("durable");
    assert_eq!((loaded.points, loaded.skipped_batches), (1000, 50));
    assert_eq!(points.describe().await.expect("described").points, 1000);
    // Taken over by another: the first one takes it back.
    let mut first = points.ingest("other", IngestMode::Live).await.expect("begun");
    first.send(&rows(2000, 5)).await.expect("sent");
    drop(points.ingest("other", IngestMode::Live).await.expect("begun"));
    first.send(&rows(2005, 5)).await.expect("sent");
    assert_eq!(first.commit().await.expect("durable").points, 10);
    let bad = Rows { vectors: Some(packed(&[1.0])), ..rows(0, 2) };
    let mut load = points.ingest("bad", IngestMode::Live).await.expect("begun");
    let sent = load.send(&bad).await;
    let error = match sent {
        Err(error) => error,
        Ok(()) => load.commit().await.expect_err("uneven"),
    };
    assert_eq!(error.code(), Some(Code::InvalidArgument), "{error:?}");
}

#[tokio::test]
async fn a_token_is_not_sent_in_the_clear() {
    let options = Options { token: Some("secret".into()), ..Options::default() };
    let error = Client::connect_with("http://example.com:1", options.clone()).await;
    let error = error.expect_err("not encrypted");
    assert!(matches!(error, Error::Setup(_)), "{error:?}");
    assert!(!format!("{options:?}").contains("secret"));
    Client::connect("http://127.0.0.1:1").await.expect_err("nobody is there");
}

/// An address below those that the system gives to connections: a client that tries one of theirs
/// while nobody listens may come to be connected with itself.
fn kept_address() -> String {
    let first = std::process::id() as u16 % 8000;
    let ports = (0..8000).map(|at| 20_000 + (first + at) % 8000);
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    format!("127.0.0.1:{}", ports.into_iter().find(free).expect("a port"))
}

/// Servers that end and begin again while clients search and write: nothing fails, and nothing that
/// was acknowledged is lost.
#[test]
fn restarts_under_load_fail_nothing_and_lose_nothing() {
    const ROUNDS: u64 = 20;
    let dir = Dir::new();
    dir.collection("points.nf");
    let data = dir.text(".");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let addr = kept_address();
    let mut process = Process::start(&["--data", &data, "--addr", &addr]);
    let retry = Retry {
        attempts: 1000,
        first: std::time::Duration::from_millis(10),
        longest: std::time::Duration::from_millis(50),
    };
    let options = Options { retry, ..Options::default() };
    let client = runtime.block_on(Client::connect_with(&format!("http://{addr}"), options));
    let client = client.expect("connected");
    let points = runtime.block_on(client.create("numbers", numbered())).expect("made");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped =
        |stop: &std::sync::atomic::AtomicBool| stop.load(std::sync::atomic::Ordering::Relaxed);
    let answered = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut searches = tokio::task::JoinSet::new();
    let mut writes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (points, stop) = (client.collection("points"), std::sync::Arc::clone(&stop));
        let answered = std::sync::Arc::clone(&answered);
        let ask = async move {
            while !stopped(&stop) {
                let hits = points.search(&[1.0, 0.0], top(4)).await.expect("never a failure");
                assert_eq!(hits.len(), 4);
                answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        };
        searches.spawn_on(ask, runtime.handle());
    }
    for writer in 0..8u64 {
        let (points, stop) = (points.clone(), std::sync::Arc::clone(&stop));
        let write = async move {
            let mut acknowledged = Vec::new();
            let mut next = writer * 1_000_000;
            while !stopped(&stop) {
                let column = rows(next, 1).attributes;
                // A write whose answer is lost may have happened; it is not repeated.
                if points.upsert(vec![next], &[next as f32, 0.0], column).await.is_ok() {
                    acknowledged.push(next);
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                next += 1;
            }
            acknowledged
        };
        writes.spawn_on(write, runtime.handle());
    }
    for round in 0..ROUNDS {
        let before = answered.load(std::sync::atomic::Ordering::Relaxed);
        let more = async || answered.load(std::sync::atomic::Ordering::Relaxed) > before + 20;
        runtime.block_on(eventually(more));
        // One in four is killed: that may lose answers, and nothing else.
        if round % 4 == 3 {
            process.signal("KILL");
            process.end();
        } else {
            process.signal("TERM");
            assert_eq!(process.end().0, Some(0));
        }
        process = Process::start(&["--data", &data, "--addr", &addr]);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    runtime.block_on(async {
        while searches.join_next().await.transpose().expect("well").is_some() {}
    });
    let acknowledged: Vec<u64> =
        runtime.block_on(writes.join_all()).into_iter().flatten().collect();
    assert!(acknowledged.len() as u64 > ROUNDS, "{}", acknowledged.len());
    let (got, _) = runtime.block_on(points.get(acknowledged.clone())).expect("fetched");
    let lost: Vec<_> =
        acknowledged.iter().zip(got.found).filter(|(_, found)| !found).map(|(id, _)| id).collect();
    assert!(lost.is_empty(), "{lost:?} were acknowledged and are gone");
}

#[test]
fn a_load_is_measured() {
    let dir = Dir::new();
    dir.collection("points.nf");
    let queries = dir.npy("queries.npy", &[[1.0, 0.0], [0.0, 1.0], [0.7, 0.7], [1.0, 0.2]]);
    let process = Process::start(&["--data", &dir.text(".")]);
    let addr = process.uri();
    let with = |more: &[&str]| {
        let mut args = vec!["loadtest", "points", &queries, "--addr", &addr, "--warm-up", "0s"];
        args.extend(["--time", "500ms", "-k", "2"]);
        args.extend(more);
        json(&args)
    };
    let open = with(&["--rate", "50,200"]);
    let loads = open["loads"].as_array().expect("loads");
    assert_eq!(loads.len(), 2);
    for load in loads {
        assert!(load["answered"].as_u64() > Some(1), "{load}");
        assert_eq!(load["failed"], 0, "{load}");
        assert_eq!(load["recall"].as_f64(), Some(1.0), "{load}");
        assert!(load["p99_ms"].as_f64() >= load["p50_ms"].as_f64(), "{load}");
    }
    let closed = with(&["--clients", "4", "--batch", "2"]);
    let load = &closed["loads"][0];
    assert!(load["queries_per_second"].as_f64() > load["answers_per_second"].as_f64(), "{load}");
    assert_eq!(load["recall"].as_f64(), Some(1.0), "{load}");
    fails(&["loadtest", "nothing", &queries, "--addr", &addr, "--rate", "9"], 1, &["nothing"]);
    fails(&["loadtest", "points", &queries, "--addr", &addr], 2, &["--rate"]);
    fails(&["loadtest", "points", &queries, "--rate", "0"], 2, &["--rate"]);
    fails(
        &["loadtest", "points", &queries, "--addr", "http://127.0.0.1:1", "--rate", "9"],
        1,
        &["127.0.0.1:1"],
    );
}

//! Exclusion sets over the wire.

use nearfield_server::v1::{AddRequest, ClearRequest, SearchOptions};
use tonic::Code;

use super::running::{Server, eventually, ids, numbers, refused};

fn add(set: &str, names: &[&str]) -> AddRequest {
    AddRequest { collection: "points".into(), set: set.into(), ids: Some(ids(names)), ttl: None }
}

fn without(set: &str) -> SearchOptions {
    SearchOptions { exclude_sets: vec![set.into()], ..SearchOptions::default() }
}

#[tokio::test]
async fn what_was_seen_is_left_out_until_it_is_forgotten() {
    let server = Server::start().await;
    server.exclusions().add(add("seen", &["east", "unknown"])).await.expect("added");
    assert_eq!(server.found(without("seen")).await, ["near", "far", "north"]);
    let clear = ClearRequest { collection: "points".into(), set: "seen".into() };
    server.exclusions().clear(clear).await.expect("cleared");
    assert_eq!(server.found(without("seen")).await.len(), 4);
    let ttl = Some(prost_types::Duration { seconds: 0, nanos: 30_000_000 });
    let short = AddRequest { ttl, ..add("short", &["east"]) };
    server.exclusions().add(short).await.expect("added");
    eventually(async || server.found(without("short")).await.len() == 4).await;
}

#[tokio::test]
async fn bad_sets_are_refused() {
    let server = Server::start().await;
    let answer = server.exclusions().add(add("", &["east"])).await;
    refused(answer, Code::InvalidArgument, &["set"]);
    let answer = server.exclusions().add(add(&"x".repeat(513), &["east"])).await;
    refused(answer, Code::InvalidArgument, &["set"]);
    let wrong = AddRequest { ids: Some(numbers(&[1])), ..add("a", &[]) };
    refused(server.exclusions().add(wrong).await, Code::InvalidArgument, &["ids"]);
    let past = Some(prost_types::Duration { seconds: -5, nanos: 0 });
    let wrong = AddRequest { ttl: past, ..add("a", &["east"]) };
    refused(server.exclusions().add(wrong).await, Code::InvalidArgument, &["ttl"]);
    let unknown = ClearRequest { collection: "nothing".into(), set: "a".into() };
    refused(server.exclusions().clear(unknown).await, Code::NotFound, &["nothing"]);
}

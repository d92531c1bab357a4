//! Searches: answers, defaults, every form of a request, errors.

use std::time::{Duration, Instant};

use nearfield::{Collection, Mode, OpenOptions};
use nearfield_server::v1::column::Values;
use nearfield_server::v1::examples;
use nearfield_server::v1::search_options::Effort;
use nearfield_server::v1::vector::Data;
use nearfield_server::v1::{
    Boost, Conditions, Decay, Examples, FloatList, RecommendRequest, SearchBatchRequest,
    SearchIdsRequest, SearchInterestsRequest, SearchOptions, SearchRequest, Vector, Vectors,
    vectors,
};
use prost_types::FieldMask;
use tonic::{Code, Request};

use super::running::{Server, asked, eventually, floats, ids, numbers, refused, strings};
use crate::support::NEWEST_MS;

fn matrix(values: &[f32]) -> Vectors {
    Vectors { data: Some(vectors::Data::Floats(FloatList { values: values.to_vec() })) }
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields take it")]
fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
}

fn top(k: u32) -> SearchOptions {
    SearchOptions { k: Some(k), ..SearchOptions::default() }
}

#[tokio::test]
async fn answers_hold_what_was_asked_for() {
    let server = Server::start().await;
    let options = SearchOptions {
        with_attributes: mask(&["group", "score", "created_utc"]),
        with_vectors: true,
        effort: Some(Effort::Exact(true)),
        ..top(2)
    };
    let found = server.search(asked(options)).await.expect("found");
    assert_eq!(strings(found.ids), ["east", "near"]);
    assert!((found.similarities[0] - 1.0).abs() < 1e-6 && found.distances[0].abs() < 1e-6);
    assert!((found.scores[0] - found.similarities[0]).abs() < 1e-12);
    assert_eq!(found.vectors_f32_le[..8], [0, 0, 128, 63, 0, 0, 0, 0]);
    assert_eq!(found.vectors_f32_le.len(), 16);
    let columns = found.attributes.expect("attributes").columns;
    let column = |name: &str| {
        let column = columns.iter().find(|column| column.name == name).expect("a column");
        column.values.clone().expect("values")
    };
    let Values::Strings(groups) = column("group") else { panic!("strings") };
    assert_eq!(groups.values, ["a", "a"]);
    let Values::Ints(scores) = column("score") else { panic!("integers") };
    assert_eq!(scores.values, [1, -2]);
    let Values::Timestamps(times) = column("created_utc") else { panic!("timestamps") };
    assert_eq!(times.microseconds[0], NEWEST_MS * 1000);
    let all = SearchOptions { with_attributes: mask(&["*"]), ..top(1) };
    let found = server.search(asked(all)).await.expect("found");
    assert_eq!(found.attributes.expect("attributes").columns.len(), 3);
}

#[tokio::test]
async fn every_form_of_a_vector_is_the_same_query() {
    let server = Server::start().await;
    let search = async |data| {
        let vector = Some(Vector { data: Some(data) });
        let request = SearchRequest { vector, ..asked(SearchOptions::default()) };
        server.search(request).await.expect("found")
    };
    let f32_le = [0.5f32, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    // One half and one as 16-bit floats.
    let f16_le = [0x3800u16, 0x3c00].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    let plain = search(Data::Floats(FloatList { values: vec![0.5, 1.0] })).await;
    assert_eq!(strings(plain.ids.clone()), ["north", "far", "near", "east"]);
    for data in [Data::F32Le(f32_le.into()), Data::F16Le(f16_le.into())] {
        assert_eq!(search(data).await, plain);
    }
}

#[tokio::test]
async fn defaults_are_those_of_the_library() {
    let server = Server::start().await;
    let found = server.search(asked(SearchOptions::default())).await.expect("found");
    assert_eq!(strings(found.ids.clone()), ["east", "near", "far", "north"]);
    assert!(found.attributes.is_none() && found.vectors_f32_le.is_empty());
    let bare = SearchRequest { options: None, ..asked(SearchOptions::default()) };
    assert_eq!(server.search(bare).await.expect("found"), found);
    for effort in [Effort::Recall(0.9), Effort::Ef(1), Effort::Exact(false)] {
        let options = SearchOptions { effort: Some(effort), ..SearchOptions::default() };
        assert_eq!(server.search(asked(options)).await.expect("found"), found);
    }
    let suffixed =
        SearchRequest { collection: "points.nf".into(), ..asked(SearchOptions::default()) };
    assert_eq!(server.search(suffixed).await.expect("found"), found);
    let space = SearchOptions { space: Some("compass@1".into()), ..SearchOptions::default() };
    assert_eq!(server.search(asked(space)).await.expect("found"), found);
}

#[tokio::test]
async fn a_search_says_how_it_was_answered_if_it_is_asked() {
    let server = Server::start().await;
    let filter = || Some("score > 1".into());
    for (explain, count) in [(true, 1), (false, 0)] {
        // Among so many the server asks some for itself.
        for _ in 0..20 {
            let options = SearchOptions { r#where: filter(), explain, ..Default::default() };
            let found = server.search(asked(options)).await.expect("found");
            assert_eq!(found.explain.len(), count);
            for told in found.explain {
                let way = told.way.expect("a way");
                assert_eq!((way.plan.as_str(), way.points, way.cardinality), ("exact", 4, 2));
                assert_eq!((way.skipped_by_filter, way.stable), (2, None));
                assert_eq!(told.segments.len(), 1);
                assert!(way.microseconds["total"] > 0.0);
            }
        }
    }
}

#[tokio::test]
async fn every_option_means_what_it_means_in_the_library() {
    let server = Server::start().await;
    let cases: [(SearchOptions, &[&str]); 6] = [
        (
            SearchOptions { exclude: Some(ids(&["east", "unknown"])), ..Default::default() },
            &["near", "far", "north"],
        ),
        (
            SearchOptions {
                group_by: Some("group".into()),
                max_per_group: Some(1),
                ..Default::default()
            },
            &["east", "far"],
        ),
        (
            SearchOptions { r#where: Some("score > 1".into()), ..Default::default() },
            &["far", "north"],
        ),
        (SearchOptions { min_score: Some(0.97), ..Default::default() }, &["east", "near"]),
        (
            SearchOptions {
                boosts: vec![Boost { column: "score".into(), weight: Some(9.0), scale: 2 }],
                ..Default::default()
            },
            &["north", "far", "east", "near"],
        ),
        (SearchOptions { exclude_sets: vec!["never written".into()], ..top(1) }, &["east"]),
    ];
    for (options, expected) in cases {
        assert_eq!(server.found(options).await, expected);
    }
    let fresh = SearchRequest {
        vector: Some(floats(&[0.0, 1.0])),
        ..asked(SearchOptions { decay: Some(decay("created_utc")), ..top(1) })
    };
    let found = server.search(fresh).await.expect("found");
    assert_eq!(strings(found.ids), ["east"]);
    assert!((found.scores[0] - 1.0).abs() < 1e-6 && found.similarities[0].abs() < 1e-6);
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
async fn a_row_of_a_batch_is_the_same_single_search() {
    let server = Server::start().await;
    let queries = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    let options = SearchOptions { with_vectors: true, ..top(3) };
    let request = SearchBatchRequest {
        collection: "points".into(),
        vectors: Some(matrix(queries.as_flattened())),
        options: Some(options.clone()),
        per_query: Vec::new(),
    };
    let batch = server.searches().search_batch(request.clone()).await.expect("found").into_inner();
    assert_eq!(batch.counts, [3, 3, 3]);
    let hits = batch.hits.expect("hits");
    for (row, query) in queries.iter().enumerate() {
        let single = SearchRequest { vector: Some(floats(query)), ..asked(options.clone()) };
        let single = server.search(single).await.expect("found");
        let part = row * 3..row * 3 + 3;
        assert_eq!(strings(hits.ids.clone())[part.clone()], strings(single.ids));
        assert_eq!(hits.scores[part.clone()], single.scores);
        assert_eq!(hits.vectors_f32_le[part.start * 8..part.end * 8], single.vectors_f32_le);
    }
    let without = |name: &str| Conditions { exclude: Some(ids(&[name])), ..Default::default() };
    let filtered = Conditions { r#where: Some("score = 4".into()), ..Default::default() };
    let per_query = vec![without("east"), without("north"), filtered];
    let request = SearchBatchRequest { per_query, options: Some(top(1)), ..request };
    let batch = server.searches().search_batch(request.clone()).await.expect("found").into_inner();
    assert_eq!(strings(batch.hits.expect("hits").ids), ["near", "far", "north"]);
    let short = SearchBatchRequest { per_query: vec![without("east")], ..request.clone() };
    let answer = server.searches().search_batch(short).await;
    refused(answer, Code::InvalidArgument, &["per_query"]);
    let none = SearchBatchRequest { vectors: None, per_query: Vec::new(), ..request };
    let batch = server.searches().search_batch(none).await.expect("found").into_inner();
    assert!(batch.counts.is_empty());
}

#[tokio::test]
async fn points_and_interests_are_searched_with() {
    let server = Server::start().await;
    let like = SearchIdsRequest {
        collection: "points".into(),
        ids: Some(ids(&["east", "north"])),
        options: Some(top(1)),
        per_query: Vec::new(),
    };
    let found = server.searches().search_ids(like.clone()).await.expect("found").into_inner();
    assert_eq!(strings(found.hits.expect("hits").ids), ["near", "far"]);
    let unknown = SearchIdsRequest { ids: Some(ids(&["east", "nowhere"])), ..like };
    refused(server.searches().search_ids(unknown).await, Code::NotFound, &["nowhere"]);
    let by_ids = |names: &[&str]| Some(Examples { kind: Some(examples::Kind::Ids(ids(names))) });
    let recommend = RecommendRequest {
        collection: "points".into(),
        positive: by_ids(&["near"]),
        negative: by_ids(&["north"]),
        options: Some(top(1)),
    };
    let found = server.searches().recommend(recommend.clone()).await.expect("found").into_inner();
    assert_eq!(strings(found.hits.expect("hits").ids), ["east"]);
    let vectors = Examples { kind: Some(examples::Kind::Vectors(matrix(&[0.0, 1.0]))) };
    let by_vector =
        RecommendRequest { positive: Some(vectors), negative: None, ..recommend.clone() };
    let found = server.searches().recommend(by_vector).await.expect("found").into_inner();
    assert_eq!(strings(found.hits.expect("hits").ids), ["north"]);
    let nothing = RecommendRequest { positive: None, ..recommend };
    let answer = server.searches().recommend(nothing).await;
    refused(answer, Code::InvalidArgument, &["positive"]);
    let interests = SearchInterestsRequest {
        collection: "points".into(),
        vectors: Some(matrix(&[1.0, 0.0, 0.0, 1.0])),
        weights: vec![3.0, 1.0],
        quotas: vec![1, 1],
        options: Some(top(2)),
    };
    let found = server.searches().search_interests(interests.clone()).await.expect("found");
    assert_eq!(strings(found.into_inner().hits.expect("hits").ids), ["east", "north"]);
    let uneven = SearchInterestsRequest { weights: vec![1.0], ..interests };
    refused(server.searches().search_interests(uneven).await, Code::InvalidArgument, &["weights"]);
}

#[tokio::test]
async fn bad_requests_are_never_internal() {
    let server = Server::start().await;
    let unknown = SearchRequest { collection: "posts".into(), ..asked(SearchOptions::default()) };
    refused(server.search(unknown).await, Code::NotFound, &["points", "posts"]);
    let vector =
        |vector: Option<Vector>| SearchRequest { vector, ..asked(SearchOptions::default()) };
    let half = Vector { data: Some(Data::F32Le(vec![0; 7].into())) };
    let vectors: [(SearchRequest, &[&str]); 8] = [
        (vector(None), &["vector"]),
        (vector(Some(Vector { data: None })), &["vector"]),
        (vector(Some(half)), &["f32_le", "7 bytes"]),
        (vector(Some(floats(&[1.0]))), &["dimension 2", "1"]),
        (vector(Some(floats(&[]))), &["dimension 2", "0"]),
        (vector(Some(floats(&[1.0, f32::NAN]))), &["NaN"]),
        (vector(Some(floats(&[f32::INFINITY, 0.0]))), &["inf"]),
        (vector(Some(floats(&[0.0, 0.0]))), &["zero"]),
    ];
    for (request, words) in vectors {
        refused(server.search(request).await, Code::InvalidArgument, words);
    }
    let late = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    let past = prost_types::Duration { seconds: -1, nanos: 0 };
    let effort = |effort| SearchOptions { effort: Some(effort), ..Default::default() };
    let dated = |decay| SearchOptions { decay: Some(decay), ..Default::default() };
    let boosted = |column: &str, weight, scale| SearchOptions {
        boosts: vec![Boost { column: column.into(), weight: Some(weight), scale }],
        ..Default::default()
    };
    let filter = |text: &str| SearchOptions { r#where: Some(text.into()), ..Default::default() };
    let deep = format!("{}score > 1{}", "(".repeat(200), ")".repeat(200));
    let cases: Vec<(SearchOptions, &[&str])> = vec![
        (top(0), &["k", "1 to 10000"]),
        (top(u32::MAX), &["k", "1 to 10000"]),
        (effort(Effort::Recall(1.0)), &["recall"]),
        (effort(Effort::Recall(f32::NAN)), &["recall"]),
        (effort(Effort::Ef(0)), &["ef"]),
        (effort(Effort::Ef(u32::MAX)), &["ef"]),
        (SearchOptions { exclude: Some(numbers(&[1])), ..Default::default() }, &["exclude", "u64"]),
        (SearchOptions { group_by: Some("group".into()), ..top(1) }, &["max_per_group"]),
        (SearchOptions { max_per_group: Some(1), ..top(1) }, &["group_by"]),
        (SearchOptions { group_by: Some("x".into()), max_per_group: Some(1), ..top(1) }, &["x"]),
        (
            SearchOptions { group_by: Some("group".into()), max_per_group: Some(0), ..top(1) },
            &["max_per_group"],
        ),
        (SearchOptions { with_attributes: mask(&["titel"]), ..top(1) }, &["titel"]),
        (dated(decay("titel")), &["titel"]),
        (dated(Decay { origin: Some(late), ..decay("created_utc") }), &["decay.origin"]),
        (dated(Decay { half_life: None, ..decay("created_utc") }), &["half_life"]),
        (dated(Decay { half_life: Some(past), ..decay("created_utc") }), &["half_life"]),
        (dated(Decay { weight: Some(-1.0), ..decay("created_utc") }), &["weight"]),
        (boosted("titel", 1.0, 0), &["titel"]),
        (boosted("group", 1.0, 0), &["group"]),
        (boosted("score", f64::NAN, 0), &["weight"]),
        (boosted("score", 1.0, 77), &["scale", "77"]),
        (SearchOptions { space: Some("other@1".into()), ..top(1) }, &["compass@1", "other@1"]),
        (SearchOptions { space: Some("other".into()), ..top(1) }, &["name@version"]),
        (SearchOptions { min_score: Some(f64::NAN), ..top(1) }, &["min_score"]),
        (SearchOptions { timeout: Some(past), ..top(1) }, &["timeout"]),
        (SearchOptions { threads: Some(0), ..top(1) }, &["threads"]),
        (filter("scor > 1"), &["scor", "score"]),
        (filter("score >"), &["filter"]),
        (filter(""), &["filter"]),
        (filter("group = 1"), &["group"]),
        (filter(&deep), &["filter"]),
        (filter("score > 1; DROP TABLE points"), &["filter"]),
    ];
    for (options, words) in cases {
        refused(server.search(asked(options)).await, Code::InvalidArgument, words);
    }
    assert_eq!(server.found(SearchOptions::default()).await.len(), 4);
}

#[tokio::test]
async fn deadlines_reach_the_search() {
    let server = Server::start().await;
    let mut request = Request::new(asked(SearchOptions::default()));
    request.set_timeout(Duration::from_nanos(1));
    let began = Instant::now();
    let status = server.searches().search(request).await.expect_err("too late");
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let none = prost_types::Duration { seconds: 0, nanos: 1 };
    let options = SearchOptions { timeout: Some(none), ..SearchOptions::default() };
    refused(server.search(asked(options)).await, Code::DeadlineExceeded, &["timeout"]);
}

#[tokio::test]
async fn a_caller_who_goes_away_frees_the_thread() {
    let dir = crate::support::Dir::new();
    let path = dir.collection("points.nf");
    {
        let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
        let many = Collection::open(path, options).expect("opened");
        let ids = nearfield::Ids::Str((0..20_000).map(|id| id.to_string()).collect());
        let components: Vec<f32> = (0..20_000).flat_map(|x| [1.0, x as f32]).collect();
        let vectors = nearfield::VectorData::F32(components.into());
        let vectors = nearfield::Vectors::new(2, vectors).expect("vectors");
        many.upsert(&ids, &vectors, None, &nearfield::Progress::new()).expect("written");
    }
    let server = Server::over(dir, |setup| {
        setup.threads = 1;
        setup.queue = 0;
    });
    assert_eq!(server.found(top(1)).await.len(), 1);
    // Ten billion comparisons: seconds on any machine, minutes on most.
    let options = SearchOptions { effort: Some(Effort::Exact(true)), threads: Some(1), ..top(1) };
    let request = SearchBatchRequest {
        collection: "points".into(),
        vectors: Some(matrix(&[1.0, 0.5].repeat(500_000))),
        options: Some(options),
        per_query: Vec::new(),
    };
    let mut client = server.searches();
    let busy = tokio::spawn(async move { client.search_batch(request).await });
    eventually(async || server.search(asked(top(1))).await.is_err()).await;
    let began = Instant::now();
    busy.abort();
    eventually(async || server.search(asked(top(1))).await.is_ok()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_looked_for() {
    let server = Server::with(|setup| setup.limits.answer_bytes = 1000).await;
    assert_eq!(server.found(top(10)).await.len(), 4);
    refused(server.search(asked(top(1000))).await, Code::ResourceExhausted, &["1000 bytes"]);
}

//! Points: written, changed, deleted, fetched.

use nearfield_server::v1::column::Values;
use nearfield_server::v1::delete_request::Which;
use nearfield_server::v1::{
    Attributes, BoolList, Column, DeleteRequest, FloatList, I64List, PointServiceGetRequest, Rows,
    SearchOptions, StringList, TimestampList, UpdateRequest, UpsertRequest, Vectors, vectors,
};
use prost_types::FieldMask;
use tonic::Code;

use super::running::{Server, eventually, ids, numbers, refused, strings};

/// A column.
pub fn column(name: &str, values: Option<Values>, nulls: &[u32]) -> Column {
    Column { name: name.into(), values, nulls: nulls.to_vec() }
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields take it")]
fn words(values: &[&str]) -> Option<Values> {
    let values = values.iter().map(ToString::to_string).collect();
    Some(Values::Strings(StringList { values }))
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields take it")]
fn ints(values: &[i64]) -> Option<Values> {
    Some(Values::Ints(I64List { values: values.to_vec() }))
}

/// Vectors one after the other.
pub fn packed(values: &[f32]) -> Vectors {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    Vectors { data: Some(vectors::Data::F32Le(bytes.into())) }
}

/// One point in the west, with every column.
fn west() -> Rows {
    let time = Values::Timestamps(TimestampList { microseconds: vec![5] });
    Rows {
        ids: Some(ids(&["west"])),
        vectors: Some(packed(&[-1.0, 0.0])),
        attributes: Some(Attributes {
            columns: vec![
                column("group", words(&["c"]), &[]),
                column("score", None, &[0]),
                column("created_utc", Some(time), &[]),
            ],
        }),
    }
}

fn upsert(rows: Rows) -> UpsertRequest {
    UpsertRequest { collection: "points".into(), rows: Some(rows), ttl: None }
}

fn get(names: &[&str]) -> PointServiceGetRequest {
    PointServiceGetRequest {
        collection: "points".into(),
        ids: Some(ids(names)),
        with_vectors: None,
        with_attributes: None,
    }
}

#[tokio::test]
async fn what_is_written_is_found_fetched_and_still_there_afterwards() {
    let server = Server::start().await;
    server.points().upsert(upsert(west())).await.expect("written");
    assert_eq!(server.found(SearchOptions::default()).await.len(), 5);
    let update = UpdateRequest {
        collection: "points".into(),
        ids: Some(ids(&["west"])),
        attributes: Some(Attributes { columns: vec![column("score", ints(&[7]), &[])] }),
    };
    server.points().update(update).await.expect("updated");
    let which = Some(Which::Ids(ids(&["east", "nowhere"])));
    let delete = DeleteRequest { collection: "points".into(), which };
    let deleted = server.points().delete(delete).await.expect("deleted").into_inner();
    assert_eq!(deleted.deleted, 1);
    let which = Some(Which::Where("score = 4".into()));
    let delete = DeleteRequest { collection: "points".into(), which };
    assert_eq!(server.points().delete(delete).await.expect("deleted").into_inner().deleted, 1);
    let dir = server.end().await;
    let server = Server::over(dir, |_| ());
    let found = server.points().get(get(&["west", "east"])).await.expect("found").into_inner();
    assert_eq!(strings(found.ids), ["west", "east"]);
    assert_eq!(found.found, [true, false]);
    assert_eq!(found.vectors_f32_le[..4], (-1f32).to_le_bytes());
    let columns = found.attributes.expect("attributes").columns;
    let score = columns.iter().find(|column| column.name == "score").expect("a column");
    assert_eq!((score.values.clone(), &*score.nulls), (ints(&[7, 0]), &[1][..]));
    assert_eq!(server.found(SearchOptions::default()).await, ["near", "far", "west"]);
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_sent() {
    let server = Server::start().await;
    let mask = |path: &str| Some(FieldMask { paths: vec![path.into()] });
    let asked = PointServiceGetRequest {
        with_vectors: Some(false),
        with_attributes: mask("group"),
        ..get(&["east"])
    };
    let found = server.points().get(asked).await.expect("found").into_inner();
    let columns = found.attributes.expect("attributes").columns;
    assert_eq!(columns.len(), 1);
    assert!(found.vectors_f32_le.is_empty());
    let unknown = PointServiceGetRequest { with_attributes: mask("titel"), ..get(&["east"]) };
    refused(server.points().get(unknown).await, Code::InvalidArgument, &["titel"]);
    refused(
        server.points().get(PointServiceGetRequest { ids: Some(numbers(&[1])), ..get(&[]) }).await,
        Code::InvalidArgument,
        &["ids", "str"],
    );
}

#[tokio::test]
async fn points_expire() {
    let server = Server::start().await;
    let ttl = prost_types::Duration { seconds: 0, nanos: 50_000_000 };
    let request = UpsertRequest { ttl: Some(ttl), ..upsert(west()) };
    server.points().upsert(request).await.expect("written");
    eventually(async || server.found(SearchOptions::default()).await.len() == 4).await;
}

#[tokio::test]
async fn bad_points_are_refused_whole() {
    let server = Server::start().await;
    let columns =
        |columns: Vec<Column>| Rows { attributes: Some(Attributes { columns }), ..west() };
    let with = |replaced: Column| {
        let mut rows = west();
        let attributes = rows.attributes.as_mut().expect("attributes");
        let place = attributes.columns.iter().position(|column| column.name == replaced.name);
        match place {
            Some(place) => attributes.columns[place] = replaced,
            None => attributes.columns.push(replaced),
        }
        rows
    };
    let bools = Some(Values::Bools(BoolList { values: vec![true] }));
    let floats = vectors::Data::Floats(FloatList { values: vec![f32::NAN, 0.0] });
    let long = "x".repeat(513);
    let cases: Vec<(Rows, &[&str])> = vec![
        (Rows { vectors: None, ..west() }, &["vectors"]),
        (Rows { ids: None, ..west() }, &["expected 0"]),
        (Rows { ids: Some(numbers(&[1])), ..west() }, &["ids"]),
        (Rows { ids: Some(ids(&[""])), ..west() }, &["ids, row 0"]),
        (Rows { ids: Some(ids(&[&long])), ..west() }, &["ids, row 0"]),
        (Rows { vectors: Some(packed(&[1.0])), ..west() }, &["vectors"]),
        (Rows { vectors: Some(packed(&[1.0, 0.0, 0.0, 1.0])), ..west() }, &["vectors"]),
        (Rows { vectors: Some(packed(&[0.0, 0.0])), ..west() }, &["zero"]),
        (Rows { vectors: Some(Vectors { data: Some(floats) }), ..west() }, &["NaN"]),
        (columns(Vec::new()), &["group"]),
        (with(column("titel", words(&["x"]), &[])), &["titel"]),
        (with(column("score", words(&["x"]), &[])), &["score"]),
        (with(column("score", bools, &[])), &["score"]),
        (with(column("score", ints(&[1, 2]), &[])), &["score", "found 2"]),
        (with(column("score", ints(&[1]), &[7])), &["nulls", "7"]),
        (with(column("score", None, &[])), &["score", "none"]),
    ];
    for (rows, expected) in cases {
        refused(server.points().upsert(upsert(rows)).await, Code::InvalidArgument, expected);
    }
    let twice = {
        let mut rows = west();
        let attributes = rows.attributes.as_mut().expect("attributes");
        attributes.columns.push(attributes.columns[0].clone());
        rows
    };
    refused(server.points().upsert(upsert(twice)).await, Code::InvalidArgument, &["twice"]);
    let update = |name: &str, attributes| UpdateRequest {
        collection: "points".into(),
        ids: Some(ids(&[name])),
        attributes: Some(Attributes { columns: attributes }),
    };
    let score = || vec![column("score", ints(&[7]), &[])];
    refused(server.points().update(update("nowhere", score())).await, Code::NotFound, &["nowhere"]);
    let wrong = vec![column("titel", ints(&[7]), &[])];
    let answer = server.points().update(update("east", wrong)).await;
    refused(answer, Code::InvalidArgument, &["titel"]);
    let delete = |which| DeleteRequest { collection: "points".into(), which };
    refused(server.points().delete(delete(None)).await, Code::InvalidArgument, &["ids or where"]);
    let filter = Some(Which::Where("scor = 1".into()));
    refused(server.points().delete(delete(filter)).await, Code::InvalidArgument, &["scor"]);
    let wrong = Some(Which::Ids(numbers(&[1])));
    refused(server.points().delete(delete(wrong)).await, Code::InvalidArgument, &["ids"]);
    assert_eq!(server.found(SearchOptions::default()).await.len(), 4);
}

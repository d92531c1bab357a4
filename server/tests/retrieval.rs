//! What shapes a list on the command line: boosts, interests, conditions a query, explanations; and
//! files of queries.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow_ipc::writer::FileWriter;
use nearfield_datasets::open;
use serde_json::{Value, json};

use crate::command::{fails, json, loaded, works};
use crate::support::{Dir, points};

fn ids(found: &Value) -> Vec<&str> {
    let hits = found["hits"].as_array().expect("hits").iter();
    hits.map(|hit| hit["id"].as_str().expect("an id")).collect()
}

#[test]
fn boosts_prefer_large_values() {
    let (_dir, path) = loaded();
    let search = |boost: &str| json(&["search", &path, "--vector", "1,0", "--boost", boost]);
    // The scores are 1, -2, 3 and 4; cosines 1, 0.98, 0.94, 0.
    assert_eq!(ids(&search("score:0.5")), ["far", "east", "near", "north"]);
    assert_eq!(ids(&search("score:2:log1p"))[0], "far");
    fails(&["search", &path, "--vector", "1,0", "--boost", "score"], 2, &["COLUMN:WEIGHT"]);
    fails(&["search", &path, "--vector", "1,0", "--boost", "score:1:cube"], 2, &["log1p"]);
    fails(&["search", &path, "--vector", "1,0", "--boost", "group:1"], 1, &["i64 or f64"]);
}

#[test]
fn interests_have_one_list() {
    let (dir, path) = loaded();
    let file = dir.npy("interests.npy", &[[1., 0.], [0., 1.]]);
    let all = ["search", &path, "--vector-file", &file, "--interests"];
    let with = |more: &[&str]| json(&[&all[..], more].concat());
    assert_eq!(ids(&with(&["-k", "2"])), ["east", "north"]);
    assert_eq!(ids(&with(&["-k", "2", "--weights", "3,1"])), ["east", "near"]);
    let found = with(&["-k", "2", "--weights", "3,1", "--quotas", "0,1", "--explain"]);
    assert_eq!(ids(&found), ["east", "north"]);
    assert_eq!(found["explain"].as_array().map(Vec::len), Some(1));
    let like = ["search", &path, "--like", "east", "--like", "north", "--interests", "-k", "1"];
    assert_eq!(ids(&json(&like)), ["near"]);
    let fail = |more: &[&str], status, words: &[&str]| {
        fails(&[&all[..], more].concat(), status, words);
    };
    fail(&["--weights", "1,0"], 1, &["weights: expected numbers above 0, found 0"]);
    fail(&["--weights=-1,1"], 1, &["numbers above 0, found -1"]);
    fail(&["--weights", "1"], 1, &["expected 2, one an interest, found 1"]);
    fail(&["--quotas", "6,6"], 1, &["quotas: expected at most k = 10 together, found 12"]);
    fails(&["search", &path, "--vector", "1,0", "--weights", "1"], 2, &["--weights"]);
    fails(&["search", &path, "--like", "east", "--weights", "1"], 2, &["--interests"]);
}

#[test]
fn each_query_of_a_file_has_its_own_conditions() {
    let (dir, path) = loaded();
    let file = dir.npy("queries.npy", &[[1., 0.], [1., 0.], [1., 0.]]);
    works(&["exclude", &path, "seen", "near", "far"]);
    let conditions = dir.text("conditions.jsonl");
    let lines =
        [r#"{"where": "score > 1"}"#, r#"{"exclude": ["east"], "exclude_sets": ["seen"]}"#, "{}"];
    fs::write(&conditions, lines.join("\n")).expect("written");
    let all = ["search", &path, "--vector-file", &file, "--conditions", &conditions];
    let found = json(&[&all[..], &["-k", "1"]].concat());
    assert_eq!(ids(&found), ["far", "north", "east"]);
    fs::write(&conditions, lines[..2].join("\n")).expect("written");
    fails(&all, 1, &["3 conditions, one a query", "found 2"]);
    fs::write(&conditions, "{}\n{\"were\": \"a\"}\n").expect("written");
    fails(&all, 1, &["conditions.jsonl, line 2", "\"where\""]);
}

#[test]
fn a_search_explains_itself() {
    let (_dir, path) = loaded();
    let search = ["search", &path, "--vector", "1,0", "--where", "score > 0", "--exclude", "east"];
    let found = json(&[&search[..], &["--explain"]].concat());
    let told = &found["explain"][0];
    assert_eq!((&told["plan"], &told["points"]), (&json!("exact"), &json!(4)));
    assert_eq!((&told["cardinality"], &told["selectivity"]), (&json!(2), &json!(0.5)));
    assert_eq!(told["skipped_by_filter"], 1);
    assert_eq!(told["skipped_by_exclusion"], 1);
    assert_eq!(told["segments"][0]["rows_rescored"], 2);
    assert!(told["microseconds"]["total"].as_f64().is_some_and(|us| us > 0.0));
    assert!(json(&search).get("explain").is_none());
    let text = works(&[&search[..], &["--explain"]].concat());
    for words in ["plan exact: only 2 points are eligible", "2 of 4 points eligible", "time: "] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[test]
fn a_least_similarity_needs_no_number_of_hits() {
    let dir = Dir::new();
    let rows: Vec<[f32; 2]> = (0..60_u16).map(|i| [1.0, f32::from(i) / 1_000.0]).collect();
    let (file, path) = (dir.npy("v.npy", &rows), dir.text("v.nf"));
    works(&["load", &path, &file]);
    let near = ["search", &path, "--vector", "1,0", "--min-score", "0.99"];
    assert_eq!(ids(&json(&near)).len(), 60);
    assert_eq!(ids(&json(&[&near[..], &["-k", "7"]].concat())).len(), 7);
    assert_eq!(ids(&json(&["search", &path, "--vector", "1,0"])).len(), 10);
}

/// Query, rank and id of each row.
fn joined(path: &str) -> Vec<(String, i32, String)> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    let mut rows = Vec::new();
    for batch in open(path).expect("a file") {
        let batch = batch.expect("a batch");
        let [queries, ids] = ["query_id", "id"].map(|name| {
            let column = batch.column_by_name(name).expect("a column");
            column.as_string::<i32>().iter().map(|id| id.expect("an id").to_owned())
        });
        let ranks = batch.column_by_name("rank").expect("ranks").as_primitive::<Int32Type>();
        let ranks = ranks.values().iter().copied();
        rows.extend(queries.zip(ranks).zip(ids).map(|((query, rank), id)| (query, rank, id)));
    }
    rows
}

#[test]
fn a_file_of_queries_is_joined() {
    let (dir, path) = loaded();
    let (queries, out) = (dir.points("queries.arrow"), dir.text("out.parquet"));
    works(&["exclude", &path, "user:east:seen", "near"]);
    let join = ["join", &path, &queries, &out, "-k", "2"];
    let report = json(&join);
    assert_eq!((&report["lists"], &report["hits"]), (&json!(4), &json!(8)));
    let rows = joined(&out);
    let row = |query: &str, rank, id: &str| (query.to_owned(), rank, id.to_owned());
    assert_eq!(rows[..3], [row("east", 0, "east"), row("east", 1, "near"), row("near", 0, "near")]);
    let seen = ["--exclude-set", "user:{id}:seen", "--where", "score < 4"];
    assert!(works(&[&join[..], &seen].concat()).starts_with("4 lists of 8 hits in "));
    assert_eq!(joined(&out)[..2], [row("east", 0, "east"), row("east", 1, "far")]);
    let by_group = json(&[&join[..], &["--group", "group"]].concat());
    assert_eq!(by_group["lists"], 2);
    assert_eq!(joined(&out)[0].0, "a");
    assert_eq!(dir.names(), ["out.parquet", "points.arrow", "points.nf", "queries.arrow"]);

    let fail = |more: &[&str], status, words: &[&str]| {
        fails(&[&join[..], more].concat(), status, words);
    };
    fail(&["--id", "name"], 1, &["\"name\"", "embedding"]);
    fail(&["--vector", "score"], 1, &["\"score\"", "lists of"]);
    fail(&["--exclude-set", "user:{ID}:seen"], 1, &["{id}"]);
    fail(&["--exclude-column", "group"], 1, &["\"group\"", "lists of ids"]);
    fail(&["--weight", "score"], 2, &["--group"]);
    fail(&["--group", "group", "--weight", "score"], 1, &["row 1", "above 0", "-2"]);
    fail(&["--ef", "9", "--recall", "0.9"], 2, &["--recall"]);
}

#[test]
fn a_killed_join_goes_on_where_it_stopped() {
    let dir = Dir::new();
    let rows: Vec<[f32; 2]> =
        (0..30_000_u16).map(|i| [f32::from(i % 173) + 1.0, f32::from(i % 211)]).collect();
    let (file, path) = (dir.npy("v.npy", &rows), dir.text("v.nf"));
    works(&["load", &path, &file, "--metric", "l2"]);
    let queries = dir.path("queries.arrow");
    let vectors = points(&[0.0, 10.0, 20.0, 90.0]);
    let file = File::create(&queries).expect("a file");
    let mut writer = FileWriter::try_new(file, &vectors.schema()).expect("a writer");
    (0..2_000).for_each(|_| writer.write(&vectors).expect("written"));
    writer.finish().expect("finished");
    let queries = queries.to_str().expect("a path");
    let whole = dir.text("whole.parquet");
    let exact = ["--exact", "-k", "10", "--threads", "1"];
    works(&[&["join", &path, queries, &whole], &exact[..]].concat());

    let out = dir.text("out.parquet");
    let join = [&["join", &path, queries, &out], &exact[..]].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nearfield"))
        .args(&join)
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let start = Instant::now();
    let part = dir.path("out.parquet.parts/000000.parquet");
    while !part.exists() && start.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("it ended");
    let report = json(&join);
    let [resumed, lists] = ["resumed", "lists"].map(|name| report[name].as_u64().expect("a count"));
    // It may have been faster than the kill.
    assert!(resumed == 0 || resumed + lists == 8_000, "{report}");
    assert!(rows_of(&out) == rows_of(&whole), "the same rows");
    assert!(!part.exists());
}

/// Every row, as text.
fn rows_of(path: &str) -> Vec<String> {
    let batches = open(path).expect("a file").map(|batch| batch.expect("a batch"));
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                arrow_cast::display::array_value_to_string(column, row).expect("a value")
            });
            rows.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

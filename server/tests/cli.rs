//! The command line, through the binary: what each command writes, and its exit status.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Dir, IDS};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nearfield")).args(args).output().expect("the binary runs")
}

/// Runs a command that has to work and returns what it wrote.
fn works(args: &[&str]) -> String {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    assert_eq!(stderr, "", "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(args: &[&str]) -> Value {
    let text = works(&[args, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Runs a command that has to fail with this status, in one line that has all of `words`.
fn fails(args: &[&str], status: i32, words: &[&str]) {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: {word:?} is not in {stderr}");
    }
}

/// The four points, loaded.
fn loaded() -> (Dir, String) {
    let dir = Dir::new();
    let (file, path) = (dir.points("points.arrow"), dir.text("points.nf"));
    works(&["load", &path, &file, "--vector", "embedding"]);
    (dir, path)
}

fn ids(found: &Value) -> Vec<&str> {
    found["hits"]
        .as_array()
        .expect("hits")
        .iter()
        .map(|hit| hit["id"].as_str().expect("an id"))
        .collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["create", "load", "search", "get", "stats", "verify", "demo", "serve"] {
        let help = works(&[command, "--help"]);
        assert!(help.contains(&format!("Example:\n  nearfield {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
    assert!(works(&["--version"]).starts_with("nearfield "));
    let nothing = run(&[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("Usage: nearfield"));
}

#[test]
fn load_infers_a_schema_and_prints_it() {
    let dir = Dir::new();
    let (file, path) = (dir.points("points.arrow"), dir.text("points.nf"));
    let text = works(&["load", &path, &file]);
    for words in ["score", "i64", "created_utc", "timestamp", "2 dimensions", "loaded 4 points"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let stats = json(&["stats", &path]);
    assert_eq!(stats["points"], 4);
    assert_eq!(stats["metric"], "cosine");
    assert_eq!(stats["id_type"], "str");
}

#[test]
fn load_into_a_created_collection_takes_its_columns_only() {
    let dir = Dir::new();
    let (file, path) = (dir.points("points.arrow"), dir.text("points.nf"));
    works(&[
        "create",
        &path,
        "--dim",
        "2",
        "--metric",
        "l2",
        "--id-type",
        "str",
        "--schema",
        "score:i64",
    ]);
    let report = json(&["load", &path, &file, "--vector", "embedding"]);
    assert_eq!(report["points"], 4);
    assert_eq!(report["skipped_columns"], serde_json::json!(["group", "created_utc"]));
}

#[test]
fn search_by_vector_file_and_point() {
    let (dir, path) = loaded();
    let found = json(&[
        "search",
        &path,
        "--vector",
        "1,0",
        "-k",
        "2",
        "--exact",
        "--with",
        "score,created_utc",
    ]);
    assert_eq!(ids(&found), ["east", "near"]);
    let first = &found["hits"][0];
    assert_eq!(first["rank"], 1);
    assert!((first["similarity"].as_f64().expect("a number") - 1.0).abs() < 1e-6);
    assert_eq!(first["attributes"]["score"], 1);
    assert_eq!(first["attributes"]["created_utc"], "2013-08-19T14:15:23Z");

    let file = dir.npy("queries.npy", &[[1., 0.], [-0.1, 1.]]);
    let found = json(&["search", &path, "--vector-file", &file, "--row", "1", "-k", "1"]);
    assert_eq!(ids(&found), ["north"]);
    let found = json(&["search", &path, "--vector-file", &file, "-k", "1"]);
    assert_eq!(ids(&found), ["east", "north"]);
    assert_eq!(found["hits"][1]["query"], 1);

    let found = json(&["search", &path, "--like", "east", "-k", "10"]);
    assert_eq!(ids(&found), ["near", "far", "north"]);
    let found = json(&["search", &path, "--like", "east", "--exclude", "near,unknown"]);
    assert_eq!(ids(&found), ["far", "north"]);
}

#[test]
fn search_with_a_cap_and_a_preference_for_what_is_fresh() {
    let (_dir, path) = loaded();
    let capped =
        ["search", &path, "--vector", "1,0", "--group-by", "group", "--max-per-group", "1"];
    assert_eq!(ids(&json(&capped)), ["east", "far"]);
    // Looking north, the fresh point in the east gains more than the angle costs.
    let decay = "created_utc:1h:5:2013-08-19T14:15:23Z";
    let fresh = ["search", &path, "--vector", "0,1", "--decay", decay, "-k", "1"];
    let found = json(&fresh);
    assert_eq!(ids(&found), ["east"]);
    assert!((found["hits"][0]["score"].as_f64().expect("a number") - 5.0).abs() < 1e-6);
}

#[test]
fn search_writes_an_aligned_table_for_people() {
    let (_dir, path) = loaded();
    let text = works(&["search", &path, "--vector", "-1,-0.5", "--with", "group"]);
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    assert_eq!(
        header.split_whitespace().collect::<Vec<_>>(),
        ["rank", "id", "score", "distance", "group"]
    );
    let place = header.find("id").expect("a column");
    for (line, rank) in lines.take(4).zip(1..) {
        assert!(line.trim_start().starts_with(&rank.to_string()), "{text}");
        assert!(IDS.iter().any(|id| line[place..].starts_with(id)), "{text}");
    }
    assert!(text.contains("4 hits in "), "{text}");
}

#[test]
fn get_shows_attributes_and_vectors() {
    let (_dir, path) = loaded();
    let found = json(&["get", &path, "north", "east", "--with-vectors"]);
    let points = found["points"].as_array().expect("points");
    assert_eq!(points[0]["id"], "north");
    assert_eq!(points[1]["attributes"]["group"], "a");
    assert_eq!(points[1]["vector"], serde_json::json!([1.0, 0.0]));
    assert!(works(&["get", &path, "north"]).contains("north"));
    fails(&["get", &path, "east", "nowhere"], 1, &["nowhere"]);
}

#[test]
fn integer_ids_are_strings_in_json() {
    let dir = Dir::new();
    let big = u64::MAX - 1;
    let (vectors, path) = (dir.npy("v.npy", &[[1., 0.], [0., 1.]]), dir.text("v.nf"));
    works(&["load", &path, &vectors, "--ids", &dir.ids("ids.npy", &[7, big]), "--metric", "l2"]);
    let found = json(&["search", &path, "--vector", "0,1", "-k", "1"]);
    assert_eq!(ids(&found), [big.to_string()]);
    let found = json(&["get", &path, &big.to_string()]);
    assert_eq!(found["points"][0]["id"], Value::String(big.to_string()));
}

#[test]
fn rows_without_ids_are_numbered() {
    let dir = Dir::new();
    let (vectors, path) = (dir.npy("v.npy", &[[1., 0.], [0., 1.]]), dir.text("v.nf"));
    works(&["load", &path, &vectors, "--metric", "ip"]);
    assert_eq!(ids(&json(&["search", &path, "--vector", "0,1"])), ["1", "0"]);
}

#[test]
fn verify_finds_a_flipped_byte() {
    let (_dir, path) = loaded();
    assert_eq!(json(&["verify", &path])["points"], 4);
    let segments = fs::read_dir(format!("{path}/segments")).expect("segments");
    let segment = segments.map(|entry| entry.expect("an entry").path()).next().expect("a segment");
    let mut bytes = fs::read(&segment).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).expect("written");
    fails(&["verify", &path], 1, &["corrupt", "byte"]);
}

#[test]
fn wrong_usage_is_status_2() {
    let (_dir, path) = loaded();
    let search = |more: &[&'static str]| [&["search", &path], more].concat();
    fails(&search(&["--vector", "1,0", "-k", "0"]), 2, &["-k", "1..=10000", "search --help"]);
    fails(&search(&["--vector", "1,nan"]), 2, &["--vector", "finite"]);
    fails(&search(&["--vector", "1,0", "--recall", "1"]), 2, &["--recall", "--exact"]);
    fails(&search(&["--vector", "1,0", "--ef", "9", "--exact"]), 2, &["--exact"]);
    fails(&search(&["--vector", "1,0", "--group-by", "group"]), 2, &["--max-per-group"]);
    fails(&search(&["--vector", "1,0", "--decay", "created_utc"]), 2, &["HALF_LIFE"]);
    fails(&search(&["-k", "3"]), 2, &["--like"]);
    fails(&["create", "x"], 2, &["--dim"]);
    fails(&["create", "x", "--dim", "0", "--metric", "l2"], 2, &["1..=16384"]);
    fails(&["create", "x", "--dim", "2", "--metric", "cos"], 2, &["cosine"]);
    fails(&["create", "x", "--dim", "2", "--metric", "l2", "--schema", "a:b"], 2, &["keyword"]);
    fails(&["serve", "--addr", "0.0.0.0:1", &path], 2, &["TLS and auth"]);
    fails(&["frobnicate"], 2, &["frobnicate"]);
}

#[test]
fn values_that_do_not_suit_the_collection_are_status_1() {
    let (_dir, path) = loaded();
    let search = |more: &[&'static str]| [&["search", &path], more].concat();
    fails(&search(&["--vector", "1,0,0"]), 1, &["dimension 2", "3"]);
    fails(&search(&["--vector", "0,0"]), 1, &["zero"]);
    fails(&search(&["--vector", "1,0", "--with", "titel"]), 1, &["titel"]);
    fails(
        &search(&["--vector", "1,0", "--group-by", "titel", "--max-per-group", "1"]),
        1,
        &["titel"],
    );
    fails(&search(&["--vector", "1,0", "--space", "minilm@1"]), 1, &["minilm@1"]);
    fails(&search(&["--like", "nowhere"]), 1, &["nowhere"]);
}

#[test]
fn an_id_of_the_wrong_type_is_told() {
    let dir = Dir::new();
    let (vectors, path) = (dir.npy("v.npy", &[[1., 0.]]), dir.text("v.nf"));
    works(&["load", &path, &vectors]);
    fails(&["get", &path, "t3_a"], 1, &["t3_a", "integer", "u64"]);
    fails(&["load", &path, &dir.points("points.arrow"), "--vector", "embedding"], 1, &["id"]);
    assert_eq!(json(&["stats", &path])["points"], 1);
}

#[test]
fn a_failed_load_leaves_nothing_behind() {
    let dir = Dir::new();
    let path = dir.text("new.nf");
    let nan = dir.npy("nan.npy", &[[1., 0.], [f32::NAN, 0.]]);
    fails(&["load", &path, &nan], 1, &["row 1"]);
    let cut = dir.text("cut.npy");
    let whole = fs::read(dir.npy("whole.npy", &[[1., 0.], [0., 1.]])).expect("bytes");
    fs::write(&cut, &whole[..whole.len() - 3]).expect("written");
    fails(&["load", &path, &cut], 1, &["cut.npy"]);
    let foreign = dir.text("foreign.parquet");
    fs::write(&foreign, "not a parquet file, whatever its name says").expect("written");
    fails(&["load", &path, &foreign], 1, &["foreign.parquet"]);
    fails(&["load", &path, &dir.text("absent.npy")], 1, &["absent.npy"]);
    fails(&["load", &path, &dir.points("p.arrow"), "--vector", "vec"], 1, &["vec"]);
    assert!(!dir.names().contains(&"new.nf".to_owned()), "{:?}", dir.names());
}

#[test]
fn a_failed_load_leaves_a_collection_as_it_was() {
    let (dir, path) = loaded();
    fails(&["load", &path, &dir.npy("v.npy", &[[1., 0.]])], 1, &["id"]);
    fails(&["load", &path, &dir.points("p.arrow"), "--metric", "l2"], 1, &["metric", "cosine"]);
    assert_eq!(json(&["stats", &path])["points"], 4);
    works(&["verify", &path]);
}

#[test]
fn paths_are_checked() {
    let (dir, path) = loaded();
    fails(&["create", &path, "--dim", "2", "--metric", "l2"], 1, &["already exists"]);
    let plain = dir.text("plain");
    fs::create_dir(&plain).expect("a directory");
    for command in ["stats", "verify"] {
        fails(&[command, &plain], 1, &["plain", "not a nearfield collection"]);
        fails(&[command, &dir.text("absent")], 1, &["absent", "not a nearfield collection"]);
    }
    fails(&["search", &plain, "--vector", "1,0"], 1, &["not a nearfield collection"]);
    fails(&["load", &plain, &dir.points("p.arrow")], 1, &["not a nearfield collection"]);
    fails(&["serve", &plain], 1, &["not a nearfield collection"]);
    fails(&["serve", "--data", &plain], 1, &["plain", "none"]);
    assert_eq!(fs::read_dir(&plain).expect("a listing").count(), 0);
}

#[test]
fn the_demo_finds_what_a_person_expects_and_its_hints_work() {
    let dir = Dir::new();
    let place = dir.text("it's here");
    let text = works(&["demo", "--dir", &place]);
    for words in ["Cuillins Isle of Skye", "r/nasa", "Simple Italian Bruschetta", "Try next"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let hints: Vec<_> =
        text.lines().filter(|line| line.contains(".nf'") && line.starts_with("  /")).collect();
    assert_eq!(hints.len(), 2, "{text}");
    for hint in hints {
        let output = Command::new("sh").args(["-c", hint]).output().expect("a shell");
        assert!(output.status.success(), "{hint}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for name in ["posts.nf", "communities.nf"] {
        works(&["verify", &format!("{place}/{name}")]);
    }
    fails(&["demo", "--dir", &place], 1, &["posts.nf", "already exists"]);
    works(&["verify", &format!("{place}/posts.nf")]);
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let (_dir, path) = loaded();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nearfield"))
        .args(["stats", &path])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").code() == Some(0));
}

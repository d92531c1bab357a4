//! The command line, through the binary: what each command writes.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{fails, json, loaded, run, works};
use crate::support::{Dir, IDS};

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
    for command in [
        "create",
        "load",
        "search",
        "get",
        "update",
        "delete",
        "add-column",
        "exclude",
        "alias",
        "join",
        "optimize",
        "calibrate",
        "snapshot",
        "restore",
        "stats",
        "verify",
        "bench",
        "demo",
        "serve",
        "config",
        "completions",
    ] {
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
fn search_from_points_but_for_what_was_seen() {
    let (dir, path) = loaded();
    let like = ["search", &path, "--like", "east", "--like", "north", "--unlike", "far"];
    assert_eq!(ids(&json(&like)), ["near"]);
    let close = ["search", &path, "--like", "east", "--min-score", "0.95", "--timeout", "10s"];
    assert_eq!(ids(&json(&close)), ["near"]);

    let added = json(&["exclude", &path, "user:42:seen", "near", "unknown", "--ttl", "7d"]);
    assert_eq!((&added["set"], &added["added"]), (&"user:42:seen".into(), &2.into()));
    let seen = ["search", &path, "--like", "east", "--exclude-set", "user:42:seen"];
    assert_eq!(ids(&json(&seen)), ["far", "north"]);
    fails(&["exclude", &path, "user:42:seen"], 2, &["ID"]);
    let soon = ["exclude", &path, "user:42:seen", "near", "--ttl", "soon"];
    fails(&soon, 2, &["--ttl", "expected a time above zero like 50ms"]);
    assert_eq!(json(&["exclude", &path, "user:42:seen", "--clear"])["cleared"], true);
    assert_eq!(ids(&json(&seen)).len(), 3);

    let live = &dir.text("live.nf");
    works(&["alias", live, &path]);
    assert_eq!(ids(&json(&["search", live, "--like", "east", "-k", "1"])), ["near"]);
    fails(&["alias", live, &dir.text("nothing")], 1, &["not a nearfield collection"]);
    fails(&["alias", &path, live], 1, &["already exists"]);
}

#[test]
fn a_column_is_added_null_at_first() {
    let (_dir, path) = loaded();
    let added = json(&["add-column", &path, "language", "keyword"]);
    assert_eq!((&added["column"], &added["type"]), (&"language".into(), &"keyword".into()));
    json(&["update", &path, "near", "--set", "language=en"]);
    let of = |filter| ids_of(&["search", &path, "--vector", "1,0", "--where", filter]);
    assert_eq!(of("language = 'en'"), ["near"]);
    assert_eq!(of("language IS NULL"), ["east", "far", "north"]);
    fails(&["add-column", &path, "language", "i64"], 1, &["language"]);
    fails(&["add-column", &path, "other", "string"], 2, &["keyword", "timestamp"]);
}

fn ids_of(arguments: &[&str]) -> Vec<String> {
    ids(&json(arguments)).into_iter().map(str::to_owned).collect()
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = works(&["completions", shell]);
        for command in ["search", "add-column", "knn", "vector-file"] {
            assert_eq!(script.contains(command), command != "knn", "{command} in that of {shell}");
        }
    }
    fails(&["completions", "csh"], 2, &["bash"]);
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
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").code() == Some(0));
}

#[test]
fn a_load_states_the_memory_it_needs_and_is_refused_without_it() {
    let dir = Dir::new();
    let rows: Vec<[f32; 2]> = (0..3_000_u16).map(|i| [f32::from(i), 1.0]).collect();
    let (file, path) = (dir.npy("points.npy", &rows), dir.text("a.nf"));
    let text = works(&["load", &path, &file]);
    assert!(text.contains("needs about ") && text.contains(" available"), "{text}");
    let report = json(&["load", &dir.text("b.nf"), &file]);
    let [needed, available] = ["needed", "available"].map(|field| report["memory"][field].as_u64());
    assert!(needed.is_some_and(|bytes| bytes > 1 << 20) && available > needed, "{report}");

    let refused = Command::new(env!("CARGO_BIN_EXE_nearfield"))
        .args(["load", &dir.text("c.nf"), &file])
        .env("NEARFIELD_MEMORY_LIMIT", "1MiB")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("memory to load 3000 points") && text.contains("1.0 MiB"), "{text}");
    assert!(!dir.path("c.nf").exists());
}

#[test]
fn points_are_updated_and_deleted_and_the_collection_copied() {
    let (dir, path) = loaded();
    let path = path.as_str();
    let [one, two] = [IDS[0], IDS[1]];
    assert_eq!(json(&["update", path, one, two, "--set", "score=77"])["updated"], 2);
    let points = json(&["get", path, one, two]);
    assert_eq!(points["points"][1]["attributes"]["score"], 77);
    works(&["update", path, one, "--null", "score"]);
    assert!(json(&["get", path, one])["points"][0]["attributes"]["score"].is_null());
    fails(&["update", path, one, "--set", "score=many"], 1, &["an integer"]);
    fails(&["update", path, "nobody", "--set", "score=1"], 1, &["nobody"]);
    fails(&["update", path, one, "--set", "scores=1"], 1, &["\"score\""]);
    fails(&["update", path, one, "--set", "score"], 2, &["COLUMN=VALUE"]);

    let copy = &dir.text("copy.nf");
    assert_eq!(json(&["snapshot", path, copy])["points"], 4);
    let deleted = json(&["delete", path, one, "nobody"]);
    assert_eq!((&deleted["deleted"], &deleted["points"]), (&1.into(), &3.into()));
    let optimized = json(&["optimize", path]);
    assert_eq!((&optimized["points"], &optimized["segments"]), (&3.into(), &1.into()));
    let again = &dir.text("again.nf");
    assert_eq!(json(&["restore", copy, again])["points"], 4);
    fails(&["restore", copy, again], 1, &["already exists"]);
    works(&["verify", again]);
}

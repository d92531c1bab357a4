//! Bad input on the command line: one line that says what to do, an exit status, nothing half
//! written.

use std::fs;

use crate::command::{fails, json, loaded, run, works};
use crate::support::Dir;

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
fn a_wrong_filter_is_shown_with_carets() {
    let (_dir, path) = loaded();
    for command in [&["search", &path, "--vector", "1,0"][..], &["delete", &path]] {
        let output = run(&[command, &["--where", "group = 'a' AND scor > 1"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "error: filter: unknown column \"scor\"; did you mean \"score\"?\n  \
             group = 'a' AND scor > 1\n                  ^^^^\n"
        );
    }
    fails(&["delete", &path], 2, &["ID"]);
    fails(&["delete", &path, "east", "--where", "score > 1"], 2, &["--where"]);
    assert_eq!(json(&["stats", &path])["points"], 4);
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
    fails(&["serve", "--read-only", "--data", &plain], 1, &["plain", "none"]);
    assert_eq!(fs::read_dir(&plain).expect("a listing").count(), 0);
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

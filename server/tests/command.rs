//! Runs the binary and checks how it ended.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::Dir;

/// Runs the binary with these arguments.
pub fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nearfield")).args(args).output().expect("the binary runs")
}

/// Runs a command that has to work and returns what it wrote.
pub fn works(args: &[&str]) -> String {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    assert_eq!(stderr, "", "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command that has to work, for machines.
pub fn json(args: &[&str]) -> Value {
    let text = works(&[args, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Runs a command that has to fail with this status, in one line that has all of `words`.
pub fn fails(args: &[&str], status: i32, words: &[&str]) {
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
pub fn loaded() -> (Dir, String) {
    let dir = Dir::new();
    let (file, path) = (dir.points("points.arrow"), dir.text("points.nf"));
    works(&["load", &path, &file, "--vector", "embedding"]);
    (dir, path)
}

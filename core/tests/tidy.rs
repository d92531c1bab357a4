//! The house rules that a compiler doesn't check: which module may use which, how long a file
//! may get, and that it starts by saying what it owns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file.
const LINES_MAX: usize = 800;

/// Modules of the crate and those that they may use, besides themselves. An arrow that is not
/// here points back.
const MAY_USE: &[(&str, &[&str])] = &[
    // Bugs on purpose, in tests only: anyone may ask.
    ("canary", &[]),
    // Locks and threads, or what tests have in their place.
    ("sync", &[]),
    // The words.
    ("error", &[]),
    ("types", &["error"]),
    ("metric", &["error"]),
    ("config", &["error", "types", "metric"]),
    ("counters", &[]),
    ("explain", &["counters"]),
    ("results", &["counters", "explain", "metric", "types"]),
    ("environment", &["error"]),
    ("memory", &["environment", "error"]),
    ("huge", &[]),
    ("curve", &["types"]),
    // Pure: over slices.
    ("originals", &["types"]),
    ("kernels", &["environment", "error", "types", "metric", "originals"]),
    ("bitmap", &["kernels"]),
    ("codes", &["error", "types", "metric", "config", "originals", "kernels", "huge"]),
    (
        "graph",
        &[
            "error",
            "types",
            "metric",
            "config",
            "results",
            "curve",
            "originals",
            "kernels",
            "codes",
            "huge",
        ],
    ),
    // Files of other programs.
    ("import", &["error", "types", "metric", "config", "graph"]),
    // Bytes on disk.
    ("vfs", &["error", "sync"]),
    ("codec", &["error"]),
    ("format", &["error"]),
    ("wal", &["error", "vfs", "format"]),
    ("manifest", &["error", "types", "metric", "config", "curve", "codec", "format", "wal"]),
    // Where both meet.
    (
        "segment",
        &[
            "bitmap",
            "error",
            "types",
            "metric",
            "config",
            "curve",
            "memory",
            "originals",
            "kernels",
            "codes",
            "graph",
            "vfs",
            "codec",
            "format",
            "manifest",
        ],
    ),
    ("exclusions", &["error", "types", "format", "manifest", "vfs", "segment"]),
    ("filter", &["bitmap", "error", "types", "metric", "config", "segment"]),
    (
        "retrieval",
        &[
            "bitmap",
            "error",
            "types",
            "metric",
            "config",
            "explain",
            "results",
            "curve",
            "originals",
            "kernels",
            "codes",
            "graph",
            "segment",
        ],
    ),
    ("compaction", &["graph"]),
    (
        "collection",
        &[
            "bitmap",
            "exclusions",
            "filter",
            "environment",
            "memory",
            "sync",
            "error",
            "types",
            "metric",
            "config",
            "explain",
            "results",
            "curve",
            "originals",
            "kernels",
            "codes",
            "graph",
            "import",
            "vfs",
            "codec",
            "format",
            "manifest",
            "segment",
            "retrieval",
            "wal",
            "compaction",
        ],
    ),
    // Tests of the whole, from inside.
    (
        "crash_tests",
        &[
            "sync",
            "error",
            "types",
            "metric",
            "config",
            "vfs",
            "format",
            "manifest",
            "graph",
            "originals",
            "segment",
            "collection",
        ],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn collect(directory: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out.sort();
    assert!(out.len() > 20, "the sources moved");
    out
}

fn relative(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()
}

/// The modules of the crate that a file names: `crate::m` in an import or in the code.
fn used(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for part in line.split("crate::").skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            used.push(name);
        }
        assert!(!line.contains("use crate::{"), "one import a module, so that it can be read");
    }
    used
}

#[test]
fn imports_point_one_way() {
    let may_use: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        let module = name.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let Some(allowed) = may_use.get(module.as_str()) else {
            wrong.push(format!("{name}: say in this test what {module} may use"));
            continue;
        };
        // `pub(crate)` and macros give empty names.
        for other in used(&text).into_iter().filter(|o| may_use.contains_key(o.as_str())) {
            if other != module && other != "canary" && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{name}: {module} may not use {other}"));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_arrows_have_no_cycle() {
    let position = |name: &str| MAY_USE.iter().position(|(n, _)| *n == name);
    for (module, allowed) in MAY_USE {
        for other in *allowed {
            assert!(position(other) < position(module), "{module} uses {other}, listed later");
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_own() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{name}: {lines} lines, at most {LINES_MAX}"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: starts without //!"));
        }
        if text.contains('\t') || text.lines().any(|line| line.ends_with(' ')) {
            wrong.push(format!("{name}: a tab, or a space at the end of a line"));
        }
        if !text.ends_with('\n') || text.ends_with("\n\n") {
            wrong.push(format!("{name}: ends without exactly one newline"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_where_it_is_expected_and_says_why() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = relative(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !code.contains("unsafe {") && !code.contains("unsafe impl") {
                continue;
            }
            let kernels = ["kernels/", "codes/", "graph/"].iter().any(|p| name.starts_with(p));
            if !kernels && name != "vfs/mmap.rs" {
                wrong
                    .push(format!("{name}:{}: unsafe outside kernels and vfs/mmap.rs", number + 1));
            }
            let before = &lines[number.saturating_sub(8)..number];
            if !before.iter().any(|l| l.contains("SAFETY:")) {
                wrong.push(format!("{name}:{}: unsafe without SAFETY", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_allowed_without_a_reason() {
    for (path, text) in sources() {
        for line in text.lines().map(str::trim_start) {
            let bare = line.starts_with("#[allow(") || line.starts_with("#![allow(");
            assert!(!bare || line.contains("reason"), "{}: {line}", relative(&path));
        }
    }
}

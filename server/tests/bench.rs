//! `nearfield bench`: what it reports is there and adds up; bad input is told before any work.

use std::fs;

use roxmltree::Document;
use serde_json::Value;

use crate::command::{fails, json, works};
use crate::support::Dir;

/// Enough points for a graph.
const POINTS: u32 = 2000;
const QUERIES: u32 = 50;

/// Files of points and of queries between them, and a collection of the points.
fn data() -> (Dir, [String; 3]) {
    let dir = Dir::new();
    let circle = |count: u32, phase: f32| {
        let angle = |i: u32| (i as f32 + phase) * 0.618_034 * std::f32::consts::TAU;
        (0..count).map(|i| [angle(i).cos(), angle(i).sin()]).collect::<Vec<_>>()
    };
    let points = dir.npy("points.npy", &circle(POINTS, 0.0));
    let queries = dir.npy("queries.npy", &circle(QUERIES, 0.5));
    let path = dir.text("points.nf");
    works(&["load", &path, &points]);
    (dir, [path, points, queries])
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn every_figure_is_there_for_machines() {
    let (_dir, [path, _, queries]) = data();
    let report = json(&["bench", &path, &queries, "--ef", "10,40", "--exact", "--threads", "1"]);
    for (field, expected) in [("points", 2000), ("dim", 2), ("queries", 50), ("k", 10)] {
        assert_eq!(report[field], expected, "{field}");
    }
    assert_eq!(report["build"], Value::Null);
    assert_eq!(report["machine"]["threads"], 1);
    for field in ["cpu", "isa", "version"] {
        assert!(!report["machine"][field].as_str().expect("a text").is_empty(), "{field}");
    }
    for field in ["hot", "warm", "cold"] {
        assert!(number(&report["bytes_per_vector"][field]) > 0.0, "{field}");
    }
    let settings = report["settings"].as_array().expect("settings");
    let asked: Vec<_> = settings.iter().map(|setting| setting["asked"].to_string()).collect();
    assert_eq!(asked, [r#"{"ef":10}"#, r#"{"ef":40}"#, r#"{"exact":true}"#]);
    for setting in settings {
        for rate in ["qps_single", "qps_batch"] {
            let [best, median] = ["best", "median"].map(|field| number(&setting[rate][field]));
            assert!(best >= median && median > 0.0, "{setting}");
            assert!(number(&setting[rate]["passes"]) >= 5.0, "{setting}");
        }
        let [p50, p99] = ["p50", "p99"].map(|field| number(&setting["latency_us"][field]));
        assert!(p99 >= p50 && p50 > 0.0, "{setting}");
        assert!((0.0..=1.0).contains(&number(&setting["recall"])), "{setting}");
    }
    let work = |at: usize, field: &str| number(&settings[at]["per_query"][field]);
    assert!(work(1, "hops") > work(0, "hops") && work(0, "codes_scored") > 0.0, "{report}");
    assert!(work(2, "rows_rescored") >= 10.0 && work(2, "hops") == 0.0, "{report}");
}

#[test]
fn exact_search_finds_all_even_where_there_are_fewer_than_k() {
    let (dir, [path, _, queries]) = data();
    let few = dir.npy("few.npy", &[[1., 0.], [0., 1.], [1., 0.]]);
    for (path, k) in [(&path, "100"), (&few, "10")] {
        let report = json(&["bench", path, &queries, "-k", k, "--ef", "100", "--exact"]);
        let exact = report["settings"].as_array().and_then(|all| all.last()).expect("a setting");
        assert_eq!(exact["recall"], 1.0, "{report}");
    }
}

#[test]
fn people_get_a_table() {
    let (_dir, [path, _, queries]) = data();
    let text =
        works(&["bench", &path, &queries, "--recall", "0.9,0.99", "--queries", "20", "-k", "5"]);
    for words in ["2,000 points x 2 f32, cosine", "20, the 5 nearest", "bytes a vector", "machine"]
    {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let (_, table) = text.split_once("\n\n").expect("two tables");
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("asked") && lines[0].contains("recall@5"), "{text}");
    assert!(lines[1].starts_with("recall 0.9 ") && lines[2].starts_with("recall 0.99"), "{text}");
    assert_eq!(lines.len(), 3, "{text}");
}

#[test]
fn data_is_built_and_goes_away_again() {
    let (dir, [path, points, queries]) = data();
    let before = dir.names();
    let ef = ["--ef", "20", "--memory", "heap"];
    let report = json(&[&["bench", &points, &queries, "--metric", "l2"][..], &ef].concat());
    assert_eq!(report["metric"], "l2");
    assert_eq!(report["build"]["points"], POINTS);
    assert!(number(&report["build"]["points_per_second"]) > 0.0);
    assert!(number(&report["build"]["stated_bytes"]) > 1e6 && report["bytes"]["disk"].is_u64());
    if cfg!(target_os = "linux") {
        assert!(number(&report["build"]["peak_bytes"]) > 1e6, "{report}");
    }
    let pattern = dir.text("point*.npy");
    let text = works(&[&["bench", "--build", &pattern, &queries][..], &ef].concat());
    assert!(text.contains("s for 2,000 points, "), "{text}");
    assert_eq!(dir.names(), before);
    fails(&["bench", &path, &queries, "--metric", "l2"], 1, &["--metric", "leave it out"]);
}

#[test]
fn the_plot_is_an_svg_of_the_points() {
    let (dir, [path, _, queries]) = data();
    let plot = dir.text("curve.svg");
    works(&["bench", &path, &queries, "--ef", "10,20,40", "--plot", &plot]);
    let text = fs::read_to_string(&plot).expect("a plot");
    let svg = Document::parse(&text).expect("well-formed XML");
    assert_eq!(svg.root_element().tag_name().name(), "svg");
    let elements =
        |tag: &'static str| svg.descendants().filter(move |node| node.tag_name().name() == tag);
    // A point a setting on each of the two curves.
    assert_eq!(elements("circle").count(), 6, "{text}");
    let words: Vec<_> = elements("text").filter_map(|node| node.text()).map(str::trim).collect();
    for word in ["ef 10", "ef 20", "ef 40", "queries a second", "recall@10, of 50 queries"] {
        assert!(words.contains(&word), "{word} is not in {words:?}");
    }
}

#[test]
fn bad_input_is_told_before_any_work() {
    let (dir, [path, points, queries]) = data();
    let bench = |more: &[&'static str]| [&["bench", &path, &queries], more].concat();
    fails(&bench(&["-k", "10001"]), 2, &["-k", "1..=10000", "bench --help"]);
    fails(&bench(&["--ef", "16", "--recall", "0.9"]), 2, &["--ef", "--recall"]);
    fails(&bench(&["--ef", "16,0"]), 2, &["--ef", "1..=100000"]);
    fails(&bench(&["--recall", "0.9,1"]), 2, &["--recall", "below 1"]);
    fails(&bench(&["--queries", "0"]), 2, &["--queries"]);
    fails(&bench(&["--threads", "0"]), 2, &["--threads"]);
    fails(&bench(&["--plot", "curve.png"]), 2, &["--plot", "FILE.svg", "curve.png"]);
    fails(&bench(&["--plot", "no/such/curve.svg"]), 1, &["--plot", "no/such"]);
    fails(&["bench", &path], 2, &["QUERIES"]);

    let none = dir.npy("none.npy", &[]);
    fails(&["bench", &path, &none], 1, &["none.npy", "at least one row"]);
    fails(&["bench", &none, &queries], 1, &["none.npy", "points", "found none"]);
    fails(&["bench", &path, &dir.text("absent.npy")], 1, &["absent.npy"]);
    fails(&["bench", &dir.text("absent.nf"), &queries], 1, &["not a nearfield collection"]);
    fails(&["bench", &path, &dir.npy("zero.npy", &[[0., 0.]])], 1, &["zero"]);
    let wide = dir.fbin("wide.fbin", 3, &[1., 0., 0.]);
    fails(&["bench", &path, &wide], 1, &["queries", "dimension 2", "3"]);
    fails(&["bench", &points, &wide], 1, &["queries", "dimension 2", "3"]);
    let empty = dir.text("empty.nf");
    works(&["create", &empty, "--dim", "2", "--metric", "l2"]);
    fails(&["bench", &empty, &queries], 1, &["empty.nf", "points"]);
}

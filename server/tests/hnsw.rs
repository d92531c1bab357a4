//! `--index hnsw`, through the binary.

use std::fs;

use crate::command::{json, works};
use crate::support::Dir;

const DIM: usize = 8;
const ROWS: usize = 1_200;

#[test]
fn a_collection_with_the_graph_of_hnsw_rs() {
    let dir = Dir::new();
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut bytes = Vec::new();
    for _ in 0..ROWS {
        bytes.extend((DIM as u32).to_le_bytes());
        bytes.extend((0..DIM).flat_map(|_| next().to_le_bytes()));
    }
    fs::write(dir.path("points.fvecs"), bytes).unwrap();
    let (path, file) = (dir.text("c.nf"), dir.text("points.fvecs"));
    works(&["create", &path, "--dim", "8", "--metric", "l2", "--index", "hnsw"]);
    works(&["load", &path, &file]);
    let stats = json(&["stats", &path]);
    assert_eq!((&stats["index"], &stats["points"]), (&"hnsw".into(), &ROWS.into()));
    assert_eq!(stats["segments"][0]["indexed"], true);
    let search = |effort: &[&str]| {
        let query = ["search", &path, "--vector-file", &file, "--row", "7", "-k", "5"];
        json(&[&query, effort].concat())["hits"].clone()
    };
    assert_eq!(search(&["--ef", "100"]), search(&["--exact"]));
    works(&["verify", &path]);
}

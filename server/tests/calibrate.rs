//! `nearfield calibrate`, through the binary.

use std::fs;
use std::path::Path;

use nearfield::{Collection, CollectionConfig, Ids, Metric, Progress, Vectors};

use crate::command::{fails, json, works};
use crate::support::Dir;

const DIM: usize = 8;

/// Seeded numbers of -1 to 1.
fn components(rows: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..rows * DIM).map(|_| next()).collect()
}

fn collection(path: &Path, rows: usize) {
    let collection = Collection::create(path, CollectionConfig::new(DIM, Metric::L2)).unwrap();
    let data = components(rows, 1);
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    let ids = Ids::U64((0..rows as u64).collect());
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    collection.close().unwrap();
}

/// Writes queries as an `.fvecs` file.
fn queries(dir: &Dir, rows: usize) -> String {
    let data = components(rows, 2);
    let record = |row: &[f32]| {
        let values = row.iter().flat_map(|x| x.to_le_bytes());
        (DIM as u32).to_le_bytes().into_iter().chain(values).collect::<Vec<u8>>()
    };
    let bytes: Vec<u8> = data.chunks(DIM).flat_map(record).collect();
    fs::write(dir.path("queries.fvecs"), bytes).unwrap();
    dir.text("queries.fvecs")
}

#[test]
fn shows_the_effort_before_and_after() {
    let dir = Dir::new();
    collection(&dir.path("c.nf"), 2_000);
    let (path, file) = (dir.text("c.nf"), queries(&dir, 50));
    let report = json(&["calibrate", &path, &file]);
    assert_eq!(report["queries"], 50);
    let efforts = report["efforts"].as_array().unwrap();
    assert_eq!(efforts.len(), 6);
    assert_eq!((&efforts[1]["k"], &efforts[1]["recall"]), (&10.into(), &0.95.into()));
    assert!(efforts.iter().all(|e| e["before"].is_u64() && e["after"].is_u64()), "{report}");
    // What was learned is there the next time.
    let again = json(&["calibrate", &path, &file]);
    assert_eq!(again["efforts"][5]["before"], efforts[5]["after"]);
    let text = works(&["calibrate", &path, &file]);
    for words in ["ef before", "ef after", "0.99", "learned from 50 queries"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[test]
fn says_what_it_cannot_use() {
    let dir = Dir::new();
    collection(&dir.path("c.nf"), 100);
    let path = dir.text("c.nf");
    fails(&["calibrate", &path, &queries(&dir, 9)], 1, &["queries", "at least 10", "found 9"]);
    fails(&["calibrate", &path, &dir.text("none.npy")], 1, &["none.npy"]);
    fails(&["calibrate", &path], 2, &["QUERIES"]);
    let text = works(&["calibrate", &path, &queries(&dir, 20)]);
    assert!(text.contains("every search is exact"), "{text}");
}

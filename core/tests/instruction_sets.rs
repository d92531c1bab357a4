//! The same input gives the same bytes, and the same search the same hits, on every instruction
//! set that the machine has. Each needs a process of its own, as the set is chosen once.

mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{batch, components, config, only_segment, source};
use nearfield::{Collection, CollectionConfig, Effort, IndexKind, LoadOptions, Metric, Progress};
use nearfield::{SearchRequest, Vectors, bench};

const TARGET: &str = "NEARFIELD_TEST_ISA_TARGET";
const DIM: usize = 72;

const CASES: [(Metric, IndexKind); 4] = [
    (Metric::Cosine, IndexKind::Graph),
    (Metric::InnerProduct, IndexKind::Graph),
    (Metric::L2, IndexKind::Graph),
    (Metric::L2, IndexKind::Hnsw),
];

fn place(root: &Path, metric: Metric, index: IndexKind) -> PathBuf {
    root.join(format!("{metric}-{index}"))
}

/// Run by the test below in processes of its own.
#[test]
fn build_and_search_where_told() {
    let Ok(path) = std::env::var(TARGET) else { return };
    for (metric, index) in CASES {
        let config = CollectionConfig { metric, index, ..config(DIM) };
        let path = place(Path::new(&path), metric, index);
        let collection = Collection::create(&path, config.clone()).unwrap();
        let batches = source(vec![batch(&config, 0, 3000)]);
        collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
        let queries = components(20, DIM, 99);
        let queries = Vectors::from_f32(DIM, &queries).unwrap();
        let mut text = String::new();
        for effort in [Effort::Ef(15), Effort::Recall(0.9), Effort::Exact] {
            let request = SearchRequest { effort, ..SearchRequest::new(12) };
            let found = collection.search(&queries, &request).unwrap();
            let bits: Vec<u64> = found.scores.iter().map(|s| s.to_bits()).collect();
            writeln!(text, "{:?} {bits:?}", found.ids).unwrap();
        }
        std::fs::write(path.with_extension("hits"), text).unwrap();
    }
}

#[test]
fn every_instruction_set_gives_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut first: Option<Vec<(Vec<u8>, String)>> = None;
    for isa in bench::instruction_sets() {
        let target = dir.path().join(isa);
        std::fs::create_dir(&target).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "build_and_search_where_told"])
            .env(TARGET, &target)
            .env("NEARFIELD_ISA", isa)
            .output()
            .unwrap();
        assert!(child.status.success(), "{isa}: {}", String::from_utf8_lossy(&child.stdout));
        let made = CASES
            .map(|(metric, index)| {
                let path = place(&target, metric, index);
                let hits = std::fs::read_to_string(path.with_extension("hits")).unwrap();
                (only_segment(&path), hits)
            })
            .to_vec();
        match &first {
            None => first = Some(made),
            Some(first) => assert!(*first == made, "{isa} differs from scalar"),
        }
    }
}

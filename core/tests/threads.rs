//! The same input gives the same bytes for any number of threads. Each number needs a process of
//! its own, as the pool is made once.

mod common;

use std::path::Path;
use std::process::Command;

use common::{batch, config, only_segment, source};
use nearfield::{Collection, LoadOptions, Progress};

const TARGET: &str = "NEARFIELD_TEST_TARGET";

/// Run by the test below in processes of its own.
#[test]
fn build_where_told() {
    let Ok(path) = std::env::var(TARGET) else { return };
    let config = config(48);
    let collection = Collection::create(path, config.clone()).unwrap();
    let batches = source(vec![batch(&config, 0, 6000)]);
    collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
}

fn built(path: &Path, variable: &str, threads: &str) -> Vec<u8> {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "build_where_told"])
        .env(TARGET, path)
        .env_remove("NEARFIELD_THREADS")
        .env(variable, threads)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    only_segment(path)
}

#[test]
fn one_two_and_four_threads_write_the_same_segment() {
    let dir = tempfile::tempdir().unwrap();
    let one = built(&dir.path().join("1"), "NEARFIELD_THREADS", "1");
    for (variable, threads) in [("NEARFIELD_THREADS", "2"), ("RAYON_NUM_THREADS", "4")] {
        let other = built(&dir.path().join(threads), variable, threads);
        assert!(one == other, "{threads} threads");
    }
}

//! A build says how much memory it takes, takes no more, and is refused where there is less. Peaks
//! and limits are those of a process, so each build has one of its own.

mod common;

use std::process::Command;

use common::{batch, components, config, source, upsert};
use nearfield::{
    Collection, CollectionConfig, Error, Ids, LoadOptions, MemoryMode, Metric, Mode, OpenOptions,
    Progress, SearchRequest, Vectors,
};

const TARGET: &str = "NEARFIELD_TEST_MEMORY_TARGET";
const LIMIT: &str = "NEARFIELD_MEMORY_LIMIT";
const DIM: usize = 256;
const ROWS: u64 = 40_000;

/// A field of the process's status, in bytes.
fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn child(test: &str, target: &str, limit: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(TARGET, target)
        .env(LIMIT, limit)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Run by the test below in a process of its own.
#[test]
fn load_and_compare() {
    let Ok(path) = std::env::var(TARGET) else { return };
    let config = CollectionConfig::new(DIM, Metric::L2);
    let collection = Collection::create(path, config.clone()).unwrap();
    let estimate = collection.estimate_load(ROWS, 0).unwrap();
    let batches =
        (0..ROWS / 4_000).map(|i| Ok::<_, Error>(batch(&config, 4_000 * i, 4_000 * (i + 1))));
    collection.load(batches, &LoadOptions::default(), &Progress::new()).unwrap();
    let Some(peak) = status("VmHWM") else { return };
    let share = peak as f64 / estimate.needed as f64;
    assert!((0.7..=1.0).contains(&share), "the peak is {share:.2} of what was stated");
    assert!(estimate.available.unwrap() > estimate.needed);
}

#[test]
fn a_load_takes_what_was_stated() {
    let dir = tempfile::tempdir().unwrap();
    child("load_and_compare", dir.path().join("c").to_str().unwrap(), "");
}

/// Run by the test below in a process of its own.
#[test]
fn search_with_little_memory() {
    let Ok(path) = std::env::var(TARGET) else { return };
    let options = OpenOptions { mode: Mode::Read, memory: None };
    let collection = Collection::open(&path, options).unwrap();
    let expected = std::fs::read_to_string(format!("{path}.expected")).unwrap();
    assert_eq!(format!("{:?}", answers(&collection)), expected);
}

/// Ids and similarities of a few searches.
fn answers(collection: &Collection) -> (Ids, Vec<f64>) {
    let queries = components(20, 64, 99);
    let queries = Vectors::from_f32(64, &queries).unwrap();
    let found = collection.search(&queries, &SearchRequest::new(10)).unwrap();
    (found.ids, found.similarities)
}

#[test]
fn a_file_larger_than_the_memory_is_searched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, CollectionConfig::new(64, Metric::Cosine)).unwrap();
    let vectors = components(5_000, 64, 1);
    let vectors = Vectors::from_f32(64, &vectors).unwrap();
    collection.upsert(&Ids::U64((0..5_000).collect()), &vectors, None, &Progress::new()).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    let expected = format!("{:?}", answers(&collection));
    collection.close().unwrap();
    std::fs::write(dir.path().join("c.expected"), expected).unwrap();
    child("search_with_little_memory", path.to_str().unwrap(), "1MiB");
}

/// Run by the test below in a process of its own.
#[test]
fn be_refused() {
    let Ok(path) = std::env::var(TARGET) else { return };
    let refused = |result: nearfield::Result<()>, words: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::ResourceLimit { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(LIMIT), "{text}");
    };
    let config = config(64);
    let collection = Collection::create(path, config.clone()).unwrap();
    assert_eq!(collection.estimate_load(1, 0).unwrap().available, Some(40 << 20));
    // Few rows fit, many don't: the load ends as soon as that is clear.
    let few = source(vec![batch(&config, 0, 1_500)]);
    collection.load(few, &LoadOptions::default(), &Progress::new()).unwrap();
    let mut read = 0;
    let many = (0..100).map(|i| {
        read = i;
        Ok::<_, Error>(batch(&config, 4_000 * i, 4_000 * (i + 1)))
    });
    let result = collection.load(many, &LoadOptions::default(), &Progress::new());
    refused(result.map(drop), "memory to load");
    assert!(read < 10, "{read} batches were read");
    assert_eq!(collection.len(), 1_500);

    upsert(&collection, 1_500, 30_000);
    let estimate = collection.estimate_optimize().unwrap();
    assert!(estimate.needed > 40 << 20);
    refused(collection.optimize(&Progress::new()), "memory to optimize 30000 points");
    assert_eq!(collection.len(), 30_000);
    collection.verify().unwrap();
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    child("be_refused", dir.path().join("c").to_str().unwrap(), "40MiB");
}

#[test]
fn more_points_attributes_and_copies_need_more() {
    let dir = tempfile::tempdir().unwrap();
    let made = |name: &str, memory| {
        let config = CollectionConfig { memory, ..CollectionConfig::new(64, Metric::Cosine) };
        Collection::create(dir.path().join(name), config).unwrap()
    };
    let needed = |collection: &Collection, points, attributes| {
        collection.estimate_load(points, attributes).unwrap().needed
    };
    let mapped = made("mapped", MemoryMode::Mapped);
    assert!(needed(&mapped, 2_000, 0) > needed(&mapped, 1_000, 0));
    assert_eq!(needed(&mapped, 2_000, 77), needed(&mapped, 2_000, 0) + 77);
    assert_eq!(needed(&mapped, u64::MAX, u64::MAX), u64::MAX);
    let heap = made("heap", MemoryMode::Heap);
    let memory = Collection::in_memory((*mapped.config()).clone()).unwrap();
    let of = |collection| needed(collection, 100_000, 0);
    assert!(of(&mapped) <= of(&heap) && of(&heap) < of(&memory));

    let vectors = components(2_000, 64, 1);
    let vectors = Vectors::from_f32(64, &vectors).unwrap();
    memory.upsert(&Ids::U64((0..2_000).collect()), &vectors, None, &Progress::new()).unwrap();
    assert!(memory.estimate_optimize().unwrap().needed >= needed(&memory, 2_000, 0));
}

//! Flipped bytes and truncations of every file: `open` or `verify` finds each, names the file,
//! and until then no call panics.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use common::{config, every_kind_of_file, files, ids, open};
use nearfield::{
    Collection, Dtype, Effort, Error, IdType, MemoryMode, Mode, OpenOptions, SearchRequest, Vectors,
};

const DIM: usize = 40;

/// A file of every kind.
fn collection(root: &Path, id_type: IdType) -> PathBuf {
    let path = root.join("c");
    let mut config = config(DIM);
    config.id_type = id_type;
    config.dtype = Dtype::F16;
    let collection = Collection::create(&path, config).unwrap();
    every_kind_of_file(&collection);
    path
}

/// Opens, uses and verifies; the first error.
fn use_all(path: &Path, id_type: IdType) -> nearfield::Result<()> {
    let reader = open(path, Mode::Read)?;
    let query = vec![0.5; DIM];
    let queries = Vectors::from_f32(DIM, &query)?;
    // Either may find the damage, or not touch it; neither may panic.
    let mut request = SearchRequest::new(10);
    request.with_attributes = vec!["tag".to_owned(), "title".to_owned(), "flair".to_owned()];
    let graph = reader.search(&queries, &request).map(drop);
    request.effort = Effort::Exact;
    let exact = reader.search(&queries, &request).map(drop);
    let get = reader.get(&ids(id_type, 0, 200), true).map(drop);
    for result in [&graph, &exact, &get] {
        assert!(matches!(result, Ok(()) | Err(Error::Corruption { .. })), "{result:?}");
    }
    let stats = reader.stats().map(drop);
    let verified = reader.verify().map(drop);
    stats.and(verified)
}

fn assert_found(path: &Path, id_type: IdType, name: &str, what: &str) {
    match use_all(path, id_type) {
        Err(Error::Corruption { path: at, .. }) => {
            assert!(at.ends_with(name), "{what} of {name}: {}", at.display());
        }
        other => panic!("{what} of {name}: {other:?}"),
    }
}

fn every_flip_is_found(id_type: IdType) {
    let dir = tempfile::tempdir().unwrap();
    let path = collection(dir.path(), id_type);
    let mut cases = 0;
    for (name, good) in files(&path) {
        let file = path.join(&name);
        // All of a small file and of the head of a large one; the rest at a stride that is no
        // multiple of anything in the format.
        let step = (good.len() / 700).max(1) | 1;
        let head = 0..good.len().min(400);
        let tail = good.len().saturating_sub(64)..good.len();
        for at in head.chain((0..good.len()).step_by(step)).chain(tail) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).unwrap();
            assert_found(&path, id_type, &name, &format!("byte {at}"));
            cases += 1;
        }
        fs::write(&file, &good).unwrap();
    }
    use_all(&path, id_type).unwrap();
    assert!(cases > 3000, "{cases} cases");
}

#[test]
fn every_flipped_byte_is_found_u64() {
    every_flip_is_found(IdType::U64);
}

#[test]
fn every_flipped_byte_is_found_str() {
    every_flip_is_found(IdType::Str);
}

#[test]
fn every_truncation_and_extension_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = collection(dir.path(), IdType::Str);
    for (name, good) in files(&path) {
        let file = path.join(&name);
        let step = (good.len() / 300).max(1) | 1;
        for length in (0..good.len()).step_by(step) {
            fs::write(&file, &good[..length]).unwrap();
            assert_found(&path, IdType::Str, &name, &format!("length {length}"));
        }
        // What is more of a log is the end of a writer that was cut short.
        let more = if name.starts_with("wal") { &[][..] } else { &[1, 32, 4096] };
        for more in more.iter().copied() {
            let mut longer = good.clone();
            longer.resize(good.len() + more, 0);
            fs::write(&file, &longer).unwrap();
            assert_found(&path, IdType::Str, &name, &format!("{more} bytes more"));
        }
        fs::write(&file, &good).unwrap();
    }
    use_all(&path, IdType::Str).unwrap();
}

/// A file of a terabyte is not read to learn that it is not what the manifest names.
#[test]
fn files_of_any_length_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = collection(dir.path(), IdType::U64);
    let mut cases = 0;
    for (name, good) in files(&path).into_iter().filter(|(name, _)| !name.starts_with("wal")) {
        let file = path.join(&name);
        let sparse = fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1 << 40);
        if sparse.is_err() {
            continue;
        }
        assert_found(&path, IdType::U64, &name, "a terabyte");
        for memory in [MemoryMode::Heap, MemoryMode::Pinned] {
            let options = OpenOptions { mode: Mode::Read, memory: Some(memory) };
            let found = Collection::open(&path, options).map(drop);
            assert!(matches!(found, Err(Error::Corruption { .. })), "{name}: {found:?}");
        }
        fs::write(&file, &good).unwrap();
        cases += 1;
    }
    let _ = writeln!(std::io::stderr(), "{cases} files of a terabyte");
    use_all(&path, IdType::U64).unwrap();
}

/// Codes and vectors are not compared with their checksums when they are used: a writer reads
/// them all after it was opened, and refuses the segment.
#[test]
fn a_writer_finds_damage_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = collection(dir.path(), IdType::U64);
    let (name, mut bytes) = files(&path)
        .into_iter()
        .filter(|(n, _)| n.starts_with("segments/"))
        .max_by_key(|f| f.1.len())
        .unwrap();
    // Vectors are the largest section: some of them lie in the middle.
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path.join(&name), bytes).unwrap();
    let writer = open(&path, Mode::Write).unwrap();
    let query = vec![0.5; DIM];
    let queries = Vectors::from_f32(DIM, &query).unwrap();
    let found = (0..10_000).find_map(|_| {
        std::thread::yield_now();
        writer.search(&queries, &SearchRequest::new(10)).err()
    });
    assert!(
        matches!(&found, Some(Error::Corruption { path, .. }) if path.ends_with(&name)),
        "{found:?}"
    );
    assert!(matches!(writer.get(&ids(IdType::U64, 0, 5), false), Err(Error::Corruption { .. })));
    writer.close().unwrap();
}

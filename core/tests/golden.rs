//! The bytes of format version 1: what is written now, and collections that were written then,
//! in `tests/fixtures`. If this fails, a file that was written before can't be read any more:
//! bring the bytes back, or make it a new version that still reads the old one.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{
    batch, config, every_kind_of_file, exclude, files, ids, open, rescore, source, upsert,
};
use nearfield::{
    Collection, CollectionConfig, Dtype, Effort, IdType, LoadOptions, Mode, Progress,
    SearchRequest, Vectors,
};

/// FNV-1a. Not a CRC: that of bytes which end in their own CRC is a constant.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The hash of every file of a small collection without an index, but for those that differ each
/// time: the log, which is salted, and the manifest, which has its checksum.
fn hashes(id_type: IdType) -> Vec<(String, u64)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut config = config(5);
    (config.id_type, config.dtype) = (id_type, Dtype::F16);
    config.space = Some("golden@1".parse().unwrap());
    let collection = Collection::create(&path, config).unwrap();
    upsert(&collection, 0, 90);
    collection.optimize(&Progress::new()).unwrap();
    upsert(&collection, 3, 10);
    rescore(&collection, 20, 30).unwrap();
    let more = batch(&collection.config(), 90, 95);
    collection.load(source(vec![more]), &LoadOptions::default(), &Progress::new()).unwrap();
    collection.delete(&ids(id_type, 50, 53)).unwrap();
    collection.close().unwrap();
    let same = |name: &String| !name.starts_with("wal/") && !name.starts_with("MANIFEST-");
    let files = files(&path).into_iter().filter(|(name, _)| same(name));
    files.map(|(name, bytes)| (name, hash(&bytes))).collect()
}

fn assert_hashes(id_type: IdType, expected: [(&str, u64); 5]) {
    let found = hashes(id_type);
    let found: Vec<_> = found.iter().map(|(name, hash)| (name.as_str(), *hash)).collect();
    assert_eq!(found, expected, "{found:#x?}");
}

#[test]
fn the_bytes_of_version_1_u64() {
    let expected = [
        ("CURRENT", 0x7d7d_3247_147c_4d6a),
        ("attributes/1-1.att", 0x9896_6b63_3103_cfc4),
        ("segments/1.seg", 0xe5b3_9d70_120e_85fa),
        ("segments/2.seg", 0x19d9_591c_015d_cf92),
        ("tombstones/1-1.del", 0x0537_35af_ef0c_8e65),
    ];
    assert_hashes(IdType::U64, expected);
}

#[test]
fn the_bytes_of_version_1_str() {
    let expected = [
        ("CURRENT", 0x7d7d_3247_147c_4d6a),
        ("attributes/1-1.att", 0x9896_6b63_3103_cfc4),
        ("segments/1.seg", 0x18f9_45f3_c253_8897),
        ("segments/2.seg", 0x2d20_73c9_f8a0_3198),
        ("tombstones/1-1.del", 0x0537_35af_ef0c_8e65),
    ];
    assert_hashes(IdType::Str, expected);
}

/// Collections that were written when version 1 was made: one with an index, one with strings.
const FIXTURES: [(&str, IdType); 2] = [("v1-u64", IdType::U64), ("v1-str", IdType::Str)];
const DIM: usize = 5;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn fixture_config(id_type: IdType) -> CollectionConfig {
    let mut config = config(DIM);
    config.id_type = id_type;
    config.space = Some("golden@1".parse().unwrap());
    config
}

/// The calls that a fixture is the outcome of.
fn fill(collection: &Collection, id_type: IdType) {
    match id_type {
        IdType::U64 => every_kind_of_file(collection),
        IdType::Str => {
            upsert(collection, 0, 90);
            exclude(collection);
            collection.optimize(&Progress::new()).unwrap();
            upsert(collection, 3, 10);
            rescore(collection, 20, 30).unwrap();
            let more = batch(&collection.config(), 90, 95);
            collection.load(source(vec![more]), &LoadOptions::default(), &Progress::new()).unwrap();
            collection.delete(&ids(id_type, 50, 53)).unwrap();
            upsert(collection, 60, 62);
        }
    }
}

/// Only when the format changes, which after 0.1.0 makes another version beside this one:
/// `cargo test -p nearfield --test golden -- --ignored`.
#[test]
#[ignore = "writes the fixtures anew"]
fn write_fixtures() {
    for (name, id_type) in FIXTURES {
        let path = fixture(name);
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let collection = Collection::create(&path, fixture_config(id_type)).unwrap();
        fill(&collection, id_type);
        drop(collection);
        fs::remove_file(path.join("LOCK")).unwrap();
    }
}

#[test]
fn collections_of_version_1_are_read() {
    for (name, id_type) in FIXTURES {
        let kinds = ["wal/", "segments/", "tombstones/", "attributes/", "exclusions/", "MANIFEST-"];
        let there = files(&fixture(name));
        assert!(kinds.iter().all(|kind| there.iter().any(|(file, _)| file.starts_with(kind))));
        let expected = Collection::in_memory(fixture_config(id_type)).unwrap();
        fill(&expected, id_type);
        let reader = open(&fixture(name), Mode::Read).unwrap();
        reader.verify().unwrap();
        let points = |collection: &Collection| collection.scan(None, 10_000, true).unwrap().batch;
        assert_eq!(points(&reader), points(&expected), "{name}");
        let vector = Vectors::from_f32(DIM, &[0.3, -0.2, 0.5, 0.1, 0.9]).unwrap();
        let exact = SearchRequest { effort: Effort::Exact, ..SearchRequest::new(10) };
        let found = |collection: &Collection, request: &SearchRequest| {
            collection.search(&vector, request).unwrap().ids
        };
        assert_eq!(found(&reader, &exact), found(&expected, &exact), "{name}");
        assert_eq!(found(&reader, &SearchRequest::new(10)), found(&reader, &exact), "{name}");
        let sets = vec!["user:42:seen".to_owned(), "user:43:seen".to_owned()];
        let rest = SearchRequest { exclude_sets: sets, ..exact.clone() };
        assert_eq!(found(&reader, &rest), found(&expected, &rest), "{name}");
        assert_ne!(found(&reader, &rest), found(&reader, &exact), "{name}");
        // A writer goes on with it.
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("c");
        for (name, bytes) in there {
            fs::create_dir_all(copy.join(&name).parent().unwrap()).unwrap();
            fs::write(copy.join(name), bytes).unwrap();
        }
        let writer = open(&copy, Mode::Write).unwrap();
        for collection in [&writer, &expected] {
            upsert(collection, 2_000, 2_010);
            collection.optimize(&Progress::new()).unwrap();
        }
        assert_eq!(points(&writer), points(&expected), "{name}");
    }
}

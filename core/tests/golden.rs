//! The bytes of format version 1. If this fails, a file that was written before can't be read
//! any more: bring the bytes back, or make it a new version that still reads the old one.

mod common;

use common::{batch, config, files, ids, rescore, source, upsert};
use nearfield::{Collection, Dtype, IdType, LoadOptions, Progress};

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

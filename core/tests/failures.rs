//! Writes that the system refuses: a typed error, the old state, and no half-written file.

mod common;

use std::fs;

use common::{components, config, files, open, upsert};
use nearfield::{Collection, Durability, Error, Ids, Mode, Progress, Vectors};

fn try_upsert(collection: &Collection) -> nearfield::Result<()> {
    let data = components(5, 4, 3);
    let vectors = Vectors::from_f32(4, &data)?;
    collection.upsert(&Ids::U64((0..5).collect()), &vectors, None, &Progress::new())
}

#[test]
fn a_segment_that_cannot_be_written_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("c"), dir.path().join("aside"));
    let collection = Collection::create(&path, config(4)).unwrap();
    upsert(&collection, 0, 50);
    fs::rename(path.join("segments"), &aside).unwrap();
    let error = collection.optimize(&Progress::new()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("segments/1.seg"), "{error}");
    assert_eq!(collection.len(), 50);
    fs::rename(&aside, path.join("segments")).unwrap();
    try_upsert(&collection).unwrap();
    assert_eq!(open(&path, Mode::Read).unwrap().len(), 55);
}

#[test]
fn a_failed_commit_stops_the_writer_but_not_its_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(4)).unwrap();
    upsert(&collection, 0, 50);
    let current = fs::read(path.join("CURRENT")).unwrap();
    // A file can't be renamed over a directory.
    fs::remove_file(path.join("CURRENT")).unwrap();
    fs::create_dir(path.join("CURRENT")).unwrap();
    let error = collection.optimize(&Progress::new()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let error = try_upsert(&collection).unwrap_err();
    assert!(matches!(&error, Error::Poisoned { cause } if cause.contains("CURRENT")), "{error}");
    assert_eq!(collection.len(), 50);
    collection.get(&Ids::U64(vec![1]), true).unwrap();
    drop(collection);
    fs::remove_dir(path.join("CURRENT")).unwrap();
    fs::write(path.join("CURRENT"), current).unwrap();
    let writer = open(&path, Mode::Write).unwrap();
    let orphan = |(name, _): &(String, _)| name.starts_with("segments");
    assert!(!files(&path).iter().any(orphan), "orphans are gone");
    try_upsert(&writer).unwrap();
    assert_eq!(writer.len(), 55);
    writer.verify().unwrap();
}

#[test]
fn a_buffered_collection_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut config = config(4);
    config.durability = Durability::Buffered;
    let collection = Collection::create(&path, config).unwrap();
    upsert(&collection, 0, 50);
    collection.flush().unwrap();
    upsert(&collection, 50, 60);
    drop(collection);
    let reader = open(&path, Mode::Read).unwrap();
    assert_eq!((reader.len(), reader.config().durability), (60, Durability::Buffered));
}

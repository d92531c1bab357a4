//! Paths that hold no collection, or another one's files: a typed error, nothing touched.

mod common;

use std::fs;
use std::path::Path;

use common::{batch, config, every_kind_of_file, files, open, rescore, source, upsert};
use nearfield::{Collection, CollectionConfig, Error, LoadOptions, Metric, Mode, Progress};

fn reason(path: &Path) -> String {
    let errors = [Mode::Read, Mode::Write].map(|mode| open(path, mode).unwrap_err());
    for error in &errors {
        assert!(matches!(error, Error::CollectionNotFound { .. }), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
    errors[0].to_string()
}

#[test]
fn paths_without_a_collection_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(reason(&missing).contains("no such directory"));
    let file = dir.path().join("file.txt");
    fs::write(&file, "hello").unwrap();
    assert!(reason(&file).contains("a file, not a directory"));
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(reason(&empty).contains("an empty directory"));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "nothing is left there");
    fs::write(empty.join("notes.txt"), "hello").unwrap();
    assert!(reason(&empty).contains("without a file CURRENT"));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 1, "nothing is left there");
}

#[test]
fn an_existing_path_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "hello").unwrap();
    for path in [dir.path(), &file] {
        let error = Collection::create(path, config(4)).unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"hello");
}

#[test]
fn a_create_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/parent");
    let error = Collection::create(&path, config(4)).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let path = dir.path().join("c");
    assert!(Collection::create(&path, CollectionConfig::new(0, Metric::L2)).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn garbage_in_every_file_is_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = Collection::create(&path, config(4)).unwrap();
    every_kind_of_file(&collection);
    drop(collection);
    let files = files(&path);
    assert_eq!(files.len(), 8, "CURRENT, a manifest, two segments, what changed, a set, a log");
    let other = vec![0xAB_u8; 10_000];
    for (name, good) in &files {
        for bad in [&b""[..], b"PK\x03\x04", &other, &vec![0; good.len()]] {
            fs::write(path.join(name), bad).unwrap();
            let error = open(&path, Mode::Read).unwrap_err();
            assert!(matches!(error, Error::Corruption { .. }), "{name}: {error}");
            assert!(error.to_string().contains(name.as_str()), "{name}: {error}");
        }
        fs::remove_file(path.join(name)).unwrap();
        let error = open(&path, Mode::Read).unwrap_err();
        if name == "CURRENT" {
            assert!(matches!(error, Error::CollectionNotFound { .. }), "{name}: {error}");
        } else {
            assert!(matches!(error, Error::Corruption { .. }), "{name}: {error}");
        }
        fs::write(path.join(name), good).unwrap();
        open(&path, Mode::Read).unwrap().verify().unwrap();
    }
}

#[test]
fn a_sound_file_of_another_state_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    for (path, rows) in [(&one, 50), (&two, 60)] {
        let collection = Collection::create(path, config(4)).unwrap();
        upsert(&collection, 0, rows);
        collection.optimize(&Progress::new()).unwrap();
    }
    fs::copy(two.join("segments/1.seg"), one.join("segments/1.seg")).unwrap();
    let error = open(&one, Mode::Read).unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error}");

    let (one, two) = (dir.path().join("three"), dir.path().join("four"));
    for (path, from) in [(&one, 3), (&two, 4)] {
        let collection = Collection::create(path, config(4)).unwrap();
        every_kind_of_file(&collection);
        upsert(&collection, 100 + from, 110);
        rescore(&collection, 120 + from, 130).unwrap();
        collection.optimize(&Progress::new()).unwrap();
        upsert(&collection, from, from + 7);
        rescore(&collection, 20 + from, 30).unwrap();
        let more = batch(&collection.config(), 2000, 2010);
        collection.load(source(vec![more]), &LoadOptions::default(), &Progress::new()).unwrap();
    }
    open(&one, Mode::Read).unwrap();
    for (name, good) in files(&one) {
        if !["tombstones", "attributes", "wal"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        fs::copy(two.join(&name), one.join(&name)).unwrap();
        let error = open(&one, Mode::Read).unwrap_err();
        assert!(matches!(error, Error::Corruption { .. }), "{name}: {error}");
        fs::write(one.join(&name), good).unwrap();
    }
}

#[test]
fn a_newer_format_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    upsert(&Collection::create(&path, config(4)).unwrap(), 0, 50);
    for (name, good) in files(&path).into_iter().filter(|(name, _)| name != "CURRENT") {
        for (at, value) in [(8, 2_u32), (12, 1 << 31)] {
            let mut newer = good.clone();
            newer[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let sum = crc32c::crc32c(&newer[..28]).to_le_bytes();
            newer[28..32].copy_from_slice(&sum);
            fs::write(path.join(&name), &newer).unwrap();
            for mode in [Mode::Read, Mode::Write] {
                let error = open(&path, mode).unwrap_err();
                assert!(matches!(error, Error::UnsupportedVersion { .. }), "{name}: {error}");
            }
            assert_eq!(fs::read(path.join(&name)).unwrap(), newer);
        }
        fs::write(path.join(&name), good).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (path, victim) = (dir.path().join("c"), dir.path().join("victim"));
    for path in [&path, &victim] {
        every_kind_of_file(&Collection::create(path, config(4)).unwrap());
    }
    let theirs = files(&victim);
    // The lock is one to a file of somebody else's.
    let letter = dir.path().join("letter");
    fs::write(&letter, "dear diary").unwrap();
    fs::remove_file(path.join("LOCK")).unwrap();
    symlink(&letter, path.join("LOCK")).unwrap();
    let error = open(&path, Mode::Write).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("LOCK"), "{error}");
    assert_eq!(fs::read_to_string(&letter).unwrap(), "dear diary");
    fs::remove_file(path.join("LOCK")).unwrap();
    // A directory is one to that of another collection, whose files would be orphans.
    for name in ["segments", "tombstones", "attributes", "wal"] {
        let aside = dir.path().join("aside");
        fs::rename(path.join(name), &aside).unwrap();
        symlink(victim.join(name), path.join(name)).unwrap();
        let error = open(&path, Mode::Write).unwrap_err();
        assert!(matches!(&error, Error::Corruption { section, .. } if section == "directory"));
        assert!(error.to_string().contains(name), "{error}");
        assert!(files(&victim) == theirs, "{name}");
        fs::remove_file(path.join(name)).unwrap();
        fs::rename(&aside, path.join(name)).unwrap();
    }
    // Links with names of ours are removed; what they lead to stays.
    for name in ["MANIFEST-99", "CURRENT.new", "wal/99.log", "segments/99.seg"] {
        symlink(&letter, path.join(name)).unwrap();
    }
    // A file that will be written soon.
    for n in 0..20 {
        let _ = symlink(&letter, path.join(format!("tombstones/{n}-1.del")));
    }
    let writer = open(&path, Mode::Write).unwrap();
    for n in 0..20 {
        let _ = symlink(&letter, path.join(format!("wal/{n}.log")));
        let _ = symlink(&letter, path.join(format!("segments/{n}.seg")));
        let _ = symlink(&letter, path.join(format!("MANIFEST-{n}")));
    }
    upsert(&writer, 0, 10);
    writer.optimize(&Progress::new()).unwrap();
    drop(writer);
    assert_eq!(fs::read_to_string(&letter).unwrap(), "dear diary");
    open(&path, Mode::Write).unwrap().verify().unwrap();
}

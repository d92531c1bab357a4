//! One writer, many readers.

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{components, config, files, open, upsert};
use nearfield::{Collection, CollectionConfig, Error, Ids, Metric, Mode, Progress, Vectors};

#[test]
fn a_second_writer_is_refused_and_told_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let writer = Collection::create(&path, config(4)).unwrap();
    let error = open(&path, Mode::Write).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    drop(writer);
    open(&path, Mode::Write).unwrap();
}

#[test]
fn a_reader_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    upsert(&Collection::create(&path, config(4)).unwrap(), 0, 10);
    // What a crash left is not a reader's to remove.
    fs::write(path.join("segments/99.seg"), "half").unwrap();
    fs::write(path.join("MANIFEST-77"), "half").unwrap();
    let before = files(&path);
    let reader = open(&path, Mode::Read).unwrap();
    assert!(!reader.is_writable());
    let vectors = Vectors::from_f32(4, &[1.0; 4]).unwrap();
    for result in [
        reader.upsert(&Ids::U64(vec![1]), &vectors, None, &Progress::new()),
        reader.optimize(&Progress::new()),
    ] {
        assert!(matches!(result, Err(Error::ReadOnly { .. })), "{result:?}");
    }
    reader.verify().unwrap();
    assert!(before == files(&path));
    // A writer does, and leaves alone what it doesn't know.
    fs::write(path.join("segments/notes.txt"), "mine").unwrap();
    drop(open(&path, Mode::Write).unwrap());
    assert!(!path.join("segments/99.seg").exists() && !path.join("MANIFEST-77").exists());
    assert!(path.join("segments/notes.txt").exists());
}

#[test]
fn readers_beside_a_writer_see_whole_states() {
    const ROWS: u64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let writer = Collection::create(&path, CollectionConfig::new(2, Metric::L2)).unwrap();
    // Every state holds one value in all rows.
    let put = |value: f32| {
        let data = vec![value; 2 * ROWS as usize];
        let vectors = Vectors::from_f32(2, &data).unwrap();
        let ids = Ids::U64((0..ROWS).collect());
        writer.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    };
    put(0.0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut opened = 0;
                    while !done.load(Ordering::Relaxed) || opened == 0 {
                        let reader = open(&path, Mode::Read).unwrap();
                        assert_eq!(reader.len(), ROWS);
                        let points = reader.get(&Ids::U64(vec![0, ROWS - 1]), true).unwrap();
                        let vectors = points.batch.column_by_name("vector").unwrap().to_data();
                        let values = vectors.child_data()[0].buffer::<f32>(0);
                        assert!(
                            values.iter().all(|v| v.to_bits() == values[0].to_bits()),
                            "{values:?}"
                        );
                        opened += 1;
                    }
                    opened
                })
            })
            .collect();
        for value in 1..60_u16 {
            put(f32::from(value));
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    writer.verify().unwrap();
}

#[test]
fn threads_of_one_handle_take_turns() {
    let collection = Collection::in_memory(CollectionConfig::new(3, Metric::L2)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let collection = &collection;
            scope.spawn(move || {
                for call in 0..25 {
                    let from = thread * 1000 + call * 10;
                    let data = components(10, 3, from);
                    let vectors = Vectors::from_f32(3, &data).unwrap();
                    let ids = Ids::U64((from..from + 10).collect());
                    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
                }
            });
        }
    });
    assert_eq!(collection.len(), 1000);
    assert_eq!(collection.verify().unwrap().points, 1000);
}

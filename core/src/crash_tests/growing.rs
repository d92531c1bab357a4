//! The disk fails, or the caller gives up, while a thread writes a segment whose graph still
//! grows: the old state stands, and the next attempt succeeds. The workloads of the other tests
//! are too small for a graph.

use std::path::Path;
use std::sync::Arc;

use super::world::{ROOT, open_at};
use super::{on_all, report};
use crate::collection::Collection;
use crate::config::{CollectionConfig, Mode, Progress, Stop};
use crate::error::Error;
use crate::graph::{BuildOptions, Ordered};
use crate::metric::Metric;
use crate::originals::Originals;
use crate::segment::{Index, IndexGraph, Rows, write_segment};
use crate::types::{Ids, Vectors};
use crate::vfs::Directory;
use crate::vfs::fault::{Crash, Failure, FaultVfs, Plan};

/// So many that a graph grows, which is checked.
const ROWS: u64 = 1_100;
const DIM: usize = 4;

/// A disk with enough points for a graph, not optimized yet, and its writer.
fn ready() -> (FaultVfs, Collection) {
    let vfs = FaultVfs::default();
    let config = CollectionConfig::new(DIM, Metric::L2);
    let collection = Collection::create_on(Arc::new(vfs.clone()), ROOT.as_ref(), config).unwrap();
    // Spread, and no two the same.
    let number = |i: usize| (i * 7_919 % 4_409) as f32;
    let vectors: Vec<f32> = (0..ROWS as usize * DIM).map(number).collect();
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let ids = Ids::U64((0..ROWS).collect());
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
    (vfs, collection)
}

/// Everything is there, as it was before or with its graph; and optimizing works.
fn check(vfs: &FaultVfs) -> Result<(), String> {
    let vfs = &FaultVfs::of(&vfs.image(Crash::OnlySynced));
    let try_it = || {
        let collection = open_at(vfs, ROOT.as_ref(), Mode::Write)?;
        assert_eq!(collection.len(), ROWS);
        collection.optimize(&Progress::new())?;
        assert_eq!(collection.len(), ROWS);
        collection.verify()?;
        let segments = &collection.view("test")?.segments;
        Ok::<_, Error>(segments.len() == 1 && segments[0].segment.index().is_some())
    };
    match try_it() {
        Ok(true) => Ok(()),
        Ok(false) => Err("not one segment with a graph".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_failing_disk_while_a_graph_grows() {
    let mut cases = Vec::new();
    for failure in Failure::ALL {
        for sticky in [false, true] {
            let calls = calls_of(failure);
            assert!(calls > 0, "{failure:?}");
            cases.extend((0..calls).map(|nth| Plan { failure, nth, sticky }));
        }
    }
    let done = on_all(&cases, |_, plan| {
        let (vfs, collection) = ready();
        vfs.fail(Some(*plan));
        // That old files can't be removed is no failure.
        let failed = collection.optimize(&Progress::new()).is_err();
        assert_eq!(collection.len(), ROWS);
        vfs.fail(None);
        vfs.kill();
        check(&vfs).map_err(|e| format!("{plan:?}, failed {failed}: {e}"))
    });
    assert_eq!(done, Ok(()));
    report(format_args!("{} failed calls while a graph grows", cases.len()));
}

/// How many calls of an optimization the failure can hit.
fn calls_of(failure: Failure) -> u64 {
    (1..1_000)
        .find(|nth| {
            let (vfs, collection) = ready();
            vfs.fail(Some(Plan { failure, nth: *nth, sticky: false }));
            let _ = collection.optimize(&Progress::new());
            vfs.failed() == 0
        })
        .unwrap_or_default()
}

#[test]
fn giving_up_while_a_graph_grows_leaves_no_file() {
    let (vfs, collection) = ready();
    let before = segments(&vfs);
    let progress = Progress::new();
    let cancel = progress.clone();
    vfs.when_created(".seg", move || cancel.cancel());
    let error = collection.optimize(&progress).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    assert_eq!(segments(&vfs), before);
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!(collection.len(), ROWS);
}

/// What can't be written any more is not built to its end either.
#[test]
fn a_failing_disk_ends_the_build() {
    let (vfs, collection) = ready();
    let view = collection.view("test").unwrap();
    let mut rows = Rows::new(&view.config);
    for handle in &view.segments {
        let slots: Vec<u32> = handle.alive_slots().collect();
        rows.append_slots(handle, &slots).unwrap();
    }
    let points = rows.keep_last();
    let originals = Originals::new(view.config.dtype, DIM, points.vectors());
    let options = BuildOptions::new(Metric::L2, view.config.profile, 0);
    let ordered = Ordered::new(&originals, &options, None, &Progress::new()).unwrap();
    let stop = Stop::default();
    // A graph that would grow for ever.
    let told = stop.clone();
    let grow = move || {
        while !told.is_set() {
            std::thread::yield_now();
        }
        Err(Error::Interrupted { operation: "build" })
    };
    let graph = IndexGraph::Growing(Box::new(grow), stop);
    let directory = Directory::new(Arc::new(vfs.clone()), Path::new(ROOT));
    vfs.fail(Some(Plan { failure: Failure::Io, nth: 0, sticky: true }));
    let index = Some(Index { ordered: &ordered, graph });
    let error = write_segment(&directory, "segments/9.seg", &view.config, &points, index);
    assert!(matches!(error, Err(Error::Io { .. })), "{error:?}");
}

fn segments(vfs: &FaultVfs) -> usize {
    let names = vfs.image(Crash::Everything).names();
    names.iter().filter(|name| name.extension() == Some(Path::new("seg").as_os_str())).count()
}

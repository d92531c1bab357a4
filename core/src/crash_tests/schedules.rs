//! T10: a collection used by several threads at once, in thousands of orders ([`scheduled`]): the
//! group commit, the swap of manifests, readers that let go, and all of it beside merges.
//!
//! A thread that waits for what nobody will do fails the test: no time passes there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::data::{self, DIM};
use super::oracle::observe;
use super::world::Step::{
    self, Clear, Delete, Exclude, Flush, Gather, Load, Optimize, Seal, Snapshot, Update, Upsert,
};
use super::world::{ROOT, call, copy_at, open_at};
use super::{report, soak};
use crate::collection::Collection;
use crate::config::{CollectionConfig, Mode};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::sync::scheduled::{point, schedules};
use crate::types::Durability;
use crate::vfs::fault::{Crash, Failure, FaultVfs, Plan};

/// Ids of one writer.
const OWN: u64 = 3;

fn create(vfs: &FaultVfs, durability: Durability) -> Arc<Collection> {
    let mut config = CollectionConfig::new(DIM, Metric::L2);
    config.schema = data::schema();
    config.durability = durability;
    let root = std::path::Path::new(ROOT);
    Arc::new(Collection::create_on(Arc::new(vfs.clone()), root, config).unwrap())
}

fn run(name: &str, count: usize, test: fn()) {
    let count = count * soak() as usize;
    schedules(super::seed(), count, test);
    report(format!("T10: {count} schedules of {name}"));
}

/// The one version that all of these points have; `None` if none of them is there.
fn whole(collection: &Collection, from: u64, to: u64) -> Option<u32> {
    try_whole(collection, from, to).unwrap()
}

fn try_whole(collection: &Collection, from: u64, to: u64) -> Result<Option<u32>> {
    let kind = collection.config().id_type;
    let points = collection.get(&data::ids(kind, from..to), true)?;
    let version = |row: usize| {
        let id = from + row as u64;
        points.found[row].then(|| data::read_back(&points.batch, row, id).unwrap().vector)
    };
    let first = version(0);
    for row in 1..points.found.len() {
        assert_eq!(version(row), first, "points {from}..{to}: parts of two writes");
    }
    Ok(first)
}

/// What was acknowledged, to several writers that each have their own points and write them again
/// and again.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<u32>>>);

/// Not a lock of the schedules: whoever has it goes on until it lets go.
fn now<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Acknowledged {
    fn of(writers: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![0; writers])))
    }

    fn versions(&self) -> Vec<u32> {
        now(&self.0).clone()
    }

    fn add(&self, writer: u64, version: u32) {
        now(&self.0)[writer as usize] = version;
    }
}

/// Writes versions from 1 until one fails; what was acknowledged to anyone before each began.
fn write(
    collection: &Collection,
    writer: u64,
    versions: u32,
    acknowledged: &Acknowledged,
) -> (Vec<Vec<u32>>, Option<Error>) {
    let ids = writer * OWN..(writer + 1) * OWN;
    let mut before = vec![Vec::new()];
    for version in 1..=versions {
        before.push(acknowledged.versions());
        if let Err(error) = call(collection, &Upsert(ids.clone(), version)) {
            return (before, Some(error));
        }
        acknowledged.add(writer, version);
        match try_whole(collection, ids.start, ids.end) {
            Ok(found) => assert_eq!(found, Some(version), "read your writes"),
            Err(error) => return (before, Some(error)),
        }
    }
    (before, None)
}

/// The version of each writer's points.
fn versions(found: &Collection, writers: u64) -> Vec<u32> {
    let version = |w: u64| whole(found, w * OWN, (w + 1) * OWN).unwrap_or_default();
    (0..writers).map(version).collect()
}

/// Whether what is there is all that was acknowledged, and with each write what came before it.
fn check(found: &Collection, acknowledged: &[u32], before: &[Vec<Vec<u32>>]) {
    let versions = versions(found, acknowledged.len() as u64);
    let reaches = |least: &[u32]| versions.iter().zip(least).all(|(found, least)| found >= least);
    assert!(reaches(acknowledged), "{versions:?} is there of {acknowledged:?}");
    for (writer, found) in versions.iter().enumerate().filter(|(_, found)| **found > 0) {
        let earlier = &before[writer][*found as usize];
        assert!(reaches(earlier), "{versions:?}: write {found} of {writer} came after {earlier:?}");
    }
}

fn open(vfs: &FaultVfs, mode: Mode) -> Collection {
    open_at(vfs, std::path::Path::new(ROOT), mode).unwrap()
}

/// Writers commit in groups; the power goes at some moment.
fn group_commit() {
    let vfs = FaultVfs::default();
    let collection = create(&vfs, Durability::Sync);
    let acknowledged = Acknowledged::of(3);
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (collection, acknowledged) = (Arc::clone(&collection), acknowledged.clone());
            thread::spawn(move || write(&collection, writer, 3, &acknowledged).0)
        })
        .collect();
    let cut = {
        let (collection, vfs) = (Arc::clone(&collection), vfs.clone());
        let acknowledged = acknowledged.clone();
        thread::spawn(move || {
            (0..thread_rng().gen_range(0..40)).for_each(|_| point());
            // What a search saw is durable too.
            let mut least = versions(&collection, 3);
            let acknowledged = acknowledged.versions();
            least.iter_mut().zip(acknowledged).for_each(|(seen, own)| *seen = own.max(*seen));
            (least, vfs.image(Crash::OnlySynced))
        })
    };
    let (acknowledged, image) = cut.join().unwrap();
    let before: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    check(&open(&FaultVfs::of(&image), Mode::Write), &acknowledged, &before);
}

/// A call of the disk fails once: nobody waits for ever, and what was acknowledged is there.
fn failed_commit() {
    let vfs = FaultVfs::default();
    let collection = create(&vfs, Durability::Sync);
    let nth = thread_rng().gen_range(0..40);
    vfs.fail(Some(Plan { failure: Failure::Io, nth, sticky: false }));
    let acknowledged = Acknowledged::of(3);
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (collection, acknowledged) = (Arc::clone(&collection), acknowledged.clone());
            thread::spawn(move || write(&collection, writer, 2, &acknowledged))
        })
        .collect();
    let sealer = {
        let collection = Arc::clone(&collection);
        thread::spawn(move || collection.seal())
    };
    let mut before = Vec::new();
    for writer in writers {
        let (began, error) = writer.join().unwrap();
        before.push(began);
        let typed = matches!(error, None | Some(Error::Io { .. } | Error::Poisoned { .. }));
        assert!(typed, "{error:?}");
    }
    let _ = sealer.join().unwrap();
    let acknowledged = acknowledged.versions();
    check(&collection, &acknowledged, &before);
    vfs.fail(None);
    let image = vfs.image(Crash::OnlySynced);
    vfs.kill();
    check(&open(&FaultVfs::of(&image), Mode::Write), &acknowledged, &before);
}

/// One closes while others write and the thread of the collection seals.
fn closing() {
    let vfs = FaultVfs::default();
    let durability = [Durability::Sync, Durability::Buffered][thread_rng().gen_range(0..2)];
    let collection = create(&vfs, durability);
    collection.start_worker().unwrap();
    let acknowledged = Acknowledged::of(2);
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (collection, acknowledged) = (Arc::clone(&collection), acknowledged.clone());
            thread::spawn(move || {
                let (before, error) = write(&collection, writer, 3, &acknowledged);
                assert!(matches!(error, None | Some(Error::Closed { .. })), "{error:?}");
                before
            })
        })
        .collect();
    (0..thread_rng().gen_range(0..30)).for_each(|_| point());
    collection.close().unwrap();
    let before: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    let acknowledged = acknowledged.versions();
    assert!(matches!(collection.flush(), Err(Error::Closed { .. })));
    check(&open(&FaultVfs::of(&vfs.image(Crash::OnlySynced)), Mode::Read), &acknowledged, &before);
}

/// Reads again and again: whole states, never an older one.
fn read_on(read: impl Fn() -> Option<u32>) {
    let mut last = None;
    for _ in 0..4 {
        let version = read();
        assert!(version >= last, "{version:?} after {last:?}");
        last = version;
        point();
    }
}

type Work = Box<dyn FnOnce(&Collection, &FaultVfs) + Send>;

/// Searches and readers of other processes beside writes, seals and merges.
fn readers_and_merges() {
    let vfs = FaultVfs::default();
    let collection = create(&vfs, Durability::Sync);
    call(&collection, &Upsert(0..12, 1)).unwrap();
    let mut threads = Vec::new();
    let beside = |work: Work| {
        let (collection, vfs) = (Arc::clone(&collection), vfs.clone());
        thread::spawn(move || work(&collection, &vfs))
    };
    threads.push(beside(Box::new(|collection, _| {
        for version in 2..6 {
            call(collection, &Upsert(0..12, version)).unwrap();
        }
    })));
    threads.push(beside(Box::new(|collection, _| {
        for step in [Gather, Seal, Optimize, Gather, Seal] {
            call(collection, &step).unwrap();
        }
    })));
    threads.push(beside(Box::new(|collection, _| read_on(|| whole(collection, 0, 12)))));
    threads.push(beside(Box::new(|_, vfs| {
        let reader = open(vfs, Mode::Read);
        read_on(|| {
            reader.refresh().unwrap();
            whole(&reader, 0, 12)
        });
    })));
    threads.push(beside(Box::new(|_, vfs| {
        read_on(|| whole(&open(vfs, Mode::Read), 0, 12));
    })));
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(whole(&collection, 0, 12), Some(5));
    assert_eq!(collection.len(), 12);
    assert_eq!(vfs.violations(), [""; 0]);
}

/// Every kind of change beside merges and copies: nothing is lost between the two.
fn changes_and_copies() {
    let vfs = FaultVfs::default();
    let collection = create(&vfs, Durability::Sync);
    call(&collection, &Upsert(0..30, 1)).unwrap();
    // Each changes points of its own, so that what they come to is known.
    let all: [&[Step]; 6] = [
        &[Update(0..10, 2), Load(5..9, 7, 2), Upsert(0..5, 3), Delete(4..6), Update(0..4, 4)],
        &[Delete(10..15), Upsert(12..20, 5), Load(18..25, 6, 3), Delete(24..25)],
        &[Gather, Seal, Gather, Optimize, Flush, Seal],
        &[Gather, Gather],
        &[Exclude(0, 0..9), Exclude(1, 3..7), Clear(0), Exclude(0, 5..8)],
        &[Snapshot(0), Snapshot(1)],
    ];
    let threads: Vec<_> = all
        .map(|steps| {
            let collection = Arc::clone(&collection);
            thread::spawn(move || steps.iter().for_each(|s| call(&collection, s).unwrap()))
        })
        .into_iter()
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut state = super::world::State::default();
    Upsert(0..30, 1).apply(&mut state);
    all.iter().copied().flatten().for_each(|step| step.apply(&mut state));
    assert_eq!(observe(&collection, 30).unwrap(), state);
    for number in 0..2 {
        let copy = open_at(&vfs, &copy_at(number), Mode::Read).unwrap();
        observe(&copy, 30).unwrap();
        copy.verify().unwrap();
    }
    let image = vfs.image(Crash::OnlySynced);
    assert_eq!(observe(&open(&FaultVfs::of(&image), Mode::Write), 30).unwrap(), state);
}

/// More than may grow: writers wait for the thread that seals, and callers that merge interrupt it.
fn waiting_for_room() {
    let vfs = FaultVfs::default();
    let collection = create(&vfs, Durability::Buffered);
    collection.start_worker().unwrap();
    let writers: Vec<_> = (0..2_u64)
        .map(|writer| {
            let collection = Arc::clone(&collection);
            let ids = writer * 50..writer * 50 + 50;
            thread::spawn(move || {
                for version in 1..5 {
                    call(&collection, &Upsert(ids.clone(), version)).unwrap();
                    assert_eq!(whole(&collection, ids.start, ids.end), Some(version));
                }
            })
        })
        .collect();
    let merger = {
        let collection = Arc::clone(&collection);
        thread::spawn(move || call(&collection, &Optimize).unwrap())
    };
    for writer in writers {
        writer.join().unwrap();
    }
    merger.join().unwrap();
    collection.close().unwrap();
    let reader = open(&FaultVfs::of(&vfs.image(Crash::OnlySynced)), Mode::Read);
    assert_eq!((whole(&reader, 0, 100), reader.len()), (Some(4), 100));
}

/// A few orders of each, for the canaries.
pub(super) fn run_few() {
    for test in [group_commit, failed_commit, closing, readers_and_merges, changes_and_copies] {
        schedules(1, 200, test);
    }
}

#[test]
fn t10_writers_that_commit_together() {
    run("writers that commit together", 2_500, group_commit);
}

#[test]
fn t10_writers_of_a_failing_disk() {
    run("writers of a failing disk", 2_000, failed_commit);
}

#[test]
fn t10_closing_while_others_write() {
    run("closing while others write", 1_500, closing);
}

#[test]
fn t10_readers_beside_writes_and_merges() {
    run("readers beside writes and merges", 2_000, readers_and_merges);
}

#[test]
fn t10_changes_beside_merges_and_copies() {
    run("changes beside merges and copies", 1_500, changes_and_copies);
}

#[test]
fn t10_writers_that_wait_for_room() {
    run("writers that wait for room", 1_000, waiting_for_room);
}

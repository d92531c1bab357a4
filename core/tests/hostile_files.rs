//! T6: every file of a collection with flipped bytes, cut short, grown, zeroed, replaced by
//! garbage, by another file or by an older self. Whatever the bytes are, opening and using them
//! gives a typed error that names a file of the collection, or the right answers; never a panic, a
//! hang, or memory beyond four times the files plus 16 MiB.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{
    Numbers, batch, components, config, exclude, files, ids, open, rescore, source, upsert,
};
use nearfield::{
    Collection, Effort, Error, IdType, LoadOptions, Metric, Mode, Progress, SearchRequest, Vectors,
};

/// Counts what a thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

// SAFETY: every call is handed to the system's allocator as it is; counting allocates nothing, as
// the thread-local value is constant and needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DIM: usize = 12;
const ROWS: u64 = 1_030;
/// Where the points are that no state of the collection has.
const UNKNOWN: u64 = 1 << 30;

/// A collection with a file of every kind, and what its files were at an earlier time.
struct Sample {
    name: &'static str,
    id_type: IdType,
    dir: tempfile::TempDir,
    /// By their names in the collection.
    good: BTreeMap<String, Vec<u8>>,
    older: Vec<BTreeMap<String, Vec<u8>>>,
}

fn kind(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap();
    match file.split_once(['.', '-']) {
        Some((_, end)) if name.contains('/') => {
            format!("{}/{}", name.split('/').next().unwrap(), end.rsplit('.').next().unwrap())
        }
        Some((start, _)) => start.to_owned(),
        None => file.to_owned(),
    }
}

fn sample(name: &'static str, id_type: IdType, rows: u64) -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut config = config(DIM);
    config.metric = Metric::L2;
    config.id_type = id_type;
    let read = || files(&path).into_iter().collect();
    let collection = Collection::create(&path, config).unwrap();
    let mut older = vec![read()];
    upsert(&collection, 0, rows);
    exclude(&collection);
    collection.optimize(&Progress::new()).unwrap();
    older.push(read());
    let queries = components(10, DIM, 5);
    let queries = Vectors::from_f32(DIM, &queries).unwrap();
    collection.calibrate(&queries, &Progress::new()).unwrap();
    collection.add_exclusions("user:44:seen", &ids(id_type, 2, 9), None).unwrap();
    upsert(&collection, 3, 20);
    older.push(read());
    rescore(&collection, 20, 30).unwrap();
    let more = batch(&collection.config(), rows, rows + 30);
    collection.load(source(vec![more]), &LoadOptions::default(), &Progress::new()).unwrap();
    older.push(read());
    upsert(&collection, 40, 50);
    rescore(&collection, 30, 34).unwrap();
    collection.delete(&ids(id_type, 34, 38)).unwrap();
    drop(collection);
    Sample { name, id_type, dir, good: read(), older }
}

/// What a collection answers.
#[derive(Debug, PartialEq)]
struct Answers {
    len: u64,
    ids: Vec<String>,
    scores: Vec<f64>,
    points: Vec<String>,
}

fn ask(path: &Path, id_type: IdType, rows: u64) -> nearfield::Result<Answers> {
    let reader = open(path, Mode::Read)?;
    let query: Vec<f32> = (0..DIM).map(|i| i as f32 / 5.0).collect();
    let queries = Vectors::from_f32(DIM, &query)?;
    let mut answers =
        Answers { len: reader.len(), ids: Vec::new(), scores: Vec::new(), points: Vec::new() };
    let sets = ["user:42:seen", "user:43:seen", "user:44:seen"];
    for (effort, sets) in [(Effort::Recall(0.9), &sets[..0]), (Effort::Exact, &sets)] {
        let mut request = SearchRequest::new(10);
        request.effort = effort;
        request.exclude_sets = sets.iter().map(|set| (*set).to_owned()).collect();
        request.with_attributes = vec!["tag".to_owned(), "flair".to_owned(), "title".to_owned()];
        let found = reader.search(&queries, &request)?;
        for place in 0..found.counts[0] {
            answers.ids.push(found.ids.get(place).to_string());
            answers.scores.push(found.scores[place]);
        }
    }
    for (from, to) in [(0, 8), (rows, rows + 4), (UNKNOWN, UNKNOWN + 1)] {
        let points = reader.get(&ids(id_type, from, to), true)?;
        answers.points.push(format!("{:?} {:?}", points.found, points.batch.columns()));
    }
    reader.stats()?;
    reader.verify()?;
    Ok(answers)
}

/// What is done to a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Zero(usize),
    Cut(usize),
    Grow(usize),
    Garbage(u64, usize),
    /// The bytes of a file of this name at that earlier time, or now.
    Other(Option<usize>, String),
    Gone,
}

impl Damage {
    fn apply(&self, good: &[u8], sample: &Sample) -> Option<Vec<u8>> {
        let mut bytes = good.to_vec();
        match self {
            Self::Flip(at, mask) => bytes[*at] ^= mask,
            Self::Zero(at) => {
                let end = (at + 512).min(bytes.len());
                bytes[*at..end].fill(0);
            }
            Self::Cut(length) => bytes.truncate(*length),
            Self::Grow(more) => bytes.resize(good.len() + more, 0xA5),
            Self::Garbage(seed, length) => {
                let mut numbers = Numbers(*seed);
                bytes = (0..*length).map(|_| numbers.next() as u8).collect();
            }
            Self::Other(None, name) => bytes.clone_from(&sample.good[name]),
            Self::Other(Some(time), name) => bytes.clone_from(&sample.older[*time][name]),
            Self::Gone => return None,
        }
        Some(bytes)
    }
}

fn soak() -> usize {
    common::soak() as usize
}

/// What is done to the file of this name: everything to a small one, strides of a large one.
fn damages(sample: &Sample, name: &str) -> Vec<Damage> {
    let length = sample.good[name].len();
    let seed = common::seed() as usize;
    // No multiple of anything in the format.
    let step = |cases: usize| (length / (cases * soak())).max(1) | 1;
    let mut all = Vec::new();
    let ends = (0..length.min(600)).chain(length.saturating_sub(100).max(600)..length);
    let offsets: BTreeSet<usize> =
        ends.chain((seed % step(2_700)..length).step_by(step(2_700))).collect();
    for at in offsets {
        all.extend([0x01, 0x10, 0x80, 0xFF].map(|mask| Damage::Flip(at, mask)));
    }
    let cuts = (seed % step(1_200)..length).step_by(step(1_200));
    all.extend(cuts.map(Damage::Cut));
    all.extend((0..length).step_by(512 * (length / 200_000 + 1)).map(Damage::Zero));
    all.extend([1, 4, 32, 511, 4096, 1 << 20].map(Damage::Grow));
    let lengths = [0, 1, 31, 32, 64, length / 2, length, length + 100];
    all.extend((0..4).flat_map(|seed| lengths.map(|length| Damage::Garbage(seed, length))));
    let others = sample.good.keys().filter(|other| *other != name).cloned();
    all.extend(others.map(|other| Damage::Other(None, other)));
    for (time, then) in sample.older.iter().enumerate() {
        let others = then.keys().filter(|other| kind(other) == kind(name));
        all.extend(others.map(|other| Damage::Other(Some(time), other.clone())));
    }
    all.push(Damage::Gone);
    all
}

/// Uses a damaged collection.
fn check(
    sample: &Sample,
    path: &Path,
    rows: u64,
    good: &Answers,
    limit: isize,
) -> Result<(), String> {
    let started = Instant::now();
    let before = HELD.with(|held| {
        let (now, _) = held.get();
        held.set((now, now));
        now
    });
    let asked = catch_unwind(AssertUnwindSafe(|| ask(path, sample.id_type, rows)));
    let most = HELD.with(Cell::get).1 - before;
    if most > limit {
        return Err(format!("took {most} bytes of memory, more than {limit}"));
    }
    if started.elapsed() > Duration::from_secs(20) {
        return Err(format!("took {:?}", started.elapsed()));
    }
    match asked {
        Err(_) => Err("panicked".to_owned()),
        Ok(Ok(answers)) if answers == *good => Ok(()),
        Ok(Ok(answers)) => Err(format!("answered otherwise: {answers:?}")),
        Ok(Err(Error::Corruption { path: at, expected, found, .. })) => {
            if !at.starts_with(path) || expected.is_empty() || found.is_empty() {
                return Err(format!("names {}, expected {expected}", at.display()));
            }
            Ok(())
        }
        Ok(Err(Error::UnsupportedVersion { path: at, .. })) if at.starts_with(path) => Ok(()),
        Ok(Err(Error::CollectionNotFound { .. })) => Ok(()),
        Ok(Err(other)) => Err(format!("{other:?}")),
    }
}

/// Does everything to every file; how many distinct cases, by the kind of file.
fn hurt(sample: &Sample, rows: u64) -> BTreeMap<String, usize> {
    let original = sample.dir.path().join("c");
    let good = ask(&original, sample.id_type, rows).unwrap();
    let sizes: usize = sample.good.values().map(Vec::len).sum();
    let limit = 4 * sizes as isize + (16 << 20);
    let mut cases: Vec<(&String, Damage)> = Vec::new();
    let mut counts = BTreeMap::new();
    for name in sample.good.keys() {
        let damages = damages(sample, name);
        *counts.entry(kind(name)).or_default() += damages.len();
        cases.extend(damages.into_iter().map(|damage| (name, damage)));
    }
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, cases, good, original) = (&next, &cases, &good, &original);
            scope.spawn(move || {
                let path = sample.dir.path().join(format!("copy {thread}"));
                copy(original, &path);
                while let Some((name, damage)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let file = path.join(name);
                    let sound = &sample.good[*name];
                    let damaged = damage.apply(sound, sample);
                    match &damaged {
                        Some(bytes) => put(&file, sound, bytes),
                        None => fs::remove_file(&file).unwrap(),
                    }
                    if let Err(error) = check(sample, &path, rows, good, limit) {
                        panic!("{}: {damage:?} of {name}: {error}", sample.name);
                    }
                    put(&file, damaged.as_deref().unwrap_or_default(), sound);
                }
            });
        }
    });
    counts
}

/// Turns a file that holds `old` into one that holds `new`; writes only what differs, as a file
/// system hurries to put whole replaced files on disk.
fn put(file: &Path, old: &[u8], new: &[u8]) {
    let out = fs::File::options().create(true).truncate(false).write(true).open(file).unwrap();
    out.set_len(new.len() as u64).unwrap();
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let differs = |at: &usize| old.get(*at) != new.get(*at);
    if let Some(last) = (same..new.len()).rev().find(differs) {
        let mut out = &out;
        out.seek(SeekFrom::Start(same as u64)).unwrap();
        out.write_all(&new[same..=last]).unwrap();
    }
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn t6_any_bytes_are_safe_to_open() {
    let samples =
        [(sample("u64 ids", IdType::U64, ROWS), ROWS), (sample("string ids", IdType::Str, 60), 60)];
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (sample, rows) in &samples {
        for (kind, count) in hurt(sample, *rows) {
            *counts.entry(kind).or_default() += count;
        }
    }
    let kinds =
        ["CURRENT", "MANIFEST", "wal", "segments", "tombstones", "attributes", "exclusions"];
    let seen = |kind: &&str| counts.keys().any(|seen| seen.starts_with(kind));
    assert!(kinds.iter().all(seen), "{counts:?}");
    let all: usize = counts.values().sum();
    let _ = writeln!(std::io::stderr(), "T6: {all} damaged files: {counts:?}");
    assert!(all >= 40_000, "{counts:?}");
}

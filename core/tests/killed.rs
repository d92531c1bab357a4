//! T4: a real process writes, is killed at some moment, and what it had been told was written is
//! there when the collection is opened again; what was not told is there whole or not at all.
//!
//! The writer is this test binary, started again with the environment variable [`PATH`] set. It
//! reports on its standard output, so that nothing of what it says can be lost.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use common::{Numbers, open};
use nearfield::{Collection, CollectionConfig, Ids, Metric, Mode, Progress, Vectors};

const PATH: &str = "NEARFIELD_TEST_WRITER_PATH";
const SEED: &str = "NEARFIELD_TEST_WRITER_SEED";
const DIM: usize = 4;
/// Ids are below this; few, so that most writes replace.
const IDS: u64 = 300;

/// What a writer does. Each write has a number, which its vectors hold.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    Upsert(Vec<u64>),
    Optimize,
}

/// Write `number` of the writer with this seed.
fn write_of(seed: u64, number: u64) -> Call {
    let mut numbers = Numbers(seed ^ (number << 32));
    if numbers.next().is_multiple_of(30) {
        return Call::Optimize;
    }
    let count = [1, 1, 3, 40][(numbers.next() % 4) as usize];
    Call::Upsert((0..count).map(|_| numbers.next() % IDS).collect())
}

fn vector(id: u64, number: u64) -> [f32; DIM] {
    [id as f32, number as f32, (id * number % 251) as f32, 1.0]
}

/// Writes until it is killed.
#[test]
#[ignore = "the process that the test below starts and kills"]
fn writer() {
    let (Ok(path), Ok(seed)) = (std::env::var(PATH), std::env::var(SEED)) else { return };
    let (seed, first): (u64, u64) = {
        let (seed, first) = seed.split_once(' ').unwrap();
        (seed.parse().unwrap(), first.parse().unwrap())
    };
    let mut out = std::io::stdout();
    let mut say = |line: String| {
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
    };
    let collection = if first == 0 {
        let config = CollectionConfig::new(DIM, Metric::L2);
        Collection::create(&path, config).unwrap()
    } else {
        open(path.as_ref(), Mode::Write).unwrap()
    };
    say("\nready\n".to_owned());
    for number in first.. {
        match write_of(seed, number) {
            Call::Upsert(ids) => {
                let data: Vec<f32> = ids.iter().flat_map(|id| vector(*id, number)).collect();
                let vectors = Vectors::from_f32(DIM, &data).unwrap();
                collection.upsert(&Ids::U64(ids), &vectors, None, &Progress::new()).unwrap();
            }
            Call::Optimize => collection.optimize(&Progress::new()).unwrap(),
        }
        say(format!("done {number}\n"));
    }
}

/// The number of the write that each point is from.
type State = BTreeMap<u64, u64>;

fn apply(state: &mut State, seed: u64, number: u64) {
    if let Call::Upsert(ids) = write_of(seed, number) {
        state.extend(ids.into_iter().map(|id| (id, number)));
    }
}

fn read(path: &Path) -> State {
    let reader = open(path, Mode::Read).unwrap();
    let points = reader.get(&Ids::U64((0..IDS).collect()), true).unwrap();
    let vectors = points.batch.column_by_name("vector").unwrap().as_fixed_size_list();
    let mut state = State::new();
    for id in (0..IDS).filter(|id| points.found[*id as usize]) {
        let list = vectors.value(id as usize);
        let found = list.as_primitive::<Float32Type>().values();
        let number = found[1] as u64;
        assert_eq!(**found, vector(id, number), "point {id} is of no write");
        state.insert(id, number);
    }
    assert_eq!(reader.len(), state.len() as u64);
    reader.verify().unwrap();
    state
}

/// Starts a writer, kills it; the first write that was not acknowledged.
fn kill_one(path: &Path, seed: u64, first: u64, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PATH, path)
        .env(SEED, format!("{seed} {first}"))
        .env("NEARFIELD_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "the writer did not start: {:?}", child.wait());
    let killer = std::thread::spawn(move || {
        let until = Instant::now() + after;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(left);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let done =
        lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("done ")?.parse().ok());
    let next = done.last().map_or(first, |last: u64| last + 1);
    killer.join().unwrap();
    next
}

/// Kills a series of writers on one collection.
fn series(seed: u64, kills: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let (mut state, mut next) = (State::new(), 0);
    let mut numbers = Numbers(seed);
    for kill in 0..kills {
        // From at once to after some dozens of writes.
        let after = Duration::from_micros(numbers.next() % 100_000);
        let acknowledged = kill_one(&path, seed, next, after);
        for number in next..acknowledged {
            apply(&mut state, seed, number);
        }
        // The write after the last acknowledged one may be there, whole.
        let mut more = state.clone();
        apply(&mut more, seed, acknowledged);
        let found = read(&path);
        assert!(
            found == state || found == more,
            "seed {seed}, kill {kill}: {acknowledged} writes were acknowledged;\nfound {found:?}\nnot {state:?}"
        );
        state = found;
        next = acknowledged + 1;
    }
    next
}

#[test]
fn t4_a_killed_writer_loses_nothing_that_was_acknowledged() {
    let soak = std::env::var("NEARFIELD_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (seeds, kills) = (4 * soak, 51);
    let mut writes = 0;
    for first in (0..seeds).step_by(4) {
        let series = (first..first + 4).map(|seed| std::thread::spawn(move || series(seed, kills)));
        let series: Vec<_> = series.collect();
        writes += series.into_iter().map(|s| s.join().unwrap()).sum::<u64>();
    }
    let killed = seeds * kills;
    let _ = writeln!(std::io::stderr(), "T4: {killed} killed writers, {writes} writes");
    assert!(killed >= 200 && writes > killed, "{writes} writes");
}

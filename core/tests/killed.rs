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
use std::sync::Mutex;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use common::{Numbers, open};
use nearfield::{Collection, CollectionConfig, Durability, Ids, Metric, Mode, Progress, Vectors};

const PATH: &str = "NEARFIELD_TEST_WRITER_PATH";
const PLAN: &str = "NEARFIELD_TEST_WRITER_PLAN";
const DIM: usize = 4;

/// How a series of writers writes. Each of their threads has points of its own, and numbers its
/// calls from 0; a point's vector holds the number of the call that it is from.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    threads: u64,
    /// Ids of a thread; few, so that most calls replace.
    ids: u64,
    /// Points of a call.
    sizes: [u64; 4],
    buffered: bool,
}

/// What a thread does in one call.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    Upsert(Vec<u64>),
    Delete(Vec<u64>),
    Optimize,
}

impl Plan {
    fn call(&self, thread: u64, number: u64) -> Call {
        let mut numbers = Numbers(self.seed ^ (number << 32) ^ (thread << 60));
        let kind = numbers.next() % 30;
        if kind == 0 {
            return Call::Optimize;
        }
        let count = self.sizes[(numbers.next() % 4) as usize];
        let ids = (0..count).map(|_| thread * self.ids + numbers.next() % self.ids).collect();
        if kind < 5 { Call::Delete(ids) } else { Call::Upsert(ids) }
    }

    fn text(&self, first: &[u64]) -> String {
        let first: Vec<String> = first.iter().map(u64::to_string).collect();
        format!(
            "{} {} {} {} {} {} {} {} {}",
            self.seed,
            self.threads,
            self.ids,
            self.sizes[0],
            self.sizes[1],
            self.sizes[2],
            self.sizes[3],
            u8::from(self.buffered),
            first.join(" ")
        )
    }

    /// The plan and the first call of each thread.
    fn parse(text: &str) -> (Self, Vec<u64>) {
        let all: Vec<u64> = text.split(' ').map(|n| n.parse().unwrap()).collect();
        let plan = Self {
            seed: all[0],
            threads: all[1],
            ids: all[2],
            sizes: [all[3], all[4], all[5], all[6]],
            buffered: all[7] == 1,
        };
        (plan, all[8..].to_vec())
    }
}

fn vector(id: u64, number: u64) -> [f32; DIM] {
    [id as f32, number as f32, (id * number % 251) as f32, 1.0]
}

/// Writes until it is killed.
#[test]
#[ignore = "the process that the test below starts and kills"]
fn writer() {
    let (Ok(path), Ok(plan)) = (std::env::var(PATH), std::env::var(PLAN)) else { return };
    let (plan, first) = Plan::parse(&plan);
    let out = Mutex::new(std::io::stdout());
    let say = |line: String| {
        let mut out = out.lock().unwrap();
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
    };
    let collection = if Path::new(&path).exists() {
        open(path.as_ref(), Mode::Write).unwrap()
    } else {
        let mut config = CollectionConfig::new(DIM, Metric::L2);
        if plan.buffered {
            config.durability = Durability::Buffered;
        }
        Collection::create(&path, config).unwrap()
    };
    say("\nready\n".to_owned());
    let write = |thread: u64, number: u64| {
        match plan.call(thread, number) {
            Call::Upsert(ids) => {
                let data: Vec<f32> = ids.iter().flat_map(|id| vector(*id, number)).collect();
                let vectors = Vectors::from_f32(DIM, &data).unwrap();
                collection.upsert(&Ids::U64(ids), &vectors, None, &Progress::new()).unwrap();
            }
            Call::Delete(ids) => drop(collection.delete(&Ids::U64(ids)).unwrap()),
            Call::Optimize => collection.optimize(&Progress::new()).unwrap(),
        }
        say(format!("done {thread} {number}\n"));
    };
    std::thread::scope(|scope| {
        for (thread, first) in first.iter().copied().enumerate() {
            let write = &write;
            scope.spawn(move || {
                for number in first.. {
                    write(thread as u64, number);
                }
            });
        }
    });
}

/// The number of the call that each point is from.
type State = BTreeMap<u64, u64>;

fn apply(state: &mut State, call: Call, number: u64) {
    match call {
        Call::Upsert(ids) => state.extend(ids.into_iter().map(|id| (id, number))),
        Call::Delete(ids) => state.retain(|id, _| !ids.contains(id)),
        Call::Optimize => {}
    }
}

/// What each thread's points are.
fn read(path: &Path, plan: Plan) -> Vec<State> {
    let reader = open(path, Mode::Read).unwrap();
    let points = reader.get(&Ids::U64((0..plan.ids * plan.threads).collect()), true).unwrap();
    let vectors = points.batch.column_by_name("vector").unwrap().as_fixed_size_list();
    let components = vectors.values().as_primitive::<Float32Type>().values();
    let mut states = vec![State::new(); plan.threads as usize];
    for (row, id) in (0..plan.ids * plan.threads).enumerate().filter(|(row, _)| points.found[*row])
    {
        let found = &components[row * DIM..(row + 1) * DIM];
        let number = found[1] as u64;
        assert_eq!(*found, vector(id, number), "point {id} is of no call");
        states[(id / plan.ids) as usize].insert(id, number);
    }
    assert_eq!(reader.len(), states.iter().map(|s| s.len() as u64).sum::<u64>());
    reader.verify().unwrap();
    states
}

/// Starts a writer, kills it; the first call of each thread that was not acknowledged.
fn kill_one(path: &Path, plan: Plan, first: &[u64], after: Duration) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PATH, path)
        .env(PLAN, plan.text(first))
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
    let mut next = first.to_vec();
    for line in lines.map_while(Result::ok) {
        let done = line.strip_prefix("done ").and_then(|done| done.split_once(' '));
        if let Some((thread, number)) = done
            && let (Ok(thread), Ok(number)) = (thread.parse::<usize>(), number.parse::<u64>())
        {
            assert_eq!(next[thread], number, "calls of a thread come one after the other");
            next[thread] = number + 1;
        }
    }
    killer.join().unwrap();
    next
}

/// Kills a series of writers on one collection; how many calls they made.
fn series(plan: Plan, kills: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let threads = plan.threads as usize;
    let (mut states, mut next) = (vec![State::new(); threads], vec![0; threads]);
    let mut numbers = Numbers(plan.seed);
    for kill in 0..kills {
        // From at once to after some dozens of calls.
        let after = Duration::from_micros(numbers.next() % 100_000);
        let acknowledged = kill_one(&path, plan, &next, after);
        let found = read(&path, plan);
        for (thread, state) in states.iter_mut().enumerate() {
            for number in next[thread]..acknowledged[thread] {
                apply(state, plan.call(thread as u64, number), number);
            }
            // The call after the last acknowledged one may be there, whole.
            let mut more = state.clone();
            let number = acknowledged[thread];
            apply(&mut more, plan.call(thread as u64, number), number);
            assert!(
                found[thread] == *state || found[thread] == more,
                "{plan:?}, kill {kill}, thread {thread}: {number} calls were acknowledged;\n\
                 found {:?}\nnot {state:?}",
                found[thread]
            );
        }
        states = found;
        next = acknowledged.iter().map(|number| number + 1).collect();
    }
    next.iter().sum()
}

#[test]
fn t4_a_killed_writer_loses_nothing_that_was_acknowledged() {
    let (soak, seed) = (common::soak(), common::seed());
    let small = Plan { seed, threads: 1, ids: 300, sizes: [1, 1, 3, 40], buffered: false };
    let plans = [
        (small, 70),
        (Plan { buffered: true, ..small }, 55),
        // Their calls share syncs.
        (Plan { threads: 4, ids: 100, sizes: [1, 1, 2, 5], ..small }, 55),
        // So much that it is sealed and merged beside them.
        (Plan { threads: 2, ids: 6_000, sizes: [1, 50, 1_000, 5_000], ..small }, 25),
    ];
    let mut calls = 0;
    for round in 0..soak {
        let series = plans.map(|(plan, kills)| {
            let plan = Plan { seed: plan.seed + round, ..plan };
            std::thread::spawn(move || series(plan, kills))
        });
        calls += series.into_iter().map(|s| s.join().unwrap()).sum::<u64>();
    }
    let killed = plans.iter().map(|(_, kills)| kills).sum::<u64>() * soak;
    let _ = writeln!(std::io::stderr(), "T4: {killed} killed writers, {calls} calls");
    assert!(killed >= 200 && calls > killed, "{calls} calls");
}

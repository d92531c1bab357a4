//! Several processes on one collection, and processes that the system gives little: a full disk,
//! few open files, no right to write.
//!
//! The processes are this test binary, started again with [`ROLE`] set; what they say is on their
//! standard output.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use common::open;
use nearfield::{
    Collection, CollectionConfig, Effort, Error, Ids, Metric, Mode, Progress, SearchRequest,
    Vectors,
};

const ROLE: &str = "NEARFIELD_TEST_ROLE";
const PATH: &str = "NEARFIELD_TEST_PATH";
const DIM: usize = 32;
/// Points of a call.
const ROWS: u64 = 100;
const READERS: usize = 8;
/// Calls of a process that fills a collection.
const CALLS: u64 = 100;
/// States that a reader wants to see, and how often it looks at most.
const STATES: usize = 12;
const ROUNDS: usize = 20_000;

/// A vector that says which call it is from.
fn vector(id: u64, call: u64) -> Vec<f32> {
    let mut vector = vec![1.0; DIM];
    (vector[0], vector[1], vector[2]) = (id as f32, call as f32, (id * 31 + call) as f32);
    vector
}

fn put(collection: &Collection, ids: std::ops::Range<u64>, call: u64) -> nearfield::Result<()> {
    let data: Vec<f32> = ids.clone().flat_map(|id| vector(id, call)).collect();
    let vectors = Vectors::from_f32(DIM, &data)?;
    collection.upsert(&Ids::U64(ids.collect()), &vectors, None, &Progress::new())
}

/// The call that each of these points is from.
fn calls(collection: &Collection, ids: std::ops::Range<u64>) -> Vec<Option<u64>> {
    let points = collection.get(&Ids::U64(ids.clone().collect()), true).unwrap();
    let vectors = points.batch.column_by_name("vector").unwrap().as_fixed_size_list();
    let components = vectors.values().as_primitive::<Float32Type>().values();
    let call = |(row, id): (usize, u64)| {
        let found = &components[row * DIM..(row + 1) * DIM];
        points.found[row].then(|| {
            assert_eq!(*found, vector(id, found[1] as u64), "point {id} is of no call");
            found[1] as u64
        })
    };
    ids.enumerate().map(call).collect()
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What the processes do.
#[test]
#[ignore = "the processes that the tests below start"]
fn process() {
    let (Ok(role), Ok(path)) = (std::env::var(ROLE), std::env::var(PATH)) else { return };
    let path = Path::new(&path);
    match role.as_str() {
        "hold" => hold(path),
        "rewrite" => rewrite(path),
        "read" => read(path),
        "fill" => fill(path),
        "look" => look(path),
        _ => panic!("no such role"),
    }
}

/// Starts one; a limit is what `ulimit` is told.
fn start(role: &str, path: &Path, limit: Option<&str>, user: Option<u32>) -> Process {
    let exe = std::env::current_exe().unwrap();
    let mut command = match limit {
        Some(limit) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]).arg(exe);
            shell
        }
        None => Command::new(exe),
    };
    command
        .args(["--exact", "process", "--ignored", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(PATH, path)
        .env("NEARFIELD_THREADS", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Process { child, lines }
}

/// Ends with the test.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn wait_for(&mut self, line: &str) {
        let found = self.lines.by_ref().map_while(Result::ok).any(|l| l == line);
        assert!(found, "ended without saying {line:?}: {:?}", self.child.wait());
    }

    /// All that it says until it ends, which must be well.
    fn says(&mut self) -> Vec<String> {
        let lines = self.lines.by_ref().map_while(Result::ok).collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {lines:?}");
        lines
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn create(path: &Path) -> Collection {
    Collection::create(path, CollectionConfig::new(DIM, Metric::L2)).unwrap()
}

/// Holds the lock until its input ends.
fn hold(path: &Path) {
    let collection = open(path, Mode::Write).unwrap();
    put(&collection, 0..ROWS, 1).unwrap();
    say("ready");
    let _ = std::io::stdin().lines().next();
}

#[test]
fn a_second_writer_is_refused_at_once_and_told_the_pid() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    drop(create(&path));
    let mut holder = start("hold", &path, None, None);
    holder.wait_for("ready");
    let started = Instant::now();
    let error = open(&path, Mode::Write).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let pid = format!("pid {}", holder.child.id());
    assert!(matches!(error, Error::Locked { .. }) && error.to_string().contains(&pid), "{error}");
    assert_eq!(calls(&open(&path, Mode::Read).unwrap(), 0..2), [Some(1); 2]);
    // The lock ends with the process, however it ends.
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    put(&open(&path, Mode::Write).unwrap(), 0..ROWS, 2).unwrap();
}

/// Writes all points again and again, each time in one call; a few come and go.
fn rewrite(path: &Path) {
    let collection = create(path);
    put(&collection, 0..ROWS, 0).unwrap();
    say("ready");
    for call in 1.. {
        put(&collection, 0..ROWS, call).unwrap();
        put(&collection, ROWS..ROWS + 10, call).unwrap();
        collection.delete(&Ids::U64((ROWS..ROWS + 10).collect())).unwrap();
        match call % 10 {
            3 => collection.optimize(&Progress::new()).unwrap(),
            7 => collection.flush().unwrap(),
            _ => {}
        }
    }
}

/// Opens, follows and reads, and says how many states it saw.
fn read(path: &Path) {
    let mut seen = Vec::new();
    let mut reader = open(path, Mode::Read).unwrap();
    for round in 0..ROUNDS {
        match round % 4 {
            0 => reader = open(path, Mode::Read).unwrap(),
            _ => reader.refresh().unwrap(),
        }
        let found = calls(&reader, 0..ROWS);
        assert!(found.iter().all(|call| *call == found[0] && call.is_some()), "{found:?}");
        assert!([ROWS, ROWS + 10].contains(&reader.len()), "{} points", reader.len());
        let (query, mut request) = (vector(5, 1), SearchRequest::new(ROWS as usize + 20));
        request.effort = Effort::Exact;
        let hits = reader.search(&Vectors::from_f32(DIM, &query).unwrap(), &request).unwrap();
        assert_eq!(hits.counts[0] as u64, reader.len());
        assert!(seen.last().is_none_or(|last| *last <= found[0]), "{seen:?}, then {found:?}");
        seen.push(found[0]);
        seen.dedup();
        if seen.len() == STATES {
            break;
        }
    }
    say(&format!("saw {}", seen.len()));
}

#[test]
fn eight_processes_read_while_one_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut writer = start("rewrite", &path, None, None);
    writer.wait_for("ready");
    let mut readers: Vec<_> = (0..READERS).map(|_| start("read", &path, None, None)).collect();
    let mut states = 0;
    for reader in &mut readers {
        let lines = reader.says();
        let saw = lines.iter().find_map(|line| line.strip_prefix("saw ")?.parse::<usize>().ok());
        states += saw.unwrap();
    }
    assert!(writer.child.try_wait().unwrap().is_none(), "the writer ended");
    drop(writer);
    open(&path, Mode::Write).unwrap().verify().unwrap();
    let _ = writeln!(std::io::stderr(), "{READERS} readers saw {states} states beside a writer");
    assert!(states == STATES * READERS, "{states} states");
}

/// Writes until it fails, and goes on reading.
fn fill(path: &Path) {
    let collection = match open(path, Mode::Write) {
        Ok(collection) => collection,
        Err(error) => return say(&format!("refused: {error:?}")),
    };
    let mut acknowledged = 0;
    for call in 0..CALLS {
        let from = call * ROWS;
        let failed = match put(&collection, from..from + ROWS, call) {
            Ok(()) => {
                acknowledged = call + 1;
                say(&format!("done {call}"));
                (call % 30 == 29).then(|| collection.optimize(&Progress::new()).err()).flatten()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            say(&format!("failed: {error:?}"));
            break;
        }
    }
    for call in 0..acknowledged {
        let found = calls(&collection, call * ROWS..(call + 1) * ROWS);
        assert!(found.iter().all(|c| *c == Some(call)), "{found:?}");
    }
    say("reads go on");
    let _ = collection.close();
}

/// What was acknowledged to a process that filled a collection is there, and one call more at most.
fn check_filled(path: &Path, lines: &[String]) -> u64 {
    let mut done = lines.iter().filter_map(|l| l.strip_prefix("done ")?.parse::<u64>().ok());
    let acknowledged = done.next_back().map_or(0, |last| last + 1);
    let reader = open(path, Mode::Read).unwrap();
    for call in 0..=acknowledged {
        let found = calls(&reader, call * ROWS..(call + 1) * ROWS);
        let all = found.iter().all(|c| *c == Some(call));
        let none = call == acknowledged && found.iter().all(Option::is_none);
        assert!(all || none, "call {call} of {acknowledged}: {found:?}");
    }
    reader.verify().unwrap();
    acknowledged
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// A file system in memory; its mount ends with the test.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&path);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|s| s.success());
        mounted.then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Without the right to mount there is nothing to do here; `crash_tests::faults` has a full disk
/// in memory at every call.
#[test]
fn a_full_file_system_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(dir.path().join("small"), "1m") else {
        let _ = writeln!(std::io::stderr(), "skipped: mounting a file system is not permitted");
        return;
    };
    let path = small.0.join("c");
    drop(create(&path));
    let ballast = small.0.join("ballast");
    fs::write(&ballast, vec![1; 300 << 10]).unwrap();
    let lines = start("fill", &path, None, None).says();
    let failed = lines.iter().find(|line| line.starts_with("failed")).expect("it is full");
    assert!(failed.contains("StorageFull"), "{failed}");
    assert!(lines.iter().any(|line| line == "reads go on"), "{lines:?}");
    let acknowledged = check_filled(&path, &lines);
    assert!(acknowledged >= 5, "{lines:?}");
    fs::remove_file(ballast).unwrap();
    let collection = open(&path, Mode::Write).unwrap();
    put(&collection, 1_000_000..1_000_010, 7).unwrap();
    drop(collection);
    check_filled(&path, &lines);
}

#[test]
fn few_open_files_are_an_error_that_says_so() {
    let (mut worked, mut refused) = (0, 0);
    for files in [4, 5, 6, 7, 9, 16, 64] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        drop(create(&path));
        let lines = start("fill", &path, Some(&format!("-n {files}")), None).says();
        let errors = lines.iter().filter(|l| l.starts_with("failed") || l.starts_with("refused"));
        for error in errors {
            assert!(error.contains("Too many open files"), "{files} files: {error}");
            refused += 1;
        }
        if check_filled(&path, &lines) == CALLS {
            worked += 1;
        }
    }
    assert!(worked >= 2 && refused >= 1, "{worked} limits are enough, {refused} are not");
}

/// Reads what it may not write.
fn look(path: &Path) {
    let reader = open(path, Mode::Read).unwrap();
    assert_eq!(calls(&reader, 0..ROWS), vec![Some(3); ROWS as usize]);
    reader.refresh().unwrap();
    reader.verify().unwrap();
    let refused = open(path, Mode::Write).map(drop).unwrap_err();
    say(&format!("refused: {refused}"));
    let refused = reader.snapshot(path.with_extension("copy")).unwrap_err();
    say(&format!("refused: {refused}"));
}

#[test]
fn a_directory_that_may_not_be_written_can_be_read() {
    const NOBODY: u32 = 65_534;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let collection = create(&path);
    put(&collection, 0..ROWS, 2).unwrap();
    collection.optimize(&Progress::new()).unwrap();
    put(&collection, 0..ROWS, 3).unwrap();
    drop(collection);
    let directories = ["", "c", "c/segments", "c/tombstones", "c/attributes", "c/wal"];
    let allow = |mode: u32| {
        for name in directories {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(dir.path().join(name), permissions).unwrap();
        }
        for (name, _) in common::files(&path) {
            let permissions = fs::Permissions::from_mode(mode & 0o444);
            fs::set_permissions(path.join(name), permissions).unwrap();
        }
        fs::set_permissions(path.join("LOCK"), fs::Permissions::from_mode(mode & 0o644)).unwrap();
    };
    allow(0o555);
    let before = common::files(&path);
    // Root may write everywhere: another user looks.
    let user = is_root().then_some(NOBODY);
    let lines = start("look", &path, None, user).says();
    let refused: Vec<_> = lines.iter().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(refused.len(), 2, "{lines:?}");
    for line in refused {
        assert!(line.contains("Permission denied") && line.contains("/c"), "{line}");
    }
    assert!(before == common::files(&path), "nothing was changed");
    allow(0o755);
}

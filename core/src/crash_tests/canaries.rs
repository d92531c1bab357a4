//! T16: bugs on purpose. Each must be noticed by the test that is meant for it.
//!
//! Bugs of the disk are played by it. Bugs in the code are switched on for a whole process
//! ([`crate::canary`]): this test binary, started again to run a small part of the suite.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use super::workloads::{self, Workload};
use super::{crashes, damage, faults, leftovers, model, on_all, report, schedules};
use crate::canary;
use crate::vfs::fault::{Failure, Trick};

const SUITE: &str = "NEARFIELD_TEST_SUITE";

/// Which part of the tests is to notice a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    /// T1 and T2.
    Crashes,
    /// T3.
    Failures,
    /// T5.
    Model,
    /// T6.
    Damage,
    /// T10.
    Schedules,
}

const SUITES: [Suite; 5] =
    [Suite::Crashes, Suite::Failures, Suite::Model, Suite::Damage, Suite::Schedules];

/// Bugs of the disk: what code that forgets a sync, or its place, would do.
const TRICKS: &[Trick] = &[
    Trick::SkipSync("MANIFEST"),
    Trick::SkipSync("CURRENT"),
    Trick::SkipSync("segments/"),
    Trick::SkipSync("attributes/"),
    Trick::SkipSync("wal/"),
    Trick::SkipSync("tombstones/"),
    Trick::SkipSync("exclusions/"),
    Trick::SkipDirSync("c"),
    Trick::SkipDirSync("segments"),
    Trick::SkipDirSync("tombstones"),
    Trick::SkipDirSync("exclusions"),
    Trick::SkipDirSync("attributes"),
    Trick::SkipDirSync("wal"),
    Trick::RenameByCopy,
];

/// Bugs in the code, by what is said where they are.
const BUGS: &[(&str, Suite)] = &[
    ("ignore the checksum of a manifest", Suite::Damage),
    ("ignore the checksums of a segment's blocks", Suite::Damage),
    ("ignore the checksum of exclusion sets", Suite::Damage),
    ("ignore the checksum of a record", Suite::Damage),
    ("trust the parts of another load", Suite::Damage),
    ("acknowledge before the log is synced", Suite::Crashes),
    ("apply a unit that was not closed", Suite::Crashes),
    ("forget the last unit of the log", Suite::Crashes),
    ("remove old files before the swap", Suite::Crashes),
    ("let go of the log too early", Suite::Crashes),
    ("trust what a dead process left", Suite::Crashes),
    ("sync again after a failed sync", Suite::Failures),
    ("go on after a failed sync", Suite::Failures),
    ("forget tombstones in a merge", Suite::Model),
    ("forget tombstones when the log is let go of", Suite::Model),
    ("forget replaced values when the log is let go of", Suite::Model),
    ("forget exclusion sets when the log is let go of", Suite::Model),
    ("forget that a set was cleared", Suite::Model),
    ("replay what a segment has already", Suite::Model),
    ("forget what died during a merge", Suite::Crashes),
    ("forget what was replaced during a merge", Suite::Model),
    ("leave asleep those who wait for a sync", Suite::Schedules),
    ("let searches see what is not synced", Suite::Schedules),
    ("remove files that are being copied", Suite::Schedules),
    ("forget exclusions that come while files of sets are merged", Suite::Schedules),
    ("give up when a file is gone", Suite::Schedules),
];

/// A few workloads that between them take the paths that the bugs are on.
fn few() -> impl Iterator<Item = Workload> {
    const NAMES: [&str; 6] = [
        "singles",
        "overlapping batches",
        "reopened after each write",
        "changed and deleted, buffered",
        "beside merges",
        "exclusion sets",
    ];
    workloads::all().into_iter().filter(|w| NAMES.contains(&w.name))
}

impl Suite {
    /// A small part of it.
    fn run(self, tricks: &[Trick]) -> Result<(), String> {
        match self {
            Self::Crashes => few().try_for_each(|w| crashes::run(&w, tricks, 8).map(drop)),
            Self::Failures => few().take(3).try_for_each(|w| {
                [false, true]
                    .iter()
                    .try_for_each(|sticky| faults::every_call(&w, Failure::Io, *sticky).map(drop))
            }),
            Self::Model => model::run_seeds(1..101).map(drop),
            Self::Schedules => {
                schedules::run_few();
                Ok(())
            }
            Self::Damage => few()
                .try_for_each(|w| damage::run(&w, 150).map(drop))
                .and_then(|()| leftovers::run(20).map(drop)),
        }
    }

    /// What it found wrong, a panic of the harness included.
    fn notices(self, tricks: &[Trick]) -> Option<String> {
        let run = catch_unwind(AssertUnwindSafe(|| self.run(tricks)));
        run.map_or_else(|_| Some("a panic".to_owned()), Result::err)
    }
}

/// The part that is started again, with a bug.
#[test]
#[ignore = "the process that the test below starts"]
fn one_suite() {
    let Ok(name) = std::env::var(SUITE) else { return };
    let suite = SUITES.into_iter().find(|suite| format!("{suite:?}") == name).unwrap();
    let said = match suite.notices(&[]) {
        Some(what) => format!("noticed: {what}"),
        None => "noticed nothing".to_owned(),
    };
    let first: Vec<&str> = said.lines().take(3).collect();
    let _ = writeln!(std::io::stderr(), "{name} {}", first.join(" "));
}

/// What a process that plays this bug says; `None` plays none.
fn in_a_process(bug: Option<&str>, suite: Suite) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash_tests::canaries::one_suite", "--ignored", "--nocapture"])
        .env(SUITE, format!("{suite:?}"))
        .env_remove(canary::VARIABLE);
    if let Some(bug) = bug {
        command.env(canary::VARIABLE, bug);
    }
    let output = command.output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    )
}

#[test]
fn t16_every_bug_of_the_disk_is_noticed() {
    let missed: Vec<_> =
        TRICKS.iter().filter(|trick| Suite::Crashes.notices(&[**trick]).is_none()).collect();
    assert!(missed.is_empty(), "{missed:?} were not noticed");
    report(format!("T16: {} bugs of the disk noticed", TRICKS.len()));
}

#[test]
fn t16_every_bug_in_the_code_is_noticed() {
    for suite in SUITES {
        let said = in_a_process(None, suite);
        assert!(said.contains("noticed nothing"), "{suite:?} without a bug: {said}");
    }
    on_all(BUGS, |_, (bug, suite)| {
        let said = in_a_process(Some(bug), *suite);
        if said.contains("noticed: ") {
            return Ok(());
        }
        Err(format!("{bug:?} was not noticed by {suite:?}: {said}"))
    })
    .unwrap_or_else(|e| panic!("{e}"));
    report(format!("T16: {} bugs in the code noticed", BUGS.len()));
}

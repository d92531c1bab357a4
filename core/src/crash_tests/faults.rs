//! T3: the n-th call to the system fails, for every n, once or from then on.
//!
//! A step that returned `Ok` counts, and one that failed did nothing or all of it. Reads go on
//! through every failure, and opening again, after the end of the process or a power cut, finds a
//! state that agrees.

use std::sync::atomic::{AtomicU64, Ordering};

use super::oracle::{Allowed, observe, recover};
use super::workloads::{self, Workload};
use super::world::Step::{Delete, Refresh, Update, Upsert};
use super::world::{Call, Outcome, State, World};
use super::{on_all, report, soak};
use crate::config::Mode;
use crate::error::Error;
use crate::types::Durability;
use crate::vfs::fault::{Crash, Failure, FaultVfs, Plan};

/// Runs on a disk that fails by plan; whether a call failed.
fn run(workload: &Workload, plan: Plan) -> Result<bool, String> {
    let vfs = FaultVfs::default();
    vfs.fail(Some(plan));
    let mut states = vec![State::default()];
    let mut created = false;
    match World::create(&vfs, &workload.config) {
        Ok(mut world) => {
            created = true;
            // What it shows after the last step.
            let mut seen = None;
            for step in &workload.steps {
                if world.collection.is_none() {
                    // What failed was opening again.
                    world.collection =
                        World::open(&vfs, Mode::Write).ok().and_then(|w| w.collection);
                }
                if let Err(error) = world.run(step) {
                    typed(&error)?;
                } else if matches!(step, Refresh) {
                    world.check_reader(&states, workload.end())?;
                }
                let calls = world.take_calls();
                let tried = |call: &Call| {
                    let write = matches!(call.step, Upsert(..) | Delete(_) | Update(..));
                    write && call.outcome != Outcome::Refused
                };
                if calls.iter().any(tried) {
                    // The writer had not stopped: what it showed is what is on the disk.
                    states = seen.take().map_or(states, |state| vec![state]);
                }
                for call in calls {
                    let mut after = states.clone();
                    for state in &mut after {
                        call.step.apply(state);
                    }
                    match call.outcome {
                        Outcome::Done => states = after,
                        Outcome::Failed => states.extend(after),
                        Outcome::Refused => {}
                    }
                }
                seen = None;
                if vfs.failed() > 0
                    && let Some(collection) = &world.collection
                {
                    let found = observe(collection, workload.end())
                        .map_err(|e| format!("after {step:?}: {e}"))?;
                    if !states.contains(&found) {
                        return Err(format!("after {step:?}: {found:?} is not as acknowledged"));
                    }
                    seen = Some(found);
                }
            }
            // It ends here; it doesn't close.
            vfs.kill();
        }
        Err(error) => typed(&error)?,
    }
    let failed = vfs.failed() > 0;
    vfs.fail(None);
    states.dedup();
    let allowed =
        Allowed { states: &states, absent: !created, end: workload.end(), copies: Vec::new() };
    recover(&vfs.image(Crash::Everything), &allowed).map_err(|e| format!("reopened: {e}"))?;
    if workload.config.durability == Durability::Sync {
        recover(&vfs.image(Crash::OnlySynced), &allowed).map_err(|e| format!("power cut: {e}"))?;
    }
    Ok(failed)
}

/// A failing system is told as such.
fn typed(error: &Error) -> Result<(), String> {
    match error {
        Error::Io { .. } | Error::Poisoned { .. } | Error::Closed { .. } => Ok(()),
        _ => Err(format!("a failed call was told as {error:?}")),
    }
}

/// Every n until none fails any more; how many there were.
pub(super) fn every_call(
    workload: &Workload,
    failure: Failure,
    sticky: bool,
) -> Result<u64, String> {
    let (mut nth, mut calls) = (0, 0);
    loop {
        let plan = Plan { failure, nth, sticky };
        let failed =
            run(workload, plan).map_err(|e| format!("{}: {plan:?}: {e}", workload.name))?;
        if !failed {
            return Ok(calls);
        }
        calls += 1;
        nth += if workload.slow && soak() == 1 { 23 } else { 1 };
    }
}

#[test]
fn t3_every_call_to_the_system_fails() {
    let workloads = workloads::all();
    let cases: Vec<_> = workloads
        .iter()
        .flat_map(|w| Failure::ALL.map(|failure| (w, failure)))
        .flat_map(|(w, failure)| [(w, failure, false), (w, failure, true)])
        .collect();
    let calls = AtomicU64::new(0);
    on_all(&cases, |_, (workload, failure, sticky)| {
        let count = every_call(workload, *failure, *sticky)?;
        calls.fetch_add(count, Ordering::Relaxed);
        Ok(())
    })
    .unwrap_or_else(|e| panic!("{e}"));
    let calls = calls.into_inner();
    report(format!("T3: {calls} failed calls in {} workloads", workloads.len()));
    assert!(workloads.len() >= 6 && calls >= 5_000, "{calls} calls");
}

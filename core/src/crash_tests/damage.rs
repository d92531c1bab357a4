//! Flipped bytes and truncations of every file of a collection in memory: found by `open` or
//! `verify`, or without consequence. The large test of this kind, over real files, is
//! `tests/hostile_files.rs`; this one can be run with a bug switched on.

use std::path::{Path, PathBuf};

use super::oracle::observe;
use super::workloads::Workload;
use super::world::{ROOT, State, World};
use super::{on_all, report};
use crate::config::Mode;
use crate::error::Error;
use crate::types::Durability;
use crate::vfs::fault::{Crash, FaultVfs, Image};

/// What it holds; else the error, which must be a typed one.
fn holds(image: &Image, end: u64) -> Result<Option<State>, String> {
    let used = World::open(&FaultVfs::of(image), Mode::Read).and_then(|world| {
        let collection = world.collection()?;
        let state = observe(collection, end);
        collection.verify()?;
        Ok(state)
    });
    match used {
        Ok(Ok(state)) => Ok(Some(state)),
        Ok(Err(wrong)) => Err(format!("verify finds nothing, but {wrong}")),
        Err(
            Error::Corruption { .. }
            | Error::UnsupportedVersion { .. }
            | Error::CollectionNotFound { .. },
        ) => Ok(None),
        Err(other) => Err(format!("{other:?}")),
    }
}

/// Damages each file of what a workload leaves at so many places; how many cases there were.
pub(super) fn run(workload: &Workload, places: usize) -> Result<usize, String> {
    let vfs = FaultVfs::default();
    let text = |e: Error| format!("{}: {e}", workload.name);
    let mut world = World::create(&vfs, &workload.config).map_err(text)?;
    let mut states = vec![State::default()];
    for step in &workload.steps {
        world.run(step).map_err(text)?;
        for call in world.take_calls() {
            let mut state = states.last().cloned().unwrap_or_default();
            call.step.apply(&mut state);
            states.push(state);
        }
    }
    // The end of the log is closed by no manifest: damage there may be a torn end, at which what
    // is not certain to have been synced is cut off.
    world.vfs.kill();
    drop(world);
    let image = vfs.image(Crash::Everything);
    let full = states.last().cloned().unwrap_or_default();
    let mut cases: Vec<(PathBuf, usize, Option<u8>)> = Vec::new();
    for path in image.names().into_iter().filter(|p| !p.ends_with("LOCK")) {
        let length = image.get(&path).unwrap_or_default().len();
        let step = (length / places).max(1) | 1;
        for at in (0..length).step_by(step) {
            let mask = [0x01, 0x10, 0x80, 0xFF][at / step % 4];
            cases.push((path.clone(), at, Some(mask)));
            if (at / step).is_multiple_of(4) {
                cases.push((path.clone(), at, None));
            }
        }
    }
    on_all(&cases, |_, (path, at, flip)| {
        let mut bytes = image.get(path).unwrap_or_default().to_vec();
        match flip {
            Some(mask) => bytes[*at] ^= mask,
            None => bytes.truncate(*at),
        }
        let what = format!("{}: {flip:?} at {at} of {}", workload.name, path.display());
        let found = holds(&image.with(path, bytes), workload.end());
        let log = path.starts_with(Path::new(ROOT).join("wal"));
        match found.map_err(|e| format!("{what}: {e}"))? {
            None => Ok(()),
            Some(state) if state == full || (log && states.contains(&state)) => Ok(()),
            Some(state) => Err(format!("{what}: opened and verified with {state:?}")),
        }
    })?;
    Ok(cases.len())
}

#[test]
fn damage_is_found_or_has_no_consequence() {
    let mut cases = 0;
    for workload in super::workloads::all() {
        if workload.config.durability == Durability::Sync && !workload.slow {
            cases += run(&workload, 150).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    report(format!("T6, in memory: {cases} damaged files"));
    assert!(cases > 3_000, "{cases}");
}

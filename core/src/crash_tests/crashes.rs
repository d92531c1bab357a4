//! T1 and T2: the power goes after every change of the disk, and again while recovering from that.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::oracle::{Allowed, observe, recover};
use super::workloads::{self, Workload};
use super::world::{State, Step, World};
use super::{on_all, report, seed, soak};
use crate::config::Mode;
use crate::vfs::fault::{Crash, Disk, FaultVfs, Image, Op, Trick};

/// What a run did and when it was told that it was done.
struct Recording {
    log: Vec<Op>,
    /// After no step, the first, and so on.
    states: Vec<State>,
    /// Of each step, creation first: the length of the log when it began and when it returned,
    /// and whether everything so far was durable then.
    spans: Vec<(usize, usize, bool)>,
    end: u64,
    /// Of each copy: its number and the step that made it.
    copies: Vec<(u32, usize)>,
}

/// Runs a workload on a sound disk, or one that plays tricks.
fn record(workload: &Workload, tricks: &[Trick]) -> Recording {
    let vfs = FaultVfs::default();
    for trick in tricks {
        vfs.play(*trick);
    }
    let mut world = World::create(&vfs, &workload.config).unwrap();
    let mut spans = vec![(0, vfs.position(), true)];
    let mut states = vec![State::default()];
    let mut copies = Vec::new();
    for step in &workload.steps {
        world.run(step).unwrap_or_else(|e| panic!("{}: {step:?}: {e}", workload.name));
        for call in world.take_calls() {
            let durable = call.step.is_barrier(workload.config.durability);
            if let Step::Snapshot(number) = call.step {
                copies.push((number, spans.len()));
            }
            spans.push((call.span.0, call.span.1, durable));
            let mut state = states.last().cloned().unwrap();
            call.step.apply(&mut state);
            states.push(state);
        }
        if matches!(step, Step::Refresh) {
            let newest = &states[states.len() - 1..];
            world.check_reader(newest, workload.end()).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    let last = observe(world.collection().unwrap(), workload.end()).unwrap();
    assert_eq!(Some(&last), states.last(), "{}", workload.name);
    assert_eq!(vfs.violations(), [""; 0], "{}", workload.name);
    drop(world);
    Recording { log: vfs.log(), states, spans, end: workload.end(), copies }
}

impl Recording {
    /// What may come back if the power goes after so many changes.
    fn allowed(&self, at: usize, crash: Crash) -> Allowed<'_> {
        // The end of the process alone loses nothing that was acknowledged.
        let safe = |durable: bool| durable || crash == Crash::Everything;
        let first = self.spans.iter().rposition(|(_, done, durable)| *done <= at && safe(*durable));
        let last = self.spans.iter().rposition(|(begun, ..)| *begun < at).unwrap_or_default();
        let absent = first.is_none();
        let first = first.unwrap_or_default();
        // They are synced, whatever the durability.
        let begun = self.copies.iter().filter(|(_, step)| self.spans[*step].0 < at);
        let copies = begun
            .map(|(number, step)| (*number, &self.states[*step], self.spans[*step].1 <= at))
            .collect();
        Allowed { states: &self.states[first..=last.max(first)], absent, end: self.end, copies }
    }
}

/// A power cut.
struct Case<'a> {
    at: usize,
    crash: Crash,
    image: Image,
    allowed: Allowed<'a>,
}

fn kinds(at: usize, seeds: u64) -> impl Iterator<Item = Crash> {
    let fixed =
        [Crash::OnlySynced, Crash::Everything, Crash::NamesDropped, Crash::LengthWithoutData];
    let first = (at as u64) << 32 | seed() << 16;
    let random = (0..seeds).map(move |n| Crash::RandomSectors(first | n));
    fixed.into_iter().chain(random)
}

/// Every power cut that leaves something else, or asks for something else.
fn cases(recording: &Recording, seeds: u64) -> Vec<Case<'_>> {
    let mut disk = Disk::default();
    let mut seen = HashSet::new();
    let mut cases = Vec::new();
    for at in 0..=recording.log.len() {
        for crash in kinds(at, seeds) {
            let image = disk.image(crash);
            let allowed = recording.allowed(at, crash);
            let copies = allowed.copies.iter().filter(|(.., acknowledged)| *acknowledged).count();
            let states = (allowed.states.as_ptr() as usize, allowed.states.len());
            let asked = (states, allowed.absent, copies);
            if seen.insert((image.sum(), asked)) {
                cases.push(Case { at, crash, image, allowed });
            }
        }
        if let Some(op) = recording.log.get(at) {
            disk.apply(op).unwrap();
        }
    }
    cases
}

/// Cuts the power while a writer recovers, and opens what is left: it must be the same.
fn recover_twice(case: &Case<'_>, log: &[Op], state: &State, seeds: u64) -> Result<usize, String> {
    let mut disk = FaultVfs::of(&case.image).disk();
    let mut seen = HashSet::from([case.image.sum()]);
    let mut cases = 0;
    for at in 0..=log.len() {
        for crash in kinds(at, seeds) {
            let image = disk.image(crash);
            if !seen.insert(image.sum()) {
                continue;
            }
            cases += 1;
            let text = |e: String| format!("and after {at} changes of recovery, {crash:?}: {e}");
            let vfs = FaultVfs::of(&image);
            let writer = World::open(&vfs, Mode::Write).map_err(|e| text(e.to_string()))?;
            let found = observe(writer.collection().unwrap(), case.allowed.end).map_err(text)?;
            if found != *state {
                return Err(text(format!("found {found:?}, not {state:?} as the first time")));
            }
        }
        if let Some(op) = log.get(at) {
            disk.apply(op).map_err(|e| e.to_string())?;
        }
    }
    Ok(cases)
}

/// Counts of distinct cases, or the first that failed.
pub(super) fn run(
    workload: &Workload,
    tricks: &[Trick],
    seeds: u64,
) -> Result<(usize, usize), String> {
    let recording = record(workload, tricks);
    let cases = cases(&recording, seeds);
    let doubles = AtomicUsize::new(0);
    on_all(&cases, |number, case| {
        let text = |e: String| {
            let before = &recording.log[case.at.saturating_sub(6)..case.at];
            format!(
                "{}: power cut after {} of {} changes, {:?}: {e}\nthe last changes: {before:#?}",
                workload.name,
                case.at,
                recording.log.len(),
                case.crash
            )
        };
        let recovered = recover(&case.image, &case.allowed).map_err(text)?;
        if let Some(state) = &recovered.state
            && number % 6 == 0
        {
            let count = recover_twice(case, &recovered.log, state, 1).map_err(text)?;
            doubles.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    })?;
    Ok((cases.len(), doubles.into_inner()))
}

#[test]
fn t1_t2_power_cuts_at_every_change_of_the_disk() {
    let (mut images, mut doubles) = (0, 0);
    for workload in workloads::all() {
        let (one, two) = run(&workload, &[], 20 * soak()).unwrap_or_else(|e| panic!("{e}"));
        images += one;
        doubles += two;
    }
    report(format!("T1: {images} images of power cuts, T2: {doubles} of a second one in recovery"));
    assert!(images >= 10_000, "{images} images");
    assert!(doubles >= 5_000, "{doubles} images");
}

#[test]
fn the_disk_keeps_what_was_synced_and_may_lose_the_rest() {
    use crate::vfs::Vfs;
    use std::path::Path;
    let vfs = FaultVfs::default();
    let (a, b) = (Path::new("/a"), Path::new("/b"));
    let mut file = vfs.create(a).unwrap();
    file.write_all(&[1; 700]).unwrap();
    let file_of = |crash, path| vfs.image(crash).get(path).map(<[u8]>::to_vec);
    assert_eq!(file_of(Crash::OnlySynced, a), None);
    assert_eq!(file_of(Crash::Everything, a).unwrap(), [1; 700]);
    assert_eq!(file_of(Crash::LengthWithoutData, a).unwrap(), [0; 700]);
    file.sync().unwrap();
    assert_eq!(file_of(Crash::OnlySynced, a), None, "the name isn't durable");
    vfs.sync_dir(Path::new("/")).unwrap();
    assert_eq!(file_of(Crash::OnlySynced, a).unwrap(), [1; 700]);
    file.write_all(&[2; 100]).unwrap();
    vfs.rename(a, b).unwrap();
    assert_eq!(file_of(Crash::OnlySynced, a).unwrap(), [1; 700]);
    assert_eq!(file_of(Crash::NamesDropped, a).unwrap().len(), 800);
    assert_eq!(file_of(Crash::NamesDropped, b), None);
    let torn: HashSet<_> = (0..200).map(|seed| file_of(Crash::RandomSectors(seed), b)).collect();
    assert!(torn.len() > 3, "lost, kept and torn");
    vfs.sync_dir(Path::new("/")).unwrap();
    assert_eq!(
        (file_of(Crash::OnlySynced, a), file_of(Crash::OnlySynced, b).unwrap().len()),
        (None, 700)
    );
}

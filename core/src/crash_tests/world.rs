//! Steps, what they do to a collection, and what they should do: to a map.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::data::{self, DIM, Point};
use super::oracle::observe;
use crate::collection::Collection;
use crate::config::{CollectionConfig, LoadOptions, Mode, OpenOptions, Progress};
use crate::error::{Error, Result};
use crate::types::{AttributeType, Durability, Vectors};
use crate::vfs::fault::FaultVfs;

/// Where the collection is on the disk.
pub(super) const ROOT: &str = "/c";

/// What should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) points: BTreeMap<u64, Point>,
    /// Whether the column was added that collections are created without.
    pub(super) extra: bool,
    /// Exclusion sets by number: those that hold something.
    pub(super) sets: BTreeMap<u64, BTreeSet<u64>>,
}

/// Exclusion sets have numbers below this.
pub(super) const SETS: u64 = 3;

pub(super) fn set_name(set: u64) -> String {
    // A long one, so that a sector of the disk may hold a part of it and nothing else.
    let long = if set == 2 { 490 } else { 0 };
    format!("user:{set}:seen{}", "-".repeat(long))
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Writes these ids, with this version.
    Upsert(Range<u64>, u32),
    /// Loads these ids, with this version, in batches of so many.
    Load(Range<u64>, u32, usize),
    /// Deletes these ids, some of which may not be there.
    Delete(Range<u64>),
    /// Replaces the attributes of those of these ids that are there, by those of this version.
    Update(Range<u64>, u32),
    /// Adds these ids to the exclusion set of this number.
    Exclude(u64, Range<u64>),
    /// Empties it.
    Clear(u64),
    /// Seals what has grown, as the thread beside the writers would.
    Seal,
    /// Makes one piece of what is growing.
    Gather,
    /// All that this thread would do.
    Upkeep,
    Optimize,
    /// Adds a column.
    AddColumn,
    /// Copies the collection to a place of this number.
    Snapshot(u32),
    /// A reader beside the writer moves to the newest state; the first one opens it.
    Refresh,
    /// Writes that are committed as one group.
    Together(Vec<Step>),
    /// Writes that come while the first step writes a segment, before that is made live.
    During(Box<Step>, Vec<Step>),
    Flush,
    /// Closes and opens again.
    Reopen,
    /// The process ends, and another opens it.
    Abandon,
}

fn points(ids: &Range<u64>, version: u32) -> Vec<(u64, u32)> {
    // Not in order, so that order is somebody's work.
    let mut points: Vec<_> = ids.clone().map(|id| (id, version)).collect();
    points.sort_by_key(|(id, _)| data::mix(*id));
    points
}

impl Step {
    /// What it should do, if it is one call.
    pub(super) fn apply(&self, state: &mut State) {
        let extra = state.extra;
        match self {
            Self::Upsert(ids, version) | Self::Load(ids, version, _) => {
                let point = Point {
                    vector: *version,
                    attributes: *version,
                    extra: extra.then_some(*version),
                };
                state.points.extend(ids.clone().map(|id| (id, point)));
            }
            Self::Delete(ids) => state.points.retain(|id, _| !ids.contains(id)),
            Self::Update(ids, version) => {
                for (_, point) in state.points.range_mut(ids.clone()) {
                    point.attributes = *version;
                    point.extra = extra.then_some(*version);
                }
            }
            Self::Exclude(_, ids) if ids.is_empty() => {}
            Self::Exclude(set, ids) => state.sets.entry(*set).or_default().extend(ids.clone()),
            Self::Clear(set) => drop(state.sets.remove(set)),
            Self::AddColumn => state.extra = true,
            Self::Together(_) | Self::During(..) => unreachable!("several calls"),
            Self::Seal
            | Self::Gather
            | Self::Upkeep
            | Self::Optimize
            | Self::Snapshot(_)
            | Self::Refresh
            | Self::Flush
            | Self::Reopen
            | Self::Abandon => {}
        }
    }

    /// Whether everything before it survives a power cut once it is acknowledged.
    pub(super) fn is_barrier(&self, durability: Durability) -> bool {
        match self {
            Self::Abandon => false,
            Self::Flush | Self::Reopen => true,
            _ => durability == Durability::Sync,
        }
    }

    /// The largest id that it writes, plus one.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Upsert(ids, _) | Self::Load(ids, _, _) => ids.end,
            Self::Together(steps) => steps.iter().map(Self::end).max().unwrap_or_default(),
            Self::During(step, steps) => {
                steps.iter().chain([&**step]).map(Self::end).max().unwrap_or_default()
            }
            _ => 0,
        }
    }
}

/// A call that returned.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) step: Step,
    /// The length of the disk's log when it began and when it returned.
    pub(super) span: (usize, usize),
    pub(super) outcome: Outcome,
}

/// What a call may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// All or nothing of it.
    Failed,
    /// Nothing: the writer had stopped.
    Refused,
}

impl Outcome {
    fn of(result: &Result<()>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(Error::Poisoned { .. } | Error::Closed { .. }) => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

/// A collection on a disk.
pub(super) struct World {
    pub(super) vfs: FaultVfs,
    pub(super) collection: Option<Arc<Collection>>,
    /// Beside the writer, once a step wanted one.
    reader: Option<Collection>,
    /// Calls that returned since these were taken.
    calls: Arc<Mutex<Vec<Call>>>,
}

impl World {
    fn of(vfs: &FaultVfs, collection: Collection) -> Self {
        let collection = Some(Arc::new(collection));
        Self { vfs: vfs.clone(), collection, reader: None, calls: Arc::default() }
    }

    pub(super) fn create(vfs: &FaultVfs, config: &CollectionConfig) -> Result<Self> {
        let made = Collection::create_on(Arc::new(vfs.clone()), Path::new(ROOT), config.clone())?;
        Ok(Self::of(vfs, made))
    }

    pub(super) fn open(vfs: &FaultVfs, mode: Mode) -> Result<Self> {
        Ok(Self::of(vfs, open_at(vfs, Path::new(ROOT), mode)?))
    }

    pub(super) fn collection(&self) -> Result<&Collection> {
        self.collection.as_deref().ok_or(Error::Closed { operation: "use" })
    }

    /// The calls that returned since the last time.
    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut lock(&self.calls))
    }

    /// Does it.
    pub(super) fn run(&mut self, step: &Step) -> Result<()> {
        let begun = self.vfs.position();
        match step {
            Step::Together(steps) => return self.together(steps),
            Step::During(step, steps) => return self.during(step, steps),
            Step::Reopen => {
                let outcome = self.reopen(true);
                note(&self.calls, step, (begun, self.vfs.position()), Outcome::of(&outcome));
                return outcome;
            }
            Step::Abandon => {
                self.vfs = self.vfs.kill();
                let outcome = self.reopen(false);
                note(&self.calls, step, (begun, self.vfs.position()), Outcome::of(&outcome));
                return outcome;
            }
            Step::Refresh => return self.refresh(),
            _ => {}
        }
        let outcome = self.collection().and_then(|collection| call(collection, step));
        note(&self.calls, step, (begun, self.vfs.position()), Outcome::of(&outcome));
        outcome
    }

    fn reopen(&mut self, close: bool) -> Result<()> {
        self.reader = None;
        if let Some(collection) = self.collection.take().filter(|_| close) {
            collection.close()?;
        }
        self.collection = Self::open(&self.vfs, Mode::Write)?.collection;
        Ok(())
    }

    /// A reader sees what the writer does.
    fn refresh(&mut self) -> Result<()> {
        match &self.reader {
            Some(reader) => reader.refresh()?,
            None => self.reader = Some(open_at(&self.vfs, Path::new(ROOT), Mode::Read)?),
        }
        Ok(())
    }

    /// Whether the reader beside the writer, just refreshed, sees one of these states.
    pub(super) fn check_reader(
        &self,
        states: &[State],
        end: u64,
    ) -> std::result::Result<(), String> {
        let Some(reader) = &self.reader else { return Ok(()) };
        let found = observe(reader, end).map_err(|e| format!("a refreshed reader: {e}"))?;
        if states.contains(&found) {
            return Ok(());
        }
        Err(format!("a refreshed reader found {found:?}, not {states:?}"))
    }

    /// Has calls committed as one group.
    fn together(&self, steps: &[Step]) -> Result<()> {
        let collection = self.collection()?;
        let begun = self.vfs.position();
        Collection::hold_writes();
        let mut held = Vec::new();
        let queued: Result<()> = steps.iter().try_for_each(|step| {
            let before = Collection::held_writes();
            call(collection, step)?;
            // Without a point to change it is no request.
            held.extend((Collection::held_writes() > before).then_some(step));
            Ok(())
        });
        let outcomes = collection.commit_held();
        let span = (begun, self.vfs.position());
        queued?;
        let mut first = Ok(());
        for (step, outcome) in held.into_iter().zip(outcomes) {
            // One that wasn't the first learns only that the group failed.
            let done = if outcome.is_ok() { Outcome::Done } else { Outcome::Failed };
            note(&self.calls, step, span, done);
            first = first.and(outcome);
        }
        first
    }

    /// Makes calls while another one writes a segment.
    fn during(&self, step: &Step, inner: &[Step]) -> Result<()> {
        let collection = self.collection.clone().ok_or(Error::Closed { operation: "use" })?;
        let (vfs, calls) = (self.vfs.clone(), Arc::clone(&self.calls));
        let (steps, beside) = (inner.to_vec(), Arc::clone(&collection));
        self.vfs.when_created(".seg", move || {
            for step in &steps {
                let begun = vfs.position();
                let outcome = call(&beside, step);
                note(&calls, step, (begun, vfs.position()), Outcome::of(&outcome));
                if outcome.is_err() {
                    break;
                }
            }
        });
        let before = lock(&self.calls).len();
        let begun = self.vfs.position();
        let outcome = call(&collection, step);
        // It took effect after the others, if there were any.
        let fired = lock(&self.calls).get(before..).and_then(<[_]>::last).map(|call| call.span.1);
        note(
            &self.calls,
            step,
            (fired.unwrap_or(begun), self.vfs.position()),
            Outcome::of(&outcome),
        );
        if self.vfs.forget_hook() && outcome.is_ok() {
            // It wrote no segment.
            for step in inner {
                let begun = self.vfs.position();
                let outcome = call(&collection, step);
                note(&self.calls, step, (begun, self.vfs.position()), Outcome::of(&outcome));
                outcome?;
            }
        }
        outcome
    }
}

fn lock(calls: &Mutex<Vec<Call>>) -> MutexGuard<'_, Vec<Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(calls: &Mutex<Vec<Call>>, step: &Step, span: (usize, usize), outcome: Outcome) {
    lock(calls).push(Call { step: step.clone(), span, outcome });
}

/// Opens the collection at a place of the disk.
pub(super) fn open_at(vfs: &FaultVfs, root: &Path, mode: Mode) -> Result<Collection> {
    let options = OpenOptions { mode, ..OpenOptions::default() };
    Collection::open_on(Arc::new(vfs.clone()), root, options)
}

/// Where the copy of this number is.
pub(super) fn copy_at(number: u32) -> PathBuf {
    PathBuf::from(format!("/copy-{number}"))
}

/// Makes one call.
pub(super) fn call(collection: &Collection, step: &Step) -> Result<()> {
    match step {
        Step::Upsert(ids, version) => upsert(collection, &points(ids, *version)),
        Step::Load(ids, version, batch) => load(collection, &points(ids, *version), *batch),
        Step::Delete(ids) => {
            let ids = data::ids(collection.config().id_type, ids.clone());
            collection.delete(&ids).map(drop)
        }
        Step::Update(ids, version) => update(collection, ids, *version),
        Step::Exclude(set, ids) => {
            let ids = data::ids(collection.config().id_type, ids.clone());
            collection.add_exclusions(&set_name(*set), &ids, None)
        }
        Step::Clear(set) => collection.clear_exclusions(&set_name(*set)),
        Step::Seal => collection.seal(),
        Step::Gather => collection.gather_pieces(),
        Step::Upkeep => collection.upkeep(),
        Step::Optimize => collection.optimize(&Progress::new()),
        Step::AddColumn => collection.add_column(data::EXTRA, AttributeType::I64),
        Step::Snapshot(number) => collection.snapshot(copy_at(*number)),
        Step::Flush => collection.flush(),
        Step::Refresh | Step::Reopen | Step::Abandon | Step::Together(_) | Step::During(..) => {
            unreachable!("not a call of the writer")
        }
    }
}

fn upsert(collection: &Collection, points: &[(u64, u32)]) -> Result<()> {
    let ids = data::ids(collection.config().id_type, points.iter().map(|(id, _)| *id));
    let components = data::vectors(points);
    let vectors = Vectors::from_f32(DIM, &components)?;
    let attributes = data::attributes(points, has_extra(collection));
    collection.upsert(&ids, &vectors, Some(&attributes), &Progress::new())
}

fn update(collection: &Collection, ids: &Range<u64>, version: u32) -> Result<()> {
    let kind = collection.config().id_type;
    let all: Vec<u64> = ids.clone().collect();
    let found = collection.get(&data::ids(kind, all.iter().copied()), false)?.found;
    let there = all.into_iter().zip(found).filter(|(_, found)| *found);
    let points: Vec<_> = there.map(|(id, _)| (id, version)).collect();
    let ids = data::ids(kind, points.iter().map(|(id, _)| *id));
    collection.update(&ids, &data::attributes(&points, has_extra(collection)))
}

fn load(collection: &Collection, points: &[(u64, u32)], batch: usize) -> Result<()> {
    let kind = collection.config().id_type;
    let extra = has_extra(collection);
    let rows = |points| Ok::<_, Infallible>(data::rows(kind, points, extra));
    let batches = points.chunks(batch).map(rows);
    // With a name, so that what was read is kept meanwhile.
    let options = LoadOptions { source: Some(format!("{points:?}")), ..LoadOptions::default() };
    collection.load(batches, &options, &Progress::new()).map(drop)
}

/// Whether the column was added.
pub(super) fn has_extra(collection: &Collection) -> bool {
    collection.config().schema.columns().iter().any(|(name, _)| name == data::EXTRA)
}

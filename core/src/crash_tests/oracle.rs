//! What a collection holds, and whether that is what it may hold.

use std::collections::BTreeSet;

use super::data::{self, DIM};
use super::world::{SETS, State, Step, World, copy_at, has_extra, open_at, set_name};
use crate::collection::Collection;
use crate::config::{Effort, Mode, SearchRequest};
use crate::error::Error;
use crate::metric::Metric;
use crate::types::{PointId, Vectors};
use crate::vfs::fault::{Crash, FaultVfs, Image, Op};

/// An id that no workload writes.
const PROBE: u64 = 1 << 20;

/// What may come back.
#[derive(Debug, Clone)]
pub(super) struct Allowed<'a> {
    pub(super) states: &'a [State],
    /// Whether the collection may be missing: its creation was not acknowledged.
    pub(super) absent: bool,
    /// Ids are below this.
    pub(super) end: u64,
    /// Copies that were begun: what they hold, and whether they must be there.
    pub(super) copies: Vec<(u32, &'a State, bool)>,
}

impl Allowed<'_> {
    fn check(&self, found: &State) -> Result<(), String> {
        if self.states.contains(found) {
            return Ok(());
        }
        let text = |state: &State| -> String {
            let mut runs: Vec<(u64, u64, String)> = Vec::new();
            for (id, point) in &state.points {
                let what = format!("v{} a{} {:?}", point.vector, point.attributes, point.extra);
                match runs.last_mut() {
                    Some((_, end, same)) if *end == *id && *same == what => *end += 1,
                    _ => runs.push((*id, *id + 1, what)),
                }
            }
            let (count, extra) = (state.points.len(), state.extra);
            format!("{count} points {runs:?}, extra: {extra}, sets {:?}", state.sets)
        };
        let allowed: Vec<String> = self.states.iter().map(text).collect();
        Err(format!("found {}; allowed: {}", text(found), allowed.join(" or ")))
    }
}

/// Everything that a collection says it holds; else where it contradicts itself.
pub(super) fn observe(collection: &Collection, end: u64) -> Result<State, String> {
    let kind = collection.config().id_type;
    let ids: Vec<u64> = (0..end).chain([PROBE]).collect();
    let text = |e: Error| format!("a read failed: {e}");
    let points = collection.get(&data::ids(kind, ids.iter().copied()), true).map_err(text)?;
    let mut state = State { extra: has_extra(collection), ..State::default() };
    for (row, id) in ids.iter().enumerate().filter(|(row, _)| points.found[*row]) {
        state.points.insert(*id, data::read_back(&points.batch, row, *id)?);
    }
    if collection.len() != state.points.len() as u64 {
        let (len, found) = (collection.len(), state.points.len());
        return Err(format!("len is {len}, but {found} were found"));
    }
    for set in 0..SETS {
        let ids = collection.exclusions(&set_name(set)).map_err(text)?;
        let ids: BTreeSet<u64> = (0..ids.len()).map(|row| data::number(&ids.get(row))).collect();
        if !ids.is_empty() {
            state.sets.insert(set, ids);
        }
    }
    let known: Vec<String> = (0..SETS).map(set_name).collect();
    let names = collection.exclusion_names().map_err(text)?;
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!("an exclusion set {name:?} that nobody wrote"));
    }
    check_search(collection, &state)?;
    Ok(state)
}

/// Searches: an exact one finds what comparing all finds, in that order; another one finds enough
/// of the living.
fn check_search(collection: &Collection, state: &State) -> Result<(), String> {
    let config = collection.config();
    let query = [10.0, 3.0, 100.0, 50.0];
    let queries = Vectors::from_f32(DIM, &query).map_err(|e| e.to_string())?;
    let id = |id: u64| data::ids(config.id_type, [id].into_iter()).get(0);
    let mut wanted: Vec<(f64, PointId)> = state
        .points
        .iter()
        .map(|(n, p)| (score(config.metric, &query, *n, p.vector), id(*n)))
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (effort, sets) in [(Effort::Exact, 0), (Effort::Ef(64), 0), (Effort::Exact, SETS)] {
        if sets > 0 {
            if state.sets.is_empty() {
                break;
            }
            let excluded = |id: &PointId| {
                let number = data::number(id);
                state.sets.values().any(|set| set.contains(&number))
            };
            wanted.retain(|(_, id)| !excluded(id));
        }
        let exact = effort == Effort::Exact;
        let mut request = SearchRequest::new(if exact { state.points.len() + 5 } else { 9 });
        request.effort = effort;
        request.exclude_sets = (0..sets).map(set_name).collect();
        let found = collection.search(&queries, &request).map_err(|e| format!("a search: {e}"))?;
        let count = found.counts[0];
        let hits = (0..count).map(|place| (found.scores[place], found.ids.get(place)));
        let mut hits: Vec<(f64, PointId)> = hits.collect();
        if count != request.k.min(wanted.len()) || (exact && hits != wanted) {
            return Err(format!("{effort:?} found {hits:?} of {wanted:?}"));
        }
        hits.dedup_by(|a, b| a.1 == b.1);
        if hits.len() != count || hits.iter().any(|hit| !wanted.contains(hit)) {
            return Err(format!("{effort:?} found {hits:?}, not all of them alive and distinct"));
        }
    }
    Ok(())
}

/// Whole numbers: the same in whatever order they are added.
fn score(metric: Metric, query: &[f32; DIM], id: u64, version: u32) -> f64 {
    let pairs = query.iter().zip(data::vector(id, version));
    let pairs = pairs.map(|(a, b)| (f64::from(*a), f64::from(b)));
    match metric {
        Metric::L2 => pairs.map(|(a, b)| -(a - b) * (a - b)).sum(),
        Metric::InnerProduct => pairs.map(|(a, b)| a * b).sum(),
        Metric::Cosine => unreachable!("no workload has it: its scores are not whole"),
    }
}

/// Copies are whole or no collection; those that were acknowledged are there.
fn check_copies(vfs: &FaultVfs, allowed: &Allowed<'_>) -> Result<(), String> {
    for (number, state, acknowledged) in &allowed.copies {
        let copy = match open_at(vfs, &copy_at(*number), Mode::Read) {
            Ok(copy) => copy,
            Err(Error::CollectionNotFound { .. }) if !acknowledged => continue,
            Err(error) => return Err(format!("copy {number} can't be opened: {error}")),
        };
        let found = observe(&copy, allowed.end)?;
        if found != **state {
            return Err(format!("copy {number} holds {found:?}, not {state:?}"));
        }
        copy.verify().map_err(|e| format!("verify copy {number}: {e}"))?;
    }
    Ok(())
}

/// What opening an image did.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// What came back; `None` if there is no collection.
    pub(super) state: Option<State>,
    /// What recovery changed on the disk.
    pub(super) log: Vec<Op>,
}

/// Opens an image as a reader and as a writer, compares, and writes on.
pub(super) fn recover(image: &Image, allowed: &Allowed<'_>) -> Result<Recovered, String> {
    let vfs = FaultVfs::of(image);
    let reader = match World::open(&vfs, Mode::Read) {
        Ok(reader) => reader,
        Err(Error::CollectionNotFound { .. }) if allowed.absent => return Ok(Recovered::default()),
        Err(error) => return Err(format!("a reader can't open it: {error}")),
    };
    let seen = observe(reader.collection.as_ref().unwrap(), allowed.end)?;
    allowed.check(&seen).map_err(|e| format!("a reader: {e}"))?;
    if vfs.position() != 0 {
        return Err(format!("a reader wrote: {:?}", vfs.log()));
    }
    drop(reader);
    check_copies(&vfs, allowed)?;
    let mut writer = World::open(&vfs, Mode::Write).map_err(|e| format!("a writer: {e}"))?;
    let log = vfs.log();
    let collection = writer.collection.as_ref().unwrap();
    let found = observe(collection, allowed.end)?;
    if found != seen {
        return Err(format!("a reader saw {seen:?}, a writer {found:?}"));
    }
    collection.verify().map_err(|e| format!("verify: {e}"))?;
    // It is a collection like any other: what is written now is there after a power cut.
    let step = Step::Upsert(PROBE..PROBE + 1, 7);
    writer.run(&step).map_err(|e| format!("a write after recovery: {e}"))?;
    writer.run(&Step::Flush).map_err(|e| format!("a flush after recovery: {e}"))?;
    let mut after = found.clone();
    step.apply(&mut after);
    let survivor = FaultVfs::of(&vfs.image(Crash::OnlySynced));
    let again = World::open(&survivor, Mode::Read).map_err(|e| format!("opened again: {e}"))?;
    let again = observe(again.collection.as_ref().unwrap(), allowed.end)?;
    if again != after {
        return Err("a write after recovery was acknowledged and lost, or cost another".to_owned());
    }
    match vfs.violations().first() {
        Some(what) => Err(what.clone()),
        None => Ok(Recovered { state: Some(found), log }),
    }
}

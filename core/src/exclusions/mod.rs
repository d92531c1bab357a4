//! Exclusion sets: named sets of ids, each id with the time at which it leaves the set.
//!
//! Owns how sets are kept: compressed in *runs* ([`run`]), sorted by name, in memory and in files
//! of the same bytes. What is added becomes a small run in memory; small runs are merged as they
//! come, and written to a file when the log is let go of. A set is what all runs say of it, back to
//! the newest that says it was cleared. Knows nothing of segments or of who is excluded from what.
//!
//! Ids are held by value: whether a collection has such a point is asked in a search.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod bytes;
mod draft;
mod members;
mod merge;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use draft::SetsDraft;
pub(crate) use members::NEVER;
pub(crate) use run::Run;

use crate::error::{Error, Result};
use crate::format::Fault;
use crate::manifest::RunRecord;
use crate::segment::IdRef;
use crate::types::{IdType, Ids};
use run::Entry;

/// Longest name of a set, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 512;
/// So many runs of one size are merged into one.
const FAN: usize = 4;
/// Runs in memory of so many bytes are not merged before they are written.
const MEMORY_RUN_BYTES: usize = 8 << 20;
/// Most bytes of files that are merged unless all are: the outcome is in memory first.
const MERGE_BYTES: usize = 64 << 20;

/// Checks the name of a set.
pub(crate) fn check_name(argument: &str, name: &str) -> Result<()> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    let expected = format!("a name of 1 to {NAME_BYTES_MAX} bytes");
    Err(Error::invalid(argument, expected, format!("{} bytes", name.len()), ""))
}

/// All sets of a collection, at one moment. Never changed.
#[derive(Debug, Clone)]
pub(crate) struct Exclusions {
    id_type: IdType,
    /// Oldest first; those in files before those in memory.
    runs: Vec<Arc<Run>>,
    /// Of the newest change.
    version: u64,
    /// Versions of two lineages have nothing to do with each other.
    lineage: u64,
}

impl Exclusions {
    /// Of these runs, oldest first.
    pub(crate) fn new(id_type: IdType, runs: Vec<Arc<Run>>) -> Self {
        static LINEAGES: AtomicU64 = AtomicU64::new(0);
        let version = runs.iter().map(|run| run.newest).max().unwrap_or_default();
        let lineage = LINEAGES.fetch_add(1, Ordering::Relaxed);
        Self { id_type, runs, version, lineage }
    }

    /// Oldest first; those in files before those in memory.
    pub(crate) fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// The files, oldest first.
    pub(crate) fn records(&self) -> Vec<RunRecord> {
        self.runs.iter().filter_map(|run| run.record).collect()
    }

    /// Whether there is something in memory only.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.runs.last().is_some_and(|run| run.record.is_none())
    }

    /// Whether no set holds anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Bytes in memory and in files.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.runs.iter().fold((0, 0), |(memory, files), run| {
            let bytes = run.bytes().len() as u64;
            if run.record.is_some() { (memory, files + bytes) } else { (memory + bytes, files) }
        })
    }

    /// Names of all sets that something is said of.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for run in &self.runs {
            let mut cursor = run.cursor();
            while cursor.advance().is_ok_and(|there| there) {
                names.push(String::from_utf8_lossy(cursor.name()).into_owned());
            }
        }
        names
    }

    /// The set of this name; one that nobody wrote is empty.
    pub(crate) fn set(&self, name: &str) -> Result<Set<'_>> {
        let mut set = Set { of: self, entries: Vec::new(), version: 0 };
        for run in self.runs.iter().rev() {
            let Some(entry) = run.find(name).map_err(|f| f.at(run.path()))? else { continue };
            set.version = set.version.max(entry.version);
            set.entries.push((run, entry));
            if entry.cleared {
                break;
            }
        }
        Ok(set)
    }

    /// What is in memory only, as one run to be written; `None` if nothing is left of it.
    pub(crate) fn unsaved(&self, now_us: i64) -> Result<Option<Run>> {
        let (files, memory) = self.runs.split_at(self.files());
        merge::merge(memory, self.id_type, now_us, files.is_empty())
    }

    /// With a file in place of what is in memory only.
    pub(crate) fn saved(&self, file: Option<Run>) -> Self {
        let kept = self.runs.iter().take(self.files()).cloned();
        Self { runs: kept.chain(file.map(Arc::new)).collect(), ..self.clone() }
    }

    /// How many runs are in files.
    fn files(&self) -> usize {
        self.runs.iter().take_while(|run| run.record.is_some()).count()
    }

    /// The files to merge into one, oldest first: the newest, as far as each is small beside those
    /// after it; or `all`. None if there are few enough.
    pub(crate) fn to_merge(&self, all: bool) -> Vec<Arc<Run>> {
        let files = self.runs.iter().take(self.files());
        if all {
            return files.cloned().collect();
        }
        let (mut bytes, mut chosen) = (0, Vec::new());
        for run in files.rev() {
            let more = run.bytes().len();
            if !chosen.is_empty() && (more > 2 * bytes || bytes + more > MERGE_BYTES) {
                break;
            }
            bytes += more;
            chosen.insert(0, Arc::clone(run));
        }
        if chosen.len() > 1 { chosen } else { Vec::new() }
    }

    /// These files of it as one run to be written; `None` if nothing is left of them.
    pub(crate) fn merged(&self, files: &[Arc<Run>], now_us: i64) -> Result<Option<Run>> {
        let oldest = self.runs.first().zip(files.first());
        let bottom = oldest.is_some_and(|(oldest, first)| Arc::ptr_eq(oldest, first));
        merge::merge(files, self.id_type, now_us, bottom)
    }

    /// With a file in place of these; `None` if they are not there.
    pub(crate) fn exchanged(&self, files: &[Arc<Run>], file: Option<Run>) -> Option<Self> {
        let first = files.first()?;
        let at = self.runs.iter().position(|run| Arc::ptr_eq(run, first))?;
        let (before, rest) = self.runs.split_at_checked(at)?;
        let (there, after) = rest.split_at_checked(files.len())?;
        if !there.iter().zip(files).all(|(a, b)| Arc::ptr_eq(a, b)) {
            return None;
        }
        let runs = before.iter().cloned().chain(file.map(Arc::new)).chain(after.iter().cloned());
        Some(Self { runs: runs.collect(), ..self.clone() })
    }

    /// With another run on top.
    fn with(&self, run: Run, now_us: i64) -> Result<Self> {
        let mut runs = self.runs.clone();
        let version = self.version.max(run.newest);
        runs.push(Arc::new(run));
        loop {
            let small =
                |run: &&Arc<Run>| run.record.is_none() && run.bytes().len() < MEMORY_RUN_BYTES;
            let sizes = runs.iter().rev().take_while(small).map(|run| tier(run.bytes().len()));
            let sizes: Vec<u32> = sizes.collect();
            let limit = sizes.first().copied().unwrap_or_default();
            let many = sizes.iter().take_while(|tier| **tier <= limit).count();
            if many < FAN {
                return Ok(Self { runs, version, ..self.clone() });
            }
            let first = runs.len() - many;
            let merged = merge::merge(
                runs.get(first..).unwrap_or_default(),
                self.id_type,
                now_us,
                first == 0,
            )?;
            runs.truncate(first);
            runs.extend(merged.map(Arc::new));
        }
    }
}

/// The power of [`FAN`] that a size lies above.
fn tier(bytes: usize) -> u32 {
    bytes.max(1).ilog2() / FAN.ilog2()
}

/// One set.
pub(crate) struct Set<'a> {
    of: &'a Exclusions,
    /// Newest first.
    entries: Vec<(&'a Arc<Run>, Entry<'a>)>,
    version: u64,
}

impl Set<'_> {
    /// Changes whenever the set does, but for what expires.
    pub(crate) fn version(&self) -> (u64, u64) {
        (self.of.lineage, self.version)
    }

    /// Whether nothing is in it, expired or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.iter().all(|(_, entry)| entry.members.is_empty())
    }

    /// The ids that have not expired, some maybe several times; and the time at which the next one
    /// does.
    pub(crate) fn ids(&self, now_us: i64) -> Result<(Ids, i64)> {
        let mut ids = match self.of.id_type {
            IdType::U64 => Ids::U64(Vec::new()),
            IdType::Str => Ids::Str(Vec::new()),
        };
        let mut next = NEVER;
        for (run, entry) in &self.entries {
            let push = |id: IdRef<'_>, _| match (&mut ids, id) {
                (Ids::U64(ids), IdRef::U64(id)) => ids.push(id),
                (Ids::Str(ids), IdRef::Str(id)) => ids.push(id.to_owned()),
                _ => {}
            };
            let until = members::each_member(entry.members, self.of.id_type, now_us, push);
            next = next.min(until.ok_or_else(|| wrong_members().at(run.path()))?);
        }
        Ok((ids, next))
    }
}

fn wrong_members() -> Fault {
    Fault::damage(0, "sets", "the members of a set", "other bytes")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn ids(of: &Exclusions, name: &str, now: i64) -> Vec<u64> {
        let (Ids::U64(mut found), _) = of.set(name).unwrap().ids(now).unwrap() else { panic!() };
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn sets_are_what_a_map_says() {
        let mut state = 7_u64;
        let mut dice = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut model: BTreeMap<(String, u64), i64> = BTreeMap::new();
        let mut exclusions = Exclusions::new(IdType::U64, Vec::new());
        for now in 0..3_000_i64 {
            let mut draft = SetsDraft::new(&exclusions);
            for _ in 0..=dice(3) {
                let name = format!("user:{}", dice(12));
                if dice(20) == 0 {
                    draft.clear(&name);
                    model.retain(|(of, _), _| *of != name);
                    continue;
                }
                let until = if dice(4) == 0 { NEVER } else { now + 1 + dice(400) as i64 };
                let some: Vec<u64> = (0..dice(9)).map(|_| dice(60)).collect();
                for id in &some {
                    let time = model.entry((name.clone(), *id)).or_insert(until);
                    *time = until.max(*time);
                }
                draft.add(&name, Ids::U64(some), until);
            }
            exclusions = draft.finish(now).unwrap();
            if dice(60) == 0 {
                let file = |run: Option<Run>| {
                    run.map(|mut run| {
                        run.record = Some(RunRecord { id: 1, length: 1, seal: 1 });
                        run
                    })
                };
                exclusions = exclusions.saved(file(exclusions.unsaved(now).unwrap()));
                let files = exclusions.to_merge(dice(4) == 0);
                if !files.is_empty() {
                    let run = file(exclusions.merged(&files, now).unwrap());
                    // Another change came meanwhile.
                    let mut draft = SetsDraft::new(&exclusions);
                    draft.add("user:99", Ids::U64(vec![now as u64]), NEVER);
                    model.insert(("user:99".to_owned(), now as u64), NEVER);
                    exclusions = draft.finish(now).unwrap();
                    exclusions = exclusions.exchanged(&files, run).unwrap();
                    assert!(exclusions.exchanged(&files, None).is_none());
                }
            }
            if now % 10 == 0 {
                model.retain(|_, until| *until > now);
                for user in (0..12).chain([99]) {
                    let name = format!("user:{user}");
                    let of = model.keys().filter(|(of, _)| *of == name).map(|(_, id)| *id);
                    assert_eq!(ids(&exclusions, &name, now), of.collect::<Vec<_>>(), "at {now}");
                }
            }
        }
        assert!(exclusions.runs().len() < 24);
        let before = exclusions.set("user:1").unwrap().version();
        let mut draft = SetsDraft::new(&exclusions);
        draft.add("user:2", Ids::U64(vec![5]), NEVER);
        let after = draft.finish(0).unwrap();
        assert_eq!(after.set("user:1").unwrap().version(), before);
        assert_ne!(
            after.set("user:2").unwrap().version(),
            exclusions.set("user:2").unwrap().version()
        );
    }

    #[test]
    fn a_million_sets_stay_small() {
        let mut draft = SetsDraft::new(&Exclusions::new(IdType::U64, Vec::new()));
        for user in 0..20_000_u64 {
            let seen = (0..50).map(|n| (user * 7919 + n * 104_729) % 10_000_000).collect();
            draft.add(&format!("user:{user}:seen"), Ids::U64(seen), 1_700_000_000_000_000);
        }
        let exclusions = draft.finish(0).unwrap();
        let bytes = exclusions.bytes().0 / (20_000 * 50);
        assert!(bytes <= 3, "{bytes} bytes an id");
        assert_eq!(ids(&exclusions, "user:19999:seen", 5).len(), 50);
        assert!(ids(&exclusions, "user:20000:seen", 5).is_empty());
    }
}

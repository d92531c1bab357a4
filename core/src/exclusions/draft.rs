//! Changes of sets in the making: gathered, then made a run in memory.

use std::collections::BTreeMap;

use super::Exclusions;
use super::members::Members;
use super::run::{Builder, Entry};
use crate::error::Result;
use crate::types::Ids;

/// Changes on top of some sets.
#[derive(Debug)]
pub(crate) struct SetsDraft {
    before: Exclusions,
    pending: BTreeMap<String, Change>,
    version: u64,
}

/// The changes of one set.
#[derive(Debug)]
struct Change {
    cleared: bool,
    version: u64,
    members: Members,
}

impl SetsDraft {
    pub(crate) fn new(before: &Exclusions) -> Self {
        Self { version: before.version, before: before.clone(), pending: BTreeMap::new() }
    }

    fn change(&mut self, name: &str) -> &mut Change {
        self.version += 1;
        let (version, id_type) = (self.version, self.before.id_type);
        let none = || Change { cleared: false, version, members: Members::none(id_type) };
        let change = self.pending.entry(name.to_owned()).or_insert_with(none);
        change.version = version;
        change
    }

    /// Adds ids that stay until a time; of an id that is there already, the later time counts.
    pub(crate) fn add(&mut self, name: &str, ids: Ids, until_us: i64) {
        if !ids.is_empty() {
            self.change(name).members.extend(ids, until_us);
        }
    }

    /// Empties a set.
    pub(crate) fn clear(&mut self, name: &str) {
        let id_type = self.before.id_type;
        let change = self.change(name);
        change.cleared = true;
        change.members = Members::none(id_type);
    }

    /// The sets with everything applied; what has expired by now may be gone.
    pub(crate) fn finish(self, now_us: i64) -> Result<Exclusions> {
        if self.pending.is_empty() {
            return Ok(self.before);
        }
        let mut builder = Builder::new(self.before.id_type);
        let mut members = Vec::new();
        for (name, change) in self.pending {
            members.clear();
            change.members.encode(&mut members);
            let (cleared, version) = (change.cleared, change.version);
            builder.push(name.as_bytes(), Entry { cleared, version, members: &members });
        }
        match builder.finish() {
            Some(run) => self.before.with(run, now_us),
            None => Ok(self.before),
        }
    }
}

//! Steps, what they do to a collection, and what they should do: to a map.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::data::{self, DIM, Point};
use crate::collection::Collection;
use crate::config::{CollectionConfig, LoadOptions, Mode, OpenOptions, Progress};
use crate::error::{Error, Result};
use crate::types::{Durability, Vectors};
use crate::vfs::fault::FaultVfs;

/// Where the collection is on the disk.
pub(super) const ROOT: &str = "/c";

/// The points that should be there.
pub(super) type State = BTreeMap<u64, Point>;

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
    /// Seals what has grown, as the thread beside the writers would.
    Seal,
    Optimize,
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
    /// What it should do.
    pub(super) fn apply(&self, state: &mut State) {
        match self {
            Self::Upsert(ids, version) | Self::Load(ids, version, _) => {
                let point = Point { vector: *version, attributes: *version };
                state.extend(ids.clone().map(|id| (id, point)));
            }
            Self::Delete(ids) => state.retain(|id, _| !ids.contains(id)),
            Self::Update(ids, version) => {
                state.range_mut(ids.clone()).for_each(|(_, point)| point.attributes = *version);
            }
            Self::Seal | Self::Optimize | Self::Flush | Self::Reopen | Self::Abandon => {}
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
            _ => 0,
        }
    }
}

/// A collection on a disk.
pub(super) struct World {
    pub(super) vfs: FaultVfs,
    pub(super) collection: Option<Collection>,
}

impl World {
    pub(super) fn create(vfs: &FaultVfs, config: &CollectionConfig) -> Result<Self> {
        let made = Collection::create_on(Arc::new(vfs.clone()), Path::new(ROOT), config.clone())?;
        Ok(Self { vfs: vfs.clone(), collection: Some(made) })
    }

    pub(super) fn open(vfs: &FaultVfs, mode: Mode) -> Result<Self> {
        let options = OpenOptions { mode, ..OpenOptions::default() };
        let opened = Collection::open_on(Arc::new(vfs.clone()), Path::new(ROOT), options)?;
        Ok(Self { vfs: vfs.clone(), collection: Some(opened) })
    }

    pub(super) fn collection(&self) -> Result<&Collection> {
        self.collection.as_ref().ok_or(Error::Closed { operation: "use" })
    }

    /// Does it.
    pub(super) fn run(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Upsert(ids, version) => upsert(self.collection()?, &points(ids, *version)),
            Step::Load(ids, version, batch) => {
                load(self.collection()?, &points(ids, *version), *batch)
            }
            Step::Delete(ids) => {
                let collection = self.collection()?;
                let ids = data::ids(collection.config().id_type, ids.clone());
                collection.delete(&ids).map(drop)
            }
            Step::Update(ids, version) => update(self.collection()?, ids, *version),
            Step::Seal => self.collection()?.seal(),
            Step::Optimize => self.collection()?.optimize(&Progress::new()),
            Step::Flush => self.collection()?.flush(),
            Step::Reopen => {
                if let Some(collection) = self.collection.take() {
                    collection.close()?;
                }
                self.collection = Self::open(&self.vfs, Mode::Write)?.collection;
                Ok(())
            }
            Step::Abandon => {
                self.vfs = self.vfs.kill();
                self.collection = None;
                self.collection = Self::open(&self.vfs, Mode::Write)?.collection;
                Ok(())
            }
        }
    }
}

fn upsert(collection: &Collection, points: &[(u64, u32)]) -> Result<()> {
    let ids = data::ids(collection.config().id_type, points.iter().map(|(id, _)| *id));
    let components = data::vectors(points);
    let vectors = Vectors::from_f32(DIM, &components)?;
    collection.upsert(&ids, &vectors, Some(&data::attributes(points)), &Progress::new())
}

fn update(collection: &Collection, ids: &Range<u64>, version: u32) -> Result<()> {
    let kind = collection.config().id_type;
    let all: Vec<u64> = ids.clone().collect();
    let found = collection.get(&data::ids(kind, all.iter().copied()), false)?.found;
    let there = all.into_iter().zip(found).filter(|(_, found)| *found);
    let points: Vec<_> = there.map(|(id, _)| (id, version)).collect();
    let ids = data::ids(kind, points.iter().map(|(id, _)| *id));
    collection.update(&ids, &data::attributes(&points))
}

fn load(collection: &Collection, points: &[(u64, u32)], batch: usize) -> Result<()> {
    let kind = collection.config().id_type;
    let batches = points.chunks(batch).map(|points| Ok::<_, Infallible>(data::rows(kind, points)));
    collection.load(batches, &LoadOptions::default(), &Progress::new()).map(drop)
}

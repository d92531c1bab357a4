//! Filters that were asked before: plans by (text, columns of the schema), and the slots that pass
//! by (plan, segment, its dead slots, its replaced values). What depends on `now()` is worked out
//! anew for every request. Likewise the slots of exclusion sets, see `excluded`. Bounded: the least recently used goes first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock, Weak};

use super::excluded::{self, SetSlots};
use super::{SegmentHandle, lock};
use crate::bitmap::Bitmap;
use crate::config::CollectionConfig;
use crate::error::Result;
use crate::filter::{Plan, compile};
use crate::graph::regions::Regions;
use crate::retrieval::way::{self, Nodes};
use crate::segment::attributes::Patch;
use crate::segment::{Dead, Segment};
use crate::sync::Mutex;

/// Most bytes of texts whose plans are kept, and of sets of slots.
const TEXT_BYTES: usize = 64 << 20;
const SET_BYTES: usize = 64 << 20;
/// Most of either.
const PLANS: usize = 1_024;
const SETS: usize = 8_192;

/// The slots of a segment that can be results: alive, passing the filter if there is one, and not
/// excluded.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) slots: Bitmap,
    pub(super) count: u32,
    /// Where it differs from the slots.
    nodes: OnceLock<Bitmap>,
    /// The nodes one by one, and the slots.
    listed: [OnceLock<Box<[u32]>>; 2],
    /// Another set, and what was taken out of it.
    all: Option<(Arc<Self>, Vec<u32>)>,
}

impl Passing {
    pub(super) fn new(slots: Bitmap) -> Self {
        let (nodes, listed) = (OnceLock::new(), Default::default());
        Self { count: slots.count(), slots, nodes, listed, all: None }
    }

    /// All that are alive.
    fn alive(handle: &SegmentHandle) -> Self {
        let mut slots = Bitmap::all(handle.segment.rows());
        if let Some(dead) = &handle.dead {
            slots.remove(dead.words());
        }
        Self::new(slots)
    }

    /// The same without some slots.
    pub(super) fn without(all: Arc<Self>, excluded: Vec<u32>) -> Arc<Self> {
        let mut slots = all.slots.clone();
        let mut count = all.count;
        for slot in &excluded {
            count -= u32::from(slots.contains(*slot));
            slots.set(*slot, false);
        }
        let (nodes, listed) = (OnceLock::new(), Default::default());
        Arc::new(Self { slots, count, nodes, listed, all: Some((all, excluded)) })
    }

    /// The nodes of the index that stand for these slots.
    pub(super) fn nodes(&self, regions: &Regions) -> Nodes<'_> {
        Nodes { set: self.set_of_nodes(regions), listed: &self.listed[0] }
    }

    /// The slots as nodes of what has no twins.
    pub(super) fn all_nodes(&self) -> Nodes<'_> {
        Nodes { set: &self.slots, listed: &self.listed[1] }
    }

    fn set_of_nodes(&self, regions: &Regions) -> &Bitmap {
        if regions.twins().is_empty() {
            return &self.slots;
        }
        self.nodes.get_or_init(|| match &self.all {
            // Few nodes are others.
            Some((all, excluded)) => {
                let mut nodes = all.set_of_nodes(regions).clone();
                for slot in excluded {
                    way::renew(&mut nodes, &self.slots, *slot, regions);
                }
                nodes
            }
            None => way::nodes(&self.slots, regions),
        })
    }
}

/// A filter of one request.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) plan: Arc<Plan>,
    pub(super) now_us: i64,
}

impl Filter {
    /// The slots of a segment that are alive and pass.
    pub(super) fn passing(&self, handle: &SegmentHandle) -> Result<Passing> {
        let mut slots = self.plan.bind(self.now_us).evaluate(handle)?;
        if let Some(dead) = &handle.dead {
            slots.remove(dead.words());
        }
        Ok(Passing::new(slots))
    }
}

/// What was asked before. One a collection.
#[derive(Debug)]
pub(super) struct Filters {
    plans: Mutex<Recent<TextKey, Known>>,
    sets: Mutex<Recent<SetKey, Set>>,
    excluded: Mutex<Recent<excluded::SetKey, Arc<SetSlots>>>,
}

impl excluded::Kept for Filters {
    fn get(&self, key: &excluded::SetKey) -> Option<Arc<SetSlots>> {
        lock(&self.excluded).get(key).cloned()
    }

    fn put(&self, key: excluded::SetKey, slots: Arc<SetSlots>) {
        let bytes = slots.bytes();
        lock(&self.excluded).put(key, slots, bytes);
    }
}

/// A text and its plan.
type Known = (Box<str>, Arc<Plan>);

/// The hash of a text, which is kept beside its plan, and how many columns there were.
type TextKey = (u64, usize);

/// Addresses of what a set of slots follows from; 0 for what there is not.
type SetKey = [usize; 4];

#[derive(Debug)]
struct Set {
    passing: Arc<Passing>,
    /// Keep the addresses of the key from being given to others. What they point to may go.
    _plan: Option<Arc<Plan>>,
    _segment: Weak<Segment>,
    _dead: Option<Weak<Dead>>,
    _patch: Option<Weak<Patch>>,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            plans: Mutex::new(Recent::new(PLANS, TEXT_BYTES)),
            sets: Mutex::new(Recent::new(SETS, SET_BYTES)),
            excluded: Mutex::new(Recent::new(SETS, SET_BYTES)),
        }
    }
}

impl Filters {
    /// The plan of a text.
    pub(super) fn filter(
        &self,
        text: &str,
        config: &CollectionConfig,
        now_us: i64,
    ) -> Result<Filter> {
        // Columns are only ever added.
        let key = (hash_text(text.as_bytes()), config.schema.len());
        if let Some((_, plan)) = lock(&self.plans).get(&key).filter(|(of, _)| **of == *text) {
            return Ok(Filter { plan: Arc::clone(plan), now_us });
        }
        let plan = Arc::new(compile(text, &config.schema, config.id_type)?);
        lock(&self.plans).put(key, (text.into(), Arc::clone(&plan)), text.len());
        Ok(Filter { plan, now_us })
    }

    /// The slots of a segment that are alive and pass, if there is a filter.
    pub(super) fn passing(
        &self,
        filter: Option<&Filter>,
        handle: &SegmentHandle,
    ) -> Result<Arc<Passing>> {
        if let Some(filter) = filter.filter(|filter| filter.plan.uses_now()) {
            return Ok(Arc::new(filter.passing(handle)?));
        }
        let key = [
            filter.map_or(0, |filter| Arc::as_ptr(&filter.plan).addr()),
            Arc::as_ptr(&handle.segment).addr(),
            handle.dead.as_ref().map_or(0, |dead| Arc::as_ptr(dead).addr()),
            handle.patch.as_ref().map_or(0, |patch| Arc::as_ptr(patch).addr()),
        ];
        if let Some(set) = lock(&self.sets).get(&key) {
            return Ok(Arc::clone(&set.passing));
        }
        let passing = match filter {
            Some(filter) => filter.passing(handle)?,
            None => Passing::alive(handle),
        };
        let passing = Arc::new(passing);
        let set = Set {
            passing: Arc::clone(&passing),
            _plan: filter.map(|filter| Arc::clone(&filter.plan)),
            _segment: Arc::downgrade(&handle.segment),
            _dead: handle.dead.as_ref().map(Arc::downgrade),
            _patch: handle.patch.as_ref().map(Arc::downgrade),
        };
        // The nodes, and their list, are worked out when they are needed.
        let listed = 4 * passing.count as usize;
        let bytes =
            passing.slots.bytes() + listed.min(passing.slots.bytes() * 4) + size_of::<Set>();
        lock(&self.sets).put(key, set, bytes);
        Ok(passing)
    }
}

/// A hash of a text, which may be long: four parts of it at a time.
fn hash_text(text: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(ODD).rotate_left(29);
    let (whole, rest) = text.as_chunks::<32>();
    let mut lanes = [text.len() as u64, 1, 2, 3];
    for chunk in whole {
        for (lane, word) in lanes.iter_mut().zip(chunk.as_chunks::<8>().0) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let hash = lanes.into_iter().fold(0, mix);
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

/// A bounded map that forgets what was not used for longest.
#[derive(Debug)]
struct Recent<K, V> {
    entries: HashMap<K, Entry<V>>,
    bytes: usize,
    clock: u64,
    count_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { entries: HashMap::new(), bytes: 0, clock: 0, count_max, bytes_max }
    }

    fn get(&mut self, key: &K) -> Option<&V> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(&entry.value)
    }

    fn put(&mut self, key: K, value: V, bytes: usize) {
        if bytes > self.bytes_max / 2 {
            return;
        }
        self.clock += 1;
        let entry = Entry { value, bytes, used: self.clock };
        let before = self.entries.insert(key, entry);
        self.bytes = self.bytes + bytes - before.map_or(0, |entry| entry.bytes);
        if self.bytes > self.bytes_max || self.entries.len() > self.count_max {
            self.shrink();
        }
    }

    /// Forgets the older part, so that this is not done every time.
    fn shrink(&mut self) {
        let mut oldest: Vec<(u64, usize)> =
            self.entries.values().map(|entry| (entry.used, entry.bytes)).collect();
        oldest.sort_unstable();
        let (bytes, count) = (self.bytes_max / 4 * 3, self.count_max / 4 * 3);
        let (mut left, mut kept) = (self.bytes, oldest.len());
        let mut until = 0;
        for (used, bytes_of) in oldest {
            if left <= bytes && kept <= count {
                break;
            }
            (left, kept, until) = (left - bytes_of, kept - 1, used);
        }
        self.entries.retain(|_, entry| entry.used > until);
        self.bytes = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut recent = Recent::new(8, 1_000);
        for i in 0..100 {
            recent.put(i, i, 10);
            recent.get(&0);
            assert!(recent.entries.len() <= 8);
            assert_eq!(recent.bytes, recent.entries.len() * 10);
        }
        let found = [0, 99, 50].map(|i| recent.get(&i).copied());
        assert_eq!(found, [Some(0), Some(99), None]);
        recent.put(500, 5, 501);
        assert_eq!(recent.get(&500), None);
        recent.put(0, 7, 400);
        recent.put(1, 8, 400);
        recent.put(2, 9, 400);
        assert!(recent.bytes <= 1_000 && recent.get(&2) == Some(&9));
    }
}

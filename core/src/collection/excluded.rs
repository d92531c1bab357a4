//! Who is left out of a request: ids that it names and sets that it names, as slots of a segment.
//!
//! The slots of a set are kept for the next request, by (state of the set, segment), until the next
//! of its ids expires. Ids are looked up only where a search needs to know all who are eligible,
//! see [`super::excluding`].

use std::sync::{Arc, OnceLock, Weak};

use super::{SegmentHandle, View};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::exclusions::{Exclusions, check_name};
use crate::segment::Segment;
use crate::types::Ids;

/// More slots than this are a bit each.
const FEW: usize = 512;

/// Slots of a segment.
#[derive(Debug, Clone)]
pub(super) enum Slots {
    /// In any order, some maybe twice.
    Few(Vec<u32>),
    Many(Bitmap),
}

impl Slots {
    fn insert(&mut self, slot: u32, rows: u32) {
        match self {
            Self::Many(slots) => slots.insert(slot),
            Self::Few(few) if few.len() < FEW => few.push(slot),
            Self::Few(few) => {
                let mut many = Bitmap::none(rows);
                many.extend(few);
                many.insert(slot);
                *self = Self::Many(many);
            }
        }
    }

    fn unite(&mut self, other: &Self, rows: u32) {
        match (&mut *self, other) {
            (Self::Many(slots), Self::Many(other)) => slots.unite(other),
            (Self::Few(few), Self::Many(other)) => {
                let mut many = other.clone();
                many.extend(few);
                *self = Self::Many(many);
            }
            (_, Self::Few(other)) => other.iter().for_each(|slot| self.insert(*slot, rows)),
        }
    }

    /// Whether a slot is there; those of a few must be in order.
    fn contains(&self, slot: u32) -> bool {
        match self {
            Self::Few(slots) => slots.binary_search(&slot).is_ok(),
            Self::Many(slots) => slots.contains(slot),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Few(slots) => slots.len(),
            Self::Many(slots) => slots.count() as usize,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Few(slots) => slots.capacity() * 4,
            Self::Many(slots) => slots.bytes(),
        }
    }
}

/// State of a set, address of a segment.
pub(super) type SetKey = (u64, u64, usize);

/// The slots of a set in one segment.
#[derive(Debug)]
pub(super) struct SetSlots {
    /// A few are in order.
    slots: Slots,
    count: usize,
    /// Until then no id leaves the set.
    until_us: i64,
    /// Keeps its address from being given to another.
    _segment: Weak<Segment>,
}

impl SetSlots {
    pub(super) fn bytes(&self) -> usize {
        self.slots.bytes() + size_of::<Self>()
    }

    /// Whether a slot is in the set.
    pub(super) fn contains(&self, slot: u32) -> bool {
        self.slots.contains(slot)
    }

    /// How many slots are.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

/// Where the slots of sets are kept.
pub(super) trait Kept: Sync {
    fn get(&self, key: &SetKey) -> Option<Arc<SetSlots>>;
    fn put(&self, key: SetKey, slots: Arc<SetSlots>);
}

/// Whom a request leaves out.
pub(super) struct LeftOut<'a> {
    ids: Option<&'a Ids>,
    sets: Vec<OneSet<'a>>,
    kept: &'a dyn Kept,
}

impl<'a> LeftOut<'a> {
    /// Those of these ids and sets; `None` where nobody is.
    pub(super) fn new(
        view: &'a View,
        ids: Option<&'a Ids>,
        sets: &[String],
        kept: &'a dyn Kept,
        now_us: i64,
    ) -> Result<Option<Self>> {
        let ids = ids.filter(|ids| !ids.is_empty());
        if ids.is_none() && sets.is_empty() {
            return Ok(None);
        }
        if let Some(ids) = ids {
            let (wanted, found) = (view.config.id_type, ids.id_type());
            if wanted != found {
                let (wanted, found) = (format!("{wanted} ids"), format!("{found} ids"));
                return Err(Error::invalid("exclude", wanted, found, ""));
            }
        }
        let set = |name: &String| {
            check_name("exclude_sets", name)?;
            OneSet::new(&view.exclusions, name, now_us)
        };
        let sets: Result<Vec<_>> = sets.iter().map(set).collect();
        Ok(Some(Self { ids, sets: sets?, kept }))
    }

    /// The ids that the request names.
    pub(super) fn ids(&self) -> Option<&'a Ids> {
        self.ids
    }

    /// The slots of each set in a segment.
    pub(super) fn sets(&self, handle: &SegmentHandle) -> Result<Vec<Arc<SetSlots>>> {
        let slots = self.sets.iter().map(|set| set.slots(handle, self.kept));
        slots.filter_map(Result::transpose).collect()
    }

    /// How many points of a segment are left out that are alive.
    pub(super) fn alive(&self, handle: &SegmentHandle) -> Result<u32> {
        let mut alive = Bitmap::none(handle.segment.rows());
        match self.slots(handle)? {
            Slots::Few(few) => alive.extend(&few),
            Slots::Many(many) => alive.unite(&many),
        }
        if let Some(dead) = &handle.dead {
            alive.remove(dead.words());
        }
        Ok(alive.count())
    }

    /// All slots of a segment that are left out.
    pub(super) fn slots(&self, handle: &SegmentHandle) -> Result<Slots> {
        let (mut all, rows) = (Slots::Few(Vec::new()), handle.segment.rows());
        if let Some(ids) = self.ids {
            handle.segment.find_all(ids, |slot| all.insert(slot, rows))?;
        }
        for set in self.sets(handle)? {
            all.unite(&set.slots, rows);
        }
        Ok(all)
    }
}

/// A set while a request is prepared: its ids are read only where its slots aren't known.
struct OneSet<'a> {
    set: crate::exclusions::Set<'a>,
    ids: OnceLock<(Ids, i64)>,
    now_us: i64,
}

impl<'a> OneSet<'a> {
    fn new(sets: &'a Exclusions, name: &str, now_us: i64) -> Result<Self> {
        Ok(Self { set: sets.set(name)?, ids: OnceLock::new(), now_us })
    }

    fn slots(&self, handle: &SegmentHandle, kept: &dyn Kept) -> Result<Option<Arc<SetSlots>>> {
        if self.set.is_empty() {
            return Ok(None);
        }
        let (lineage, version) = self.set.version();
        let key = (lineage, version, Arc::as_ptr(&handle.segment).addr());
        if let Some(slots) = kept.get(&key).filter(|slots| self.now_us < slots.until_us) {
            return Ok(Some(slots));
        }
        let (ids, until_us) = if let Some(ids) = self.ids.get() {
            ids
        } else {
            let read = self.set.ids(self.now_us)?;
            self.ids.get_or_init(|| read)
        };
        let rows = handle.segment.rows();
        let mut slots = Slots::Few(Vec::new());
        handle.segment.find_all(ids, |slot| slots.insert(slot, rows))?;
        if let Slots::Few(few) = &mut slots {
            few.sort_unstable();
            few.dedup();
        }
        let (count, segment) = (slots.count(), Arc::downgrade(&handle.segment));
        let slots = Arc::new(SetSlots { slots, count, until_us: *until_us, _segment: segment });
        kept.put(key, Arc::clone(&slots));
        Ok(Some(slots))
    }
}

//! Who is left out of a request: ids that it names and sets that it names, as slots of a segment.
//!
//! The slots of a set are kept for the next request, by (state of the set, segment), until the next
//! of its ids expires.

use std::sync::{Arc, Weak};

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
    slots: Slots,
    /// Until then no id leaves the set.
    until_us: i64,
    /// Keeps its address from being given to another.
    _segment: Weak<Segment>,
}

impl SetSlots {
    pub(super) fn bytes(&self) -> usize {
        self.slots.bytes() + size_of::<Self>()
    }
}

/// Where the slots of sets are kept.
pub(super) trait Kept {
    fn get(&self, key: &SetKey) -> Option<Arc<SetSlots>>;
    fn put(&self, key: SetKey, slots: Arc<SetSlots>);
}

/// The slots to leave out, segment by segment; `None` where nobody is.
pub(super) fn excluded(
    view: &View,
    ids: Option<&Ids>,
    sets: &[String],
    kept: &impl Kept,
    now_us: i64,
) -> Result<Option<Vec<Slots>>> {
    let ids = ids.filter(|ids| !ids.is_empty());
    if ids.is_none() && sets.is_empty() {
        return Ok(None);
    }
    let mut all: Vec<Slots> = view.segments.iter().map(|_| Slots::Few(Vec::new())).collect();
    if let Some(ids) = ids {
        let (wanted, found) = (view.config.id_type, ids.id_type());
        if wanted != found {
            let (wanted, found) = (format!("{wanted} ids"), format!("{found} ids"));
            return Err(Error::invalid("exclude", wanted, found, ""));
        }
        for (handle, slots) in view.segments.iter().zip(&mut all) {
            let rows = handle.segment.rows();
            handle.segment.find_all(ids, |slot| slots.insert(slot, rows))?;
        }
    }
    for name in sets {
        check_name("exclude_sets", name)?;
        let set = OneSet::new(&view.exclusions, name, now_us)?;
        for (handle, slots) in view.segments.iter().zip(&mut all) {
            if let Some(of_set) = set.slots(handle, kept)? {
                slots.unite(&of_set.slots, handle.segment.rows());
            }
        }
    }
    Ok(Some(all))
}

/// A set while a request is prepared: its ids are read only where its slots aren't known.
struct OneSet<'a> {
    set: crate::exclusions::Set<'a>,
    ids: std::cell::OnceCell<(Ids, i64)>,
    now_us: i64,
}

impl<'a> OneSet<'a> {
    fn new(sets: &'a Exclusions, name: &str, now_us: i64) -> Result<Self> {
        Ok(Self { set: sets.set(name)?, ids: std::cell::OnceCell::new(), now_us })
    }

    fn slots(&self, handle: &SegmentHandle, kept: &impl Kept) -> Result<Option<Arc<SetSlots>>> {
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
        let segment = Arc::downgrade(&handle.segment);
        let slots = Arc::new(SetSlots { slots, until_us: *until_us, _segment: segment });
        kept.put(key, Arc::clone(&slots));
        Ok(Some(slots))
    }
}

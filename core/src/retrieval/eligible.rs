//! Which slots of a segment may be returned: alive, passing the filter and not excluded.

use std::ops::Range;

use crate::bitmap::Bitmap;
use crate::segment::Dead;

/// The eligible slots of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eligible<'a> {
    rows: u32,
    /// `None` when every slot is alive.
    dead: Option<&'a Dead>,
    /// With a filter: the slots that are alive and pass, and their number.
    passing: Option<(&'a Bitmap, u32)>,
    /// Excluded slots that are alive and pass, ascending.
    excluded: &'a [u32],
}

impl<'a> Eligible<'a> {
    pub(crate) fn new(rows: u32, dead: Option<&'a Dead>, excluded: &'a [u32]) -> Self {
        Self { rows, dead, passing: None, excluded }
    }

    /// Only these, if given: slots that are alive, and their number.
    pub(crate) fn passing(self, passing: Option<(&'a Bitmap, u32)>) -> Self {
        Self { passing, ..self }
    }

    /// Slots of the segment.
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        let alive = match self.passing {
            Some((passing, _)) => passing.contains(slot),
            None => self.dead.is_none_or(|dead| !dead.contains(slot)),
        };
        alive && !self.is_excluded(slot)
    }

    fn is_excluded(&self, slot: u32) -> bool {
        !self.excluded.is_empty() && self.excluded.binary_search(&slot).is_ok()
    }

    /// Calls `each` with the eligible slots of a range, ascending.
    pub(crate) fn for_each(&self, slots: Range<u32>, mut each: impl FnMut(u32)) {
        match self.passing {
            Some((passing, _)) => {
                passing.iter(slots).filter(|slot| !self.is_excluded(*slot)).for_each(each);
            }
            None => {
                for slot in slots.filter(|slot| self.contains(*slot)) {
                    each(slot);
                }
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let alive = match self.passing {
            Some((_, count)) => count as usize,
            None => self.rows as usize - self.dead.map_or(0, |dead| dead.count() as usize),
        };
        alive - self.excluded.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_what_is_found() {
        let mut dead = Dead::none(100);
        (0..100).step_by(7).for_each(|slot| assert!(dead.insert(slot)));
        let mut passing = Bitmap::none(100);
        (0..100).filter(|s| s % 2 == 0 && s % 7 != 0).for_each(|slot| passing.insert(slot));
        let excluded = [2, 4, 50];
        let plain = Eligible::new(100, Some(&dead), &excluded);
        for eligible in [plain, plain.passing(Some((&passing, passing.count())))] {
            let mut found = Vec::new();
            eligible.for_each(0..100, |slot| found.push(slot));
            assert_eq!(found.len(), eligible.count());
            assert_eq!(found, (0..100).filter(|s| eligible.contains(*s)).collect::<Vec<_>>());
        }
    }
}

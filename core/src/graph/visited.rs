//! Which slots a search has seen. Clearing is a counter's step, not a sweep.

/// A set of slots.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    marks: Vec<u8>,
    epoch: u8,
}

impl Visited {
    /// Empties the set and makes room for slots below `slots`.
    pub(crate) fn reset(&mut self, slots: usize) {
        if self.marks.len() < slots {
            self.marks.resize(slots, 0);
        }
        if self.epoch == u8::MAX {
            self.marks.fill(0);
            self.epoch = 0;
        }
        self.epoch += 1;
    }

    /// Adds a slot; whether it was new.
    ///
    /// # Safety
    /// `slot` is below the number of slots of the last `reset`.
    #[inline(always)]
    pub(crate) unsafe fn insert(&mut self, slot: u32) -> bool {
        // SAFETY: `marks` is at least as long as the last `reset` asked for.
        let mark = unsafe { self.marks.get_unchecked_mut(slot as usize) };
        let new = *mark != self.epoch;
        *mark = self.epoch;
        new
    }
}

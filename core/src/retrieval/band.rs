//! The points of a segment to which most is added, whatever they are like: those of the largest
//! values first, a column a part.

/// Which slots count; `None` for all.
type Passes<'a> = Option<Box<dyn Fn(u32) -> bool + 'a>>;
type Bonus<'a> = Box<dyn Fn(u32) -> f64 + 'a>;

/// A column and how far it was gone through.
struct Part<'a> {
    /// In ascending order of what the column adds to them: those that are left.
    slots: &'a [u32],
    passes: Passes<'a>,
    bonus: Bonus<'a>,
}

/// The columns of a request.
#[derive(Default)]
pub(crate) struct Band<'a> {
    parts: Vec<Part<'a>>,
    /// Slots of which a column does not tell in order.
    loose: Vec<u32>,
}

impl<'a> Band<'a> {
    /// A column: slots in ascending order of what it adds, which of them count, and what it adds;
    /// and slots that are not in this order.
    pub(crate) fn push(
        &mut self,
        (slots, passes): (&'a [u32], Passes<'a>),
        bonus: Bonus<'a>,
        loose: impl Iterator<Item = u32>,
    ) {
        self.loose.extend(loose);
        self.parts.push(Part { slots, passes, bonus });
    }

    /// Takes so many slots more, and all that are in no order. `false` if there are none.
    pub(crate) fn take(&mut self, count: usize, out: &mut Vec<u32>) -> bool {
        out.clear();
        out.append(&mut self.loose);
        let nexts = self.parts.iter_mut().map(Part::next);
        let best = nexts.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some(part) = best.and_then(|(at, _)| self.parts.get_mut(at)) {
            let end = out.len() + count;
            let Some(passes) = &part.passes else {
                let (rest, taken) = part.slots.split_at(part.slots.len().saturating_sub(count));
                part.slots = rest;
                out.extend(taken.iter().rev());
                return !out.is_empty();
            };
            while let (Some((slot, rest)), true) = (part.slots.split_last(), out.len() < end) {
                part.slots = rest;
                if passes(*slot) {
                    out.push(*slot);
                }
            }
        }
        !out.is_empty()
    }

    /// The most that is added to any slot that was not taken.
    pub(crate) fn unseen(&mut self) -> f64 {
        self.parts.iter_mut().map(Part::next).sum()
    }
}

impl Part<'_> {
    /// What is added to the next.
    fn next(&mut self) -> f64 {
        while let Some((slot, rest)) = self.slots.split_last() {
            if self.passes.as_ref().is_none_or(|passes| passes(*slot)) {
                return (self.bonus)(*slot);
            }
            self.slots = rest;
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_whichever_column_they_are_of() {
        let mut band = Band::default();
        let bonus = || Box::new(f64::from);
        band.push((&[1, 4, 9], None), bonus(), [77].into_iter());
        band.push((&[5, 6, 8], Some(Box::new(|slot| slot != 8))), bonus(), [].into_iter());
        let mut out = Vec::new();
        let mut steps = Vec::new();
        while band.take(1, &mut out) {
            steps.push((out.clone(), band.unseen() as u32));
        }
        let expected = [(vec![77, 9], 10), (vec![6], 9), (vec![5], 4), (vec![4], 1), (vec![1], 0)];
        assert_eq!(steps, expected);
    }
}

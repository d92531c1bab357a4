//! The points of a segment to which most is added, whatever they are like: those of the largest
//! values first, a column a part.

use std::iter::Peekable;

/// Slots in descending order of what a column adds to them.
type Slots<'a> = Box<dyn Iterator<Item = u32> + 'a>;
type Bonus<'a> = Box<dyn Fn(u32) -> f64 + 'a>;

/// A column and how far it was gone through.
struct Part<'a> {
    slots: Peekable<Slots<'a>>,
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
    /// A column: its slots in descending order of what it adds, and what that is; and those that
    /// are not in this order.
    pub(crate) fn push(&mut self, slots: Slots<'a>, bonus: Bonus<'a>, loose: Slots<'a>) {
        self.loose.extend(loose);
        self.parts.push(Part { slots: slots.peekable(), bonus });
    }

    /// Takes so many slots more, and all that are in no order. `false` if there are none.
    pub(crate) fn take(&mut self, count: usize, out: &mut Vec<u32>) -> bool {
        out.clear();
        out.append(&mut self.loose);
        let nexts = self.parts.iter_mut().map(Part::next);
        let best = nexts.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some(part) = best.and_then(|(at, _)| self.parts.get_mut(at)) {
            out.extend(part.slots.by_ref().take(count));
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
        self.slots.peek().map_or(0.0, |slot| (self.bonus)(*slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_whichever_column_they_are_of() {
        let mut band = Band::default();
        let part = |slots: Vec<u32>| Box::new(slots.into_iter()) as Slots<'static>;
        band.push(part(vec![9, 4, 1]), Box::new(f64::from), part(vec![77]));
        band.push(part(vec![6, 5]), Box::new(f64::from), part(vec![]));
        let mut out = Vec::new();
        let mut steps = Vec::new();
        while band.take(1, &mut out) {
            steps.push((out.clone(), band.unseen() as u32));
        }
        let expected = [(vec![77, 9], 10), (vec![6], 9), (vec![5], 4), (vec![4], 1), (vec![1], 0)];
        assert_eq!(steps, expected);
    }
}

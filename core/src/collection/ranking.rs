//! Searches of a segment by final scores: caps, decay and boosts.

use super::search::SegmentSearch;
use crate::config::Effort;
use crate::error::Result;
use crate::results::SearchCounters;
use crate::retrieval::{Asked, Band, Eligible, Hit, Order, Ranking, WalkScratch};
use crate::segment::Column;

/// Points to which most is added, whose codes are scored whatever they are like.
const BAND: usize = 2_048;

/// What was found for each query.
type Found = Vec<(Vec<Hit>, SearchCounters)>;

impl SegmentSearch<'_> {
    /// The best hits of each query by final scores; `None` to compare every eligible row.
    pub(super) fn run_ranked(
        &self,
        asked: &[Asked<'_>],
        eligible: &Eligible<'_>,
        scratch: &mut WalkScratch,
    ) -> Result<Option<Found>> {
        let request = self.plan.request;
        if request.effort == Effort::Exact || self.are_few(eligible) {
            return Ok(None);
        }
        let segment = &self.handle.segment;
        let (index, target) = match (segment.index(), &self.part.passing) {
            (Some(index), Some(passing)) => (index, self.target(passing)),
            _ => match segment.flat() {
                Some(flat) => (flat, None),
                None => return Ok(None),
            },
        };
        let cap = request.cap.as_ref().map(|cap| cap.max_per_group);
        let groups = self.part.group.as_deref().zip(cap);
        let order = Order { scorer: &self.part.scorer, groups, k: self.k };
        let ranking = Ranking {
            index: &index,
            rows: &segment.originals(),
            ids: self.part.ids,
            eligible,
            order,
            target,
            band: &self.band(eligible)?,
        };
        Ok(Some(asked.iter().map(|asked| ranking.run(*asked, scratch)).collect()))
    }

    /// The points to which most is added.
    fn band(&self, eligible: &Eligible<'_>) -> Result<Band> {
        let scorer = &self.part.scorer;
        let mut band = Band::default();
        let parts = scorer.boosts.len() + usize::from(scorer.decay.is_some());
        let most = BAND / parts.max(1);
        if let Some(decay) = &scorer.decay {
            band.unseen += self
                .top(decay.position, &decay.column, most, eligible, &mut band.slots)?
                .map_or(0.0, |slot| decay.at(slot));
        }
        for boost in &scorer.boosts {
            band.unseen += self
                .top(boost.position, &boost.column, most, eligible, &mut band.slots)?
                .map_or(0.0, |slot| boost.at(slot));
        }
        band.slots.sort_unstable();
        band.slots.dedup();
        Ok(band)
    }

    /// Adds the eligible slots of the largest values of a column, and those whose values were
    /// replaced. Returns the first that is left.
    fn top(
        &self,
        position: usize,
        column: &Column<'_>,
        most: usize,
        eligible: &Eligible<'_>,
        slots: &mut Vec<u32>,
    ) -> Result<Option<u32>> {
        slots.extend(column.replaced_slots().filter(|slot| eligible.contains(*slot)));
        let Some(ranked) = self.handle.segment.ranked(position)? else { return Ok(None) };
        let own = |slot: &u32| eligible.contains(*slot) && !column.is_replaced(*slot);
        let mut rest = ranked.descending().filter(own);
        slots.extend(rest.by_ref().take(most));
        Ok(rest.next())
    }
}

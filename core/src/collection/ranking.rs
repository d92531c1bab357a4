//! Searches of a segment by final scores: caps, decay and boosts.

use super::search::SegmentSearch;
use crate::config::Effort;
use crate::error::Result;
use crate::results::SearchCounters;
use crate::retrieval::{Asked, Band, Eligible, Hit, Order, Ranking, WalkScratch};
use crate::segment::{Column, Ranked};

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
        let ranked = self.ranked()?;
        let band = || self.band(&ranked, eligible);
        let ranking = Ranking {
            index: &index,
            rows: &segment.originals(),
            ids: self.part.ids,
            eligible,
            order,
            target,
            band: &band,
        };
        Ok(Some(asked.iter().map(|asked| ranking.run(*asked, scratch)).collect()))
    }

    /// The columns that add to scores, in descending order of what they add.
    fn ranked(&self) -> Result<Vec<Option<Ranked<'_>>>> {
        let scorer = &self.part.scorer;
        let decay = scorer.decay.iter().map(|decay| decay.position);
        let boosts = scorer.boosts.iter().map(|boost| boost.position);
        decay.chain(boosts).map(|position| self.handle.segment.ranked(position)).collect()
    }

    /// The points to which most is added.
    fn band<'b>(
        &'b self,
        ranked: &'b [Option<Ranked<'_>>],
        eligible: &'b Eligible<'_>,
    ) -> Band<'b> {
        let scorer = &self.part.scorer;
        let mut band = Band::default();
        let mut push = |at: usize, column: &'b Column<'_>, bonus: Box<dyn Fn(u32) -> f64 + 'b>| {
            let slots =
                ranked.get(at).into_iter().flatten().next().map_or(&[][..], Ranked::ascending);
            let replaced = column.replaced_slots().next().is_some();
            let all = eligible.count() == eligible.rows() as usize && !replaced;
            let own =
                move |slot: u32| eligible.contains(slot) && !(replaced && column.is_replaced(slot));
            let passes = (!all).then(|| Box::new(own) as Box<dyn Fn(u32) -> bool>);
            let loose = column.replaced_slots().filter(|slot| eligible.contains(*slot));
            band.push((slots, passes), bonus, loose);
        };
        let decays = usize::from(scorer.decay.is_some());
        if let Some(decay) = &scorer.decay {
            push(0, &decay.column, Box::new(|slot| decay.at(slot)));
        }
        for (at, boost) in scorer.boosts.iter().enumerate() {
            push(decays + at, &boost.column, Box::new(|slot| boost.at(slot)));
        }
        band
    }
}

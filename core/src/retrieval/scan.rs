//! Exact search: every eligible row is compared, or proved to be too far.

use std::ops::Range;

use super::eligible::Eligible;
use super::score::Scorer;
use super::top::{Hit, Top};
use crate::kernels::exact;
use crate::originals::Originals;

/// Offers the eligible slots of a range to `top`; returns how many rows were compared in full.
pub(crate) fn scan(
    query: &exact::Query,
    rows: &Originals<'_>,
    slots: Range<u32>,
    eligible: &Eligible<'_>,
    scorer: &Scorer<'_>,
    top: &mut Top<'_>,
) -> u64 {
    let mut compared = 0;
    eligible.for_each(slots, |slot| {
        let threshold = top.threshold();
        // The bound costs a pass over the row: worth it once most rows fall below.
        let hopeless =
            threshold > f64::NEG_INFINITY && query.bound(rows, slot) + scorer.most() < threshold;
        if hopeless {
            return;
        }
        compared += 1;
        let similarity = query.similarity(rows, slot);
        top.push(Hit { score: scorer.score(similarity, slot), similarity, slot });
    });
    compared
}

//! From a similarity to a score.

use crate::segment::Column;

/// Adds what decay asks for to a similarity.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scorer<'a> {
    /// The score is the similarity.
    Plain,
    /// Prefers what is fresh.
    Decay { column: Column<'a>, origin_us: i64, half_life_us: f64, weight: f64 },
}

impl Scorer<'_> {
    /// The score of a slot.
    pub(crate) fn score(&self, similarity: f64, slot: u32) -> f64 {
        match self {
            Self::Plain => similarity,
            Self::Decay { column, origin_us, half_life_us, weight } => {
                let Some(time) = column.i64(slot) else { return similarity };
                // As floats: the difference of two i64 may overflow.
                let age = (*origin_us as f64 - time as f64).max(0.0);
                similarity + weight * (-age / half_life_us).exp2()
            }
        }
    }

    /// The most that can be added to a similarity.
    pub(crate) fn most(&self) -> f64 {
        match self {
            Self::Plain => 0.0,
            Self::Decay { weight, .. } => *weight,
        }
    }
}

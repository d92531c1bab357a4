//! From a similarity to a score.

use crate::segment::Column;
use crate::types::AttributeType;

/// Adds to a similarity what the request asks for: the freshness of a point, and its attributes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scorer<'a> {
    pub(crate) decay: Option<Freshness<'a>>,
    pub(crate) boosts: Vec<Lift<'a>>,
}

/// Prefers what is fresh.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness<'a> {
    pub(crate) column: Column<'a>,
    pub(crate) position: usize,
    pub(crate) origin_us: i64,
    pub(crate) half_life_us: f64,
    pub(crate) weight: f64,
}

/// Prefers large values of an attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lift<'a> {
    pub(crate) column: Column<'a>,
    pub(crate) position: usize,
    pub(crate) weight: f64,
    pub(crate) log1p: bool,
    /// The scaled maximum of the column; nothing is added unless it is above zero.
    pub(crate) largest: f64,
}

impl Freshness<'_> {
    /// What is added for a time.
    fn of(&self, time: i64) -> f64 {
        // As floats: the difference of two i64 may overflow.
        let age = (self.origin_us as f64 - time as f64).max(0.0);
        self.weight * (-age / self.half_life_us).exp2()
    }

    /// What is added to a slot.
    pub(crate) fn at(&self, slot: u32) -> f64 {
        self.column.i64(slot).map_or(0.0, |time| self.of(time))
    }
}

/// A value as a boost takes it, before it is divided by the largest.
pub(crate) fn scaled(value: f64, log1p: bool) -> f64 {
    if log1p { value.max(0.0).ln_1p() } else { value }
}

/// The number of a slot.
pub(crate) fn number(column: &Column<'_>, slot: u32) -> Option<f64> {
    match column.kind() {
        AttributeType::F64 => column.f64(slot),
        _ => column.i64(slot).map(|value| value as f64),
    }
}

impl Lift<'_> {
    /// What is added to a slot.
    pub(crate) fn at(&self, slot: u32) -> f64 {
        let Some(value) = number(&self.column, slot).filter(|_| self.largest > 0.0) else {
            return 0.0;
        };
        let share = scaled(value, self.log1p) / self.largest;
        if share.is_nan() { 0.0 } else { self.weight * share.clamp(0.0, 1.0) }
    }
}

impl Scorer<'_> {
    /// Whether the score is the similarity.
    pub(crate) fn is_plain(&self) -> bool {
        self.decay.is_none() && self.boosts.is_empty()
    }

    /// What is added to the similarity of a slot.
    pub(crate) fn bonus(&self, slot: u32) -> f64 {
        let fresh = self.decay.as_ref().map_or(0.0, |decay| decay.at(slot));
        self.boosts.iter().fold(fresh, |sum, boost| sum + boost.at(slot))
    }

    /// The score of a slot.
    pub(crate) fn score(&self, similarity: f64, slot: u32) -> f64 {
        if self.is_plain() { similarity } else { similarity + self.bonus(slot) }
    }

    /// Divides what is added by a number above zero.
    pub(crate) fn divide(&mut self, by: f64) {
        for weight in self
            .decay
            .iter_mut()
            .map(|decay| &mut decay.weight)
            .chain(self.boosts.iter_mut().map(|boost| &mut boost.weight))
        {
            *weight /= by;
        }
    }

    /// The most that can be added to a similarity.
    pub(crate) fn most(&self) -> f64 {
        let fresh = self.decay.as_ref().map_or(0.0, |decay| decay.weight);
        self.boosts.iter().fold(fresh, |sum, boost| sum + boost.weight)
    }
}

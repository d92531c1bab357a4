//! An axis of a plot: a range a little wider than the values on it, linear or logarithmic, and
//! round numbers to mark.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// An axis; on a logarithmic one every value is above zero.
#[derive(Debug)]
pub struct Axis {
    range: Range<f64>,
    scale: fn(f64) -> f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis of recalls.
    pub fn recalls(values: impl Iterator<Item = f64>) -> Self {
        let Range { start, end } = bounds(values);
        let margin = (end - start).max(0.01) * 0.12;
        let range = start - margin..end + margin;
        let ticks = recall_ticks(&range);
        Self { range, scale: |recall| recall, ticks }
    }

    /// A logarithmic axis of rates.
    pub fn rates(values: impl Iterator<Item = f64>) -> Self {
        let Range { start, end } = bounds(values);
        let range = start / 1.5..end * 1.5;
        let ticks = rate_ticks(&range);
        Self { range, scale: f64::log10, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let [start, end, value] = [self.range.start, self.range.end, *value].map(self.scale);
        let share = (value - start) / (end - start);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> Range<f64> {
    let none = f64::INFINITY..f64::NEG_INFINITY;
    values.fold(none, |all, value| all.start.min(value)..all.end.max(value))
}

/// Three to seven round numbers of the range, none of them above 1.
fn recall_ticks(range: &Range<f64>) -> Vec<f64> {
    let rough = (range.end - range.start) / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|times| times * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power);
    // A tick that is a hair above 1 is 1.
    let (first, last) = ((range.start / step).ceil(), (range.end.min(1.0) / step + 1e-9).floor());
    (first as i64..=last as i64).map(|i| i as f64 * step).collect()
}

/// The powers of ten of the range, and twice and five times each.
fn rate_ticks(range: &Range<f64>) -> Vec<f64> {
    let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    powers
        .flat_map(|power| [1.0, 2.0, 5.0].map(|times| times * 10_f64.powi(power)))
        .filter(|tick| range.contains(tick))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ticks: &[f64]) -> String {
        ticks.iter().map(|tick| format!("{tick:.3}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_numbers_in_the_range() {
        assert_eq!(text(&recall_ticks(&(0.89..1.01))), "0.900 0.920 0.940 0.960 0.980 1.000");
        assert_eq!(text(&rate_ticks(&(900.0..6000.0))), "1000.000 2000.000 5000.000");
    }

    #[test]
    fn one_value_has_a_range_and_a_place_too() {
        let axis = Axis::recalls(std::iter::once(1.0));
        assert_eq!(axis.map(&1.0, (0, 100)), 50);
        assert!(!axis.ticks.is_empty(), "{axis:?}");
        assert_eq!(Axis::rates(std::iter::once(700.0)).map(&700.0, (0, 100)), 50);
    }
}

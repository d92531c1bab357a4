//! Slots of a column in the order of their values, so that the slots of a value, or of a range of
//! values, are found without reading the column. Made in memory when a filter first asks, and kept
//! as long as the segment is open.
//!
//! ```text
//!  order:  | slots of the least value | slots of the next | ...           ascending within a value
//!  marks:            ^ every STRIDE-th place: the slots before it, as a bitmap
//! ```
//!
//! The values of a range are next to each other in `order`. A long run is the difference of two
//! marks and what sticks out at its ends; a short one is read slot by slot. About 8 bytes a value.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::collections::HashMap;
use std::ops::Range;

use super::column::Values;
use super::{Column, Dictionary, NULL_CODE};
use crate::bitmap::Bitmap;
use crate::types::AttributeType;

/// Marks of a column.
const MARKS: usize = 32;
/// Columns of fewer values have none.
const STRIDE_MIN: usize = 2_048;

/// The order of a column's slots.
#[derive(Debug)]
pub(crate) struct Ranks {
    order: Vec<u32>,
    stride: usize,
    /// The slots before place `(i + 1) * stride`, or before the end. Not for lists, where a slot
    /// has several places.
    marks: Vec<Bitmap>,
    /// Keywords: where the slots of each code end.
    ends: Vec<u32>,
    /// Lists: codes of many slots.
    heavy: HashMap<u32, Bitmap>,
}

/// A number as an integer in the order of the numbers; both zeros are one.
pub(crate) fn float_key(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits() as i64;
    // Negative floats are in reverse order.
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

impl Ranks {
    /// Puts the slots of a column in order. Replaced values are not looked at.
    pub(crate) fn new(column: &Column<'_>, rows: u32) -> Self {
        match &column.values {
            Values::Keyword { codes, dictionary } => {
                let codes = codes.iter().map(|c| u32::from_le_bytes(*c)).zip(0..);
                let used = codes.filter(|(code, _)| *code != NULL_CODE);
                Self::of_codes(used, dictionary.len(), rows, true)
            }
            Values::KeywordList { offsets, codes, dictionary } => {
                let at = |slot: u32| offsets.get(slot as usize).map(|o| u64::from_le_bytes(*o));
                let items = |slot: u32| {
                    let range = at(slot).unwrap_or(0) as usize..at(slot + 1).unwrap_or(0) as usize;
                    let valid = column.is_valid(slot);
                    let codes = codes.get(range).filter(|_| valid).unwrap_or_default();
                    codes.iter().map(move |c| (u32::from_le_bytes(*c), slot))
                };
                Self::of_codes((0..rows).flat_map(items), dictionary.len(), rows, false)
            }
            Values::Number(_) => {
                let key = |slot| column.segment_key(slot).filter(|_| column.is_valid(slot));
                let mut sorted: Vec<(i64, u32)> =
                    (0..rows).filter_map(|slot| Some((key(slot)?, slot))).collect();
                sorted.sort_unstable();
                Self::of(sorted.into_iter().map(|(_, slot)| slot).collect(), Vec::new(), rows, true)
            }
            Values::Missing | Values::Bool(_) | Values::Text { .. } => {
                Self::of(Vec::new(), Vec::new(), rows, true)
            }
        }
    }

    /// Counts, then places: linear in the pairs of code and slot, which come slot by slot.
    fn of_codes(
        pairs: impl Iterator<Item = (u32, u32)> + Clone,
        codes: usize,
        rows: u32,
        single: bool,
    ) -> Self {
        let mut starts = vec![0_u32; codes + 1];
        for (code, _) in pairs.clone() {
            if let Some(count) = starts.get_mut(code as usize + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        let mut order = vec![0; before as usize];
        // Each start moves on to the end of its code.
        for (code, slot) in pairs {
            if let Some(next) = starts.get_mut(code as usize) {
                if let Some(place) = order.get_mut(*next as usize) {
                    *place = slot;
                }
                *next += 1;
            }
        }
        starts.truncate(codes);
        Self::of(order, starts, rows, single)
    }

    fn of(order: Vec<u32>, ends: Vec<u32>, rows: u32, single: bool) -> Self {
        let stride = order.len().div_ceil(MARKS).max(STRIDE_MIN);
        let mut ranks = Self { order, stride, marks: Vec::new(), ends, heavy: HashMap::new() };
        let mut so_far = Bitmap::none(rows);
        if single && ranks.order.len() > stride {
            for slots in ranks.order.chunks(stride) {
                so_far.extend(slots);
                ranks.marks.push(so_far.clone());
            }
        } else if !single {
            for code in 0..ranks.ends.len() as u32 {
                let slots = ranks.order.get(ranks.places(code..code + 1)).unwrap_or_default();
                if slots.len() > stride {
                    let mut bitmap = Bitmap::none(rows);
                    bitmap.extend(slots);
                    ranks.heavy.insert(code, bitmap);
                }
            }
        }
        ranks
    }

    /// Places of neighbouring codes.
    fn places(&self, codes: Range<u32>) -> Range<usize> {
        let end = |codes: u32| match codes.checked_sub(1) {
            Some(last) => {
                self.ends.get(last as usize).or(self.ends.last()).map_or(0, |e| *e as usize)
            }
            None => 0,
        };
        end(codes.start)..end(codes.end)
    }

    /// Adds the slots at these places.
    fn add(&self, places: Range<usize>, out: &mut Bitmap) {
        let (start, mut end) = (places.start, places.end.min(self.order.len()));
        let complete = self.marks.len();
        if start < end && complete > 0 {
            let first = start.div_ceil(self.stride);
            // The last mark is at the end, wherever that is.
            let last = if end == self.order.len() { complete } else { end / self.stride };
            if first < last {
                let before = first.checked_sub(1).and_then(|i| self.marks.get(i));
                match (self.marks.get(last - 1), before) {
                    (Some(mark), Some(before)) => out.unite_difference(mark, before),
                    (Some(mark), None) => out.unite(mark),
                    (None, _) => {}
                }
                let middle = first * self.stride..(last * self.stride).min(self.order.len());
                self.add_singly(middle.end..end, out);
                end = middle.start;
            }
        }
        self.add_singly(start..end, out);
    }

    fn add_singly(&self, places: Range<usize>, out: &mut Bitmap) {
        out.extend(self.order.get(places).unwrap_or_default());
    }
}

/// A column of a segment, as its bytes are, and the order of its slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranked<'a> {
    pub(super) column: Column<'a>,
    pub(super) ranks: &'a Ranks,
    pub(super) rows: u32,
}

impl<'a> Ranked<'a> {
    /// The slots that have a value.
    pub(crate) fn known(&self) -> Bitmap {
        match (&self.column.values, self.column.validity) {
            (Values::Missing, _) => Bitmap::none(self.rows),
            (Values::Keyword { .. }, _) => {
                let mut out = Bitmap::none(self.rows);
                self.ranks.add(0..self.ranks.order.len(), &mut out);
                out
            }
            (_, Some(words)) => Bitmap::from_words(self.rows, words),
            (_, None) => Bitmap::all(self.rows),
        }
    }

    /// The slots of numbers, the smallest first; what was replaced is not looked at.
    pub(crate) fn ascending(&self) -> &'a [u32] {
        &self.ranks.order
    }

    /// The slots of a `bool` that are true.
    pub(crate) fn trues(&self) -> Bitmap {
        let Values::Bool(words) = &self.column.values else { return Bitmap::none(self.rows) };
        let mut out = Bitmap::from_words(self.rows, words);
        if let Some(words) = self.column.validity {
            out.intersect(&Bitmap::from_words(self.rows, words));
        }
        out
    }

    /// The slots of numbers with keys from the first to the last of a range.
    pub(crate) fn keys(&self, ranges: &[(i64, i64)]) -> Bitmap {
        let mut out = Bitmap::none(self.rows);
        let key = |slot: &u32| self.column.segment_key(*slot).unwrap_or_default();
        for (from, to) in ranges {
            let start = self.ranks.order.partition_point(|slot| key(slot) < *from);
            let end = self.ranks.order.partition_point(|slot| key(slot) <= *to);
            self.ranks.add(start..end, &mut out);
        }
        out
    }

    /// The slots with any of these keywords.
    pub(crate) fn words(&self, words: &[String]) -> Bitmap {
        let dictionary = self.dictionary();
        let code = |word: &String| {
            let code = self.lower_bound(word);
            (dictionary?.get(code)? == word).then_some(code)
        };
        self.codes(words.iter().filter_map(code))
    }

    /// The slots with keywords between two, the first included and the second not, that pass.
    pub(crate) fn between(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        passes: Option<&dyn Fn(&str) -> bool>,
    ) -> Bitmap {
        let Some(dictionary) = self.dictionary() else { return Bitmap::none(self.rows) };
        let end = to.map_or(dictionary.len() as u32, |to| self.lower_bound(to));
        let codes = from.map_or(0, |from| self.lower_bound(from))..end;
        if let Some(passes) = passes {
            return self.codes(codes.filter(|c| dictionary.get(*c).is_some_and(passes)));
        }
        let mut out = Bitmap::none(self.rows);
        if codes.start < codes.end {
            self.ranks.add(self.ranks.places(codes), &mut out);
        }
        out
    }

    fn codes(&self, codes: impl Iterator<Item = u32>) -> Bitmap {
        let mut out = Bitmap::none(self.rows);
        for code in codes {
            match self.ranks.heavy.get(&code) {
                Some(slots) => out.unite(slots),
                None => self.ranks.add(self.ranks.places(code..code + 1), &mut out),
            }
        }
        out
    }

    fn dictionary(&self) -> Option<Dictionary<'a>> {
        match &self.column.values {
            Values::Keyword { dictionary, .. } | Values::KeywordList { dictionary, .. } => {
                Some(*dictionary)
            }
            _ => None,
        }
    }

    /// The first code whose keyword is not below this one.
    fn lower_bound(&self, word: &str) -> u32 {
        let Some(dictionary) = self.dictionary() else { return 0 };
        let (mut low, mut high) = (0, dictionary.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if dictionary.get(middle).is_some_and(|found| found < word) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Column<'_> {
    /// The key of a number of the segment, whether it is null or not.
    fn segment_key(&self, slot: u32) -> Option<i64> {
        let Values::Number(values) = &self.values else { return None };
        let bits = u64::from_le_bytes(*values.get(slot as usize)?);
        Some(match self.kind {
            AttributeType::F64 => float_key(f64::from_bits(bits)),
            _ => bits as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_their_order() {
        let values = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -f64::MIN_POSITIVE,
            0.0,
            f64::MIN_POSITIVE,
            1.5,
            f64::MAX,
            f64::INFINITY,
        ];
        assert!(values.map(float_key).is_sorted_by(|a, b| a < b));
        assert_eq!(float_key(-0.0), float_key(0.0));
        assert_eq!(float_key(1.0_f64.next_down()) + 1, float_key(1.0));
        assert_eq!(float_key((-1.0_f64).next_down()) + 1, float_key(-1.0));
    }

    /// A number that looks random.
    fn mix(i: u32) -> u32 {
        i.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519) >> 7
    }

    #[test]
    fn runs_of_any_length_are_exact() {
        for values in [10, 4_000, 100_000] {
            let mut order: Vec<u32> = (0..values).collect();
            order.sort_by_key(|i| mix(*i));
            let ranks = Ranks::of(order.clone(), Vec::new(), values, true);
            assert_eq!(ranks.marks.is_empty(), values as usize <= STRIDE_MIN);
            for i in 0..200 {
                let (a, b) = (mix(2 * i) % (values + 1), mix(2 * i + 1) % (values + 1));
                let places = match i {
                    0 => 0..values as usize,
                    1 => 0..0,
                    2 => 0..ranks.stride.min(values as usize),
                    3 => ranks.stride.min(values as usize)..values as usize,
                    _ => a.min(b) as usize..a.max(b) as usize,
                };
                let (mut found, mut expected) = (Bitmap::none(values), Bitmap::none(values));
                ranks.add(places.clone(), &mut found);
                let slots = order.get(places.clone()).unwrap_or_default();
                expected.extend(slots);
                assert_eq!(found, expected, "{places:?} of {values}");
            }
        }
    }

    #[test]
    fn slots_are_grouped_by_code() {
        // Slot i has items i % 3 and, if it is even, 4.
        let pairs = (0..20_000_u32).flat_map(|slot| {
            [(slot % 3, slot), (4, slot)].into_iter().take(if slot % 2 == 0 { 2 } else { 1 })
        });
        let ranks = Ranks::of_codes(pairs, 5, 20_000, false);
        assert_eq!(ranks.ends, [6_667, 13_334, 20_000, 20_000, 30_000]);
        assert_eq!(ranks.heavy.len(), 4);
        assert_eq!(ranks.heavy[&4].count(), 10_000);
        let mut out = Bitmap::none(20_000);
        ranks.add(ranks.places(1..2), &mut out);
        assert!(out.iter(0..20_000).eq((1..20_000).step_by(3)));
    }
}

//! Numbers of any size against columns of 64 bits, exactly.
//!
//! A column's values have *keys*: integers in the order of the values. `i64` and timestamps are
//! their own keys, floats are mapped. A literal lies at a key or between two, and every comparison
//! becomes a range of keys.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

/// How a column compares with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Order {
    /// The same with the sides swapped.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::Equal => Self::Equal,
            Self::AtLeast => Self::AtMost,
            Self::More => Self::Less,
        }
    }
}

/// A place among keys: at `floor`, or above it and below the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) floor: i128,
    pub(super) exact: bool,
}

/// First and last key of a range.
pub(super) type Keys = (i64, i64);

impl Mark {
    pub(super) fn at(key: i128) -> Self {
        Self { floor: key, exact: true }
    }

    /// Further up by so much.
    pub(super) fn plus(self, more: i128) -> Self {
        Self { floor: self.floor.saturating_add(more), ..self }
    }

    /// The keys on this side of the mark; `None` if there are none.
    pub(super) fn keys(self, order: Order) -> Option<Keys> {
        let Self { floor, exact } = self;
        let (lowest, highest) = (i128::from(i64::MIN), i128::from(i64::MAX));
        let (from, to) = match order {
            Order::Equal if exact => (floor, floor),
            Order::Equal => return None,
            Order::Less if exact => (lowest, floor.saturating_sub(1)),
            Order::Less | Order::AtMost => (lowest, floor),
            Order::AtLeast if exact => (floor, highest),
            Order::AtLeast | Order::More => (floor.saturating_add(1), highest),
        };
        let (from, to) = (from.max(lowest), to.min(highest));
        (from <= to).then_some((from as i64, to as i64))
    }
}

/// Ranges of keys, ascending, none touching the next.
pub(super) fn merged(mut ranges: Vec<Keys>) -> Vec<Keys> {
    ranges.sort_unstable();
    let mut merged: Vec<Keys> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match merged.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Whether a key lies in one of these ranges, which are ascending.
pub(super) fn covers(ranges: &[Keys], key: i64) -> bool {
    let next = ranges.partition_point(|(_, to)| *to < key);
    ranges.get(next).is_some_and(|(from, _)| *from <= key)
}

/// A number as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    /// Digits, maybe a point, maybe an exponent.
    pub(super) digits: String,
}

/// Decimal digits that fit an `i128` for sure.
const DIGITS: usize = 38;

impl Number {
    /// Where it lies among integers. Beyond 38 digits: below or above all.
    pub(super) fn among_integers(&self) -> Option<Mark> {
        let (mantissa, exponent) = match self.digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, saturating(exponent)?),
            None => (&*self.digits, 0),
        };
        let (whole, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(rest.bytes()).collect();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = all.iter().take_while(|d| **d == b'0').count();
        let digits = all.get(zeros..).unwrap_or_default();
        // Digits before the point; those in front of the first are zeros.
        let point = whole.len() as i64 - zeros as i64 + exponent;
        if digits.is_empty() {
            return Some(Mark::at(0));
        }
        let (size, fraction) = if point > DIGITS as i64 {
            (i128::MAX / 2, false)
        } else {
            let point = point.max(0) as usize;
            let (front, back) = digits.split_at(point.min(digits.len()));
            let mut size = front.iter().fold(0_i128, |n, d| n * 10 + i128::from(d - b'0'));
            for _ in front.len()..point {
                size *= 10;
            }
            (size, back.iter().any(|d| *d != b'0'))
        };
        let floor = if self.negative { -size - i128::from(fraction) } else { size };
        Some(Mark { floor, exact: !fraction })
    }

    /// Where it lies among the keys of floats. An integer counts exactly, another number as the
    /// float that is nearest to it, as when it was stored.
    pub(super) fn among_floats(&self) -> Option<Mark> {
        let nearest: f64 = self.digits.parse().ok()?;
        let nearest = if self.negative { -nearest } else { nearest };
        let key = |value| i128::from(float_key(value));
        let whole = self.digits.bytes().all(|d| d.is_ascii_digit());
        let small = self.digits.trim_start_matches('0').len() <= DIGITS;
        match self.among_integers() {
            Some(Mark { floor, .. }) if whole && small => {
                // Below 2^127, as it has at most 38 digits.
                let back = nearest as i128;
                let below = if back > floor { nearest.next_down() } else { nearest };
                Some(Mark { floor: key(below), exact: back == floor })
            }
            _ => Some(Mark::at(key(nearest))),
        }
    }
}

/// A small integer; a large one as far as it goes.
fn saturating(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.is_empty() || !digits.bytes().all(|d| d.is_ascii_digit()) {
        return None;
    }
    let size: i64 = digits.parse().unwrap_or(i64::MAX).min(1_000_000);
    Some(if text.starts_with('-') { -size } else { size })
}

pub(super) use crate::segment::float_key;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        let digits = text.trim_start_matches('-');
        Number { negative: digits.len() < text.len(), digits: digits.to_owned() }
    }

    #[test]
    fn numbers_lie_at_integers_or_between() {
        let at = |text| number(text).among_integers().map(|m| (m.floor, m.exact));
        assert_eq!(at("0"), Some((0, true)));
        assert_eq!(at("-0.0"), Some((0, true)));
        assert_eq!(at("1.50"), Some((1, false)));
        assert_eq!(at("-1.5"), Some((-2, false)));
        assert_eq!(at(".5e1"), Some((5, true)));
        assert_eq!(at("12e-1"), Some((1, false)));
        assert_eq!(at("1e3"), Some((1000, true)));
        assert_eq!(at("0001.000"), Some((1, true)));
        assert_eq!(at("1e-999999999999"), Some((0, false)));
        assert_eq!(at("-1e-9"), Some((-1, false)));
        assert_eq!(at("99999999999999999999"), Some((99_999_999_999_999_999_999, true)));
        assert!(at("1e999").unwrap().0 > i128::from(u64::MAX));
        assert!(at("-1e999").unwrap().0 < i128::from(i64::MIN));
        assert_eq!((at("1e"), at(""), at("."), at("1x")), (None, None, None, None));
    }

    #[test]
    fn comparisons_are_ranges() {
        let keys = |text: &str, order| number(text).among_integers().unwrap().keys(order);
        assert_eq!(keys("5", Order::Less), Some((i64::MIN, 4)));
        assert_eq!(keys("5.5", Order::Less), Some((i64::MIN, 5)));
        assert_eq!(keys("5.5", Order::AtLeast), Some((6, i64::MAX)));
        assert_eq!(keys("5.5", Order::Equal), None);
        assert_eq!(keys("9223372036854775807", Order::More), None);
        assert_eq!(keys("9223372036854775808", Order::Less), Some((i64::MIN, i64::MAX)));
        assert_eq!(keys("9223372036854775808", Order::Equal), None);
        assert_eq!(keys("-9223372036854775809", Order::More), Some((i64::MIN, i64::MAX)));
        assert_eq!(merged(vec![(5, 9), (1, 4), (20, 30), (25, 26)]), [(1, 9), (20, 30)]);
        let ranges = [(1, 9), (20, 30)];
        let inside: Vec<i64> = (0..40).filter(|k| covers(&ranges, *k)).collect();
        assert_eq!(inside, (1..10).chain(20..31).collect::<Vec<_>>());
    }

    #[test]
    fn integers_beyond_floats_compare_exactly() {
        let mark = |text| number(text).among_floats().unwrap();
        let two_53 = i128::from(float_key(9_007_199_254_740_992.0));
        assert_eq!(mark("9007199254740992"), Mark::at(two_53));
        assert_eq!(mark("9007199254740993"), Mark { floor: two_53, exact: false });
        assert_eq!(mark("9007199254740995"), Mark { floor: two_53 + 1, exact: false });
        assert_eq!(mark("-9007199254740993"), {
            let below = i128::from(float_key(-9_007_199_254_740_994.0));
            Mark { floor: below, exact: false }
        });
        assert_eq!(mark("0.1"), Mark::at(i128::from(float_key(0.1))));
        assert_eq!(mark("1e400").floor, i128::from(float_key(f64::INFINITY)));
        assert_eq!(mark("-0").floor, 0);
    }
}

//! Moments and spans of time in words: `2013-08-19 14:15:23.5+02:00`, `7 days 12 hours`.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::number::Mark;

const SECOND: i128 = 1_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// Takes text from the front.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// A number of exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i128> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.bytes().all(|d| d.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    fn skip(&mut self, symbol: char) -> bool {
        let rest = self.0.strip_prefix(symbol);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// Microseconds since 1970 in UTC; without a zone the text is in UTC. Digits beyond microseconds
/// count.
pub(super) fn moment(text: &str) -> Option<Mark> {
    let mut text = Reader(text.trim());
    let year = text.digits(4)?;
    let month = text.skip('-').then(|| text.digits(2)).flatten()?;
    let day = text.skip('-').then(|| text.digits(2)).flatten()?;
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let date = days_since_1970(year, month, day) * DAY;
    if text.0.is_empty() {
        return Some(Mark::at(date));
    }
    if !(text.skip('T') || text.skip(' ') || text.skip('t')) {
        return None;
    }
    let hour = text.digits(2)?;
    let minute = text.skip(':').then(|| text.digits(2)).flatten()?;
    let mut second = 0;
    let mut fraction = Mark::at(0);
    if text.skip(':') {
        second = text.digits(2)?;
        if text.skip('.') {
            fraction = microseconds(&mut text)?;
        }
    }
    // A leap second counts as the next one.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = zone(text.0)?;
    Some(fraction.plus(date + hour * HOUR + minute * MINUTE + second * SECOND - zone))
}

fn microseconds(text: &mut Reader<'_>) -> Option<Mark> {
    let count = text.0.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.0.split_at_checked(count)?;
    text.0 = rest;
    if digits.is_empty() {
        return None;
    }
    let (kept, lost) = digits.split_at_checked(6).unwrap_or((digits, ""));
    let scale = 10_i128.pow(6 - kept.len() as u32);
    let exact = lost.bytes().all(|d| d == b'0');
    Some(Mark { floor: kept.parse::<i128>().ok()? * scale, exact })
}

/// How far ahead of UTC.
fn zone(text: &str) -> Option<i128> {
    let text = text.trim_start();
    if text.is_empty() || ["Z", "z", "UTC"].contains(&text) {
        return Some(0);
    }
    let mut text = Reader(text);
    let ahead = text.skip('+');
    if !ahead && !text.skip('-') {
        return None;
    }
    let hours = text.digits(2)?;
    let minutes = if text.0.is_empty() {
        0
    } else {
        text.skip(':');
        text.digits(2)?
    };
    let offset = hours * HOUR + minutes * MINUTE;
    let sound = text.0.is_empty() && hours < 24 && minutes < 60;
    sound.then_some(if ahead { offset } else { -offset })
}

fn days_of(year: i128, month: i128) -> i128 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i128::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Of the Gregorian calendar, also before it began.
fn days_since_1970(year: i128, month: i128, day: i128) -> i128 {
    // Years begin in March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The span of `7 days 12 hours`, in microseconds.
pub(super) fn span(text: &str) -> Option<i128> {
    let mut total = 0;
    let mut words = text.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        // "7 days" or "7days".
        let split = word.find(|c: char| c.is_alphabetic()).unwrap_or(word.len());
        let (count, unit) = word.split_at_checked(split)?;
        let unit = if unit.is_empty() { words.next()? } else { unit };
        let count: i64 = count.parse().ok()?;
        total += i128::from(count) * unit_of(unit)?;
    }
    Some(total)
}

/// A unit in microseconds. Months and years have no fixed length.
pub(super) fn unit_of(unit: &str) -> Option<i128> {
    let unit = unit.to_lowercase();
    Some(match &*unit {
        "us" | "microsecond" | "microseconds" => 1,
        "ms" | "millisecond" | "milliseconds" => 1_000,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_every_spelling() {
        let us = 1_376_921_723_000_000;
        for text in [
            "2013-08-19 14:15:23",
            "2013-08-19T14:15:23Z",
            " 2013-08-19T14:15:23.000 ",
            "2013-08-19 16:15:23+02:00",
            "2013-08-19 16:15:23 +0200",
            "2013-08-19 16:15:23+02",
            "2013-08-19 10:45:23-03:30",
            "2013-08-19 14:15:23 UTC",
        ] {
            assert_eq!(moment(text), Some(Mark::at(us)), "{text}");
        }
        assert_eq!(moment("2013-08-19 14:15:23.5"), Some(Mark::at(us + 500_000)));
        let between = moment("2013-08-19 14:15:23.0000015").unwrap();
        assert_eq!(between, Mark { floor: us + 1, exact: false });
        assert_eq!(moment("1970-01-01"), Some(Mark::at(0)));
        assert_eq!(moment("1969-12-31 23:59:59.999999"), Some(Mark::at(-1)));
        assert_eq!(moment("2000-02-29 00:00"), Some(Mark::at(951_782_400_000_000)));
        assert_eq!(moment("0001-01-01"), Some(Mark::at(-62_135_596_800_000_000)));
        assert_eq!(moment("9999-12-31"), Some(Mark::at(253_402_214_400_000_000)));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "yesterday",
            "2013",
            "2013-08",
            "2013-13-01",
            "2013-02-29",
            "2013-00-10",
            "2013-08-32",
            "13-08-19",
            "2013-08-19 24:00:00",
            "2013-08-19 14:60",
            "2013-08-19 14",
            "2013-08-19 14:15:23.",
            "2013-08-19 14:15:23 CET",
            "2013-08-19 14:15:23+2",
            "2013-08-19x",
            "2013-08-1ä",
            "+013-08-19",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn spans_have_units() {
        assert_eq!(span("7 days"), Some(7 * DAY));
        assert_eq!(span("1 day 12 hours"), Some(DAY + 12 * HOUR));
        assert_eq!(span("90min"), Some(90 * MINUTE));
        assert_eq!(span("-1 week"), Some(-7 * DAY));
        assert_eq!(span("1 s"), Some(SECOND));
        assert_eq!(span("250 ms 3 us"), Some(250_003));
        assert_eq!(span("6h"), Some(6 * HOUR));
        for text in ["", "7", "days", "7 months", "1 year", "1.5 days", "7 m", "x days", "1 day 2"]
        {
            assert_eq!(span(text), None, "{text}");
        }
    }
}

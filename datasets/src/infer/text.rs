//! Whether strings are labels or prose, from a sample.

use std::collections::HashSet;

use arrow_array::{Array, ArrayRef, LargeStringArray, StringArray, StringViewArray};

/// Rows looked at.
const SAMPLE_ROWS: usize = 4096;
/// Strings of at most this are labels, repeated or not.
const SHORT_BYTES: usize = 32;
/// Longer ones are prose, repeated or not.
const LABEL_BYTES_MAX: usize = 256;

/// Whether a column of strings is to be a `keyword`; see [`crate::infer()`] for the rule.
pub(crate) fn is_keyword(column: &ArrayRef) -> bool {
    let any = column.as_any();
    if let Some(strings) = any.downcast_ref::<StringArray>() {
        return labels(strings.iter());
    }
    if let Some(strings) = any.downcast_ref::<LargeStringArray>() {
        return labels(strings.iter());
    }
    any.downcast_ref::<StringViewArray>().is_none_or(|strings| labels(strings.iter()))
}

fn labels<'a>(values: impl Iterator<Item = Option<&'a str>>) -> bool {
    let (mut count, mut longest, mut distinct) = (0usize, 0usize, HashSet::new());
    for value in values.take(SAMPLE_ROWS).flatten() {
        count += 1;
        longest = longest.max(value.len());
        distinct.insert(value);
    }
    longest <= SHORT_BYTES || (longest <= LABEL_BYTES_MAX && 2 * distinct.len() <= count)
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn short_or_repeated_strings_are_labels() {
        let long = "x".repeat(100);
        let prose = "x".repeat(300);
        assert!(labels([Some("a"), Some("b"), None].into_iter()));
        assert!(labels([None, None].into_iter()));
        assert!(labels([Some(long.as_str()), Some(long.as_str())].into_iter()));
        assert!(!labels([Some(long.as_str()), Some("b"), None].into_iter()));
        assert!(!labels([Some(prose.as_str()); 9].into_iter()));
    }
}

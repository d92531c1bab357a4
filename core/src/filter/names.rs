//! The name that was probably meant.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

/// The nearest of some names: the same but for case, or a few letters away.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let near = names.map(|other| (distance(&wanted, &other.to_lowercase()), other));
    let (distance, other) = near.min_by_key(|(distance, _)| *distance)?;
    let most = (wanted.chars().count() / 3).clamp(1, 3);
    (distance <= most).then_some(other)
}

/// Letters to insert, drop, replace or swap with the next to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(128).collect(), b.chars().collect());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut least = at(&last, j) + usize::from(x != y);
            least = least.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let crossed = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if crossed {
                least = least.min(at(&before_last, j - 1) + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["subreddit", "score", "created_utc", "ups"];
        let nearest = |name| nearest(name, names.into_iter());
        assert_eq!(nearest("subredit"), Some("subreddit"));
        assert_eq!(nearest("SCORE"), Some("score"));
        assert_eq!(nearest("socre"), Some("score"));
        assert_eq!(nearest("created"), None);
        assert_eq!(nearest("up"), Some("ups"));
        assert_eq!(nearest("author"), None);
        assert_eq!(super::nearest("a", std::iter::empty()), None);
    }
}

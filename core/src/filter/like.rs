//! Patterns of LIKE: `%` is any text, `_` any one character.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

/// A pattern, in pieces between the `%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Characters and, as `None`, any one.
    pieces: Vec<Vec<Option<char>>>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let piece = |piece: &str| piece.chars().map(|c| (c != '_').then_some(c)).collect();
        Self { pieces: text.split('%').map(piece).collect() }
    }

    /// What every match begins with.
    pub(super) fn prefix(&self) -> String {
        let first = self.pieces.first().map(Vec::as_slice).unwrap_or_default();
        first.iter().map_while(|c| *c).collect()
    }

    /// Whether the whole of a text matches, capitals and small letters apart.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((last, front)) = self.pieces.split_last() else { return text.is_empty() };
        let Some((first, middle)) = front.split_first() else {
            return begins(last, text) == Some("");
        };
        let Some(mut rest) = begins(first, text) else { return false };
        for piece in middle {
            // The first place is as good as any later one.
            let Some(found) = find(piece, rest) else { return false };
            rest = found;
        }
        let length = last.len();
        let count = rest.chars().count();
        let Some(skipped) = count.checked_sub(length) else { return false };
        let tail = rest.char_indices().nth(skipped).map_or("", |(at, _)| &rest[at..]);
        begins(last, tail) == Some("")
    }
}

/// What follows a piece at the front of a text.
fn begins<'a>(piece: &[Option<char>], text: &'a str) -> Option<&'a str> {
    let mut chars = text.chars();
    for wanted in piece {
        let found = chars.next()?;
        if wanted.is_some_and(|wanted| wanted != found) {
            return None;
        }
    }
    Some(chars.as_str())
}

/// What follows the first occurrence of a piece.
fn find<'a>(piece: &[Option<char>], text: &'a str) -> Option<&'a str> {
    let mut chars = text.chars();
    loop {
        if let Some(rest) = begins(piece, chars.as_str()) {
            return Some(rest);
        }
        chars.next()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the definition says, in exponential time.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
            Some((c, rest)) => text
                .split_first()
                .is_some_and(|(t, tail)| (*c == '_' || c == t) && slow(rest, tail)),
        }
    }

    #[test]
    fn matches_as_defined() {
        let words = |letters: &[char], longest: u32| {
            let mut words = vec![String::new()];
            for length in 1..=longest {
                let before: Vec<String> = words
                    .iter()
                    .filter(|w| w.chars().count() as u32 == length - 1)
                    .cloned()
                    .collect();
                words.extend(
                    before.iter().flat_map(|w| letters.iter().map(move |c| format!("{w}{c}"))),
                );
            }
            words
        };
        let texts = words(&['a', 'ß'], 4);
        for pattern in words(&['a', 'ß', '%', '_'], 4) {
            let compiled = Pattern::new(&pattern);
            let chars: Vec<char> = pattern.chars().collect();
            for text in &texts {
                let expected = slow(&chars, &text.chars().collect::<Vec<_>>());
                assert_eq!(compiled.matches(text), expected, "{text:?} LIKE {pattern:?}");
                assert!(!expected || text.starts_with(&compiled.prefix()));
            }
        }
        assert!(!Pattern::new("abc").matches("ABC"));
        assert_eq!(Pattern::new("ab_c%").prefix(), "ab");
    }
}

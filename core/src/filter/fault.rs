//! What is wrong with a filter, and how it is shown: the line of the text with carets under the
//! words that it is about.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use sqlparser::tokenizer::{Location, Span};

use crate::error::Error;

/// Most characters of the text that a message shows, and how many of them before the carets.
const SHOWN: usize = 96;
const BEFORE: usize = 32;

/// What is wrong, and where.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Empty: the whole text, or its end.
    span: Span,
    message: String,
}

/// A result of this module.
pub(super) type Checked<T> = Result<T, Fault>;

impl Fault {
    /// A fault in the words of a span.
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    /// What was expected where something else stands.
    pub(super) fn expected(span: Span, expected: &str, found: impl AsRef<str>) -> Self {
        Self::new(span, format!("expected {expected}, found {}", found.as_ref()))
    }

    /// The error for this text.
    pub(super) fn of(self, text: &str) -> Error {
        let Span { start, end } = self.span;
        let lines: Vec<&str> = text.split('\n').collect();
        let (line, first, last) = if start.line == 0 || lines.len() < start.line as usize {
            // Nothing in particular: the first line.
            let line = lines.first().copied().unwrap_or_default();
            (line, 0, line.chars().count())
        } else {
            let line = lines.get(start.line as usize - 1).copied().unwrap_or_default();
            let length = line.chars().count();
            let first = (start.column.max(1) as usize - 1).min(length);
            let last = if end.line == start.line { end.column as usize } else { usize::MAX };
            (line, first, last.saturating_sub(1).min(length))
        };
        // It may quote the text.
        let message = self.message.chars().map(visible).collect();
        Error::Filter { message, excerpt: excerpt(line, first, last) }
    }
}

/// A character that leaves the line whole.
fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// The line, cut to a window around the carets, and the carets.
fn excerpt(line: &str, first: usize, last: usize) -> String {
    let chars: Vec<char> = line.trim_end().chars().collect();
    let start = if chars.len() <= SHOWN { 0 } else { first.saturating_sub(BEFORE) };
    let end = chars.len().min(start + SHOWN);
    let shown = chars.get(start..end).unwrap_or_default().iter().copied();
    let shown: String = shown.map(visible).collect();
    let lead = if start > 0 { "... " } else { "" };
    let tail = if end < chars.len() { " ..." } else { "" };
    let indent = " ".repeat(lead.len() + first.saturating_sub(start));
    let carets = "^".repeat(last.min(end).saturating_sub(first).max(1));
    format!("  {lead}{shown}{tail}\n  {indent}{carets}")
}

/// The place behind the last character.
pub(super) fn end_of(text: &str) -> Span {
    let text = text.trim_end();
    let line = text.matches('\n').count() as u64 + 1;
    let column = text.rsplit('\n').next().map_or(0, |line| line.chars().count()) as u64 + 1;
    let at = Location { line, column };
    Span::new(at, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: u64, columns: (u64, u64)) -> String {
        let at = |column| Location { line, column };
        let span = Span::new(at(columns.0), at(columns.1));
        Fault::new(span, "expected x, found y").of(text).to_string()
    }

    #[test]
    fn carets_stand_under_the_words() {
        let expected = "filter: expected x, found y\n  a = 1\tAND b\n  ^";
        assert_eq!(shown("a = 1\tAND b", 1, (1, 2)), expected.replace('\t', " "));
        let second = shown("ä = 1 AND\n  böse > 2", 2, (3, 7));
        assert_eq!(second, "filter: expected x, found y\n    böse > 2\n    ^^^^");
        // Beyond what there is.
        assert!(shown("a", 9, (7, 9)).ends_with("\n  a\n  ^"));
        assert!(shown("", 1, (1, 1)).ends_with("\n  \n  ^"));
    }

    #[test]
    fn long_texts_are_cut_around_the_carets() {
        let text = format!("{}WRONG{}", "x".repeat(5_000), "y".repeat(5_000));
        let shown = shown(&text, 1, (5_001, 5_006));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1].len(), 2 + 4 + SHOWN + 4);
        assert_eq!(lines[1].find("WRONG"), lines[2].find("^^^^^"));
        assert_eq!(lines[2].trim(), "^^^^^");
    }
}

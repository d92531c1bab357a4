//! When a call is made again: only where that can't do what its caller didn't ask for.

use std::time::Duration;

use tonic::Code;

use crate::Error;

/// How often and when a call is made again.
///
/// Reads are made again when the server can't be reached or is full. Writes only when the server
/// says that it did not begin: of a write whose answer was lost nobody knows whether it happened,
/// and what another client wrote since would be written over. Ingest knows, and goes on.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Attempts in all; 1 is never again.
    pub attempts: u32,
    /// The pause before the second; each is twice the one before.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        Self { attempts: 7, first, longest }
    }
}

impl Retry {
    /// The pause after an attempt that failed so, the first is 1; `None`: no other is made.
    pub(crate) fn after(&self, attempt: u32, error: &Error, safe: bool) -> Option<Duration> {
        // The server refuses so before it does anything.
        let not_begun = matches!(error.reason(), "FULL" | "STOPPING");
        let away = error.code() == Some(Code::Unavailable) && error.reason() != "CLOSED";
        if attempt >= self.attempts || !(not_begun || safe && away) {
            return None;
        }
        let grown = self.first.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest);
        Some(grown.max(error.retry_after().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn writes_are_not_repeated_where_nobody_knows() {
        let retry = Retry::default();
        let gone = Error::from(Status::unavailable("gone"));
        assert_eq!(retry.after(1, &gone, true), Some(Duration::from_millis(50)));
        assert_eq!(retry.after(3, &gone, true), Some(Duration::from_millis(200)));
        assert_eq!(retry.after(7, &gone, true), None);
        assert_eq!(retry.after(1, &gone, false), None);
        let bad = Error::from(Status::invalid_argument("k"));
        assert_eq!(retry.after(1, &bad, true), None);
        let full = Error::Refused {
            code: Code::ResourceExhausted,
            reason: "FULL".into(),
            field: None,
            message: "the server is full".into(),
            retry_after: Some(Duration::from_millis(70)),
        };
        assert_eq!(retry.after(1, &full, false), Some(Duration::from_millis(70)));
    }
}

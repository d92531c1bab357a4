//! What a call came to that failed.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked can't be; the server says so, or would.
    #[error("{message}")]
    Refused {
        /// The status.
        code: Code,
        /// A word for machines, such as `DIMENSION_MISMATCH`.
        reason: String,
        /// The field of the request, where it is one.
        field: Option<String>,
        /// What was expected, what was found, what to do.
        message: String,
        /// After how long to try again, where that may help.
        retry_after: Option<Duration>,
    },
    /// The server can't be reached, or the connection broke off.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// An address, a header or a certificate that can't be used.
    #[error("{0}")]
    Setup(String),
    /// The server said what it never says.
    #[error("unexpected answer: {0}")]
    Answer(&'static str),
}

impl Error {
    /// The status, where the server gave one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Unreachable(_) => Some(Code::Unavailable),
            Self::Setup(_) | Self::Answer(_) => None,
        }
    }

    /// The server's word for machines; empty where it said none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused { reason, .. } => reason,
            _ => "",
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let info = status.get_details_error_info();
        if info.is_none() && is_late(&status) {
            let message = "the deadline of the call passed; allow more time".to_owned();
            let (code, reason) = (Code::DeadlineExceeded, "DEADLINE".to_owned());
            return Self::Refused { code, reason, field: None, message, retry_after: None };
        }
        // What the transport itself says has a cause; what the server says came as a message.
        let transport = std::error::Error::source(&status).is_some();
        if info.is_none() && (transport || status.code() == Code::Unavailable) {
            return Self::Unreachable(status.message().to_owned());
        }
        let field = status.get_details_bad_request();
        let field = field.and_then(|bad| Some(bad.field_violations.into_iter().next()?.field));
        Self::Refused {
            code: status.code(),
            reason: info.map(|info| info.reason).unwrap_or_default(),
            field,
            message: status.message().to_owned(),
            retry_after: status.get_details_retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// Whether this side gave the call up.
fn is_late(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        Self::Unreachable(text)
    }
}

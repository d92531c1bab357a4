//! Errors of the library as gRPC statuses: one table. Every status has an `ErrorInfo` of the domain
//! `nearfield`, whose reason is a word for machines; a value that can't be used has a `BadRequest`
//! with the field; what may be tried again has a `RetryInfo`.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::Duration;

use nearfield::Error;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "nearfield";

/// After this long a full server has room again, most likely.
pub const RETRY_FULL: Duration = Duration::from_millis(50);
/// After this long a server that restarts is back, most likely.
pub const RETRY_AWAY: Duration = Duration::from_secs(1);

/// The status of an error; the message is the error's own.
pub fn status(error: &Error) -> Status {
    let (code, reason) = kind(error);
    let mut details = info(reason);
    match error {
        Error::InvalidArgument { argument, .. } | Error::DimensionMismatch { argument, .. } => {
            details.add_bad_request_violation(argument, error.to_string());
        }
        Error::Filter { .. } => {
            details.add_bad_request_violation("where", error.to_string());
        }
        Error::SpaceMismatch { .. } => {
            details.add_bad_request_violation("space", error.to_string());
        }
        Error::NotFound { what, id } => {
            details.set_resource_info(*what, id, "", "");
        }
        _ if code == Code::Unavailable => {
            details.set_retry_info(Some(RETRY_AWAY));
        }
        _ => {}
    }
    match code {
        Code::Internal | Code::DataLoss => tracing::error!(%error, reason, "a call failed"),
        Code::Unavailable => tracing::warn!(%error, reason, "a call failed"),
        _ => {}
    }
    let message = match error {
        // Paths of the server are its own matter.
        Error::Io { operation, source, .. } => format!("cannot {operation}: {}", source.kind()),
        error => error.to_string(),
    };
    with(code, message, details)
}

fn kind(error: &Error) -> (Code, &'static str) {
    match error {
        Error::InvalidArgument { .. } => (Code::InvalidArgument, "INVALID_ARGUMENT"),
        Error::DimensionMismatch { .. } => (Code::InvalidArgument, "DIMENSION_MISMATCH"),
        Error::Filter { .. } => (Code::InvalidArgument, "FILTER"),
        Error::SpaceMismatch { .. } => (Code::InvalidArgument, "SPACE_MISMATCH"),
        Error::NotFound { .. } => (Code::NotFound, "NOT_FOUND"),
        Error::CollectionNotFound { .. } => (Code::NotFound, "COLLECTION_NOT_FOUND"),
        Error::AlreadyExists { .. } => (Code::AlreadyExists, "ALREADY_EXISTS"),
        Error::ReadOnly { .. } => (Code::FailedPrecondition, "READ_ONLY"),
        Error::UnsupportedVersion { .. } => (Code::FailedPrecondition, "UNSUPPORTED_VERSION"),
        Error::Poisoned { .. } => (Code::FailedPrecondition, "POISONED"),
        Error::Locked { .. } => (Code::Unavailable, "LOCKED"),
        Error::Closed { .. } => (Code::Unavailable, "CLOSED"),
        Error::Corruption { .. } => (Code::DataLoss, "CORRUPTION"),
        Error::Deadline { .. } => (Code::DeadlineExceeded, "DEADLINE"),
        Error::Interrupted { .. } => (Code::Cancelled, "INTERRUPTED"),
        Error::ResourceLimit { .. } => (Code::ResourceExhausted, "RESOURCE_LIMIT"),
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                (Code::ResourceExhausted, "DISK_FULL")
            }
            ErrorKind::ReadOnlyFilesystem => (Code::FailedPrecondition, "READ_ONLY"),
            _ => (Code::Unavailable, "DISK"),
        },
        // What a later version of the library may add.
        _ => (Code::Internal, "INTERNAL"),
    }
}

fn info(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

fn with(code: Code, message: impl Into<String>, details: ErrorDetails) -> Status {
    Status::with_error_details(code, message, details)
}

/// A status with a reason.
pub fn refused(code: Code, reason: &str, message: impl Into<String>) -> Status {
    with(code, message, info(reason))
}

/// A field of a message that can't be used.
pub fn bad_field(field: &str, message: impl Into<String>) -> Status {
    let message = message.into();
    let mut details = info("INVALID_ARGUMENT");
    details.add_bad_request_violation(field, &message);
    with(Code::InvalidArgument, format!("{field}: {message}"), details)
}

/// A status that says when to try again, as a `RetryInfo` and in the header `retry-after-ms`.
pub fn retry(code: Code, reason: &str, message: impl Into<String>, after: Duration) -> Status {
    let mut details = info(reason);
    details.set_retry_info(Some(after));
    let mut metadata = MetadataMap::new();
    metadata.insert("retry-after-ms", (after.as_millis() as u64).into());
    Status::with_error_details_and_metadata(code, message, details, metadata)
}

/// What a request came to that the transport could not read: the client's fault, whatever the
/// transport calls it. Statuses of ours have details, those of the transport have none.
pub fn of_transport(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    match status.code() {
        Code::Internal => {
            let message = status.message().to_owned();
            let mut details = info("MALFORMED");
            details.add_bad_request_violation("message", &message);
            with(Code::InvalidArgument, message, details)
        }
        Code::OutOfRange => refused(Code::ResourceExhausted, "TOO_LARGE", status.message()),
        _ => status,
    }
}

/// The server stops.
pub fn stopping() -> Status {
    retry(Code::Unavailable, "STOPPING", "the server is stopping; retry elsewhere", RETRY_AWAY)
}

/// Time is up.
pub fn too_late() -> Status {
    refused(Code::DeadlineExceeded, "DEADLINE", "the deadline of the call passed; allow more time")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_the_caller_got_wrong_is_never_internal() {
        let invalid = status(&Error::invalid("k", "1 to 10000", "0", ""));
        assert_eq!(invalid.code(), Code::InvalidArgument);
        assert_eq!(invalid.message(), "k: expected 1 to 10000, found 0");
        let bad = invalid.get_details_bad_request().expect("a violation");
        assert_eq!(bad.field_violations[0].field, "k");
        let dim = Error::DimensionMismatch { argument: "vector".into(), expected: 3, found: 2 };
        assert_eq!(status(&dim).code(), Code::InvalidArgument);
        let reason = status(&dim).get_details_error_info().expect("an info").reason;
        assert_eq!(reason, "DIMENSION_MISMATCH");
        let space = Error::SpaceMismatch { expected: "a@1".into(), found: "a@2".into() };
        assert_eq!(status(&space).code(), Code::InvalidArgument);
        let id = Error::NotFound { what: "id", id: "7".into() };
        assert_eq!(status(&id).code(), Code::NotFound);
    }

    #[test]
    fn damage_is_data_loss() {
        let error = Error::Corruption {
            path: PathBuf::from("a.seg"),
            offset: 64,
            section: "codes".into(),
            expected: "checksum 1".into(),
            found: "checksum 2".into(),
        };
        assert_eq!(status(&error).code(), Code::DataLoss);
    }

    #[test]
    fn paths_of_the_disk_stay_here() {
        let full = std::io::Error::from(ErrorKind::StorageFull);
        let told = status(&Error::io("/srv/secret/wal/1.log", "append to", full));
        assert_eq!(told.code(), Code::ResourceExhausted);
        assert!(!told.message().contains("secret"), "{told:?}");
    }

    #[test]
    fn a_retry_says_when() {
        let status = retry(Code::ResourceExhausted, "FULL", "full", RETRY_FULL);
        assert_eq!(status.get_details_retry_info().expect("info").retry_delay, Some(RETRY_FULL));
        assert_eq!(status.metadata().get("retry-after-ms").expect("a header"), "50");
    }
}

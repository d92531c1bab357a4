//! Errors of the library as gRPC statuses: one table.

use nearfield::Error;
use tonic::{Code, Status};

/// The status of an error; the message is the error's own.
pub fn status(error: &Error) -> Status {
    Status::new(code(error), error.to_string())
}

fn code(error: &Error) -> Code {
    match error {
        Error::InvalidArgument { .. }
        | Error::DimensionMismatch { .. }
        | Error::Filter { .. }
        | Error::SpaceMismatch { .. } => Code::InvalidArgument,
        Error::NotFound { .. } | Error::CollectionNotFound { .. } => Code::NotFound,
        Error::AlreadyExists { .. } => Code::AlreadyExists,
        Error::ReadOnly { .. } | Error::UnsupportedVersion { .. } | Error::Poisoned { .. } => {
            Code::FailedPrecondition
        }
        Error::Locked { .. } | Error::Closed { .. } => Code::Unavailable,
        Error::Corruption { .. } => Code::DataLoss,
        Error::Deadline { .. } => Code::DeadlineExceeded,
        Error::Interrupted { .. } => Code::Cancelled,
        Error::ResourceLimit { .. } => Code::ResourceExhausted,
        // The server's disk, and what a later version of the library may add.
        _ => Code::Internal,
    }
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
        let dim = Error::DimensionMismatch { argument: "vector".into(), expected: 3, found: 2 };
        assert_eq!(status(&dim).code(), Code::InvalidArgument);
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
}

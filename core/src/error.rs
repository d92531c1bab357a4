//! The one error type of the crate. Every message says what was expected, what was found and
//! what to do about it.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that can't be used; nothing of the call was applied.
    #[error("{argument}: expected {expected}, found {found}{}", advice(.fix))]
    InvalidArgument {
        /// Which argument, with the row or column where there is one.
        argument: String,
        /// What would have been accepted.
        expected: String,
        /// What was given.
        found: String,
        /// What to do about it; may be empty.
        fix: String,
    },
    /// A vector of another length than the collection's dimension.
    #[error(
        "{argument}: expected dimension {expected}, found {found}; embed with the model that the collection was built from"
    )]
    DimensionMismatch {
        /// Which argument.
        argument: String,
        /// The collection's dimension.
        expected: usize,
        /// The dimension given.
        found: usize,
    },
    /// A query that states another embedding space than the collection's.
    #[error(
        "space: expected {expected}, found {found}; embed the query with the model that the collection was built from"
    )]
    SpaceMismatch {
        /// The collection's space, or "none".
        expected: String,
        /// The space stated.
        found: String,
    },
    /// A filter that can't be understood, or that compares what can't be compared.
    #[error("filter: {message}\n{excerpt}")]
    Filter {
        /// What was expected, what was found, what to do.
        message: String,
        /// The line of the text, and under it carets where it is wrong.
        excerpt: String,
    },
    /// An id that names no point.
    #[error("{what} {id}: no such point in the collection; check the id, or load the point first")]
    NotFound {
        /// The role of the id, e.g. `id`.
        what: &'static str,
        /// The id as text.
        id: String,
    },
    /// A path where no collection is.
    #[error("{}: not a nearfield collection ({reason}); create one with `nearfield create`, or check the path", path.display())]
    CollectionNotFound {
        /// The path.
        path: PathBuf,
        /// Why it isn't one.
        reason: String,
    },
    /// A path that is taken.
    #[error("{}: already exists; choose another path, open it instead, or remove it first", path.display())]
    AlreadyExists {
        /// The path.
        path: PathBuf,
    },
    /// A write through a handle that only reads.
    #[error("{operation}: the collection is open for reading; open it with mode \"r+\" to write")]
    ReadOnly {
        /// What was tried.
        operation: &'static str,
    },
    /// Another writer holds the collection.
    #[error("{}: locked by another writer ({holder}); close it, or open with mode \"r\" to read", path.display())]
    Locked {
        /// The collection.
        path: PathBuf,
        /// Who holds it, e.g. `pid 123`.
        holder: String,
    },
    /// Bytes that aren't what was written.
    #[error("{}: corrupt at byte {offset} in {section}: expected {expected}, found {found}; restore the file from a snapshot or rebuild the collection", path.display())]
    Corruption {
        /// The damaged file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// Which part of the file.
        section: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A file of a newer format.
    #[error("{}: format version {found}, but this build reads up to {supported}; upgrade nearfield", path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// Its version, or the feature bits not known.
        found: String,
        /// The newest version this build reads.
        supported: String,
    },
    /// An earlier write failed or a worker panicked; the handle can only read.
    #[error(
        "the writer stopped after an earlier failure ({cause}); reopen the collection to recover"
    )]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The handle was closed.
    #[error("{operation}: the collection is closed; open it again")]
    Closed {
        /// What was tried.
        operation: &'static str,
    },
    /// The time allowed ran out.
    #[error(
        "timeout: the search did not finish in {allowed_ms} ms; allow more time or ask for less"
    )]
    Deadline {
        /// The time allowed.
        allowed_ms: u64,
    },
    /// Interrupted by the caller; the old state stands.
    #[error("{operation}: interrupted; nothing of it was applied")]
    Interrupted {
        /// What was interrupted.
        operation: &'static str,
    },
    /// More than a documented limit, or than the machine, allows.
    #[error("{what}: expected at most {limit}, found {found}; {fix}")]
    ResourceLimit {
        /// Which limit.
        what: String,
        /// The limit.
        limit: String,
        /// What was asked for.
        found: String,
        /// What to do about it.
        fix: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {operation}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A source of batches (a reader of files) failed.
    #[error("{0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn advice(fix: &str) -> String {
    if fix.is_empty() { String::new() } else { format!("; {fix}") }
}

impl Error {
    /// An [`Error::InvalidArgument`]; `fix` may be empty.
    pub fn invalid(
        argument: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::InvalidArgument {
            argument: argument.into(),
            expected: expected.into(),
            found: found.into(),
            fix: fix.into(),
        }
    }

    /// The same error for another one who is concerned, where that can be: one that says nothing
    /// about the state of the handle.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Io { path, operation, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Some(Self::Io { path: path.clone(), operation, source })
            }
            Self::Corruption { path, offset, section, expected, found } => {
                let (section, expected) = (section.clone(), expected.clone());
                let (path, found) = (path.clone(), found.clone());
                Some(Self::Corruption { path, offset: *offset, section, expected, found })
            }
            Self::ResourceLimit { what, limit, found, fix } => Some(Self::ResourceLimit {
                what: what.clone(),
                limit: limit.clone(),
                found: found.clone(),
                fix: fix.clone(),
            }),
            _ => None,
        }
    }

    /// Whether a file that should be there isn't.
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// An [`Error::Io`].
    pub fn io(path: impl Into<PathBuf>, operation: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), operation, source }
    }
}

//! The one error type of the readers. Every message names the file, the place in it as far as it
//! is known, what was expected, what was found, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = ReadError> = std::result::Result<T, E>;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system refused.
    #[error("{}: cannot {operation}{at}: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: Position,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that the format does not allow: cut off, damaged, or another format.
    #[error("{}: damaged or foreign{}", .0.path.display(), .0)]
    Malformed(Box<Problem>),
    /// A sound file that these readers don't take.
    #[error("{}: not supported{}", .0.path.display(), .0)]
    Unsupported(Box<Problem>),
    /// An extension that says nothing about the format.
    #[error("{}: expected an extension of {known}, found {found}; rename the file or convert it", path.display())]
    UnknownExtension {
        /// The file.
        path: PathBuf,
        /// Its extension, or "none".
        found: String,
        /// The extensions that are read.
        known: String,
    },
    /// A column that is asked for and not in the file.
    #[error("{}: expected a column {column:?}, found {found}; name one of these", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are.
        found: String,
    },
    /// Two files of one pattern that don't hold the same columns.
    #[error("{}: expected {expected} as in {}, found {found}; load the files separately", path.display(), first.display())]
    SchemaMismatch {
        /// The file that differs.
        path: PathBuf,
        /// The file that it differs from.
        first: PathBuf,
        /// The column as the first file has it.
        expected: String,
        /// The column as this file has it.
        found: String,
    },
    /// A pattern that is not a glob, or matches no file.
    #[error(
        "pattern {pattern:?}: expected {expected}, found {found}; check the pattern and the directory"
    )]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What would be taken.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// What is wrong with the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub at: Position,
    /// What would be taken.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, expected, found, fix, .. } = self;
        write!(f, "{at}: expected {expected}, found {found}; {fix}")
    }
}

/// A place in a file, as far as it is known; rows and bytes are counted from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The row of the file, or the first row of the block that was being read.
    pub row: Option<u64>,
    /// The offset in the file, or that of the block that was being read.
    pub byte: Option<u64>,
    /// The row group of a Parquet file.
    pub row_group: Option<usize>,
}

impl Position {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { row: None, byte: None, row_group: None };

    /// An offset outside of any row: a header, a footer.
    pub fn byte(byte: u64) -> Self {
        Self { byte: Some(byte), ..Self::UNKNOWN }
    }

    /// A row and its offset.
    pub fn row(row: u64, byte: u64) -> Self {
        Self { row: Some(row), byte: Some(byte), row_group: None }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.row.map(|row| format!("row {row}")),
            self.row_group.map(|group| format!("row group {group}")),
            self.byte.map(|byte| format!("byte {byte}")),
        ];
        let known: Vec<_> = parts.into_iter().flatten().collect();
        if known.is_empty() { Ok(()) } else { write!(f, " at {}", known.join(", ")) }
    }
}

impl ReadError {
    /// Where in the file it happened, as far as it is known.
    pub fn position(&self) -> Position {
        match self {
            Self::Io { at, .. } => *at,
            Self::Malformed(problem) | Self::Unsupported(problem) => problem.at,
            _ => Position::UNKNOWN,
        }
    }

    /// The file, if the error is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::UnknownExtension { path, .. }
            | Self::MissingColumn { path, .. }
            | Self::SchemaMismatch { path, .. } => Some(path),
            Self::Malformed(problem) | Self::Unsupported(problem) => Some(&problem.path),
            Self::Pattern { .. } => None,
        }
    }
}

/// Builds errors about one file.
#[derive(Debug, Clone)]
pub(crate) struct Blame {
    path: PathBuf,
}

impl Blame {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// An end of file in the middle of what was promised is damage, not a refusal.
    pub(crate) fn io(&self, at: Position, operation: &'static str, source: io::Error) -> ReadError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.malformed(at, "more bytes", "the end of the file", "copy the file again");
        }
        ReadError::Io { path: self.path.clone(), at, operation, source }
    }

    pub(crate) fn malformed(
        &self,
        at: Position,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> ReadError {
        ReadError::Malformed(self.problem(at, expected.into(), found.into(), fix.into()))
    }

    pub(crate) fn unsupported(
        &self,
        at: Position,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> ReadError {
        ReadError::Unsupported(self.problem(at, expected.into(), found.into(), fix.into()))
    }

    fn problem(&self, at: Position, expected: String, found: String, fix: String) -> Box<Problem> {
        Box::new(Problem { path: self.path.clone(), at, expected, found, fix })
    }

    pub(crate) fn missing_column<'a>(
        &self,
        column: &str,
        available: impl IntoIterator<Item = &'a String>,
    ) -> ReadError {
        let names: Vec<_> = available.into_iter().map(|name| format!("{name:?}")).collect();
        ReadError::MissingColumn {
            path: self.path.clone(),
            column: column.into(),
            found: if names.is_empty() { "no columns".into() } else { names.join(", ") },
        }
    }
}

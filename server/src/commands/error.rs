//! Why a command failed, and how that is told: one line, one exit status. A filter is shown
//! beneath, with carets under what is wrong.

use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::cell::one_line;

/// A result of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The collection refused or failed.
    #[error(transparent)]
    Core(#[from] nearfield::Error),
    /// A data file can't be read.
    #[error(transparent)]
    Data(#[from] nearfield_datasets::ReadError),
    /// A data file has no columns to load.
    #[error(transparent)]
    Infer(#[from] nearfield_datasets::InferError),
    /// The flags don't go together.
    #[error("{0}")]
    Usage(String),
    /// A file or directory of the command itself, or the network.
    #[error("{what}: {source}")]
    System {
        /// What was being done, to what.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output can't be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// Something else; the text says what was expected and what to do.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// A function that wraps what the system said about `what`.
    pub fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }

    /// Writes the error and gives the exit status.
    pub fn report(&self) -> ExitCode {
        match self {
            // Whoever read the output has seen enough: `nearfield search ... | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            // Carets point at words only in lines of their own.
            Self::Core(nearfield::Error::Filter { message, excerpt }) => {
                eprintln!("error: filter: {}\n{excerpt}", one_line(message));
            }
            _ => eprintln!("error: {}", one_line(&self.to_string())),
        }
        match self {
            Self::Usage(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Writes what clap found wrong with `command` as one line: its first paragraph, its tips, where to
/// look.
pub fn report_usage(error: &clap::Error, command: &str) -> ExitCode {
    if !error.use_stderr() {
        // `--help` and `--version`.
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => Error::Output(error).report(),
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nothing was asked for: the whole help says more than a line.
        eprint!("{}", error.render());
        return ExitCode::from(2);
    }
    eprintln!("{}", usage_line(&error.render().to_string(), command));
    ExitCode::from(2)
}

fn usage_line(rendered: &str, command: &str) -> String {
    let mut line = String::new();
    for paragraph in rendered.split("\n\n") {
        let text = one_line(paragraph);
        if let Some(tip) = text.strip_prefix("tip: ") {
            line = format!("{line}; {tip}");
        } else if line.is_empty() {
            line = text;
        }
    }
    format!("{line}; run `{command} --help`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_becomes_one_line() {
        let rendered = "error: unexpected argument '--fo' found\n\n  tip: a similar argument exists: \
                        '--foo'\n\nUsage: nearfield search --foo <FOO> <PATH>\n\nFor more information, \
                        try '--help'.\n";
        assert_eq!(
            usage_line(rendered, "nearfield search"),
            "error: unexpected argument '--fo' found; a similar argument exists: '--foo'; \
             run `nearfield search --help`"
        );
        let missing = "error: the following required arguments were not provided:\n  <PATH>\n  --dim \
                       <DIM>\n\nUsage: nearfield create --dim <DIM> <PATH>\n";
        assert_eq!(
            usage_line(missing, "nearfield create"),
            "error: the following required arguments were not provided: <PATH> --dim <DIM>; \
             run `nearfield create --help`"
        );
    }
}

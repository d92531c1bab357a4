//! Errors of core as the exceptions of `nearfield._errors`.

use std::io;

use nearfield::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The longest `repr` that a message quotes.
const REPR_MAX: usize = 60;

/// Results of core as results of Python.
pub trait OrRaise<T> {
    /// Turns the error into its Python exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for nearfield::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raise(py, &error))
    }
}

/// The exception of an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::InvalidArgument { .. } => "InvalidArgumentError",
        Error::DimensionMismatch { .. } => "DimensionMismatchError",
        Error::SpaceMismatch { .. } => "SpaceMismatchError",
        Error::Filter { .. } => "FilterError",
        Error::NotFound { .. } => "NotFoundError",
        Error::CollectionNotFound { .. } => "CollectionNotFoundError",
        Error::AlreadyExists { .. } => "AlreadyExistsError",
        Error::ReadOnly { .. } => "ReadOnlyError",
        Error::Locked { .. } => "LockedError",
        Error::Corruption { .. } => "CorruptionError",
        Error::UnsupportedVersion { .. } => "UnsupportedVersionError",
        Error::Poisoned { .. } => "PoisonedError",
        Error::Closed { .. } => "ClosedError",
        Error::Deadline { .. } => "DeadlineError",
        Error::ResourceLimit { .. } => "ResourceLimitError",
        Error::Interrupted { .. } => return PyKeyboardInterrupt::new_err(error.to_string()),
        Error::Io { source, .. } => return storage(py, &error.to_string(), source),
        Error::Source(source) => return from_source(py, source.as_ref()),
        _ => "NearfieldError",
    };
    named(py, class, error.to_string())
}

/// An argument that can't be used; `fix` may be empty.
pub fn invalid(py: Python<'_>, argument: &str, expected: &str, found: &str, fix: &str) -> PyErr {
    raise(py, &Error::invalid(argument, expected, found, fix))
}

/// A value of a type that can't be used; `fix` may be empty.
pub fn wrong_type(
    py: Python<'_>,
    argument: &str,
    expected: &str,
    value: &Bound<'_, PyAny>,
    fix: &str,
) -> PyErr {
    let message = Error::invalid(argument, expected, describe(value), fix).to_string();
    named(py, "InvalidTypeError", message)
}

/// The type and the start of the `repr` of a value.
pub fn describe(value: &Bound<'_, PyAny>) -> String {
    let kind = value.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
    match value.repr() {
        Ok(repr) if !value.is_none() => {
            let repr = repr.to_string_lossy();
            let mut short: String = repr.chars().take(REPR_MAX).collect();
            if short.len() < repr.len() {
                short.push_str("...");
            }
            format!("{kind} {short}")
        }
        _ if value.is_none() => "None".into(),
        _ => kind,
    }
}

/// A reader of files failed: the system refused, or the file isn't what it should be.
fn from_source(py: Python<'_>, source: &(dyn std::error::Error + 'static)) -> PyErr {
    let mut cause = Some(source);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.raw_os_error().is_some()
        {
            return storage(py, &source.to_string(), io);
        }
        cause = error.source();
    }
    named(py, "InvalidArgumentError", source.to_string())
}

fn storage(py: Python<'_>, message: &str, source: &io::Error) -> PyErr {
    let made = py
        .import("nearfield._errors")
        .and_then(|errors| errors.call_method1("storage_error", (message, source.raw_os_error())));
    made.map_or_else(|error| error, PyErr::from_value)
}

fn named(py: Python<'_>, class: &str, message: String) -> PyErr {
    let found = py.import("nearfield._errors").and_then(|errors| errors.getattr(class));
    match found.map(Bound::cast_into::<PyType>) {
        Ok(Ok(class)) => PyErr::from_type(class, (message,)),
        _ => PyRuntimeError::new_err(message),
    }
}

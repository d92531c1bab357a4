//! Variables of the environment that choose how this process computes. A value that can't be
//! used is an error, not a default: who set it would never learn that it did nothing.

use crate::error::{Error, Result};

/// What a variable says; `None` when it is unset or empty.
pub(crate) fn variable(name: &'static str) -> Result<Option<String>> {
    match std::env::var_os(name) {
        None => Ok(None),
        Some(value) => match value.into_string() {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(raw) => {
                Err(Error::invalid(name, "UTF-8", raw.display().to_string(), "set it anew"))
            }
        },
    }
}

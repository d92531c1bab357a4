//! Messages to the library's words and back. Only what a message can say and a call can't is
//! checked here; ranges, dimensions and columns are checked once, in the library.

mod attributes;
mod config;
mod explain;
mod ids;
mod results;
mod search;
mod vectors;

use std::time::Duration;

use nearfield::{Error, Result};

pub use attributes::record_batch;
pub use config::{config, config_message};
pub use ids::ids;
pub use results::{counts, hits, points};
pub use search::{Fields, conditions, examples, is_explained, options};
pub use vectors::{many, single};

/// A time to live.
///
/// # Errors
/// [`Error::InvalidArgument`] for one below zero.
pub fn duration(field: &str, message: prost_types::Duration) -> Result<Duration> {
    let found = format!("{} s {} ns", message.seconds, message.nanos);
    Duration::try_from(message)
        .map_err(|_| Error::invalid(field, "a time of at least 0", found, ""))
}

/// Microseconds since 1970.
///
/// # Errors
/// [`Error::InvalidArgument`] for a moment that doesn't fit.
pub fn moment(field: &str, message: prost_types::Timestamp) -> Result<i64> {
    let seconds = message.seconds.checked_mul(1_000_000);
    seconds.and_then(|us| us.checked_add(i64::from(message.nanos) / 1000)).ok_or_else(|| {
        let found = format!("{} seconds since 1970", message.seconds);
        Error::invalid(field, "a moment that fits in microseconds", found, "")
    })
}

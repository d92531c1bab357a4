//! The `nearfield` command and the gRPC service `nearfield.v1`.
//!
//! [`commands`] joins paths and flags to the embedded library, [`service`] joins messages to it;
//! neither searches or stores anything itself. This is the only crate that knows tokio.

pub mod cell;
pub mod commands;
mod output;
mod progress;
pub mod service;
mod source;
mod vectors;

pub use nearfield_client::{DESCRIPTOR, v1};

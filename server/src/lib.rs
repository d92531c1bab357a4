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

/// The generated messages, client and server of the package `nearfield.v1`.
#[expect(
    unused_qualifications,
    clippy::default_trait_access,
    clippy::doc_markdown,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("nearfield.v1");
}

/// The package `nearfield.v1` and what it imports, with comments: a serialised `FileDescriptorSet`.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

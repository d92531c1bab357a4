//! Files that carry their own schema: Parquet and Arrow IPC.
//!
//! The decoders are those of the Arrow project. What they trust, these modules check first:
//! lengths against the file, fixed sizes against [`crate::DIM_MAX`], promised rows against rows
//! delivered. Some damage still makes a decoder panic; [`guard`] turns that into an error.

mod guard;
pub(crate) mod ipc;
pub(crate) mod parquet;

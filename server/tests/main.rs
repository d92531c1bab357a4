//! The command line and the service, end to end on files.

mod cli;
mod grpc;
mod support;

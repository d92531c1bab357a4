//! The command line and the service, end to end on files.

mod bad_input;
mod bench;
mod calibrate;
mod cli;
mod command;
mod hnsw;
mod import;
mod killed;
mod retrieval;
mod service;
mod support;

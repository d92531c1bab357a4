//! The service over real connections.

mod api;
mod auth;
mod client;
mod collections;
mod command;
mod deploy;
mod exclusions;
mod hostile;
mod ingest;
mod monitor;
mod points;
mod running;
mod search;

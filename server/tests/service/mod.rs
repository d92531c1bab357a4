//! The service over real connections.

mod api;
mod auth;
mod collections;
mod command;
mod exclusions;
mod hostile;
mod ingest;
mod monitor;
mod points;
mod running;
mod search;

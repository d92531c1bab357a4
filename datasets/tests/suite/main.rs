//! One binary for all tests of the readers and generators, as a user sees them.

mod arrow_files;
mod damage;
mod files;
mod generators;
mod infer;
mod many;
mod parts;
mod raw;
mod reddit;

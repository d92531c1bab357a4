//! Indexes of other programs, read from their files. Nothing in such a file is trusted: lengths
//! are compared with the file's before memory is asked for, places with what is there.

pub(crate) mod hnsw_rs;

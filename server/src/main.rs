//! The `nearfield` command.
fn main() {}

//! The `nearfield` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    nearfield_server::commands::main()
}

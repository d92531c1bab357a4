//! `nearfield completions`: what a shell completes after `nearfield`.

use std::io::Write;

use clap_complete::Shell;

use super::Result;

const EXAMPLE: &str = "\
Example:
  nearfield completions bash > ~/.local/share/bash-completion/completions/nearfield
  nearfield completions zsh > \"${fpath[1]}/_nearfield\"
  nearfield completions fish > ~/.config/fish/completions/nearfield.fish";

/// Write a script that lets a shell complete commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Runs the command.
pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "nearfield", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}

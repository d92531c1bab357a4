//! The command line: one file a command. A command reads its flags, calls the library and hands
//! what it got to [`Output`].

mod add_column;
mod alias;
mod args;
mod bench;
mod calibrate;
mod completions;
mod conditions;
mod create;
mod delete;
mod demo;
mod error;
mod exclude;
mod explain;
mod get;
mod hits;
mod import;
mod join;
mod load;
mod loadtest;
mod optimize;
mod search;
mod serve;
mod snapshot;
mod stats;
mod storage;
mod update;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use nearfield::{Collection, Mode, OpenOptions};

use crate::output::Output;
pub use error::{Error, Result};
pub use storage::Storage;

const EXAMPLE: &str = "\
Example:
  nearfield demo
  nearfield load posts.nf posts.parquet --vector embedding
  nearfield search posts.nf --like t3_v7w6z --with title

Exit status: 0 done, 1 failed, 2 wrong usage. With --json, ids are strings.";

/// Vector similarity search in a directory.
#[derive(Debug, Parser)]
#[command(name = "nearfield", version, after_help = EXAMPLE)]
struct Cli {
    /// Write one line of JSON instead of tables; ids are strings
    #[arg(long, global = true, display_order = 1000)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::Args),
    Load(load::Args),
    Search(Box<search::Args>),
    Join(Box<join::Args>),
    Get(get::Args),
    Update(update::Args),
    Delete(delete::Args),
    AddColumn(add_column::Args),
    Exclude(exclude::Args),
    Optimize(optimize::Args),
    Calibrate(calibrate::Args),
    Import(import::Args),
    Snapshot(snapshot::Args),
    Restore(snapshot::RestoreArgs),
    Alias(alias::Args),
    Stats(stats::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Loadtest(Box<loadtest::Args>),
    Demo(demo::Args),
    Serve(Box<serve::Args>),
    Config(serve::config::ConfigArgs),
    Completions(completions::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let parsed = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return error.report(),
    };
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return error::report_usage(&error, &command_given()),
    };
    match run(&cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

type Parsed = std::result::Result<(Cli, ArgMatches), clap::Error>;

/// The arguments, with what a file of settings says where they name one.
fn parse() -> Result<Parsed> {
    let mut matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(command) = serve::config::with_file(Cli::command(), &matches)? {
        matches = match command.try_get_matches() {
            Ok(matches) => matches,
            Err(error) => return Ok(Err(error)),
        };
    }
    Ok(Cli::from_arg_matches(&matches).map(|cli| (cli, matches)))
}

/// The command as far as it was given, e.g. `nearfield search`.
fn command_given() -> String {
    let cli = Cli::command();
    let mut names = std::env::args_os().skip(1).filter_map(|arg| arg.into_string().ok());
    match names.find(|name| cli.find_subcommand(name).is_some()) {
        Some(name) => format!("nearfield {name}"),
        None => "nearfield".into(),
    }
}

fn run(cli: &Cli, matches: &ArgMatches) -> Result<()> {
    let out = Output::new(cli.json);
    match &cli.command {
        Command::Create(args) => create::run(args, &out),
        Command::Load(args) => load::run(args, &out),
        Command::Search(args) => search::run(args, &out),
        Command::Join(args) => join::run(args, &out),
        Command::Get(args) => get::run(args, &out),
        Command::Update(args) => update::run(args, &out),
        Command::Delete(args) => delete::run(args, &out),
        Command::AddColumn(args) => add_column::run(args, &out),
        Command::Exclude(args) => exclude::run(args, &out),
        Command::Optimize(args) => optimize::run(args, &out),
        Command::Calibrate(args) => calibrate::run(args, &out),
        Command::Import(args) => import::run(args, &out),
        Command::Snapshot(args) => snapshot::run(args, &out),
        Command::Restore(args) => snapshot::restore(args, &out),
        Command::Alias(args) => alias::run(args, &out),
        Command::Stats(args) => stats::run(args, &out),
        Command::Verify(args) => verify::run(args, &out),
        Command::Bench(args) => bench::run(args, &out),
        Command::Loadtest(args) => loadtest::run(args, &out),
        Command::Demo(args) => demo::run(args, out),
        Command::Serve(args) => serve::run(args, &out),
        Command::Config(args) => {
            serve::config::run(args, serve::config::settings_of(matches), &out)
        }
        Command::Completions(args) => completions::run(args, Cli::command()),
    }
}

fn open(path: &Path) -> Result<Collection> {
    Ok(Collection::open(path, OpenOptions::default())?)
}

fn open_to_write(path: &Path) -> Result<Collection> {
    let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
    Ok(Collection::open(path, options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("nearfield {}", command.get_name());
            assert!(help.starts_with("Example") && help.contains(&call), "{call}: {help}");
        }
    }
}

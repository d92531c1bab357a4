//! `nearfield config`: what the server would be told, and whether it could be used. And the file:
//! its lines become the defaults of the flags, so flags and variables go before them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde_json::{Map, json};
use toml::{Table, Value};

use super::Args;
use super::settings::address;
use crate::commands::{Error, Result};
use crate::output::{Layout, Output};
use crate::service::token_hash;

const EXAMPLE: &str = "\
Example:
  nearfield config show --config nearfield.toml --addr 127.0.0.1:0
  nearfield config check --config nearfield.toml
  openssl rand -hex 32 | tee token | nearfield config hash
  nearfield config ready 127.0.0.1:50052";

/// Show or check what `serve` would be told
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every setting, and where it is from
    Show(Box<Args>),
    /// Whether the server could start with it
    Check(Box<Args>),
    /// The hash of a token on standard input, for the file of tokens
    Hash,
    /// Whether a server is ready, by its port for metrics
    Ready {
        /// HOST:PORT of the metrics
        #[arg(default_value = "127.0.0.1:50052", value_parser = address)]
        addr: SocketAddr,
    },
}

/// Subcommands that take the settings of the server.
const WITH_SETTINGS: [&[&str]; 3] = [&["serve"], &["config", "show"], &["config", "check"]];

/// Runs the command. `matches` are those that it was parsed from.
pub fn run(args: &ConfigArgs, matches: &ArgMatches, out: &Output) -> Result<()> {
    match &args.what {
        What::Show(_) => show(matches, out),
        What::Check(args) => check(args, out),
        What::Hash => hash(out),
        What::Ready { addr } => ready(*addr, out),
    }
}

/// Asks as a load balancer does, in a few lines, so that an image needs no other program.
fn ready(addr: SocketAddr, out: &Output) -> Result<()> {
    const TIME: Duration = Duration::from_secs(3);
    let failed = || Error::system(format!("{addr}: no answer"));
    let mut stream = TcpStream::connect_timeout(&addr, TIME).map_err(failed())?;
    stream.set_read_timeout(Some(TIME)).map_err(failed())?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed())?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).map_err(failed())?;
    let head = String::from_utf8_lossy(&answer[..length]).into_owned();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        return Err(Error::Failed(format!("{addr}: not ready: status {status:?}")));
    }
    if out.is_json() {
        return Ok(out.json(&json!({ "ready": true }))?);
    }
    Ok(out.line("ready")?)
}

fn check(args: &Args, out: &Output) -> Result<()> {
    args.settings.check(&args.paths)?;
    args.settings.tokens()?;
    args.settings.tls()?;
    for path in args.paths.iter().chain(&args.settings.data) {
        std::fs::read_dir(path).map_err(Error::system(path.display().to_string()))?;
    }
    if out.is_json() {
        return Ok(out.json(&json!({ "ok": true }))?);
    }
    Ok(out.line("the server could start with it")?)
}

fn hash(out: &Output) -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Error::system("standard input"))?;
    let token = line.trim();
    if token.len() < 32 {
        return Err(Error::Failed(
            "expected a token of at least 32 characters on standard input; for example from \
             `openssl rand -hex 32`"
                .into(),
        ));
    }
    let hash = token_hash(token);
    if out.is_json() {
        return Ok(out.json(&json!({ "sha256": hash }))?);
    }
    Ok(out.line(&hash)?)
}

fn show(matches: &ArgMatches, out: &Output) -> Result<()> {
    let file = file_of(matches).map(|path| read(Path::new(&path))).transpose()?;
    let mut rows = Vec::new();
    for id in matches.ids().map(clap::Id::as_str).filter(|id| is_setting(id)) {
        let Some(values) = matches.get_raw(id) else { continue };
        let values: Vec<_> = values.map(|value| value.to_string_lossy().into_owned()).collect();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "variable",
            _ if file.as_ref().is_some_and(|file| file.iter().any(|(key, _)| key == id)) => "file",
            _ => "default",
        };
        rows.push((id.replace('_', "-"), values.join(" "), source));
    }
    rows.sort();
    if out.is_json() {
        let settings = rows
            .into_iter()
            .map(|(name, value, source)| (name, json!({ "value": value, "source": source })));
        return Ok(out.json(&settings.collect::<Map<_, _>>().into())?);
    }
    let columns = [("setting", Layout::Left), ("value", Layout::Left), ("from", Layout::Left)];
    let rows = rows.into_iter().map(|(name, value, source)| vec![name, value, source.to_owned()]);
    Ok(out.table(&columns, rows.collect())?)
}

fn is_setting(id: &str) -> bool {
    !["json", "Args", "Settings"].contains(&id)
}

/// The arguments of the innermost subcommand.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

/// The file that was named by a flag or a variable.
fn file_of(matches: &ArgMatches) -> Option<String> {
    let matches = innermost(matches);
    let values = matches.try_get_raw("config").ok()??;
    values.map(|value| value.to_string_lossy().into_owned()).next()
}

/// The matches that `show` looks at.
pub fn settings_of(matches: &ArgMatches) -> &ArgMatches {
    innermost(matches)
}

/// A command whose flags have the lines of the file for defaults, if the arguments name one.
///
/// # Errors
/// A file that can't be read, or names what isn't a flag.
pub fn with_file(command: Command, matches: &ArgMatches) -> Result<Option<Command>> {
    let Some(path) = file_of(matches) else { return Ok(None) };
    let lines = read(Path::new(&path))?;
    let known = |command: &Command| -> Vec<String> {
        let serve = command.find_subcommand("serve");
        let flags = serve.into_iter().flat_map(Command::get_arguments);
        let ids = flags.map(|flag| flag.get_id().as_str().to_owned());
        ids.filter(|id| is_setting(id) && id != "config" && id != "help").collect()
    };
    let known = known(&command);
    if let Some((key, _)) = lines.iter().find(|(key, _)| !known.contains(key)) {
        let names: Vec<_> = known.iter().map(|id| id.replace('_', "-")).collect();
        let names = names.join(", ");
        return Err(Error::Failed(format!("{path}: expected any of {names}; found {key:?}")));
    }
    let mut command = command;
    for route in WITH_SETTINGS {
        command = within(command, route, &lines);
    }
    Ok(Some(command))
}

type Lines = Vec<(String, Vec<String>)>;

fn within(command: Command, route: &[&'static str], lines: &Lines) -> Command {
    match route.split_first() {
        Some((first, rest)) => command.mut_subcommand(first, |inner| within(inner, rest, lines)),
        None => lines.iter().fold(command, |command, (id, values)| {
            command.mut_arg(id, |flag| flag.default_values(values.clone()))
        }),
    }
}

fn read(path: &Path) -> Result<Lines> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(Error::system(path.display().to_string()))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // Only what is wrong and where: a line may hold what nobody is to see.
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        Error::Failed(format!("{}, line {line}: {}", path.display(), error.message()))
    })?;
    let lines = table.into_iter().map(|(key, value)| {
        let values = match value {
            Value::Array(all) => all.into_iter().map(plain).collect::<Option<Vec<_>>>(),
            value => plain(value).map(|value| vec![value]),
        };
        let values = values.ok_or_else(|| {
            let place = path.display();
            Error::Failed(format!("{place}: {key}: expected a text, a number or true or false"))
        })?;
        Ok((key.replace('-', "_"), values))
    });
    lines.collect()
}

fn plain(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

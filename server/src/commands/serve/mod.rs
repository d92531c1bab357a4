//! `nearfield serve`: collections over gRPC, on this machine only.

use std::fs;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearfield::Collection;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{Error, Result, open};
use crate::output::{Layout, Output};
use crate::service::{self, Collections};

const EXAMPLE: &str = "\
Example:
  nearfield serve posts.nf communities.nf
  nearfield serve --data /var/lib/nearfield --addr 127.0.0.1:50051

Answers nearfield.v1.SearchService.Search and grpc.health.v1. A collection is called as its
directory is, without an ending of .nf; it is served as it was when the server started. SIGTERM
and Ctrl-C stop the server once running requests have finished.";

/// Serve collections over gRPC on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directories of collections
    #[arg(value_name = "PATH", required_unless_present = "data")]
    paths: Vec<PathBuf>,
    /// A directory; every collection in it is served
    #[arg(long, value_name = "DIR", conflicts_with = "paths")]
    data: Option<PathBuf>,
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:50051", value_parser = loopback)]
    addr: SocketAddr,
}

fn loopback(text: &str) -> std::result::Result<SocketAddr, String> {
    let addr = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    match addr {
        Some(addr) if addr.ip().is_loopback() => Ok(addr),
        Some(_) => {
            Err("expected a loopback address like 127.0.0.1:50051; any other needs TLS and \
                        auth, which this version does not have"
                .into())
        }
        None => Err("expected HOST:PORT, for example 127.0.0.1:50051".into()),
    }
}

/// Runs the command; returns when the server was asked to stop and has stopped.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collections = match &args.data {
        Some(dir) => open_all(dir)?,
        None => open_each(&args.paths)?,
    };
    let listener = TcpListener::bind(args.addr)
        .map_err(Error::system(format!("{}: cannot listen", args.addr)))?;
    let addr = listener.local_addr().map_err(Error::system("the listener's address"))?;
    announce(addr, &collections, out)?;
    let runtime = Runtime::new().map_err(Error::system("cannot start the server's threads"))?;
    runtime.block_on(async {
        let stop = stop_signal().map_err(Error::system("cannot wait for signals"))?;
        service::serve(listener, collections, stop)
            .await
            .map_err(|error| Error::Failed(format!("{addr}: the server failed: {error}")))
    })?;
    if !out.is_json() {
        out.line("stopped")?;
    }
    Ok(())
}

/// Completes at the first SIGTERM or SIGINT; later ones end the process as usual.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

fn announce(addr: SocketAddr, collections: &Collections, out: &Output) -> Result<()> {
    if out.is_json() {
        let served = collections.iter().map(|(name, collection)| {
            json!({ "name": name, "points": collection.len(), "dim": collection.config().dim })
        });
        let line = json!({ "addr": addr.to_string(), "collections": served.collect::<Vec<_>>() });
        return Ok(out.json(&line)?);
    }
    let columns = [
        ("collection", Layout::Left),
        ("points", Layout::Right),
        ("dim", Layout::Right),
        ("metric", Layout::Left),
    ];
    let rows = collections.iter().map(|(name, collection)| {
        let config = collection.config();
        let points = collection.len().to_string();
        vec![name.clone(), points, config.dim.to_string(), config.metric.to_string()]
    });
    out.table(&columns, rows.collect())?;
    Ok(out.line(&format!("\nserving gRPC on {addr}; stop with Ctrl-C"))?)
}

fn open_each(paths: &[PathBuf]) -> Result<Collections> {
    let mut collections = Collections::new();
    for path in paths {
        add(&mut collections, path, open(path)?)?;
    }
    Ok(collections)
}

/// Every collection among the entries of `dir`; other entries are passed over.
fn open_all(dir: &Path) -> Result<Collections> {
    let listing = || Error::system(format!("{}: cannot list the directory", dir.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(listing())? {
        paths.push(entry.map_err(listing())?.path());
    }
    paths.sort();
    let mut collections = Collections::new();
    for path in paths.iter().filter(|path| path.is_dir()) {
        match open(path) {
            Ok(collection) => add(&mut collections, path, collection)?,
            Err(Error::Core(nearfield::Error::CollectionNotFound { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    if collections.is_empty() {
        return Err(Error::Failed(format!(
            "{}: expected collections in the directory, found none; create one there, or name \
             collections as paths instead of --data",
            dir.display()
        )));
    }
    Ok(collections)
}

fn add(collections: &mut Collections, path: &Path, collection: Collection) -> Result<()> {
    let name = name(path)?;
    if collections.insert(name.clone(), Arc::new(collection)).is_some() {
        return Err(Error::Failed(format!(
            "{}: a collection called {name:?} is served already; rename one of the directories",
            path.display()
        )));
    }
    Ok(())
}

/// The name of the directory without an ending of `.nf`.
fn name(path: &Path) -> Result<String> {
    let full = path.canonicalize().map_err(Error::system(path.display().to_string()))?;
    let name = full.file_name().and_then(|name| name.to_str());
    let name = name.map(|name| name.strip_suffix(".nf").unwrap_or(name));
    name.filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(|| {
        Error::Failed(format!(
            "{}: expected a directory name in UTF-8, to call the collection by; rename it",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served() {
        for addr in ["127.0.0.1:0", "[::1]:50051", "localhost:50051"] {
            loopback(addr).expect(addr);
        }
        for addr in ["0.0.0.0:50051", "[::]:1", "192.168.1.2:50051", "127.0.0.1", "50051"] {
            loopback(addr).expect_err(addr);
        }
    }
}

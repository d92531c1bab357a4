//! `nearfield serve`: collections over gRPC.

pub mod config;
mod log;
mod settings;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{Error, Result};
use crate::output::{Layout, Output};
use crate::service::{self, Catalog, Setup, Tls, Tokens};
pub use settings::Settings;

const EXAMPLE: &str = "\
Example:
  nearfield serve posts.nf communities.nf
  nearfield serve --data /var/lib/nearfield --addr 127.0.0.1:50051
  nearfield serve --data DIR --addr 0.0.0.0:50051 --tls-cert a.pem --tls-key a.key --tokens tokens

A collection is called as its directory is, without an ending of .nf. Collections and aliases that
appear in the data directory are served within a second. SIGTERM and Ctrl-C stop the server once
calls under way have finished; SIGHUP reads certificates and tokens again. Every flag may be a
variable NEARFIELD_... or a line of a TOML file, in that order: `nearfield config show`.";

/// Serve collections over gRPC
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directories of collections
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command; returns when the server was asked to stop and has stopped.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let settings = &args.settings;
    settings.check(&args.paths)?;
    log::start(settings.log, settings.log_level);
    let tokens = settings.tokens()?;
    let tls = settings.tls()?;
    let listener = bind(settings.addr)?;
    let monitor = settings.metrics_addr.0.map(bind).transpose()?;
    let catalog = Arc::new(Catalog::new(settings.catalog()));
    if !args.paths.is_empty() {
        catalog.serve_paths(&args.paths)?;
    }
    // Opened here, so that what is served can be said; the server looks again by itself.
    catalog.scan().map_err(Error::system("cannot list the data directory"))?;
    if settings.data.is_none() || settings.read_only {
        settings.check_found(&catalog)?;
    }
    let runtime = Runtime::new().map_err(Error::system("cannot start the server's threads"))?;
    // Before anybody knows that it is there: a signal that comes now is not lost.
    let stop = {
        let _entered = runtime.enter();
        let unheard = Error::system("cannot wait for signals");
        reload_on_hangup(tokens.clone(), tls.clone())
            .and_then(|()| stop_signal())
            .map_err(unheard)?
    };
    announce(&listener, monitor.as_ref(), &catalog, out)?;
    let addr = settings.addr;
    let setup = Setup {
        monitor,
        tokens,
        tls,
        limits: settings.limits(),
        threads: settings.threads,
        queue: settings.queue,
        rescan: settings.rescan,
        recall_share: settings.recall_share,
        reflection: settings.reflection,
        ..Setup::new(listener, catalog)
    };
    let served = runtime
        .block_on(service::serve(setup, stop))
        .map_err(|error| Error::Failed(format!("{addr}: the server failed: {error}")));
    // A search that nobody waits for is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served?;
    if !out.is_json() {
        out.line("stopped")?;
    }
    Ok(())
}

fn bind(addr: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(addr).map_err(Error::system(format!("{addr}: cannot listen")))
}

/// Completes at the first SIGTERM or SIGINT; a second ends the process.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

/// Reads tokens and certificates again at each SIGHUP; those that can't be used change nothing.
fn reload_on_hangup(tokens: Option<Arc<Tokens>>, tls: Option<Arc<Tls>>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let (tokens, tls) = (tokens.clone(), tls.clone());
            let tokens = tokens.map_or(Ok(()), |tokens| tokens.reload());
            let tls = tls.map_or(Ok(()), |tls| tls.reload());
            match tokens.and(tls) {
                Ok(()) => tracing::info!("tokens and certificates were read again"),
                Err(error) => tracing::error!(error, "the old tokens or certificates stay"),
            }
        }
    });
    Ok(())
}

fn announce(
    listener: &TcpListener,
    monitor: Option<&TcpListener>,
    catalog: &Catalog,
    out: &Output,
) -> Result<()> {
    let addr = |listener: &TcpListener| {
        listener.local_addr().map_err(Error::system("the listener's address"))
    };
    let (addr, monitor) = (addr(listener)?, monitor.map(addr).transpose()?);
    let table = catalog.table();
    let collections = table.collections.iter().map(|(name, served)| (name, &served.collection));
    if out.is_json() {
        let served = collections.map(|(name, collection)| {
            json!({ "name": name, "points": collection.len(), "dim": collection.config().dim })
        });
        let metrics = monitor.map(|addr| addr.to_string());
        let served = served.collect::<Vec<_>>();
        let line = json!({ "addr": addr.to_string(), "metrics": metrics, "collections": served });
        return Ok(out.json(&line)?);
    }
    let columns = [
        ("collection", Layout::Left),
        ("points", Layout::Right),
        ("dim", Layout::Right),
        ("metric", Layout::Left),
        ("mode", Layout::Left),
    ];
    let rows = collections.map(|(name, collection)| {
        let config = collection.config();
        let mode = if collection.is_writable() { "read, write" } else { "read" };
        vec![
            name.clone(),
            collection.len().to_string(),
            config.dim.to_string(),
            config.metric.to_string(),
            mode.to_owned(),
        ]
    });
    out.table(&columns, rows.collect())?;
    if let Some(monitor) = monitor {
        out.line(&format!("\nmetrics on http://{monitor}/metrics"))?;
    }
    Ok(out.line(&format!("serving gRPC on {addr}; stop with Ctrl-C"))?)
}

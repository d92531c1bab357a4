//! What the server is told: flags, variables, a file, in that order. The defaults are in `--help`.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::log::{Format, Level};
use crate::commands::{Error, Result};
use crate::service::{Catalog, CatalogOptions, Limits, Tls, TlsFiles, Tokens};

/// An address, or none.
#[derive(Debug, Clone, Copy)]
pub struct Optional(pub Option<SocketAddr>);

impl FromStr for Optional {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "off" { Ok(Self(None)) } else { address(text).map(|addr| Self(Some(addr))) }
    }
}

impl fmt::Display for Optional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => addr.fmt(f),
            None => f.write_str("off"),
        }
    }
}

/// Reads HOST:PORT.
pub(super) fn address(text: &str) -> std::result::Result<SocketAddr, String> {
    let addr = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    addr.ok_or_else(|| "expected HOST:PORT, for example 127.0.0.1:50051".to_owned())
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number of 0 to 1".to_owned())
}

fn time(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a time like 30s or 5m".to_owned())
}

/// The flags; a line of the file is called as the flag is.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// A TOML file with a line FLAG = VALUE for any of these
    #[arg(long, value_name = "FILE", env = "NEARFIELD_CONFIG")]
    config: Option<PathBuf>,
    /// A directory; every collection in it is served, and new ones are made there
    #[arg(long, value_name = "DIR", env = "NEARFIELD_DATA", conflicts_with = "paths")]
    pub data: Option<PathBuf>,
    /// Where snapshots are; by default in the data directory
    #[arg(long, value_name = "DIR", env = "NEARFIELD_SNAPSHOTS")]
    snapshots: Option<PathBuf>,
    /// Open collections for reading only
    #[arg(long, env = "NEARFIELD_READ_ONLY")]
    pub read_only: bool,
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:50051", env = "NEARFIELD_ADDR", value_parser = address)]
    pub addr: SocketAddr,
    /// Where /metrics, /healthz and /readyz are, or "off"
    #[arg(long, default_value = "127.0.0.1:50052", env = "NEARFIELD_METRICS_ADDR")]
    pub metrics_addr: Optional,
    /// Certificates of the server in PEM, its own first
    #[arg(long, value_name = "FILE", env = "NEARFIELD_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key in PEM
    #[arg(long, value_name = "FILE", env = "NEARFIELD_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Certificates in PEM of those who sign clients'; clients need one then
    #[arg(long, value_name = "FILE", env = "NEARFIELD_CLIENT_CA")]
    client_ca: Option<PathBuf>,
    /// Hashes of tokens, one a line: NAME SHA256 read|write|admin [collections=A,B] [expires=TIME]
    #[arg(long, value_name = "FILE", env = "NEARFIELD_TOKENS")]
    tokens: Option<PathBuf>,
    /// Listen on any address without TLS or tokens
    #[arg(long, env = "NEARFIELD_INSECURE")]
    insecure: bool,
    /// Searches at once; 0 is one a core
    #[arg(long, default_value_t = 0, env = "NEARFIELD_THREADS")]
    pub threads: usize,
    /// Searches that wait for each one that runs; more are refused
    #[arg(long, default_value_t = 4, env = "NEARFIELD_QUEUE")]
    pub queue: usize,
    /// How often the data directory is looked at; 0s is never
    #[arg(long, default_value = "1s", env = "NEARFIELD_RESCAN", value_parser = time)]
    pub rescan: Duration,
    /// Share of searches that are done again, exactly, to measure recall
    #[arg(long, default_value = "0.001", env = "NEARFIELD_RECALL_SHARE", value_parser = share)]
    pub recall_share: f64,
    /// Whether clients may ask which messages there are
    #[arg(long, default_value_t = true, env = "NEARFIELD_REFLECTION", action = clap::ArgAction::Set)]
    pub reflection: bool,
    /// Largest message that writes, in bytes
    #[arg(long, default_value_t = Limits::default().write_bytes, env = "NEARFIELD_WRITE_BYTES")]
    write_bytes: usize,
    /// Largest other message, in bytes
    #[arg(long, default_value_t = Limits::default().read_bytes, env = "NEARFIELD_READ_BYTES")]
    read_bytes: usize,
    /// Largest answer, in bytes
    #[arg(long, default_value_t = Limits::default().answer_bytes, env = "NEARFIELD_ANSWER_BYTES")]
    answer_bytes: usize,
    /// Requests and answers in memory at once, in bytes; Ingest apart
    #[arg(long, default_value_t = Limits::default().memory_bytes, env = "NEARFIELD_MEMORY_BYTES")]
    memory_bytes: usize,
    /// Bytes of an Ingest stream that may be on the way
    #[arg(long, default_value_t = Limits::default().ingest_bytes, env = "NEARFIELD_INGEST_BYTES")]
    ingest_bytes: usize,
    /// Ingest streams at once
    #[arg(long, default_value_t = Limits::default().ingest_streams, env = "NEARFIELD_INGEST_STREAMS")]
    ingest_streams: usize,
    /// Connections at once
    #[arg(long, default_value_t = Limits::default().connections, env = "NEARFIELD_CONNECTIONS")]
    connections: usize,
    /// Calls at once on a connection
    #[arg(long, default_value_t = Limits::default().streams, env = "NEARFIELD_STREAMS")]
    streams: u32,
    /// Calls at once
    #[arg(long, default_value_t = Limits::default().calls, env = "NEARFIELD_CALLS")]
    calls: usize,
    /// All headers of a request, in bytes
    #[arg(long, default_value_t = Limits::default().header_bytes, env = "NEARFIELD_HEADER_BYTES")]
    header_bytes: u32,
    /// Time for the TLS handshake and the first bytes
    #[arg(long, default_value = "10s", env = "NEARFIELD_HANDSHAKE", value_parser = time)]
    handshake: Duration,
    /// Silence after which a client is asked whether it is there
    #[arg(long, default_value = "30s", env = "NEARFIELD_KEEPALIVE", value_parser = time)]
    keepalive: Duration,
    /// Time for its answer
    #[arg(long, default_value = "10s", env = "NEARFIELD_KEEPALIVE_TIMEOUT", value_parser = time)]
    keepalive_timeout: Duration,
    /// Time of a call whose client doesn't say
    #[arg(long, default_value = "30s", env = "NEARFIELD_DEADLINE", value_parser = time)]
    deadline: Duration,
    /// Most time of a call, streams and merges apart
    #[arg(long, default_value = "5m", env = "NEARFIELD_DEADLINE_MAX", value_parser = time)]
    deadline_max: Duration,
    /// Time for calls under way when the server stops
    #[arg(long, default_value = "10s", env = "NEARFIELD_DRAIN", value_parser = time)]
    drain: Duration,
    /// How the log looks, on standard error
    #[arg(long, default_value = "text", env = "NEARFIELD_LOG")]
    pub log: Format,
    /// What is worth a line of it
    #[arg(long, default_value = "warn", env = "NEARFIELD_LOG_LEVEL")]
    pub log_level: Level,
}

impl Settings {
    /// Whether they go together.
    pub fn check(&self, paths: &[PathBuf]) -> Result<()> {
        match (&self.data, paths.is_empty()) {
            (None, true) => {
                return Err(Error::Usage("expected collections, or --data DIR".into()));
            }
            (Some(_), false) => {
                return Err(Error::Usage("expected collections or --data, not both".into()));
            }
            _ => {}
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(Error::Usage("--tls-cert and --tls-key go together".into()));
        }
        if self.client_ca.is_some() && self.tls_cert.is_none() {
            return Err(Error::Usage("--client-ca needs --tls-cert and --tls-key".into()));
        }
        let guarded =
            self.tls_cert.is_some() && (self.tokens.is_some() || self.client_ca.is_some());
        let open = |addr: &SocketAddr| !addr.ip().is_loopback();
        let mut addrs = [Some(self.addr), self.metrics_addr.0].into_iter().flatten();
        if let Some(addr) = addrs.find(open).filter(|_| !guarded && !self.insecure) {
            return Err(Error::Usage(format!(
                "{addr} is not a loopback address: it needs TLS and auth (--tls-cert and \
                 --tls-key, with --tokens or --client-ca), or --insecure"
            )));
        }
        Ok(())
    }

    /// Refuses to serve nothing where nothing can be made.
    pub fn check_found(&self, catalog: &Catalog) -> Result<()> {
        match &self.data {
            Some(data) if catalog.table().collections.is_empty() => Err(Error::Failed(format!(
                "{}: expected collections in the directory, found none; create one there, or \
                 leave out --read-only",
                data.display()
            ))),
            _ => Ok(()),
        }
    }

    /// The tokens, read from their file.
    pub fn tokens(&self) -> Result<Option<Arc<Tokens>>> {
        let tokens = self.tokens.as_deref().map(Tokens::open).transpose();
        Ok(tokens.map_err(Error::Failed)?.map(Arc::new))
    }

    /// The certificates, read from their files.
    pub fn tls(&self) -> Result<Option<Arc<Tls>>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let files = TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: self.client_ca.clone(),
        };
        Tls::open(files).map(|tls| Some(Arc::new(tls))).map_err(Error::Failed)
    }

    /// How collections are opened.
    pub fn catalog(&self) -> CatalogOptions {
        CatalogOptions {
            data: self.data.clone(),
            snapshots: self.snapshots.clone(),
            read_only: self.read_only,
        }
    }

    /// What clients are held to.
    pub fn limits(&self) -> Limits {
        Limits {
            write_bytes: self.write_bytes,
            read_bytes: self.read_bytes,
            answer_bytes: self.answer_bytes,
            memory_bytes: self.memory_bytes,
            ingest_bytes: self.ingest_bytes,
            ingest_streams: self.ingest_streams,
            connections: self.connections,
            streams: self.streams,
            calls: self.calls,
            header_bytes: self.header_bytes,
            handshake: self.handshake,
            keepalive: self.keepalive,
            keepalive_timeout: self.keepalive_timeout,
            time_default: self.deadline,
            time_max: self.deadline_max,
            drain: self.drain,
        }
    }
}

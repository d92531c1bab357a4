//! Connections: accepted up to a number, with TLS or without, and handed to HTTP/2 once its first
//! bytes are there. Who is slow about that, or doesn't take what is sent, is let go of.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::budget::Untaken;
use super::limits::Limits;
use super::metrics::SharedMetrics;
use super::tls::Tls;

/// What an HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Waits after a failure to accept, as when there are no file descriptors left.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// How connections are accepted.
#[derive(Debug, Clone)]
pub struct Acceptor {
    /// `None` is plain TCP.
    pub tls: Option<Arc<Tls>>,
    /// Times and numbers.
    pub limits: Limits,
    /// Where they are counted.
    pub metrics: SharedMetrics,
}

impl Acceptor {
    /// Accepts for as long as the receiver is there.
    pub fn start(self, listener: TcpListener) -> Receiver<io::Result<Connection>> {
        let (sender, receiver) = channel(64);
        tokio::spawn(async move {
            let ended = sender.clone();
            tokio::select! {
                () = self.accept(listener, sender) => {}
                () = ended.closed() => {}
            }
        });
        receiver
    }

    async fn accept(self, listener: TcpListener, sender: Sender<io::Result<Connection>>) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut wait = BACK_OFF.0;
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(wait).await;
                    wait = (wait * 2).min(BACK_OFF.1);
                    continue;
                }
            };
            wait = BACK_OFF.0;
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::debug!(%peer, "too many connections");
                self.metrics.connections_dropped.inc();
                continue;
            };
            let (acceptor, sender) = (self.clone(), sender.clone());
            tokio::spawn(async move {
                match timeout(acceptor.limits.handshake, acceptor.greet(stream)).await {
                    Ok(Ok(io)) => {
                        let open = Open::new(acceptor.metrics.clone(), place);
                        let patience = acceptor.limits.patience();
                        let connection = Connection::new(io, patience, open);
                        // Nobody serves any more.
                        let _ = sender.send(Ok(connection)).await;
                    }
                    failed => {
                        let reason = failed.map_or("too slow".to_owned(), |result| {
                            result.err().map(|error| error.to_string()).unwrap_or_default()
                        });
                        tracing::debug!(%peer, reason, "a connection was given up");
                        acceptor.metrics.connections_dropped.inc();
                    }
                }
            });
        }
    }

    /// TLS, and the first bytes of HTTP/2.
    async fn greet(&self, stream: TcpStream) -> io::Result<Io> {
        stream.set_nodelay(true)?;
        let mut io = match &self.tls {
            None => Io::Plain(stream),
            Some(tls) => {
                let accepted = TlsAcceptor::from(tls.config()).accept(stream).await?;
                Io::Tls(Box::new(accepted))
            }
        };
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).await?;
        if preface != *PREFACE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "expected HTTP/2"));
        }
        Ok(io)
    }
}

/// A connection's place, counted.
#[derive(Debug)]
struct Open {
    metrics: SharedMetrics,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: SharedMetrics, place: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { metrics, _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

/// Plain or not.
#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($io:expr, $inner:ident => $call:expr) => {
        match $io {
            Io::Plain($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
            Io::Tls($inner) => {
                let $inner = Pin::new(&mut **$inner);
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(&mut *self, inner => inner.poll_read(context, out))
    }
}

/// A connection whose client has said hello.
#[derive(Debug)]
pub struct Connection {
    io: Io,
    /// What was read of it already and is not taken yet.
    preface: &'static [u8],
    patience: Duration,
    /// Since when the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What it asked for and leaves there, though it takes other things.
    untaken: Untaken,
    _open: Open,
}

impl Connection {
    fn new(io: Io, patience: Duration, open: Open) -> Self {
        let (stalled, untaken) = (None, Untaken::default());
        Self { io, preface: PREFACE, patience, stalled, untaken, _open: open }
    }

    /// What writing came to, unless it has come to nothing for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let until = Instant::now() + self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if stalled.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Looked at whenever something happens, at the latest when the client is asked whether it is
        // still there.
        if self.untaken.too_long() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.preface.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, out);
        }
        let (now, later) = self.preface.split_at(self.preface.len().min(out.remaining()));
        out.put_slice(now);
        self.preface = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = either!(&mut self.io, inner => inner.poll_write(context, bytes));
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = either!(&mut self.io, inner => inner.poll_flush(context));
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = either!(&mut self.io, inner => inner.poll_shutdown(context));
        self.watch(context, ended)
    }
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Large answers that they haven't taken.
    pub untaken: Untaken,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer { untaken: self.untaken.clone() }
    }
}

//! Connections.

use std::time::Duration;

use tonic::codegen::http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};

use crate::v1::collection_service_client::CollectionServiceClient;
use crate::{Collection, Error, Result, Retry, v1};

/// Largest message of an answer that is taken.
pub(crate) const ANSWER_BYTES: usize = 1 << 30;

/// How to connect.
#[derive(Clone)]
pub struct Options {
    /// Sent with every call; only over TLS, or to this machine.
    pub token: Option<String>,
    /// Certificates in PEM of the authorities to trust, for an `https` address.
    pub ca: Option<String>,
    /// A certificate of this client and its key in PEM, where the server asks for one.
    pub identity: Option<(String, String)>,
    /// Time of a call, each attempt for itself; streams, merges and copies take as long as they take.
    pub timeout: Duration,
    /// How often calls are made again.
    pub retry: Retry,
}

impl Default for Options {
    fn default() -> Self {
        let (timeout, retry) = (Duration::from_secs(30), Retry::default());
        Self { token: None, ca: None, identity: None, timeout, retry }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the token nor the key.
        f.debug_struct("Options")
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// A connection to a server. Clones share it; it connects again by itself.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    timeout: Duration,
    retry: Retry,
}

impl Client {
    /// Connects to an address such as `http://127.0.0.1:50051`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Setup`].
    pub async fn connect(address: &str) -> Result<Self> {
        Self::connect_with(address, Options::default()).await
    }

    /// Connects in this way.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Setup`].
    pub async fn connect_with(address: &str, options: Options) -> Result<Self> {
        let uri: Uri = address.parse().map_err(|error| {
            Error::Setup(format!(
                "address: expected one like http://127.0.0.1:50051, found {address:?}: {error}"
            ))
        })?;
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        let Options { token, ca, identity, timeout, retry } = options;
        if token.is_some() && !secure && !local {
            let message = format!("token: expected https for {host}, or everybody reads it");
            return Err(Error::Setup(message));
        }
        let token = token.map(|token| {
            let value: MetadataValue<Ascii> = format!("Bearer {token}")
                .parse()
                .map_err(|_| Error::Setup("token: expected printable characters".to_owned()))?;
            Ok::<_, Error>(value)
        });
        let mut endpoint = Endpoint::from(uri)
            .user_agent(concat!("nearfield-rust/", env!("CARGO_PKG_VERSION")))?;
        if secure {
            let mut tls = ClientTlsConfig::new();
            if let Some(ca) = ca {
                tls = tls.ca_certificate(Certificate::from_pem(ca));
            }
            if let Some((certificate, key)) = identity {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint.tls_config(tls)?;
        }
        let endpoint = endpoint
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
        let channel = endpoint.connect().await?;
        Ok(Self { channel, token: token.transpose()?, timeout, retry })
    }

    /// A collection or an alias of this name; whether it is there, the first call says.
    pub fn collection(&self, name: &str) -> Collection {
        Collection::new(self.clone(), name.to_owned())
    }

    /// Makes an empty collection.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn create(&self, name: &str, config: v1::CollectionConfig) -> Result<Collection> {
        let request = v1::CreateRequest { collection: name.to_owned(), config: Some(config) };
        let client = CollectionServiceClient::new(self.channel.clone());
        self.call(false, Some(self.timeout), request, |request| {
            let mut client = client.clone();
            async move { client.create(request).await }
        })
        .await?;
        Ok(self.collection(name))
    }

    /// Makes a name lead to a collection, in one step whatever it led to before.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn set_alias(&self, alias: &str, collection: &str) -> Result<()> {
        let (alias, collection) = (alias.to_owned(), collection.to_owned());
        let client = CollectionServiceClient::new(self.channel.clone());
        let request = v1::SetAliasRequest { alias, collection };
        self.call(false, Some(self.timeout), request, |request| {
            let mut client = client.clone();
            async move { client.set_alias(request).await }
        })
        .await?;
        Ok(())
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn retry(&self) -> &Retry {
        &self.retry
    }

    /// A request with what every call has.
    pub(crate) fn request<T>(&self, message: T, timeout: Option<Duration>) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        request
    }

    /// Makes a call, and again where that is right.
    pub(crate) async fn call<M: Clone, T, F>(
        &self,
        safe: bool,
        timeout: Option<Duration>,
        message: M,
        mut send: impl FnMut(Request<M>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<Response<T>, Status>>,
    {
        let mut attempt = 1;
        loop {
            let error = match send(self.request(message.clone(), timeout)).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => Error::from(status),
            };
            let Some(pause) = self.retry.after(attempt, &error, safe) else { return Err(error) };
            attempt += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

//! The one place where the server opens connections: look up, check, connect to the checked address (X8).

use super::address::Egress;
use ringback_core::messages::Reason;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// For looking up and connecting, and again for the TLS handshake.
const CONNECT: Duration = Duration::from_secs(3);
/// Answers of a name server beyond this many are not tried.
const MOST_ADDRESSES: usize = 16;

/// Looks names up. The system's resolver by default; tests bring their own.
#[async_trait::async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a host.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait::async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found
            .map(|address| address.ip())
            .take(MOST_ADDRESSES)
            .collect())
    }
}

/// Why no connection came about. Nothing was sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.detail)]
pub struct DialError(pub Reason);

impl DialError {
    fn new(code: &str, detail: impl Into<String>) -> Self {
        Self(Reason::new(code, detail))
    }
}

/// Opens connections under one set of rules.
#[derive(Clone)]
pub struct Dialer {
    egress: Arc<Egress>,
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("egress", &self.egress)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// A dialer with the given rules and resolver; certificates are checked against Mozilla's roots and these authorities (DER).
    /// Fails when one of them is no certificate.
    pub fn new(
        egress: Egress,
        resolver: Arc<dyn Resolve>,
        authorities: &[Vec<u8>],
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for authority in authorities {
            roots.add(authority.as_slice().into())?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            egress: Arc::new(egress),
            resolver,
            tls: Arc::new(tls),
        })
    }

    /// The rules.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Opens a TCP connection. `plain` says that nothing will encrypt it: then the address must be listed or plain traffic allowed.
    pub async fn tcp(&self, host: &str, port: u16, plain: bool) -> Result<TcpStream, DialError> {
        let end = Instant::now() + CONNECT;
        let addresses = self.addresses(host, end).await?;
        if let Some(refused) = addresses.iter().find(|one| !self.egress.permits(**one)) {
            return Err(DialError::new(
                "address_refused",
                format!(
                    "{host} is at {refused}, which is not on the public internet; list its network under egress.allow if it is meant"
                ),
            ));
        }
        if plain && !self.egress.allow_http && !addresses.iter().all(|one| self.egress.lists(*one))
        {
            return Err(DialError::new(
                "not_encrypted",
                format!(
                    "{host} would be reached without encryption; use https or list its network under egress.allow"
                ),
            ));
        }
        let mut last = DialError::new("dns", format!("{host} has no address"));
        for (tried, ip) in addresses.iter().enumerate() {
            let left = end.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
            match timeout(share, TcpStream::connect(SocketAddr::new(*ip, port))).await {
                Ok(Ok(stream)) => return checked(stream, *ip),
                Ok(Err(error)) => {
                    last = DialError::new(
                        "connect",
                        format!("{host}:{port} cannot be reached: {}", unreached(&error)),
                    );
                }
                Err(_) => {
                    last =
                        DialError::new("connect", format!("{host}:{port} did not answer in time"));
                }
            }
        }
        Err(last)
    }

    async fn addresses(&self, host: &str, end: Instant) -> Result<Vec<IpAddr>, DialError> {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        if let Ok(literal) = bare.parse::<IpAddr>() {
            return Ok(vec![literal]);
        }
        let mut found = match timeout_at(end, self.resolver.resolve(host)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                return Err(DialError::new(
                    "dns",
                    format!(
                        "{host} could not be looked up: the name is wrong, or the network is down ({})",
                        words_of(&error)
                    ),
                ));
            }
            Err(_) => {
                return Err(DialError::new(
                    "dns",
                    format!("the name server did not answer for {host}"),
                ));
            }
        };
        found.truncate(MOST_ADDRESSES);
        if found.is_empty() {
            return Err(DialError::new("dns", format!("{host} has no address")));
        }
        Ok(found)
    }

    /// Encrypts a stream; the certificate must be valid for `host`.
    pub async fn tls<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
            DialError::new("tls", format!("{host} is no name a certificate can have"))
        })?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        match timeout(CONNECT, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(DialError::new(
                "tls",
                format!("no trusted encryption with {host}: {error}"),
            )),
            Err(_) => Err(DialError::new(
                "tls",
                format!("{host} did not finish the TLS handshake in time"),
            )),
        }
    }
}

/// What a failed connection means to whoever has to mend it.
fn unreached(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "no network leads there".to_owned()
        }
        io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
        _ => words_of(error),
    }
}

/// The system's words without its numbers.
fn words_of(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.rsplit(": ").next().unwrap_or_default().to_lowercase()
}

/// The connection must lead where it was meant to (a rebinding or a transparent proxy inside would show here).
fn checked(stream: TcpStream, meant: IpAddr) -> Result<TcpStream, DialError> {
    let peer = stream.peer_addr().map_err(|error| {
        DialError::new("connect", format!("the connection broke at once: {error}"))
    })?;
    if peer.ip().to_canonical() != meant.to_canonical() {
        return Err(DialError::new(
            "address_refused",
            "the connection led to another address than the one that was checked",
        ));
    }
    // Requests are small and written whole; waiting for more to send only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    Ok(stream)
}

/// Counts what was written to a connection, so that a broken call knows whether its request can have left.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// How many bytes were handed to the connection so far.
    pub fn written(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::AcqRel);
    }
}

/// A connection, encrypted or not, that counts what is written.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    /// The counter; clones count together.
    pub meter: Meter,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// An unencrypted connection.
    pub fn plain(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Plain(stream),
            meter: Meter::default(),
        }
    }

    /// An encrypted connection.
    pub fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream: Stream::Tls(Box::new(stream)),
            meter: Meter::default(),
        }
    }

    /// Who is at the other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plain(stream) => stream.peer_addr(),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // Counted before the call: a write that fails half way may have put bytes on the line.
        this.meter.add(buf.len());
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.meter.add(bufs.iter().map(|buf| buf.len()).sum());
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

//! What goes wrong below the request: names, connections, certificates.

use super::support;
use super::table::Lookup;
use ringback_channels::{Http, http::Resolve, testing};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_rustls::TlsAcceptor;

pub struct Names(pub Lookup);

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        match self.0 {
            Lookup::NoSuchName => Err(io::Error::other("Name or service not known")),
            Lookup::Failure => Err(io::Error::other("Temporary failure in name resolution")),
            Lookup::NoAddress => Ok(Vec::new()),
            Lookup::Silence => std::future::pending().await,
        }
    }
}

pub struct Home;

#[async_trait::async_trait]
impl Resolve for Home {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

pub const HOST: &str = "api.example.test";

/// A client and a server's side of TLS that do not fit together, made once.
pub static OTHER_NAME: LazyLock<(Http, TlsAcceptor)> =
    LazyLock::new(|| support::trusted(&["other.example.test"], "127.0.0.0/8", Arc::new(Home)));
pub static EXPIRED: LazyLock<(Http, TlsAcceptor)> = LazyLock::new(|| {
    let certificate = testing::expired_certificate(&[HOST]);
    support::showing(certificate, "127.0.0.0/8", Arc::new(Home))
});
/// The same client and server where they do fit, so that the two above fail for their reason alone.
pub static FITS: LazyLock<(Http, TlsAcceptor)> =
    LazyLock::new(|| support::trusted(&[HOST], "127.0.0.0/8", Arc::new(Home)));

/// A server that counts what it hears beyond the handshake.
pub async fn tls_server(acceptor: TlsAcceptor) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut bytes = vec![0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                counted.fetch_add(read, Ordering::Relaxed);
            }
        }
    });
    (port, heard)
}

/// A server that takes the first words of a handshake, says this and resets the connection.
pub async fn no_handshake(says: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 64];
            let read = stream.read(&mut bytes).await.unwrap_or_default();
            // A handshake begins with 22 (RFC 8446, 5.1); anything else would be words of the message.
            counted.fetch_add(usize::from(read > 0 && bytes[0] != 22), Ordering::Relaxed);
            let _gone = stream.write_all(says).await;
            drop(stream); // with words unread, which makes it a reset
        }
    });
    (port, heard)
}

/// An address at which connections are neither taken nor refused, for as long as what is returned with it lives.
pub async fn black_hole() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // The queue of connections that nobody takes is short; once it is full, the next one hears nothing.
    while waiting.len() < 64 {
        let soon = Duration::from_millis(100);
        match tokio::time::timeout(soon, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => waiting.push(stream),
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => return (address, waiting, listener),
        }
    }
    panic!("64 connections were taken by nobody");
}

//! Where the platform listens: Unix sockets, whose peers the kernel names, and addresses, with or without TLS.
//!
//! Owns connections: accepting, counting, who is at the other end. Plain HTTP is for loopback only.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::auth::Peer;
use crate::platform::PlatformError;
use crate::platform::lifecycle::{self, Lifecycle};

/// Somebody who has not finished the TLS handshake within this time is not going to.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many handshakes go on at a time.
const HANDSHAKES: usize = 256;

/// A stream of bytes both ways.
trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// One connection; counted while it is open.
pub struct Stream {
    inner: Box<dyn Both>,
    peer: Peer,
    _connected: lifecycle::Connected,
}

/// Accepts connections, counts them, and knows who is at the other end.
pub struct Listening {
    source: Source,
    lifecycle: Lifecycle,
}

enum Source {
    Unix(UnixListener),
    Plain(TcpListener),
    Tls { ready: mpsc::Receiver<(Box<dyn Both>, Peer)>, accepting: tokio::task::AbortHandle },
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Tls { accepting, .. } = self {
            accepting.abort();
        }
    }
}

impl Listening {
    /// Listens on a Unix socket.
    #[must_use]
    pub fn unix(listener: UnixListener, lifecycle: &Lifecycle) -> Self {
        Self { source: Source::Unix(listener), lifecycle: lifecycle.clone() }
    }

    /// Listens on an address: with TLS, or without it on loopback only.
    ///
    /// # Errors
    ///
    /// An address that is not loopback without TLS, or one that is taken.
    pub async fn network(
        address: SocketAddr,
        tls: Option<ServerConfig>,
        lifecycle: &Lifecycle,
    ) -> Result<(Self, SocketAddr), PlatformError> {
        if tls.is_none() && !address.ip().is_loopback() {
            return Err(PlatformError::PlainHttp { address });
        }
        let place = address.to_string();
        let listener = TcpListener::bind(address).await.map_err(PlatformError::io("listen on", place.as_str()))?;
        let bound = listener.local_addr().map_err(PlatformError::io("listen on", place.as_str()))?;
        let source = match tls {
            None => Source::Plain(listener),
            Some(config) => {
                let (sender, ready) = mpsc::channel(HANDSHAKES);
                let accepting = tokio::spawn(shake_hands(listener, TlsAcceptor::from(Arc::new(config)), sender));
                Source::Tls { ready, accepting: accepting.abort_handle() }
            }
        };
        Ok((Self { source, lifecycle: lifecycle.clone() }, bound))
    }
}

/// Reads certificate chain and key (PEM) for TLS.
///
/// # Errors
///
/// Files that cannot be read, hold neither, or do not belong together.
pub fn tls(certificate: &Path, key: &Path) -> Result<ServerConfig, PlatformError> {
    let bad = |path: &Path, message: String| PlatformError::BadCertificate { path: path.to_owned(), message };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|e| bad(certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(bad(certificate, "it holds no certificate".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(certificate, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    let mut config = config.map_err(|e| bad(key, e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts connections and lets each shake hands by itself, so that a slow one keeps nobody waiting.
async fn shake_hands(listener: TcpListener, acceptor: TlsAcceptor, ready: mpsc::Sender<(Box<dyn Both>, Peer)>) {
    let places = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, address) = tcp(&listener).await;
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let stream: Box<dyn Both> = Box::new(stream);
                    // Where nobody takes it the server has ended.
                    drop(ready.send((stream, Peer::Network(address))).await);
                }
                Ok(Err(error)) => tracing::debug!(%error, %address, "no TLS"),
                Err(_) => tracing::debug!(%address, "no TLS handshake in time"),
            }
            drop(place);
        });
    }
}

async fn tcp(listener: &TcpListener) -> (tokio::net::TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                return (stream, address);
            }
            Err(error) => wait(&error).await,
        }
    }
}

/// Too many open files as a rule: it passes when some are closed.
async fn wait(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

impl Listener for Listening {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Stream, Peer) {
        let (inner, peer): (Box<dyn Both>, Peer) = match &mut self.source {
            Source::Unix(listener) => loop {
                match UnixListener::accept(listener).await {
                    Ok((stream, _)) => {
                        let who = stream.peer_cred().ok();
                        let peer = who.map_or(Peer::Unknown, |who| Peer::Process { uid: who.uid(), pid: who.pid() });
                        break (Box::new(stream), peer);
                    }
                    Err(error) => wait(&error).await,
                }
            },
            Source::Plain(listener) => {
                let (stream, address) = tcp(listener).await;
                (Box::new(stream), Peer::Network(address))
            }
            Source::Tls { ready, .. } => match ready.recv().await {
                Some(accepted) => accepted,
                None => std::future::pending().await,
            },
        };
        (Stream { inner, peer, _connected: self.lifecycle.connected() }, peer)
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Unknown)
    }
}

impl Connected<IncomingStream<'_, Listening>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        stream.io().peer
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

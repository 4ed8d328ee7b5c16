//! How a request reaches the platform.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Url;
use tokio::net::UnixStream;
use tower::{Service, ServiceExt as _};

use super::ClientError;
use crate::api::auth::Peer;

/// Connecting takes longer only where nobody is.
const CONNECT: Duration = Duration::from_secs(10);

/// One of the three ways.
#[derive(Clone)]
pub(super) enum Transport {
    /// A Unix socket on this machine.
    Unix { socket: Arc<PathBuf>, base: Url, token: Option<String>, http: legacy::Client<Connector, Body> },
    /// HTTP(S).
    Http { base: Url, token: Option<String>, http: reqwest::Client },
    /// A router in this process.
    InProcess { base: Url, router: Router },
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(&self.place()).finish()
    }
}

fn local() -> Url {
    // The host is never looked up: it only fills the place of one.
    #[expect(clippy::expect_used, reason = "a constant that is a URL")]
    Url::parse("http://terrace.local/").expect("a URL")
}

impl Transport {
    pub(super) fn unix(socket: PathBuf) -> Self {
        let socket = Arc::new(socket);
        let connector = Connector { socket: Arc::clone(&socket) };
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self::Unix { socket, base: local(), token: None, http }
    }

    pub(super) fn http(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        let base = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| ClientError::Protocol(format!("'{url}' is no URL of a platform")))?;
        // Installing fails only where a provider stands already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| ClientError::Protocol(chain(&e)))?;
        Ok(Self::Http { base, token, http })
    }

    pub(super) fn in_process(router: Router) -> Self {
        Self::InProcess { base: local(), router }
    }

    pub(super) fn base(&self) -> &Url {
        match self {
            Self::Unix { base, .. } | Self::Http { base, .. } | Self::InProcess { base, .. } => base,
        }
    }

    pub(super) fn place(&self) -> String {
        match self {
            Self::Unix { socket, .. } => socket.display().to_string(),
            Self::Http { base, .. } => base.to_string(),
            Self::InProcess { .. } => "this process".to_owned(),
        }
    }

    /// Returns the bytes of an answer as they come.
    pub(super) fn pieces(&self, response: Response<Body>) -> BoxStream<'static, Result<Bytes, ClientError>> {
        let transport = self.clone();
        TryStreamExt::map_err(response.into_body().into_data_stream(), move |e| transport.broken(&e)).boxed()
    }

    /// Says that the connection broke, with its causes.
    pub(super) fn broken(&self, error: &dyn Error) -> ClientError {
        ClientError::Unreachable { place: self.place(), message: chain(error) }
    }

    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, ClientError> {
        match self {
            Self::Unix { token, http, .. } => {
                authorize(&mut request, token.as_deref())?;
                let response = http.request(request).await.map_err(|e| self.broken(&e))?;
                Ok(response.map(Body::new))
            }
            Self::Http { base, token, http } => {
                if token.is_some() && base.scheme() == "http" && !is_loopback(base) {
                    let place = base.to_string();
                    let message = "a token is not sent without TLS, where others could read it".to_owned();
                    return Err(ClientError::Unreachable { place, message });
                }
                authorize(&mut request, token.as_deref())?;
                let (parts, body) = request.into_parts();
                // What is asked is small as a rule; a file streams.
                let body = match body.size_hint().exact() {
                    Some(_) => {
                        let body = body.collect().await.map_err(|e| ClientError::Protocol(chain(&e)))?;
                        reqwest::Body::from(body.to_bytes())
                    }
                    None => reqwest::Body::wrap_stream(body.into_data_stream()),
                };
                let request = Request::from_parts(parts, body);
                let request = reqwest::Request::try_from(request).map_err(|e| ClientError::Protocol(chain(&e)))?;
                let response = http.execute(request).await.map_err(|e| self.broken(&e))?;
                Ok(Response::<reqwest::Body>::from(response).map(Body::new))
            }
            Self::InProcess { router, .. } => {
                request.extensions_mut().insert(ConnectInfo(Peer::InProcess));
                match router.clone().oneshot(request).await {
                    Ok(response) => Ok(response),
                    Err(never) => match never {},
                }
            }
        }
    }
}

/// Says who asks.
fn authorize(request: &mut Request<Body>, token: Option<&str>) -> Result<(), ClientError> {
    let Some(token) = token else { return Ok(()) };
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| ClientError::Protocol("the token is not text".to_owned()))?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Writes an error with its causes, each once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Connects to the one socket, whatever the address says.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    socket: Arc<PathBuf>,
}

impl Service<Uri> for Connector {
    type Response = LocalStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<LocalStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = Arc::clone(&self.socket);
        Box::pin(async move { Ok(LocalStream(TokioIo::new(UnixStream::connect(socket.as_path()).await?))) })
    }
}

/// A connection to the socket.
#[derive(Debug)]
pub(super) struct LocalStream(TokioIo<UnixStream>);

impl Connection for LocalStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for LocalStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for LocalStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

//! The typed client: one method a route, over a Unix socket, over HTTP(S), or in this process.
//!
//! Owns how a question becomes a request and an answer a value or a [`ClientError`]. Leaves starting a platform to the
//! command line. The methods of a noun are in its file; streams that come back after a lost connection in `follow`.

mod budgets;
mod comparisons;
mod cost;
mod decisions;
mod deliveries;
mod error;
mod estate;
mod follow;
mod platform;
mod recommend;
mod record;
mod requests;
mod runs;
mod services;
mod sse;
mod tokens;
mod transport;
mod trust;

use axum::body::Body;
use axum::http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::ClientError;
use transport::Transport;

use super::page::{MAX_LIMIT, Page};

/// How often a list is begun anew where the estate changes between its pages.
const ATTEMPTS: usize = 5;

/// Speaks to one platform; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
}

/// Parameters of a query; those without a value are left out.
type Parameters<'a> = &'a [(&'a str, Option<&'a str>)];

impl Client {
    /// Returns a client of the platform that listens on a Unix socket. Nothing is sent yet.
    #[must_use]
    pub fn unix(socket: impl Into<std::path::PathBuf>) -> Self {
        Self { transport: Transport::unix(socket.into()) }
    }

    /// Returns a client of a shared platform, such as `https://terrace.example.com`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A URL that is none, or a system without roots of trust.
    pub fn http(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::http(url, token)? })
    }

    /// Returns a client of a shared platform by its address: `https://…`, `http://…` or `unix:/path`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// As [`Client::http`].
    pub fn at(address: &str, token: Option<String>) -> Result<Self, ClientError> {
        match address.strip_prefix("unix:") {
            Some(path) => Ok(Self::unix(path.strip_prefix("//").unwrap_or(path)).with_token(token)),
            None => Self::http(address, token),
        }
    }

    /// Makes it act as whom a token says, on a Unix socket.
    #[must_use]
    pub fn with_token(mut self, given: Option<String>) -> Self {
        if let Transport::Unix { token, .. } = &mut self.transport {
            *token = given;
        }
        self
    }

    /// Returns a client of a router in this process: for commands that only read.
    #[must_use]
    pub fn in_process(router: axum::Router) -> Self {
        Self { transport: Transport::in_process(router) }
    }

    /// Returns where the platform is, for a person.
    #[must_use]
    pub fn place(&self) -> String {
        self.transport.place()
    }

    fn request(&self, method: Method, path: &str, parameters: Parameters<'_>) -> Result<Request<Body>, ClientError> {
        let mut url = self.transport.base().clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        let given: Vec<(&str, &str)> =
            parameters.iter().filter_map(|(name, value)| value.map(|value| (*name, value))).collect();
        if !given.is_empty() {
            url.query_pairs_mut().extend_pairs(given);
        }
        let request = Request::builder().method(method).uri(String::from(url)).body(Body::empty());
        request.map_err(|e| ClientError::Protocol(e.to_string()))
    }

    /// Sends a request; a status that is no success becomes its problem.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, ClientError> {
        let response = self.transport.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|e| self.transport.broken(&e))?.to_bytes();
        Err(ClientError::of_problem(status, &body))
    }

    async fn read<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T, ClientError> {
        let body = response.into_body().collect().await.map_err(|e| self.transport.broken(&e))?.to_bytes();
        serde_json::from_slice(&body).map_err(|e| ClientError::Protocol(format!("the answer cannot be read: {e}")))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, parameters: Parameters<'_>) -> Result<T, ClientError> {
        let request = self.request(Method::GET, &format!("/api/v1{path}"), parameters)?;
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// Reads a whole list, page by page.
    async fn list<T: DeserializeOwned>(&self, path: &str, parameters: Parameters<'_>) -> Result<Vec<T>, ClientError> {
        let limit = MAX_LIMIT.to_string();
        let mut attempt = 1;
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut with: Vec<(&str, Option<&str>)> = parameters.to_vec();
            with.extend([("limit", Some(limit.as_str())), ("cursor", cursor.as_deref())]);
            let page: Page<T> = match self.get(path, &with).await {
                Err(ClientError::Problem(problem)) if problem.code == "cursor-outdated" && attempt < ATTEMPTS => {
                    attempt += 1;
                    (items, cursor) = (Vec::new(), None);
                    continue;
                }
                page => page?,
            };
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Reads the newest items of a list that only grows.
    async fn newest<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: Parameters<'_>,
        count: u32,
    ) -> Result<Vec<T>, ClientError> {
        let limit = count.clamp(1, MAX_LIMIT).to_string();
        let mut with: Vec<(&str, Option<&str>)> = parameters.to_vec();
        with.push(("limit", Some(&limit)));
        Ok(self.get::<Page<T>>(path, &with).await?.items)
    }

    fn post<B: Serialize>(&self, path: &str, body: &B) -> Result<Request<Body>, ClientError> {
        let mut request = self.request(Method::POST, &format!("/api/v1{path}"), &[])?;
        let text = serde_json::to_vec(body).map_err(|e| ClientError::Protocol(e.to_string()))?;
        *request.body_mut() = Body::from(text);
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        Ok(request)
    }

    async fn change<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, ClientError> {
        let response = self.send(self.post(path, body)?).await?;
        self.read(response).await
    }
}

/// Writes one segment of a path so that it stays one.
fn segment(text: &str) -> String {
    let mut url = Url::parse("http://x/").map_or_else(|_| String::new(), String::from);
    if let Ok(mut parsed) = Url::parse(&url) {
        if let Ok(mut segments) = parsed.path_segments_mut() {
            segments.clear().push(text);
        }
        url = parsed.path().trim_start_matches('/').to_owned();
    }
    url
}

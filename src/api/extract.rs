//! Extractors whose refusals are problem documents, and the idempotency key.

use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use super::Problem;
use crate::domain::id::Digest;
use crate::platform::store::KeyFingerprint;

/// Parameters of the query; unknown ones are refused where the type denies unknown fields.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

/// Parts of the path.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

/// A JSON body, in a request or an answer.
#[derive(Debug, Clone, Copy, FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A body as it came, up to the server's limit.
#[derive(Debug, Clone)]
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(Bytes::from_request(request, state).await?))
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), "bad-body", rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "bad-query", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad-path", rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "bad-body", rejection.body_text())
    }
}

/// The header that makes a change safe to send twice.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The `Idempotency-Key` of a request, where it has one.
///
/// The service stores it with its answer in the transaction of the change
/// ([`crate::platform::store::RecordWrites::remember`]), so that of two requests with one key only one changes anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: Option<String>,
    method_and_path: String,
}

impl IdempotencyKey {
    /// Binds the key to who sent it and to what the request asks for; `None` where the request has no key.
    #[must_use]
    pub fn bind<T: Serialize>(&self, actor: &str, body: &T) -> Option<KeyFingerprint> {
        let key = self.key.clone()?;
        let body = serde_json::to_string(body).unwrap_or_default();
        let fingerprint = Digest::of(format!("{}\n{body}", self.method_and_path).as_bytes()).to_string();
        Some(KeyFingerprint { actor: actor.to_owned(), key, fingerprint })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let key = read_key(&parts.headers)?;
        Ok(Self { key, method_and_path: format!("{} {}", parts.method, parts.uri.path()) })
    }
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    // The header is a structured string in its draft; clients send it with or without the quotes.
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if text.is_empty() || text.len() > 255 {
        return Err(Problem::bad_request(
            "bad-idempotency-key",
            "Idempotency-Key must have 1 to 255 visible characters",
        ));
    }
    Ok(Some(text.to_owned()))
}

//! ETags: reading `If-None-Match` (304) and `If-Match` (412), and answering with one.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Problem;

/// The version of a resource, as its ETag shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// Returns the strong ETag of a resource that counts its versions.
    #[must_use]
    pub fn version(version: u64) -> Self {
        Self(format!("\"{version}\""))
    }

    /// Returns the weak ETag of an answer made from a revision of the estate in one process.
    #[must_use]
    pub fn revision(started_at: jiff::Timestamp, revision: u64) -> Self {
        Self(format!("W/\"{:x}-{revision}\"", started_at.as_microsecond()))
    }

    fn opaque(&self) -> &str {
        self.0.strip_prefix("W/").unwrap_or(&self.0)
    }

    fn value(&self) -> Result<HeaderValue, header::InvalidHeaderValue> {
        HeaderValue::from_str(&self.0)
    }
}

/// The conditions that a request came with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Conditions {
    /// Refuses with 412 where `If-Match` names another version (strong comparison, RFC 9110 section 13.1.1).
    ///
    /// # Errors
    ///
    /// 412 with code `precondition-failed`.
    pub fn check(&self, etag: &Etag) -> Result<(), Problem> {
        let Some(wanted) = &self.if_match else { return Ok(()) };
        let strong = !etag.0.starts_with("W/");
        if tags(wanted).any(|tag| tag == "*" || (strong && tag == etag.0)) {
            return Ok(());
        }
        let detail = format!("it is at version {}, and If-Match asks for {wanted}", etag.0);
        Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail)
            .hint("read it again, and decide on what it is now"))
    }

    /// Says whether the request came with `If-Match`.
    #[must_use]
    pub fn has_if_match(&self) -> bool {
        self.if_match.is_some()
    }

    /// Says whether the client has this version already (weak comparison).
    #[must_use]
    pub fn is_known(&self, etag: &Etag) -> bool {
        self.if_none_match.as_deref().is_some_and(|known| {
            tags(known).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag.opaque())
        })
    }
}

fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|tag| !tag.is_empty())
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            if_match: joined(&parts.headers, &header::IF_MATCH),
            if_none_match: joined(&parts.headers, &header::IF_NONE_MATCH),
        })
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// An answer with its ETag: 304 without a body where the client has it already.
#[derive(Debug, Clone)]
pub struct Tagged<T> {
    /// The ETag.
    pub etag: Etag,
    /// Whether the client has it already.
    pub known: bool,
    /// The answer.
    pub answer: T,
}

impl<T> Tagged<T> {
    /// Tags an answer.
    #[must_use]
    pub fn new(etag: Etag, conditions: &Conditions, answer: T) -> Self {
        let known = conditions.is_known(&etag);
        Self { etag, known, answer }
    }
}

impl<T: IntoResponse> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let etag = self.etag.value();
        let mut response =
            if self.known { StatusCode::NOT_MODIFIED.into_response() } else { self.answer.into_response() };
        if let Ok(etag) = etag {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(if_match: Option<&str>, if_none_match: Option<&str>) -> Conditions {
        Conditions { if_match: if_match.map(str::to_owned), if_none_match: if_none_match.map(str::to_owned) }
    }

    #[test]
    fn if_match_compares_strongly() {
        let etag = Etag::version(7);
        for (header, passes) in [
            (None, true),
            (Some("\"7\""), true),
            (Some("\"6\", \"7\""), true),
            (Some("*"), true),
            (Some("\"6\""), false),
        ] {
            assert_eq!(conditions(header, None).check(&etag).is_ok(), passes, "{header:?}");
        }
        assert!(conditions(Some("W/\"7\""), None).check(&etag).is_err());
        assert_eq!(conditions(Some("seven"), None).check(&etag).map_err(|p| p.status), Err(412));
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let etag = Etag::revision(jiff::Timestamp::UNIX_EPOCH, 3);
        assert!(conditions(None, Some("W/\"0-3\"")).is_known(&etag));
        assert!(conditions(None, Some("\"0-3\"")).is_known(&etag));
        assert!(!conditions(None, Some("\"0-2\"")).is_known(&etag));
        assert!(!conditions(None, None).is_known(&etag));
    }
}

//! Errors on the wire: problem documents of RFC 9457.
//!
//! Owns which status a code of the platform layer has. A handler returns `Result<_, Problem>`; the server adds the
//! `instance` on the way out.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::request::StepRefused;
use crate::domain::stack::Source;
use crate::platform::PlatformError;
use crate::platform::requests::RequestError;
use crate::platform::runs::RunError;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// After how many seconds what is not there now may be asked for again.
const RETRY_AFTER: &str = "5";

/// What went wrong, for programs (`code`) and people (`title`, `detail`, `hint`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// `urn:terrace:problem:<code>`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// What the status means, the same for each problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// This occurrence: `urn:terrace:request:<id>`, the id that the answer's `x-request-id` and the log carry.
    pub instance: String,
    /// A stable code in kebab case.
    pub code: String,
    /// The next step, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The place in the estate's files, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    #[serde(rename = "source")]
    pub place: Option<Source>,
}

impl Problem {
    /// Returns a problem with this status and code.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            problem_type: format!("urn:terrace:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            instance: String::new(),
            code: code.to_owned(),
            hint: None,
            place: None,
        }
    }

    /// Returns 400 with this code.
    #[must_use]
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Returns 404 with this code.
    #[must_use]
    pub fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the status.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status_code(), Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        // The server writes the body again with the instance in it.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<PlatformError> for Problem {
    fn from(error: PlatformError) -> Self {
        use PlatformError as E;
        let status = match &error {
            E::Stale { .. } => StatusCode::PRECONDITION_FAILED,
            E::NotFound { .. } => StatusCode::NOT_FOUND,
            E::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            E::KeyReused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            E::Atmos(inner) if inner.code.starts_with("unknown-") => StatusCode::NOT_FOUND,
            E::Atmos(_) | E::Configuration(_) | E::Unusable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            E::NoStore { .. } | E::BusyDatabase { .. } | E::DatabaseAway { .. } | E::DatabaseTaken { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            E::DiskFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        problem.hint = error.hint();
        problem.place = error.source_at().cloned();
        problem
    }
}

impl From<crate::atmos::AtmosError> for Problem {
    fn from(error: crate::atmos::AtmosError) -> Self {
        PlatformError::from(error).into()
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let status = match error {
            RequestError::Platform(error) => return error.into(),
            RequestError::Run(error) => return error.into(),
            RequestError::Invalid { code, .. } if code.starts_with("unknown-") => StatusCode::NOT_FOUND,
            RequestError::Refused(StepRefused::WrongState { .. }) => StatusCode::CONFLICT,
            RequestError::Invalid { code: "not-waiting", .. } | RequestError::Git { .. } => StatusCode::CONFLICT,
            RequestError::Denied { .. } => StatusCode::FORBIDDEN,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        problem.hint = error.hint();
        if let RequestError::GoldenPath(error) = &error {
            problem.place.clone_from(&error.source_at);
        }
        problem
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let status = match error {
            RunError::Platform(error) => return error.into(),
            RunError::Atmos(error) => return error.into(),
            RunError::Refused(_) | RunError::WouldWait(_) => StatusCode::CONFLICT,
            RunError::Invalid { .. } | RunError::Circle(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RunError::Denied { .. } => StatusCode::FORBIDDEN,
            RunError::Supervisor(_) => StatusCode::BAD_GATEWAY,
            RunError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        problem.hint = error.hint();
        problem
    }
}

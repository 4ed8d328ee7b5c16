//! Why a question has no answer.

use axum::http::StatusCode;

use crate::api::Problem;

/// Everything that the client reports as an error.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The platform could not be reached, or the connection broke.
    #[error("the platform at {place} is not reachable: {message}")]
    Unreachable {
        /// Where it was looked for.
        place: String,
        /// What the system said.
        message: String,
    },
    /// The platform said no, or could not.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// A question that cannot be sent, or an answer that cannot be read.
    #[error("{0}")]
    Protocol(String),
}

impl ClientError {
    /// Reads the problem document of an answer; one without any is told by its status.
    pub(super) fn of_problem(status: StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Self::Problem(Box::new(problem)),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let line = text.lines().next().unwrap_or_default();
                Self::Protocol(format!("the answer was {status} without a problem document: {line}"))
            }
        }
    }

    /// Returns the next step, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some("`terrace status` says whether it runs".to_owned()),
            Self::Problem(problem) => problem.hint.clone(),
            Self::Protocol(_) => Some("the platform may be of another version: terrace status".to_owned()),
        }
    }

    /// Returns the code of the problem, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Says whether asking again later can help: the platform was not reached, or was busy.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

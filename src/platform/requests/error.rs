//! Why a request cannot be had, or cannot be changed.

use crate::domain::golden_path::InputProblem;
use crate::domain::request::StepRefused;
use crate::platform::PlatformError;
use crate::platform::golden_paths::GoldenPathError;
use crate::platform::runs::RunError;

/// Everything that the service of requests reports as an error.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The store or another part of the platform failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A run could not be had.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The golden path, or an edit of a file.
    #[error(transparent)]
    GoldenPath(#[from] GoldenPathError),
    /// The request's state does not allow it.
    #[error(transparent)]
    Refused(#[from] StepRefused),
    /// What was filled in is wrong.
    #[error("{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; "))]
    Inputs(Vec<InputProblem>),
    /// It makes no sense.
    #[error("{message}")]
    Invalid {
        /// A stable code in kebab case.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// This person may not do it.
    #[error("{message}")]
    Denied {
        /// A stable code in kebab case.
        code: &'static str,
        /// Why.
        message: String,
        /// Who may.
        hint: Option<String>,
    },
    /// The Git repository does not allow it.
    #[error("{message}")]
    Git {
        /// A stable code in kebab case.
        code: &'static str,
        /// What is in the way.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl RequestError {
    /// Says that it makes no sense.
    pub(super) fn invalid(code: &'static str, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Invalid { code, message: message.into(), hint: hint.map(str::to_owned) }
    }

    /// Says that the repository does not allow it.
    pub(super) fn git(code: &'static str, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Git { code, message: message.into(), hint: hint.map(str::to_owned) }
    }

    /// Returns the stable code, in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Platform(error) => error.code(),
            Self::Run(error) => error.code(),
            Self::GoldenPath(error) => error.code,
            Self::Refused(StepRefused::NoReason { .. }) => "reason-missing",
            Self::Refused(StepRefused::WrongState { .. }) => "not-now",
            Self::Inputs(_) => "input-invalid",
            Self::Invalid { code, .. } | Self::Denied { code, .. } | Self::Git { code, .. } => code,
        }
    }

    /// Returns the next step, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Platform(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::GoldenPath(error) => error.hint.clone(),
            Self::Refused(StepRefused::NoReason { .. }) => Some("say why: --reason TEXT".to_owned()),
            Self::Refused(StepRefused::WrongState { number, .. }) => Some(format!("terrace request show {number}")),
            Self::Inputs(wrong) if wrong.iter().any(|problem| problem.input.starts_with("vars.")) => {
                Some("the component's variables say what each may be; `terrace explain` what it is".to_owned())
            }
            Self::Inputs(_) => Some("`terrace list golden-paths` shows what each asks for".to_owned()),
            Self::Invalid { hint, .. } | Self::Denied { hint, .. } | Self::Git { hint, .. } => hint.clone(),
        }
    }

    /// Says whether trying again without any change could succeed: a store or a process failed, not what was asked.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        let (Self::Platform(error) | Self::Run(RunError::Platform(error))) = self else { return false };
        use PlatformError::{BusyDatabase, DatabaseAway, DiskFull};
        matches!(error, BusyDatabase { .. } | DiskFull { .. } | DatabaseAway { .. })
    }
}

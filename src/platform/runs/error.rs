//! Why a run cannot be had, or cannot be changed.

use crate::atmos::AtmosError;
use crate::domain::run::machine::Refusal;
use crate::domain::run::order::Circle;
use crate::platform::PlatformError;

/// Everything that the service of runs reports as an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store, a folder or another part of the platform failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The configuration does not allow it, or cannot be resolved.
    #[error("{0}")]
    Atmos(#[from] AtmosError),
    /// The run's state does not allow it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The members of a set need one another.
    #[error("{0}")]
    Circle(#[from] Circle),
    /// A lock is held, and the request said not to wait.
    #[error("not started: it would wait for {0}")]
    WouldWait(String),
    /// The request makes no sense.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Policy or the rules of approvals say no.
    #[error("{message}")]
    Denied {
        /// A stable code in kebab case.
        code: &'static str,
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The run's supervisor did not do what it was asked.
    #[error("the run's supervisor: {0}")]
    Supervisor(String),
    /// A system call failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl RunError {
    /// Says that a request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), hint: None }
    }

    /// Wraps an error of the system.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// Returns the stable code, in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Platform(error) => error.code(),
            Self::Atmos(error) => error.code,
            Self::Refused(Refusal::OtherPlan { .. }) => "other-plan",
            Self::Refused(_) => "not-now",
            Self::Circle(_) => "dependency-circle",
            Self::WouldWait(_) => "lock-held",
            Self::Invalid { .. } => "invalid-run",
            Self::Denied { code, .. } => code,
            Self::Supervisor(_) => "supervisor",
            Self::Io { .. } => "io",
        }
    }

    /// Returns the next step, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Platform(error) => error.hint(),
            Self::Atmos(error) => error.hint.clone(),
            Self::WouldWait(_) => Some("without --no-wait the run waits its turn".to_owned()),
            Self::Refused(Refusal::OtherPlan { .. }) => Some("look at the plan again, and confirm that one".to_owned()),
            Self::Invalid { hint, .. } | Self::Denied { hint, .. } => hint.clone(),
            Self::Supervisor(_) => Some("`terrace runs show` says where the run stands".to_owned()),
            _ => None,
        }
    }
}

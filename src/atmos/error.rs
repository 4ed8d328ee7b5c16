//! The one error of this layer: a diagnostic that nothing can go on without.

use crate::domain::stack::{Diagnostic, Severity, Source};

/// Why an estate, or what was asked of it, cannot be had at all.
///
/// What is wrong with one file or instance is a [`Diagnostic`] of the estate instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AtmosError {
    /// A stable code in kebab case, such as `no-atmos-yaml`.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
    /// Where it stands.
    pub source_at: Option<Source>,
}

impl AtmosError {
    /// Returns an error without hint or place.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, source_at: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, source: Source) -> Self {
        self.source_at = Some(source);
        self
    }

    /// Returns the same as a diagnostic of severity error.
    #[must_use]
    pub fn to_diagnostic(&self) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: self.code.to_owned(),
            message: self.message.clone(),
            hint: self.hint.clone(),
            source: self.source_at.clone(),
            stack: None,
        }
    }
}

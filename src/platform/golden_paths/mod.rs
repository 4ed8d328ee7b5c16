//! Golden paths: `platform/golden-paths/<name>/template.yaml`, read, filled in, and turned into changes of files.
//!
//! Owns how a template is read ([`template`]) and what it writes ([`mod@render`]). Nothing here writes to the disk: a
//! [`Changes`] is computed whole or not at all, and requests carry it into a branch of its own.

mod changes;
mod render;
mod template;

use std::path::Path;

use crate::atmos::files::{Files, Kind};
use crate::domain::stack::{Diagnostic, Severity, Source};

pub use changes::{Changes, Overlay};
pub use render::{Asker, Ground, problems, render};
pub use template::Template;

/// Where golden paths lie, relative to the estate's root.
pub const FOLDER: &str = "platform/golden-paths";

/// What can go wrong between a golden path and its changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GoldenPathError {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
    /// Where it stands.
    pub source_at: Option<Source>,
}

impl GoldenPathError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, source_at: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(mut self, file: &str, line: u32, column: u32) -> Self {
        self.source_at = Some(Source { file: file.to_owned(), line, column });
        self
    }

    fn to_diagnostic(&self, file: &str) -> Diagnostic {
        let place = Source { file: file.to_owned(), line: 1, column: 1 };
        Diagnostic {
            severity: Severity::Error,
            code: self.code.to_owned(),
            message: self.message.clone(),
            hint: self.hint.clone(),
            source: self.source_at.clone().or(Some(place)),
            stack: None,
        }
    }
}

/// Reads every template of an estate, by name; one that cannot be read becomes a diagnostic and hides no other.
#[must_use]
pub fn read(root: &Path, files: &dyn Files) -> (Vec<Template>, Vec<Diagnostic>) {
    let folder = root.join(FOLDER);
    let (mut templates, mut problems) = (Vec::new(), Vec::new());
    for (name, kind) in files.list(&folder).unwrap_or_default() {
        if kind != Kind::Folder || files.kind(&folder.join(&name).join("template.yaml")) != Some(Kind::File) {
            continue;
        }
        match Template::read(root, files, &name) {
            Ok(template) => templates.push(template),
            Err(error) => problems.push(error.to_diagnostic(&format!("{FOLDER}/{name}/template.yaml"))),
        }
    }
    (templates, problems)
}

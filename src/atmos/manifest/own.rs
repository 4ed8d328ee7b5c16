//! Which rules hold for the manifests of an estate: Atmos' own, or the schema that `schemas.atmos.manifest` names.

use std::path::{Path, PathBuf};

use jsonschema::{Draft, Validator};

use super::super::config::{AtmosConfig, clean, display, inside};
use super::super::files::Kind;
use super::super::{LoadOptions, node::Node};
use super::{REFUSED, check};
use crate::domain::stack::{Diagnostic, Severity, Source};

/// The rules of one estate.
#[derive(Debug)]
pub(in super::super) enum Rules {
    /// Those of a current Atmos.
    Current,
    /// A schema of the estate's own.
    Own(Box<Validator>),
    /// They cannot be had here; nothing is refused.
    Unknown,
}

impl Rules {
    /// Returns the rules, and what is wrong with the schema that the configuration names.
    pub(in super::super) fn of(root: &Path, config: &AtmosConfig, options: &LoadOptions) -> (Self, Option<Diagnostic>) {
        let name = config.manifest_schema.as_str();
        if name.is_empty() {
            return (Self::Current, None);
        }
        let problem = |severity, code: &str, message: String, hint: &str| {
            let problem = Diagnostic {
                severity,
                code: code.to_owned(),
                message,
                hint: Some(hint.to_owned()),
                source: Some(Source { file: "atmos.yaml".to_owned(), line: 1, column: 1 }),
                stack: None,
            };
            (Self::Unknown, Some(problem))
        };
        let files = options.files.as_ref();
        let found: Option<PathBuf> =
            Self::places(root, config).into_iter().find(|path| files.kind(path) == Some(Kind::File));
        let Some(path) = found else {
            if name.starts_with("http://") || name.starts_with("https://") {
                let message =
                    format!("manifests are not checked: their schema {name} is remote, and nothing is fetched");
                return problem(
                    Severity::Warning,
                    "schema-not-fetched",
                    message,
                    "vendor the schema into the repository",
                );
            }
            let message = format!("Schema file '{name}' not found: schemas.atmos.manifest of atmos.yaml names it");
            return problem(Severity::Error, "schema-not-found", message, "correct or remove schemas.atmos.manifest");
        };
        if !options.trusted && !inside(files, root, &path) {
            let message = format!("manifests are not checked: their schema {name} lies outside of the estate");
            return problem(
                Severity::Warning,
                "untrusted-read",
                message,
                "run `terrace trust` if you trust this estate",
            );
        }
        let shown = display(root, &path);
        let read = files.read(&path).map_err(|e| e.to_string());
        let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
        let made = parsed.and_then(|schema: serde_json::Value| {
            let options = jsonschema::options().with_draft(Draft::Draft202012);
            options.build(&schema).map_err(|e| e.to_string())
        });
        match made {
            Ok(validator) => (Self::Own(Box::new(validator)), None),
            Err(why) => {
                let message = format!("manifests are not checked: the schema {shown} cannot be used: {why}");
                problem(Severity::Warning, "schema-unusable", message, "correct the schema")
            }
        }
    }

    /// Returns where the schema is sought that the configuration names.
    pub(in super::super) fn places(root: &Path, config: &AtmosConfig) -> [PathBuf; 2] {
        let name = config.manifest_schema.as_str();
        [clean(&root.join(name)), clean(&config.base_path.join(name.trim_start_matches('/')))]
    }

    /// Says what of a file is refused.
    pub(in super::super) fn check(&self, file: &Node) -> Vec<Diagnostic> {
        match self {
            Self::Current => check(file),
            Self::Own(validator) => own(validator, file),
            Self::Unknown => Vec::new(),
        }
    }

    /// Says which keys are deprecated.
    pub(in super::super) fn deprecated(&self, file: &Node) -> Vec<Diagnostic> {
        match self {
            Self::Current => super::deprecated(file),
            Self::Own(_) | Self::Unknown => Vec::new(),
        }
    }
}

fn own(validator: &Validator, file: &Node) -> Vec<Diagnostic> {
    let value = file.to_json();
    let tell = |error: jsonschema::ValidationError<'_>| {
        let pointer = error.instance_path().to_string();
        let steps: Vec<String> = pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        let mut at = file.clone();
        for step in &steps {
            let next = match at.list() {
                Some(items) => step.parse().ok().and_then(|i: usize| items.get(i)).cloned(),
                None => at.get(step).cloned(),
            };
            let Some(next) = next else { break };
            at = next;
        }
        let path = if steps.is_empty() { "(root)".to_owned() } else { steps.join(".") };
        Diagnostic {
            severity: Severity::Error,
            code: REFUSED.to_owned(),
            message: format!("{path}: {}", error.masked()),
            hint: Some("the schema that schemas.atmos.manifest names refuses it".to_owned()),
            source: at.pos().source().or_else(|| file.pos().source()),
            stack: None,
        }
    };
    validator.iter_errors(&value).map(tell).collect()
}

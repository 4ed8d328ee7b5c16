//! What is wrong with the files of `platform/` that are read when they are asked for: prices, usage figures, policies,
//! golden paths.
//!
//! Owns making diagnostics of it. What is read with each snapshot (`terrace.yaml`, `teams.yaml`, `allocation.yaml`,
//! workflows) says so there; what each file means belongs to those who read it.

use super::estate::Snapshot;
use super::estimates::{self, EstimateError, USAGE_FILE};
use super::golden_paths;
use super::policies::Bundle;
use crate::atmos::files::Disk;
use crate::domain::policy::{Finding, Weight};
use crate::domain::stack::{Diagnostic, Severity, Source};

/// Returns what is wrong with them; a file that is broken hides no other.
#[must_use]
pub fn problems(snapshot: &Snapshot) -> Vec<Diagnostic> {
    let root = snapshot.estate().root();
    let mut found: Vec<Diagnostic> =
        estimates::estate_book(root).err().map(|error| prices(&error)).into_iter().collect();
    match estimates::estate_usage(root) {
        Ok(usage) => {
            found.extend(usage.warnings.iter().map(|said| at(USAGE_FILE, said, "usage-file", Severity::Warning)));
        }
        Err(error) => found.push(at(USAGE_FILE, &error.to_string(), "usage-file", Severity::Error)),
    }
    found.extend(golden_paths::read(root, &Disk).1);
    found.extend(Bundle::load(root).problems().iter().map(policy));
    found
}

fn prices(error: &EstimateError) -> Diagnostic {
    let (file, line) = match error {
        EstimateError::Prices(book) => (book.file.as_str(), book.line),
        _ => ("platform/prices.yaml", None),
    };
    let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(1);
    let source = Source { file: file.to_owned(), line, column: 1 };
    Diagnostic { source: Some(source), ..at(file, &error.to_string(), "prices", Severity::Error) }
}

/// Makes a diagnostic of a sentence that begins with the file, and its line where that is known.
fn at(file: &str, said: &str, code: &str, severity: Severity) -> Diagnostic {
    let place = said.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let line = place.and_then(|rest| rest.split(':').next()?.parse().ok()).unwrap_or(1);
    Diagnostic {
        severity,
        code: code.to_owned(),
        message: said.to_owned(),
        hint: None,
        source: Some(Source { file: file.to_owned(), line, column: 1 }),
        stack: None,
    }
}

fn policy(finding: &Finding) -> Diagnostic {
    let severity = if finding.weight == Weight::Deny { Severity::Error } else { Severity::Warning };
    let source =
        finding.location.clone().unwrap_or_else(|| Source { file: finding.policy.clone(), line: 1, column: 1 });
    Diagnostic {
        severity,
        code: finding.code.clone(),
        message: finding.message.clone(),
        hint: finding.fix.clone(),
        source: Some(source),
        stack: None,
    }
}

//! Scanners of code that go with a plan: `scanners` in `platform/terrace.yaml`.
//!
//! Each is a step of the run before all others, in the component's folder, and writes SARIF. Whatever it says and however
//! it ends, the plan goes on: what its findings mean is for policy to say.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::folder::RunFolder;
use super::work::{Work, exec};
use crate::atmos::driver::script::{Action, Exec, Output, StepTitle};
use crate::domain::run::Run;
use crate::domain::scan::{ScanFinding, ScanLevel, read_sarif};

/// What the names of their steps begin with.
const STEP: &str = "scan ";
/// The largest output that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// A scanner that goes with every plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// Its name, unique in the estate: letters, digits, `-` and `_`.
    pub name: String,
    /// A shell command that writes SARIF to its standard output; it runs in the component's folder.
    pub command: String,
}

impl Scanner {
    /// Says what is wrong with it.
    ///
    /// # Errors
    ///
    /// A name that could be no file's, or a command without words.
    pub fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(format!("'{}' is no name of a scanner: letters, digits, - and _", self.name));
        }
        if self.command.trim().is_empty() {
            return Err(format!("scanner '{}' has no command", self.name));
        }
        Ok(())
    }
}

/// Puts the scanners before everything a run does.
pub(super) fn scan(work: &mut Work, component: &Path, scanners: &[Scanner], folder: &RunFolder) {
    if !component.is_dir() {
        return;
    }
    for scanner in scanners.iter().rev() {
        for action in &mut work.script.actions {
            if let Action::Exec(exec) = action {
                exec.later();
            }
        }
        let title =
            StepTitle { name: format!("{STEP}{}", scanner.name), command: scanner.command.clone(), skipped: false };
        work.script.steps.insert(0, title);
        let argv = ["sh", "-c", &scanner.command].map(str::to_owned).to_vec();
        let exec = Exec {
            output: Output::File(folder.path().join(file_of(&scanner.name))),
            // Most scanners say with their exit code that they found something.
            success: (0..=255).collect(),
            ..exec(0, argv, component.to_owned(), BTreeMap::new())
        };
        work.script.actions.insert(0, Action::Exec(exec));
    }
}

/// Returns what the scanners of a run found, the gravest first; `folder` is the run's. Reads files, so it blocks.
pub(crate) fn scanned(folder: &Path, run: &Run) -> Vec<ScanFinding> {
    let mut found = Vec::new();
    for command in &run.commands {
        let Some(name) = command.step.strip_prefix(STEP) else { continue };
        let read = read(&folder.join(file_of(name))).unwrap_or_else(|why| vec![silent(name, why)]);
        found.extend(read.into_iter().map(|finding| below(&command.folder, finding)));
    }
    found.sort();
    found.dedup();
    found
}

fn file_of(scanner: &str) -> String {
    format!("scan-{scanner}.sarif")
}

fn read(file: &Path) -> Result<Vec<ScanFinding>, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size == 0 {
        return Err("it wrote nothing; perhaps it is not installed".to_owned());
    }
    if size > LARGEST {
        return Err(format!("it wrote {size} bytes, {LARGEST} are the most"));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    read_sarif(&bytes).map_err(|error| error.to_string())
}

/// A scanner without an answer found nothing, and that is said.
fn silent(name: &str, why: String) -> ScanFinding {
    ScanFinding {
        level: ScanLevel::Note,
        tool: name.to_owned(),
        rule: "scanner-silent".to_owned(),
        message: format!("the scanner gave no SARIF: {why}"),
        location: None,
        help: None,
    }
}

/// Scanners name files from the folder that they ran in.
fn below(folder: &str, mut finding: ScanFinding) -> ScanFinding {
    if let Some(at) = finding.location.as_mut().filter(|at| !at.file.starts_with('/') && !at.file.contains("://")) {
        at.file = Path::new(folder).join(&at.file).display().to_string();
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_has_a_name_and_a_command() {
        let scanner = |name: &str, command: &str| Scanner { name: name.into(), command: command.into() };
        assert_eq!(scanner("trivy", "trivy config --format sarif .").check(), Ok(()));
        assert!(scanner("../x", "true").check().is_err());
        assert!(scanner("x", " ").check().is_err());
    }

    #[test]
    fn places_are_those_of_the_estate() {
        let at = |file: &str| {
            let location = Some(crate::domain::stack::Source { file: file.into(), line: 1, column: 1 });
            let finding = ScanFinding { location, ..silent("x", String::new()) };
            below("components/terraform/network", finding).location.map(|at| at.file)
        };
        assert_eq!(at("main.tf").as_deref(), Some("components/terraform/network/main.tf"));
        assert_eq!(at("/abs/main.tf").as_deref(), Some("/abs/main.tf"));
    }
}

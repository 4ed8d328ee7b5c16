//! `platform/terrace.yaml`: how the platform behaves for one estate. Optional, as is every key in it.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::PlatformError;
use super::runs::credentials::CredentialsCheck;
use super::runs::scanners::Scanner;
use super::webhooks::Webhook;
use crate::domain::stack::{Diagnostic, Severity, Source};

/// Where the file lies, relative to the estate's root.
pub const FILE: &str = "platform/terrace.yaml";

/// What `platform/terrace.yaml` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The identity that clones of the estate share.
    pub id: Option<String>,
    /// The Atmos binary; `ATMOS_BIN` comes before it, the PATH after it.
    pub atmos_bin: Option<String>,
    /// The shared platform that the estate's people use: `https://…`, `http://` on loopback, or `unix:/path`.
    pub server: Option<String>,
    /// Where events are delivered.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// How many runs go on at a time.
    pub parallel_runs: Option<std::num::NonZeroU16>,
    /// After how many minutes a run that waits for a confirmation expires.
    pub confirmation_minutes: Option<std::num::NonZeroU32>,
    /// How many seconds Atmos may take to evaluate the values of one instance.
    pub evaluation_seconds: Option<std::num::NonZeroU32>,
    /// Checks of credentials that precede runs; the first whose patterns match a run's stack counts.
    #[serde(default)]
    pub credentials: Vec<CredentialsCheck>,
    /// Whether runs of one component may go in parallel in working copies, where its state is kept elsewhere.
    pub working_copies: Option<bool>,
    /// Scanners that go with every plan; what they find stays with the run.
    #[serde(default)]
    pub scanners: Vec<Scanner>,
    /// After how many hours a request that waits for approvals expires.
    pub approval_hours: Option<std::num::NonZeroU32>,
    /// Where requests are pushed to; nothing ever is where none is named.
    pub remote: Option<Remote>,
}

/// A remote of the estate's repository, and how a pull request is opened there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Its name, such as `origin`.
    pub name: String,
    /// A shell command that opens a pull request; it finds `TERRACE_BRANCH`, `TERRACE_MAIN`, `TERRACE_REMOTE`,
    /// `TERRACE_REQUEST` and `TERRACE_TITLE` in its environment.
    pub pull_request: Option<String>,
}

impl Settings {
    /// Reads the settings of the estate at `root`; the default where there is no file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, with line and column.
    pub fn read(root: &Path) -> Result<Self, PlatformError> {
        let path = root.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Self::parse(&bytes).map_err(PlatformError::Configuration),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(PlatformError::io("read", path)(error)),
        }
    }

    /// Reads settings from the text of the file.
    ///
    /// # Errors
    ///
    /// The problem, with line and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, Box<Diagnostic>> {
        let settings: Self = parse_yaml(FILE, bytes)?;
        if settings.id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            return Err(problem(FILE, "terrace-yaml", "`id` is empty", None));
        }
        for check in &settings.credentials {
            check.patterns().map_err(|why| problem(FILE, "terrace-yaml", &why, None))?;
        }
        if settings.remote.as_ref().is_some_and(|remote| remote.name.trim().is_empty() || remote.name.starts_with('-'))
        {
            return Err(problem(FILE, "terrace-yaml", "`remote.name` names no remote, such as origin", None));
        }
        for (at, scanner) in settings.scanners.iter().enumerate() {
            let twice = settings.scanners[..at].iter().any(|other| other.name == scanner.name);
            let twice = if twice { Err(format!("two scanners are named '{}'", scanner.name)) } else { Ok(()) };
            scanner.check().and(twice).map_err(|why| problem(FILE, "terrace-yaml", &why, None))?;
        }
        for (at, webhook) in settings.webhooks.iter().enumerate() {
            let twice = settings.webhooks[..at].iter().any(|other| other.name == webhook.name);
            let twice = if twice { Err(format!("two webhooks are named '{}'", webhook.name)) } else { Ok(()) };
            webhook.check().and(twice).map_err(|message| {
                let line = String::from_utf8_lossy(bytes).lines().position(|line| line.contains(&webhook.url));
                let line = line.map_or(1, |line| u32::try_from(line + 1).unwrap_or(u32::MAX));
                problem(FILE, "terrace-yaml", &message, Some(Source { file: FILE.to_owned(), line, column: 1 }))
            })?;
        }
        Ok(settings)
    }
}

/// Reads a YAML file of `platform/`; an empty one is the default.
///
/// # Errors
///
/// The first problem, with line and column where the reader knows them.
pub(super) fn parse_yaml<T: DeserializeOwned + Default>(file: &str, bytes: &[u8]) -> Result<T, Box<Diagnostic>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        let source = Source { file: file.to_owned(), line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 };
        problem(file, "not-utf8", "is not UTF-8 text", Some(source))
    })?;
    let parsed: Result<Option<T>, _> = serde_yaml::from_str(text);
    parsed.map(Option::unwrap_or_default).map_err(|error| {
        let source = error.location().map(|at| Source {
            file: file.to_owned(),
            line: u32::try_from(at.line()).unwrap_or(u32::MAX),
            column: u32::try_from(at.column()).unwrap_or(u32::MAX),
        });
        // The place is told apart from the text; serde's own repeats it at the end.
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text);
        problem(file, "platform-yaml", text, source)
    })
}

fn problem(file: &str, code: &str, message: &str, source: Option<Source>) -> Box<Diagnostic> {
    let source = source.or_else(|| Some(Source { file: file.to_owned(), line: 1, column: 1 }));
    Box::new(Diagnostic {
        severity: Severity::Error,
        code: code.to_owned(),
        message: format!("{file}: {message}"),
        hint: None,
        source,
        stack: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> (u32, u32, String) {
        let problem = Settings::parse(text.as_bytes()).expect_err("a problem");
        let source = problem.source.expect("a place");
        (source.line, source.column, problem.message)
    }

    #[test]
    fn an_empty_file_is_the_default() {
        for text in ["", "\n", "# nothing\n", "---\n", "{}"] {
            assert_eq!(Settings::parse(text.as_bytes()).expect("settings"), Settings::default(), "{text:?}");
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        let (line, column, message) = place("id: orchard\natmosbin: x\n");
        assert_eq!((line, column), (2, 1), "{message}");
        assert!(message.contains("unknown field `atmosbin`") && message.contains("`atmos_bin`"), "{message}");
        let (line, _, message) = place("id: orchard\nparallel_runs: none\n");
        assert_eq!(line, 2, "{message}");
        let (line, _, _) = place("id: [\n");
        assert!(line >= 1);
        let problem = Settings::parse(b"id: a\nx: \xff\n").expect_err("a problem");
        assert_eq!(problem.source.expect("a place").line, 2);
    }
}

//! Workflows: read strictly, and turned into steps that Terrace runs itself where all are of type `atmos` or `shell`.
//!
//! A key that is not understood is refused with its file and line: Atmos would run a misspelt `command` as empty.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::retry::Retry;
use crate::atmos::AtmosError;
use crate::atmos::files::{Files, Kind};
use crate::domain::id::Digest;
use crate::domain::stack::{Diagnostic, Severity, Source};

/// A file of workflows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowFile {
    /// What it is called.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Its workflows, in the order of the file.
    pub workflows: IndexMap<String, Workflow>,
}

/// One workflow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Workflow {
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// The stack of steps that name none.
    #[serde(default)]
    pub stack: Option<String>,
    /// The environment of all its steps.
    #[serde(default)]
    pub env: BTreeMap<String, Value>,
    /// The folder of its shell steps, relative to the estate's root.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// What else Atmos knows of a workflow.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// One step as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Step {
    /// The Atmos arguments or the shell command; steps of other types may have none.
    #[serde(default)]
    pub command: Option<String>,
    /// Its name; steps without one are called `step1`, `step2`, …
    #[serde(default)]
    pub name: Option<String>,
    /// `atmos` where it is not given.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Its stack.
    #[serde(default)]
    pub stack: Option<String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, Value>,
    /// Its folder.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// When it is tried again.
    #[serde(default)]
    pub retry: Option<Value>,
    /// What else Atmos knows of a step: only Atmos does that.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// Keys of a step that only Atmos understands (`WorkflowStep` of its schema).
const STEP_KEYS: &[&str] = &[
    "script",
    "interpreter",
    "identity",
    "needs",
    "when",
    "continue",
    "interactive",
    "tty",
    "prompt",
    "options",
    "default",
    "placeholder",
    "password",
    "multiple",
    "limit",
    "content",
    "title",
    "data",
    "columns",
    "separator",
    "path",
    "source",
    "reset",
    "extensions",
    "output",
    "height",
    "viewport",
    "timeout",
    "count",
    "foreground",
    "background",
    "border",
    "border_foreground",
    "border_background",
    "padding",
    "margin",
    "width",
    "align",
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "faint",
    "markdown",
    "level",
    "fields",
    "voice",
    "rate",
    "print",
    "args",
    "with",
    "vars",
    "export",
    "code",
    "url",
    "method",
    "headers",
    "query",
    "body",
    "form",
    "expect",
    "mode",
    "shell",
    "write_rate",
    "key_interval",
    "jitter",
    "cursor",
    "text",
    "regex",
    "key",
    "duration",
    "interval",
    "repeat",
    "defaults",
    "action",
    "build",
    "push",
    "run",
    "inspect",
    "runtime_auto_start",
    "runtime",
    "provider",
    "container",
    "component",
    "ephemeral",
    "format",
    "destination",
    "subpath",
    "include",
    "exclude",
    "mtime",
    "files",
    "tools",
    "dirs",
    "hint",
    "inputs",
    "artifacts",
    "preconditions",
    "outputs",
    "show",
    "steps",
    "max_concurrency",
    "matrix",
    "fail",
    "for",
];
/// Keys of a workflow that only Atmos understands (`WorkflowDefinition` of its schema).
const WORKFLOW_KEYS: &[&str] = &["dependencies", "container", "output", "viewport", "show"];
/// What only changes how Atmos shows a run, and is no reason to hand it over.
const SHOWS: &[&str] = &["output", "viewport", "show"];

impl Step {
    /// Returns its type.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("atmos")
    }

    /// Tells whether Terrace can run it itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.only_atmos().is_none()
    }

    /// Says what of it only Atmos can run.
    fn only_atmos(&self) -> Option<String> {
        if !matches!(self.kind(), "atmos" | "shell") {
            return Some(format!("type {}", self.kind()));
        }
        self.more.keys().find(|key| !SHOWS.contains(&key.as_str())).map(|key| format!("`{key}`"))
    }
}

impl Workflow {
    /// Returns the name of a step.
    #[must_use]
    pub fn step_name(&self, index: usize) -> String {
        let given = self.steps.get(index).and_then(|step| step.name.clone());
        given.unwrap_or_else(|| format!("step{}", index + 1))
    }

    /// Tells whether Terrace can run all its steps itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.only_atmos().is_none()
    }

    /// Says what of it only Atmos can run.
    #[must_use]
    pub fn only_atmos(&self) -> Option<String> {
        let own = self.more.keys().find(|key| !SHOWS.contains(&key.as_str())).map(|key| format!("`{key}`"));
        let step = |(index, step): (usize, &Step)| {
            step.only_atmos().map(|what| format!("{what} in step '{}'", self.step_name(index)))
        };
        own.or_else(|| self.steps.iter().enumerate().find_map(step))
    }

    /// Returns the digest of what it would do for a stack: its steps, their environment and folders.
    #[must_use]
    pub fn digest(&self, stack: Option<&str>) -> Digest {
        let step = |(index, step): (usize, &Step)| {
            json!([
                self.step_name(index),
                step.kind(),
                step.command,
                step.stack,
                step.env,
                step.working_directory,
                step.retry,
                step.more,
            ])
        };
        let steps: Vec<Value> = self.steps.iter().enumerate().map(step).collect();
        let all = json!([stack, self.stack, self.env, self.working_directory, self.more, steps]);
        Digest::of(all.to_string().as_bytes())
    }

    /// Returns when a step is tried again.
    ///
    /// # Errors
    ///
    /// A `retry` that is not understood.
    pub fn retry(&self, index: usize) -> Result<Option<Retry>, AtmosError> {
        let Some(retry) = self.steps.get(index).and_then(|step| step.retry.as_ref()) else {
            return Ok(None);
        };
        Retry::parse(retry).map_err(|why| {
            AtmosError::new("workflow-not-understood", format!("step '{}': {why}", self.step_name(index)))
                .hint("such as: retry: {max_attempts: 3, backoff_strategy: exponential, initial_delay: 2s}")
        })
    }
}

/// Reads one workflow of a file below `folder`; the file's name may leave `.yaml` out.
///
/// # Errors
///
/// A file or workflow that is not there (with those that are), unknown keys (with their place), a step without a
/// command.
pub fn read(root: &Path, folder: &Path, file: &str, name: &str) -> Result<Workflow, AtmosError> {
    let mut path = folder.join(file);
    if !path.is_file() {
        path = ["yaml", "yml"]
            .into_iter()
            .map(|end| folder.join(format!("{file}.{end}")))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                AtmosError::new(
                    "no-workflow-file",
                    format!("there is no workflow file '{file}' in {}", folder.display()),
                )
                .hint("`terrace list workflows` shows what there is")
            })?;
    }
    let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| AtmosError::new("workflow-unreadable", format!("cannot read {shown}: {error}")))?;
    let parsed = parse(&shown, &text)?;
    let names: Vec<&str> = parsed.workflows.keys().map(String::as_str).collect();
    let found = parsed.workflows.get(name).cloned().ok_or_else(|| {
        AtmosError::new("no-workflow", format!("no workflow '{name}' in {shown}"))
            .hint(format!("it has: {}", names.join(", ")))
    })?;
    for (index, step) in found.steps.iter().enumerate() {
        if step.is_plain() && step.command.as_deref().is_none_or(|command| command.trim().is_empty()) {
            let step = found.step_name(index);
            return Err(AtmosError::new(
                "step-without-command",
                format!("{shown}: step '{step}' of '{name}' has no command"),
            )
            .hint("give it a `command`"));
        }
    }
    Ok(found)
}

/// Lists the workflows of every file below `folder`: file (relative to it), name, workflow.
///
/// A file that is not understood becomes a diagnostic and hides only its own workflows.
pub fn list(
    root: &Path,
    folder: &Path,
    files: &dyn Files,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(String, String, Workflow)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(below) = open.pop() {
        // A folder that is not there has no workflows; one that cannot be read is as good as not there.
        for (name, kind) in files.list(&below).unwrap_or_default() {
            let path = below.join(&name);
            if kind == Kind::Folder {
                open.push(path);
            } else if matches!(path.extension().and_then(|end| end.to_str()), Some("yaml" | "yml")) {
                found.push(path);
            }
        }
    }
    found.sort();
    let mut workflows = Vec::new();
    for path in found {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let short = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let Ok(bytes) = files.read(&path) else { continue };
        match parse(&shown, &String::from_utf8_lossy(&bytes)) {
            Ok(file) => {
                workflows.extend(file.workflows.into_iter().map(|(name, workflow)| (short.clone(), name, workflow)));
            }
            // Stacks resolve all the same.
            Err(error) => diagnostics.push(Diagnostic { severity: Severity::Warning, ..error.to_diagnostic() }),
        }
    }
    workflows
}

fn parse(shown: &str, text: &str) -> Result<WorkflowFile, AtmosError> {
    let misspelt = "a misspelt key would be ignored by Atmos, and its step run as empty; correct it first";
    let place = |line: usize, column: usize| Source {
        file: shown.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    };
    let file: WorkflowFile = serde_yaml::from_str(text).map_err(|error| {
        let cause = AtmosError::new("workflow-not-understood", format!("{shown}: {error}")).hint(misspelt);
        match error.location() {
            Some(at) => cause.at(place(at.line(), at.column())),
            None => cause,
        }
    })?;
    for (name, workflow) in &file.workflows {
        let wrong = |what: String, keys: Vec<&String>| {
            let first = keys.first().map_or("", |key| key.as_str());
            let (line, column) = place_of(text, name, first);
            let keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
            let plural = if keys.len() == 1 { "key" } else { "keys" };
            AtmosError::new(
                "workflow-not-understood",
                format!("{shown}: {what} of workflow '{name}' has the unknown {plural} {}", keys.join(", ")),
            )
            .hint(misspelt)
            .at(place(line, column))
        };
        let unknown: Vec<&String> = workflow.more.keys().filter(|key| !WORKFLOW_KEYS.contains(&key.as_str())).collect();
        if !unknown.is_empty() {
            return Err(wrong("the head".to_owned(), unknown));
        }
        for (index, step) in workflow.steps.iter().enumerate() {
            let unknown: Vec<&String> = step.more.keys().filter(|key| !STEP_KEYS.contains(&key.as_str())).collect();
            if !unknown.is_empty() {
                return Err(wrong(format!("step '{}'", workflow.step_name(index)), unknown));
            }
        }
    }
    Ok(file)
}

/// Finds the line and column of a key below a workflow's name, both from 1.
fn place_of(text: &str, workflow: &str, key: &str) -> (usize, usize) {
    let is_key = |line: &str, key: &str| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        let line = line.trim_start_matches(['"', '\'', '{', ' ']);
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
    };
    let begin = text.lines().position(|line| is_key(line, workflow)).unwrap_or(0);
    let found = text
        .lines()
        .enumerate()
        .skip(begin + 1)
        .find(|(_, line)| is_key(line, key) || line.contains(&format!("{key}:")));
    found.map_or((begin + 1, 1), |(index, line)| (index + 1, line.find(key).unwrap_or(0) + 1))
}

/// Returns what a person would type.
#[must_use]
pub fn typed(name: &str, file: &str, stack: Option<&str>) -> String {
    let mut words = ["terrace", "workflow", name, "-f", file].map(str::to_owned).to_vec();
    words.extend(stack.into_iter().flat_map(|stack| ["-s".to_owned(), stack.to_owned()]));
    super::quote(&words)
}

/// The stack of a step of type `atmos`: the command line's, the step's, the workflow's, then the command's own `-s`.
#[must_use]
pub fn stack_of(step: &Step, workflow: &Workflow, given: Option<&str>) -> Option<String> {
    let words = split(step.command.as_deref().unwrap_or_default());
    let own = super::commands::flag(&words, &["-s", "--stack"]);
    given.map(str::to_owned).or_else(|| step.stack.clone()).or_else(|| workflow.stack.clone()).or(own)
}

/// Splits a command into words as a shell would: blanks, quotes, backslashes.
#[must_use]
pub fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = command.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('\''), letter) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().extend(letters.next()),
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(
            split(r#"terraform plan 'a b' -var "x=\"1\"" c\ d"#),
            ["terraform", "plan", "a b", "-var", "x=\"1\"", "c d"]
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let temp = tempfile::tempdir().expect("temp");
        let text = "workflows:\n  up:\n    steps:\n      - comand: terraform plan x\n        name: x\n";
        std::fs::write(temp.path().join("deploy.yaml"), text).expect("written");
        let error = read(temp.path(), temp.path(), "deploy", "up").expect_err("refused");
        assert_eq!(error.code, "workflow-not-understood");
        assert!(error.message.contains("comand"), "{}", error.message);
        assert_eq!(error.source_at.map(|at| (at.file, at.line)), Some(("deploy.yaml".to_owned(), 4)));
    }

    #[test]
    fn the_stack_of_a_step_follows_atmos() {
        let text = "steps:\n  - command: terraform plan x -s own\n  - command: terraform plan x\n    stack: steps\n";
        let mut workflow: Workflow = serde_yaml::from_str(text).expect("a workflow");
        let at = |workflow: &Workflow, step: usize, given| stack_of(&workflow.steps[step], workflow, given);
        assert_eq!(at(&workflow, 0, None).as_deref(), Some("own"));
        assert_eq!(at(&workflow, 1, None).as_deref(), Some("steps"));
        workflow.stack = Some("whole".to_owned());
        assert_eq!(at(&workflow, 0, None).as_deref(), Some("whole"));
        assert_eq!(at(&workflow, 1, Some("given")).as_deref(), Some("given"));
    }
}

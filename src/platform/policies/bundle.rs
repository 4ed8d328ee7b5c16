//! The bundle: every policy file, what is wrong with it, and the digest over all of it.
//!
//! Files that follow different conventions never meet: each dialect's folder has an evaluator of its own, and so
//! have the rules that Terrace brings along. Whatever cannot be read becomes a [`Finding`] that denies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use regorus::Engine;

use super::config::{CONFIG_FILE, Config};
use super::syntax::{self, ParsedFile, Problem};
use super::{builtin, sandbox};
use crate::domain::id::Digest;
use crate::domain::policy::{Dialect, Finding, Gate, RuleInfo, SwitchedOff, Weight};
use crate::domain::stack::Source;

/// The folder of policies below the estate's root.
pub const POLICIES_FOLDER: &str = "platform/policies";

/// How many policy files one estate may have.
const MAX_FILES: usize = 2_000;

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Relative to the estate's root; `builtin/…` for those that Terrace brings along.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What one rule's answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Deny,
    Warn,
    Approvals,
    Exception,
    Approve,
    Reject,
}

/// A rule that is asked.
#[derive(Debug, Clone)]
pub(super) struct EntryPoint {
    /// `data.terrace.plan.deny`.
    pub(super) path: String,
    /// Its name in the package.
    pub(super) name: String,
    pub(super) meaning: Meaning,
    pub(super) gate: Gate,
    /// The code of findings that bring none of their own.
    pub(super) code: String,
    pub(super) fix: Option<String>,
    pub(super) file: String,
}

/// Files that see each other.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) dialect: Dialect,
    pub(super) engine: Engine,
    pub(super) entries: Vec<EntryPoint>,
    pub(super) tests: Vec<(PolicyFile, ParsedFile)>,
    pub(super) builtin: bool,
}

/// Every policy that is in force in an estate.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub(super) groups: Vec<Group>,
    pub(super) problems: Vec<Finding>,
    pub(super) switches: Vec<SwitchedOff>,
    pub(super) config: Config,
    rules: Vec<RuleInfo>,
    digest: Digest,
}

impl Bundle {
    /// Reads the policies of the estate at this root; what cannot be read denies.
    ///
    /// Files are read each time; they are analysed again only where one of them is not what it was the last time.
    #[must_use]
    pub fn load(root: &Path) -> Arc<Self> {
        let mut problems = Vec::new();
        let config_text = match std::fs::read_to_string(root.join(CONFIG_FILE)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                problems.push(unreadable(CONFIG_FILE, &error.to_string()));
                None
            }
        };
        let config = config_text.as_deref().and_then(|text| Config::read(text).ok()).unwrap_or_default();
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::from(POLICIES_FOLDER)];
        folders.extend(config.dialects.keys().map(|folder| Path::new("platform").join(folder)));
        for folder in folders {
            collect(root, &folder, &mut files, &mut problems);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        if !problems.is_empty() {
            return Arc::new(Self::build(&files, config_text.as_deref(), problems));
        }
        static LAST: Mutex<Option<Arc<Bundle>>> = Mutex::new(None);
        let digest = digest(builtin::files().iter().chain(&files), config_text.as_deref());
        let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = last().as_ref().filter(|last| *last.digest() == digest) {
            return Arc::clone(same);
        }
        let bundle = Arc::new(Self::build(&files, config_text.as_deref(), problems));
        *last() = Some(Arc::clone(&bundle));
        bundle
    }

    /// Builds a bundle of these files beside the rules that Terrace brings along.
    #[must_use]
    pub fn of(files: &[PolicyFile], config: Option<&str>) -> Self {
        Self::build(files, config, Vec::new())
    }

    /// Returns what the rules are, for people; those of the estate first.
    #[must_use]
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }

    /// Returns the digest over every file's path and bytes, the built-in ones and the configuration included.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns what is wrong with the bundle itself; each of severity deny makes every verdict a denial.
    #[must_use]
    pub fn problems(&self) -> &[Finding] {
        &self.problems
    }

    /// Returns what rules read as `input.config`.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn build(files: &[PolicyFile], config_text: Option<&str>, problems: Vec<Finding>) -> Self {
        let known = problems.clone();
        sandbox::on_deep_stack(|| Self::read(files, config_text, known)).unwrap_or_else(|| {
            let mut problems = problems;
            problems.push(unreadable(POLICIES_FOLDER, "reading the policies broke down"));
            Bundle {
                groups: Vec::new(),
                problems,
                switches: Vec::new(),
                config: Config::default(),
                rules: Vec::new(),
                digest: digest(files.iter(), config_text),
            }
        })
    }

    fn read(files: &[PolicyFile], config_text: Option<&str>, mut problems: Vec<Finding>) -> Self {
        let text = config_text.unwrap_or_default();
        let config = Config::read(text).unwrap_or_else(|problem| {
            problems.push(denial(&problem));
            Config::default()
        });
        let switches = config.switched_off(text);
        let builtin = builtin::files();
        let digest = digest(builtin.iter().chain(files), config_text);
        let mut rules = Vec::new();
        let mut groups = Vec::new();
        // The key is the dialect and the line of configuration that names it, so that two folders of one dialect
        // cannot disturb each other.
        let mut sorted: BTreeMap<(bool, Dialect, String), Vec<&PolicyFile>> = BTreeMap::new();
        for file in files {
            let below = file.path.strip_prefix("platform/").unwrap_or(&file.path);
            let dialect = config.dialect(below);
            let line = if dialect == Dialect::Terrace { String::new() } else { config.line_for(below) };
            sorted.entry((false, dialect, line)).or_default().push(file);
        }
        sorted.insert((true, Dialect::Terrace, String::new()), builtin.iter().collect());
        for ((is_builtin, dialect, _), mut files) in sorted {
            if dialect == Dialect::Terrace && !is_builtin {
                files.extend(builtin.iter().filter(|file| builtin::is_library(file)));
            }
            let group = Self::group(dialect, is_builtin, &files, &mut rules, &mut problems);
            groups.push(group);
        }
        for rule in &mut rules {
            rule.switched_off = switches.iter().filter(|switch| switch.rule == rule.code).cloned().collect();
        }
        for switch in &switches {
            if !rules.iter().any(|rule| rule.code == switch.rule) {
                problems.push(Finding {
                    code: "policy-switch-unknown".to_owned(),
                    message: format!(
                        "'{}' is switched off, and no rule declares that code; `terrace policy list` shows the codes",
                        switch.rule
                    ),
                    weight: Weight::Warn,
                    address: None,
                    location: switch.source.clone(),
                    fix: None,
                    policy: CONFIG_FILE.to_owned(),
                });
            }
        }
        Bundle { groups, problems, switches, config, rules, digest }
    }

    fn group(
        dialect: Dialect,
        is_builtin: bool,
        files: &[&PolicyFile],
        rules: &mut Vec<RuleInfo>,
        problems: &mut Vec<Finding>,
    ) -> Group {
        let mut parsed: Vec<(&PolicyFile, ParsedFile)> = Vec::new();
        for file in files {
            match syntax::read(&file.path, &file.text, dialect != Dialect::Terrace) {
                Ok(read) => parsed.push((file, read)),
                // A test that does not parse is a failing test; it decides nothing.
                Err(problem) if is_test(file) => problems.push(Finding { weight: Weight::Warn, ..denial(&problem) }),
                Err(problem) => problems.push(denial(&problem)),
            }
        }
        let cycles = syntax::cycles(parsed.iter().map(|(file, read)| (file.path.as_str(), read)));
        // A function that calls itself would take the process with it; such a file never reaches the evaluator.
        parsed.retain(|(file, _)| !cycles.iter().any(|problem| problem.source.file == file.path));
        problems.extend(cycles.iter().map(denial));

        let mut engine = sandbox::engine(dialect);
        let mut entries: Vec<EntryPoint> = Vec::new();
        let mut tests = Vec::new();
        for (file, read) in parsed {
            if is_test(file) {
                tests.push((file.clone(), read));
                continue;
            }
            engine.set_rego_v0(read.old_rego);
            if let Err(error) = engine.add_policy(file.path.clone(), file.text.clone()) {
                // It was parsed a moment ago; should this ever differ, the answer is no.
                let (message, _) = syntax::complaint(&error.to_string());
                problems.push(unreadable(&file.path, &message));
                continue;
            }
            let library = builtin::is_library(file);
            let found = entry_points(dialect, &file.path, &read);
            if found.is_empty() && !library {
                problems.extend(unasked(dialect, &file.path, &read));
            }
            if !library {
                rules.push(info(dialect, is_builtin, &file.path, &read, &found));
            }
            for entry in found {
                if !entries.iter().any(|known| known.path == entry.path) {
                    entries.push(entry);
                }
            }
        }
        // Analysed once: the copies that answer begin with it. What fails here fails again, and says so, when it is asked.
        drop(engine.eval_query("true".to_owned(), false));
        Group { dialect, engine, entries, tests, builtin: is_builtin }
    }
}

fn is_test(file: &PolicyFile) -> bool {
    file.path.ends_with("_test.rego")
}

/// Returns the rules of a file that are asked.
fn entry_points(dialect: Dialect, path: &str, file: &ParsedFile) -> Vec<EntryPoint> {
    let parts: Vec<&str> = file.package.split('.').collect();
    let package_gate = match dialect {
        Dialect::Terrace => gate_of(&parts),
        Dialect::Conftest | Dialect::SpaceliftPlan => Some(Gate::Plan),
        Dialect::SpaceliftApproval => Some(Gate::Approval),
    };
    let Some(gate) = package_gate else { return Vec::new() };
    if matches!(dialect, Dialect::SpaceliftPlan | Dialect::SpaceliftApproval) && file.package != "data.spacelift" {
        return Vec::new();
    }
    let mut found: Vec<EntryPoint> = Vec::new();
    for rule in file.rules.iter().filter(|rule| !rule.function) {
        let Some(meaning) = meaning(dialect, &rule.name) else { continue };
        let path_of_rule = format!("{}.{}", file.package, rule.name);
        if found.iter().any(|entry| entry.path == path_of_rule) {
            continue;
        }
        let code = match dialect {
            Dialect::Terrace => code_of(file),
            Dialect::Conftest => kebab(&rule.name),
            Dialect::SpaceliftPlan | Dialect::SpaceliftApproval => format!("spacelift-{}", rule.name),
        };
        found.push(EntryPoint {
            path: path_of_rule,
            name: rule.name.clone(),
            meaning,
            gate,
            code,
            fix: file.metadata.custom.fix.clone(),
            file: path.to_owned(),
        });
    }
    found
}

fn gate_of(package: &[&str]) -> Option<Gate> {
    let ["data", "terrace", gate, ..] = package else { return None };
    Gate::ALL.into_iter().find(|known| known.name() == *gate)
}

fn meaning(dialect: Dialect, rule: &str) -> Option<Meaning> {
    let conftest =
        |prefix: &str| rule.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    match dialect {
        Dialect::Terrace => match rule {
            "deny" => Some(Meaning::Deny),
            "warn" => Some(Meaning::Warn),
            "approvals" => Some(Meaning::Approvals),
            _ => None,
        },
        Dialect::Conftest if conftest("deny") || conftest("violation") => Some(Meaning::Deny),
        Dialect::Conftest if conftest("warn") => Some(Meaning::Warn),
        Dialect::Conftest => (rule == "exception").then_some(Meaning::Exception),
        Dialect::SpaceliftPlan => match rule {
            "deny" => Some(Meaning::Deny),
            "warn" => Some(Meaning::Warn),
            _ => None,
        },
        Dialect::SpaceliftApproval => match rule {
            "approve" => Some(Meaning::Approve),
            "reject" => Some(Meaning::Reject),
            _ => None,
        },
    }
}

/// Says that a file holds rules that nobody asks; silence would look like consent.
fn unasked(dialect: Dialect, path: &str, file: &ParsedFile) -> Option<Finding> {
    let speaks = |rule: &syntax::RuleHeadInfo| {
        !rule.function
            && (meaning(Dialect::Conftest, &rule.name).is_some()
                || meaning(Dialect::SpaceliftApproval, &rule.name).is_some())
    };
    let rule = file.rules.iter().find(|rule| speaks(rule))?;
    let package = file.package.trim_start_matches("data.");
    let below = path.strip_prefix("platform/").unwrap_or(path);
    let message = match dialect {
        Dialect::Terrace => format!(
            "rule '{}' of package '{package}' is never asked: use package terrace.plan, or name the dialect in {CONFIG_FILE}: `dialects: {{{below}: conftest}}`",
            rule.name
        ),
        _ => {
            format!("rule '{}' of package '{package}' is never asked: this dialect asks package 'spacelift'", rule.name)
        }
    };
    Some(Finding {
        code: "policy-not-asked".to_owned(),
        message,
        weight: Weight::Warn,
        address: None,
        location: Some(Source { file: path.to_owned(), line: rule.line, column: 1 }),
        fix: None,
        policy: path.to_owned(),
    })
}

fn info(dialect: Dialect, builtin: bool, path: &str, file: &ParsedFile, entries: &[EntryPoint]) -> RuleInfo {
    let mut gates: Vec<Gate> = entries.iter().map(|entry| entry.gate).collect();
    gates.sort();
    gates.dedup();
    RuleInfo {
        code: code_of(file),
        title: file.metadata.title.clone().unwrap_or_else(|| file.package.trim_start_matches("data.").to_owned()),
        explanation: file.metadata.description.as_deref().map(|text| text.trim().to_owned()),
        fix: file.metadata.custom.fix.as_deref().map(|text| text.trim().to_owned()),
        gates,
        dialect,
        policy: path.to_owned(),
        builtin,
        switched_off: Vec::new(),
    }
}

fn code_of(file: &ParsedFile) -> String {
    file.metadata.custom.code.clone().unwrap_or_else(|| kebab(file.package.trim_start_matches("data.")))
}

fn kebab(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

pub(super) fn denial(problem: &Problem) -> Finding {
    Finding {
        code: problem.code.to_owned(),
        message: problem.message.clone(),
        weight: Weight::Deny,
        address: None,
        location: Some(problem.source.clone()),
        fix: None,
        policy: problem.source.file.clone(),
    }
}

fn unreadable(path: &str, why: &str) -> Finding {
    Finding {
        code: "policy-unreadable".to_owned(),
        message: format!("{path} cannot be read: {why}"),
        weight: Weight::Deny,
        address: None,
        location: Some(Source { file: path.to_owned(), line: 1, column: 1 }),
        fix: None,
        policy: path.to_owned(),
    }
}

/// Collects the `.rego` files of a folder (or the one file) below the estate's root; links are not followed.
fn collect(root: &Path, relative: &Path, files: &mut Vec<PolicyFile>, problems: &mut Vec<Finding>) {
    let shown = relative.to_string_lossy().replace('\\', "/");
    let path = root.join(relative);
    let outside = relative.components().any(|part| !matches!(part, std::path::Component::Normal(_)));
    if outside {
        problems.push(unreadable(&shown, "it lies outside the estate's platform folder"));
        return;
    }
    let kind = match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && shown == POLICIES_FOLDER => return,
        Err(error) => {
            problems.push(unreadable(&shown, &error.to_string()));
            return;
        }
    };
    if kind.is_symlink() {
        problems.push(unreadable(&shown, "it is a link; put the file itself here"));
    } else if kind.is_dir() {
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(unreadable(&shown, &error.to_string()));
                return;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => {
                    let link_or_folder = entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink());
                    if link_or_folder || entry.file_name().to_string_lossy().ends_with(".rego") {
                        collect(root, &relative.join(entry.file_name()), files, problems);
                    }
                }
                Err(error) => problems.push(unreadable(&shown, &error.to_string())),
            }
        }
    } else if files.len() >= MAX_FILES {
        problems.push(unreadable(&shown, &format!("there are more than {MAX_FILES} policy files")));
    } else {
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push(PolicyFile { path: shown, text }),
            Err(error) => problems.push(unreadable(&shown, &error.to_string())),
        }
    }
}

fn digest<'a>(files: impl Iterator<Item = &'a PolicyFile>, config: Option<&str>) -> Digest {
    let mut sorted: Vec<(&str, &str)> = files.map(|file| (file.path.as_str(), file.text.as_str())).collect();
    sorted.extend(config.map(|text| (CONFIG_FILE, text)));
    sorted.sort_unstable();
    let mut bytes = Vec::new();
    for (path, text) in sorted {
        // Lengths first, so that no two sets of files can have the same bytes.
        bytes.extend_from_slice(format!("{} {}\n", path.len(), text.len()).as_bytes());
        bytes.extend_from_slice(path.as_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Digest::of(&bytes)
}

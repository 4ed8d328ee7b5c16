//! From a request to a script: what is to be done, what it locks, what it stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::configuration::Configuration;
use super::copy;
use super::credentials::{self, CredentialsCheck};
use super::error::RunError;
use super::folder::RunFolder;
use super::git::{self, Trees};
use super::scanners::{self, Scanner};
use crate::atmos::driver::instance::{self, Asked, Places};
use crate::atmos::driver::script::{Action, Exec, Output, Script, StepTitle};
use crate::atmos::driver::tools::{self, Tools};
use crate::atmos::driver::{commands, files, quote};
use crate::atmos::{AtmosError, RunTarget};
use crate::domain::id::Digest;
use crate::domain::run::lock::LockKey;
use crate::domain::run::since::Leaf;
use crate::domain::run::{DriverKind, RunKind, RunRequest, RunStep, StepState, StoodOn};
use crate::domain::stack::InstanceRef;

/// A request that was looked at: it can be run.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// Who drives.
    pub(super) driver: DriverKind,
    /// What a person would type.
    pub(super) command: String,
    /// What the supervisor does.
    pub(super) script: Script,
    /// What it locks.
    pub(super) locks: Vec<LockKey>,
    /// What its instance would lock; more than it does where it undoes a lock.
    pub(super) target_locks: Vec<LockKey>,
    /// The instances it concerns.
    pub(super) targets: Vec<InstanceRef>,
    /// The workspace, for a run of one instance.
    pub(super) workspace: Option<String>,
    /// For a command: whether it may change something.
    pub(super) changes: bool,
    /// For a workflow: the digest of what it would do.
    pub(super) digest: Option<Digest>,
    /// What it stands on.
    pub(super) stood_on: StoodOn,
    /// The resolved configuration it stands on, for a run of one instance.
    pub(super) leaves: Vec<Leaf>,
}

impl Work {
    /// Returns the steps as the run shows them before any has begun.
    pub(super) fn steps(&self) -> Vec<RunStep> {
        let step = |title: &StepTitle| RunStep {
            name: title.name.clone(),
            command: title.command.clone(),
            state: if title.skipped { StepState::Skipped } else { StepState::Pending },
            log_offset: None,
            exit_code: None,
        };
        self.script.steps.iter().map(step).collect()
    }
}

/// What making a script needs besides the request.
pub(super) struct Ground<'a> {
    pub(super) configuration: &'a dyn Configuration,
    pub(super) tools: &'a Tools,
    pub(super) folder: &'a RunFolder,
    pub(super) cache: &'a Path,
    /// For how many seconds a plan waits for a yes.
    pub(super) seconds: u64,
    /// Whether the configuration lies in a working copy.
    pub(super) copied: bool,
    /// The names of the variables that the run's environment has.
    pub(super) variables: &'a BTreeSet<String>,
    /// The checks of credentials.
    pub(super) credentials: &'a [CredentialsCheck],
    /// The scanners that go with a plan.
    pub(super) scanners: &'a [Scanner],
    /// The digest of an approved plan that is applied as it is.
    pub(super) approved: Option<&'a Digest>,
    /// Whether gates are in force.
    pub(super) gates: bool,
    /// What Git says of the files, and since when at least.
    pub(super) trees: (&'a Trees, Instant),
}

impl Ground<'_> {
    /// Looks at a request and writes its script. Reads files and asks Git, so it blocks for some milliseconds.
    pub(super) fn prepare(&self, request: &RunRequest) -> Result<Work, RunError> {
        if self.copied && !request.kind.plans() {
            return Err(RunError::invalid(format!("a {} cannot run at another commit", request.kind)));
        }
        let mut work = match request.kind {
            RunKind::Plan | RunKind::Apply | RunKind::Destroy | RunKind::Drift => self.instance(request)?,
            RunKind::Workflow => self.workflow(request)?,
            RunKind::Command if request.reads_state => self.instance(request)?,
            RunKind::Command => self.command(request)?,
        };
        // What was approved was scanned when it was planned.
        if request.kind.plans() && self.approved.is_none() && !self.scanners.is_empty() {
            scanners::scan(&mut work, &self.target(request)?.folder, self.scanners, self.folder);
        }
        credentials::guard(&mut work, request, self.configuration.root(), self.credentials);
        Ok(work)
    }

    fn places(&self) -> Places {
        Places {
            root: self.configuration.root().to_owned(),
            plan: self.folder.plan(),
            plan_json: self.folder.plan_json(),
            state: self.folder.state(),
            outputs: self.folder.outputs(),
            data: self.folder.data(),
            cache: self.cache.to_owned(),
            copied: self.copied,
        }
    }

    fn target(&self, request: &RunRequest) -> Result<RunTarget, RunError> {
        let needs = |what: &str| RunError::invalid(format!("a {} needs a {what}", request.kind));
        let component = request.component.as_deref().ok_or_else(|| needs("component"))?;
        let stack = request.stack.as_deref().ok_or_else(|| needs("stack"))?;
        Ok(self.configuration.target(component, stack, request.stack_file.as_deref())?)
    }

    fn instance(&self, request: &RunRequest) -> Result<Work, RunError> {
        let target = self.target(request)?;
        let driver = self.tools.driver(request.driver);
        self.refuse_where_atmos_does(driver)?;
        let root = self.configuration.root();
        // Atmos may bring the folder itself, from a source that the component names.
        if driver == DriverKind::Terraform && target.component_type == "terraform" && !target.folder.is_dir() {
            return Err(missing_folder(&target, root).into());
        }
        let tracked = git::tracked(root, &files::touched(&target));
        let asked = Asked {
            kind: request.kind,
            args: &request.args,
            yes: request.yes,
            approved: self.approved,
            gates: self.gates,
            seconds: self.seconds,
            tracked: &|path| tracked.contains(path),
        };
        let script = instance::script(driver, self.tools, &target, &self.places(), &asked)?;
        let mut locks = instance::locks(&target, root);
        if self.copied {
            if !copy::is_remote(&locks) {
                return Err(RunError::Invalid {
                    message: format!(
                        "{}@{} keeps its state in the component's folder, which a working copy cannot reach",
                        target.component, target.stack
                    ),
                    hint: Some("check the commit out, and run without --commit".to_owned()),
                });
            }
            locks.retain(LockKey::is_state);
        }
        Ok(Work {
            driver,
            command: instance::typed(&target, request.kind, &request.args),
            script,
            locks: locks.clone(),
            target_locks: locks,
            targets: vec![reference(&target)],
            workspace: target.workspace.clone(),
            changes: request.kind.applies(),
            digest: None,
            stood_on: self.stood_on(driver, &[&target]),
            leaves: self.configuration.leaves(&target.component, &target.stack, request.stack_file.as_deref()),
        })
    }

    fn command(&self, request: &RunRequest) -> Result<Work, RunError> {
        let own = self.configuration.own_commands();
        let words = &own.expand(&request.args);
        let row = commands::find(words);
        if words.is_empty() {
            return Err(RunError::invalid(
                "which Atmos command? such as `terrace atmos describe component network -s dev`",
            ));
        }
        if let Some(commands::Way::Refused(why)) = row.map(|row| row.way) {
            return Err(RunError::Invalid {
                message: format!("`atmos {}` is not run from here: {why}", row.map_or("", |row| row.words)),
                hint: Some("docs/atmos-commands.md lists every command".to_owned()),
            });
        }
        if let Some(wrapped) = own.refused(words).filter(|_| row.is_none()) {
            return Err(RunError::Invalid {
                message: format!(
                    "`atmos {}` is not run from here: it calls `{}`, and {}",
                    quote(words),
                    wrapped.step,
                    wrapped.why
                ),
                hint: Some("docs/atmos-commands.md says what is refused, and why".to_owned()),
            });
        }
        let driver = self.tools.driver(request.driver);
        let at = commands::instance(words);
        let target = at.as_ref().and_then(|(c, s)| self.configuration.target(c, s, request.stack_file.as_deref()).ok());
        if target.is_some() {
            self.refuse_where_atmos_does(driver)?;
        }
        let terminal = request.interactive || row.is_some_and(|row| row.way == commands::Way::Terminal);
        let mut script = Script::default();
        match driver {
            DriverKind::Atmos => self.atmos_step(&mut script, "atmos", words, target.as_ref(), &BTreeMap::new())?,
            DriverKind::Terraform => {
                let target = target.as_ref().filter(|_| row.is_some_and(|row| row.without_atmos));
                let target = target.ok_or_else(|| only_atmos(words))?;
                self.terraform_step(&mut script, "terraform", words, target, false)?;
            }
        }
        if let Some(Action::Exec(exec)) =
            script.actions.iter_mut().rev().find(|action| matches!(action, Action::Exec(_)))
        {
            exec.terminal = terminal;
        }
        let mut typed = vec!["terrace".to_owned(), "atmos".to_owned()];
        typed.extend(words.iter().cloned());
        let target_locks: Vec<LockKey> =
            target.iter().flat_map(|target| instance::locks(target, self.configuration.root())).collect();
        // Whoever undoes a lock cannot wait for it: whether its holder lives is looked at before.
        let undoes = unlocks(request);
        Ok(Work {
            driver,
            command: quote(&typed),
            script,
            locks: target_locks.iter().filter(|key| !(undoes && key.is_state())).cloned().collect(),
            target_locks,
            targets: target.iter().map(reference).collect(),
            workspace: target.as_ref().and_then(|target| target.workspace.clone()),
            changes: row.is_none_or(|row| row.changes),
            digest: None,
            stood_on: self.stood_on(driver, &target.iter().collect::<Vec<_>>()),
            leaves: Vec::new(),
        })
    }

    /// Says before anything starts that Atmos will refuse the estate as a whole.
    pub(super) fn refuse_where_atmos_does(&self, driver: DriverKind) -> Result<(), AtmosError> {
        match self.configuration.refusal().filter(|_| driver == DriverKind::Atmos) {
            Some(problem) => {
                let message = format!("Atmos refuses this estate as a whole: {}", problem.message);
                let error = AtmosError::new("atmos-refuses", message).hint(
                    "--driver terraform runs what can be resolved without Atmos; `terrace check` lists every problem",
                );
                Err(match problem.source {
                    Some(place) => error.at(place),
                    None => error,
                })
            }
            None => Ok(()),
        }
    }

    /// Lets Atmos run a command line.
    pub(super) fn atmos_step(
        &self,
        script: &mut Script,
        name: &str,
        words: &[String],
        target: Option<&RunTarget>,
        env: &BTreeMap<String, Option<String>>,
    ) -> Result<(), RunError> {
        let atmos = self.tools.atmos.as_ref().ok_or_else(|| {
            AtmosError::new("atmos-missing", "atmos is not installed").hint("install it, or set ATMOS_BIN")
        })?;
        let data = self.folder.data();
        script.actions.push(Action::Folder { path: data.clone() });
        self.keep(script, target);
        let mut argv = vec![atmos.display().to_string()];
        argv.extend(words.iter().cloned());
        let mut shown = vec!["atmos".to_owned()];
        shown.extend(words.iter().cloned());
        script.steps.push(StepTitle { name: name.to_owned(), command: quote(&shown), skipped: false });
        let mut env = env.clone();
        env.insert("TF_DATA_DIR".to_owned(), Some(data.display().to_string()));
        let root = self.configuration.root().to_owned();
        script.actions.push(Action::Exec(exec(script.steps.len() - 1, argv, root, env)));
        Ok(())
    }

    /// Does what Atmos would do for `terraform VERB COMPONENT -s STACK ARGS`.
    pub(super) fn terraform_step(
        &self,
        script: &mut Script,
        name: &str,
        words: &[String],
        target: &RunTarget,
        in_workflow: bool,
    ) -> Result<(), RunError> {
        let row = commands::find(words);
        let verb = words.get(1).map_or("", String::as_str);
        let changes = in_workflow && matches!(verb, "plan" | "apply" | "deploy" | "destroy");
        if words.first().is_none_or(|word| word != "terraform")
            || !(changes || row.is_some_and(|row| row.without_atmos))
        {
            return Err(only_atmos(words).into());
        }
        let kind = match verb {
            "apply" | "deploy" => RunKind::Apply,
            "destroy" => RunKind::Destroy,
            _ => RunKind::Plan,
        };
        instance::check(DriverKind::Terraform, self.tools, target, kind)?;
        self.keep(script, Some(target));
        let mut places = self.places();
        // Instances of a workflow do not share a data folder either.
        places.data = places.data.join(Digest::of(format!("{}@{}", target.component, target.stack).as_bytes()).short());
        let verbs = row.map_or(2, |row| row.words.split(' ').count()).max(2);
        let mut rest = without_stack(words[verbs..].to_vec());
        if let Some(at) = rest.iter().position(|word| *word == target.component) {
            rest.remove(at);
        }
        rest.retain(|word| word != "--" && word != "--skip-init");
        instance::verb(script, self.tools, target, &places, name, &words[1..verbs], rest);
        Ok(())
    }

    fn keep(&self, script: &mut Script, target: Option<&RunTarget>) {
        let touched = target.map(files::touched).unwrap_or_default();
        let tracked = git::tracked(self.configuration.root(), &touched);
        script.actions.extend(tracked.into_iter().map(|path| Action::Keep { path }));
    }

    /// Says what a run stands on.
    pub(super) fn stood_on(&self, driver: DriverKind, targets: &[&RunTarget]) -> StoodOn {
        let (trees, since) = self.trees;
        let tree = trees.since(self.configuration.root(), since);
        let config_digest = digest(targets);
        let tools = match driver {
            DriverKind::Atmos => vec![self.tools.atmos.as_deref(), self.tools.terraform.as_deref()],
            DriverKind::Terraform => vec![self.tools.terraform.as_deref()],
        };
        let tools = tools.into_iter().flatten().filter_map(version).collect();
        StoodOn { commit: tree.commit, dirty: tree.changes.is_some(), tree_digest: tree.changes, config_digest, tools }
    }
}

/// Returns the digest over the resolved configuration of these instances; none where there are none.
fn digest(targets: &[&RunTarget]) -> Option<Digest> {
    let text = |target: &&RunTarget| {
        let about = json!({
            "vars": target.vars, "env": target.env, "backend_type": target.backend_type, "backend": target.backend,
            "providers": target.providers, "required_providers": target.required_providers,
            "required_version": target.required_version, "workspace": target.workspace,
        });
        files::json_text(&about)
    };
    let text: String = targets.iter().map(text).collect();
    (!targets.is_empty()).then(|| Digest::of(text.as_bytes()))
}

/// Tells whether a request undoes Terraform's own lock of a state.
pub(super) fn unlocks(request: &RunRequest) -> bool {
    request.kind == RunKind::Command
        && commands::find(&request.args).is_some_and(|row| row.words == "terraform force-unlock")
}

/// Asks a tool for its version once for as long as the file stays the same.
fn version(program: &Path) -> Option<String> {
    type Known = std::sync::Mutex<BTreeMap<(PathBuf, Option<std::time::SystemTime>), Option<String>>>;
    static KNOWN: Known = Known::new(BTreeMap::new());
    let key = (program.to_owned(), std::fs::metadata(program).and_then(|about| about.modified()).ok());
    let known = |key| KNOWN.lock().ok().and_then(|known| known.get(key).cloned());
    known(&key).unwrap_or_else(|| {
        let found = tools::version(program);
        if let Ok(mut known) = KNOWN.lock() {
            known.insert(key, found.clone());
        }
        found
    })
}

pub(super) fn reference(target: &RunTarget) -> InstanceRef {
    InstanceRef { component: target.component.clone(), stack: target.stack.clone() }
}

pub(super) fn exec(step: usize, argv: Vec<String>, folder: PathBuf, env: BTreeMap<String, Option<String>>) -> Exec {
    Exec {
        step,
        argv,
        folder,
        env,
        output: Output::Log,
        success: vec![0],
        otherwise: None,
        applies: None,
        terminal: false,
        guards: false,
        retry: None,
    }
}

/// Says that there is nothing to run.
fn missing_folder(target: &RunTarget, root: &Path) -> AtmosError {
    let folder = target.folder.strip_prefix(root).unwrap_or(&target.folder).display();
    let message = format!("the folder of {}@{} is not there: {folder}", target.component, target.stack);
    AtmosError::new("component-folder-missing", message)
        .hint("`terrace list services` shows every component's folder; metadata.component names another one")
}

pub(super) fn only_atmos(words: &[String]) -> AtmosError {
    AtmosError::new("only-atmos", format!("only Atmos can run `atmos {}`", quote(words)))
        .hint("install atmos, or set ATMOS_BIN; docs/atmos-commands.md lists what works without it")
}

/// Takes `-s STACK` out of a command line, wherever it stands before `--`.
pub(in crate::platform) fn without_stack(words: Vec<String>) -> Vec<String> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let mut kept = Vec::with_capacity(words.len());
    let mut skip = false;
    for (index, word) in words.into_iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        if index < end && (word == "-s" || word == "--stack") {
            skip = true;
        } else if index < end && (word.starts_with("-s=") || word.starts_with("--stack=")) {
        } else {
            kept.push(word);
        }
    }
    kept
}

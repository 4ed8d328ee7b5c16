//! Runs: one execution of Atmos or Terraform, its states, and what may follow what.
//!
//! This file has the words; [`machine`] has the rules of states, [`lock`] what runs lock, [`order`] how a set goes,
//! [`environment`] what travels into a run, [`since`] what is different from before.

pub mod environment;
pub mod lock;
pub mod machine;
#[cfg(test)]
mod machine_tests;
pub mod order;
pub mod since;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::{Digest, RunId};
use super::stack::InstanceRef;
use super::team::Role;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Plans an instance and changes nothing.
    Plan,
    /// Plans an instance, shows the plan, waits, applies exactly it.
    Apply,
    /// Plans the end of an instance, shows the plan, waits, applies exactly it.
    Destroy,
    /// Runs the steps of a workflow.
    Workflow,
    /// Runs any other Atmos command.
    Command,
    /// Plans an instance to see whether the world still is as applied.
    Drift,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for a place or a lock; `Run::waiting_for` says which.
    Queued,
    /// Plans.
    Planning,
    /// Has shown its plan and waits for a person's yes.
    AwaitingConfirmation,
    /// Policy, budget and state are looked at.
    Checking,
    /// Waits for approvals.
    AwaitingApproval,
    /// Changes the world.
    Applying,
    /// Runs a workflow or a command.
    Running,
    /// Done.
    Succeeded,
    /// Done, and there was nothing to change.
    NoChanges,
    /// Ended with an error.
    Failed,
    /// Ended because a person asked.
    Canceled,
    /// Refused by policy.
    Denied,
    /// Refused by a person.
    Rejected,
    /// Waited too long.
    Expired,
    /// The state moved on after the plan was made.
    Stale,
    /// Lost while it changed the world: it keeps its lock and asks for a person.
    Unknown,
    /// Ended because credentials are missing or expired.
    NeedsCredentials,
}

/// Who drives Terraform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// The Atmos binary.
    Atmos,
    /// Terraform or OpenTofu, with the files and names that Atmos would use.
    Terraform,
}

impl DriverKind {
    /// Returns the name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DriverKind::Atmos => "atmos",
            DriverKind::Terraform => "terraform",
        }
    }
}

/// How many resources a plan adds, changes, destroys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanSummary {
    /// Created.
    pub add: u32,
    /// Changed in place.
    pub change: u32,
    /// Destroyed.
    pub destroy: u32,
    /// Destroyed and created anew (counted in `add` and `destroy` too, as Terraform does).
    pub replace: u32,
}

/// One command line that a run executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutedCommand {
    /// The step it belongs to: `init`, `workspace`, `plan`, `apply`, or a workflow step's name.
    pub step: String,
    /// The arguments, the program first.
    pub argv: Vec<String>,
    /// The working folder, relative to the estate's root.
    pub folder: String,
}

/// Where a step of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Left out, because an earlier one failed or the run resumed after it.
    Skipped,
}

/// A step of a run with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Its name.
    pub name: String,
    /// The command as a person would type it.
    pub command: String,
    /// Where it stands.
    pub state: StepState,
    /// The offset in the log, in bytes, where its output begins.
    pub log_offset: Option<u64>,
    /// Its exit code.
    pub exit_code: Option<i32>,
}

/// What a run stood on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoodOn {
    /// The commit checked out.
    pub commit: Option<String>,
    /// Whether tracked files differed from it.
    pub dirty: bool,
    /// Digest over what differed.
    pub tree_digest: Option<Digest>,
    /// Digest of the instance's resolved configuration.
    pub config_digest: Option<Digest>,
    /// `atmos 1.226.0`, `terraform 1.11.4`, …
    pub tools: Vec<String>,
}

/// An error found in a run's log, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogFinding {
    /// A stable code in kebab case: `missing-credentials`, `state-locked`, …
    pub code: String,
    /// What it means, in one sentence.
    pub message: String,
    /// The next command, where one is known.
    pub next: Option<String>,
    /// The line of the log, from 1.
    pub line: u64,
    /// Terraform's own lock of the state, where that is what is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<StateLock>,
}

/// Terraform's own lock of a state, as it stands in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateLock {
    /// Its id.
    pub id: String,
    /// Who holds it: `user@host`.
    pub who: String,
    /// What they do: `OperationTypeApply`.
    pub operation: Option<String>,
    /// Since when, where that can be read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

/// A way on from a run that did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayOn {
    /// What it does, in a few words.
    pub what: String,
    /// The command.
    pub command: String,
}

/// A run as the platform keeps it and the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its identity.
    pub id: RunId,
    /// Counts in the estate, from 1.
    pub number: u64,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// Grows by one with each change; the ETag.
    pub version: u64,
    /// Who drives.
    pub driver: DriverKind,
    /// What a person would type.
    pub command: String,
    /// Every command line that ran, with its step.
    pub commands: Vec<ExecutedCommand>,
    /// The component, for a run of one instance.
    pub component: Option<String>,
    /// The stack, for a run of one instance or a workflow on one.
    pub stack: Option<String>,
    /// What it waits for while queued: `lock state local:network/plat-ue2-dev held by #212`, `a free place (4 of 4 taken)`.
    pub waiting_for: Option<String>,
    /// Why it ended as it did, or what a person should know now.
    pub reason: Option<String>,
    /// The next command that leads on, where one is known.
    pub next: Option<String>,
    /// Every way on from an end that is no success.
    #[serde(default)]
    pub ways: Vec<WayOn>,
    /// The exit code of the command that decided.
    pub exit_code: Option<i32>,
    /// What the plan holds.
    pub summary: Option<PlanSummary>,
    /// The digest of the plan file.
    pub plan_digest: Option<Digest>,
    /// The steps.
    pub steps: Vec<RunStep>,
    /// Explained errors.
    pub findings: Vec<LogFinding>,
    /// What it stood on.
    pub stood_on: StoodOn,
    /// The request that it is a part of.
    #[serde(default)]
    pub request: Option<u64>,
    /// Whether a request, or a form, had it made: it is not asked for again by itself. One that asked others to agree has a
    /// request, too, and is none of it.
    #[serde(default)]
    pub of_request: bool,
    /// Whether it only priced and judged what somebody was filling in: nothing was asked for.
    #[serde(default)]
    pub preview: bool,
    /// Who asked for it.
    pub actor: String,
    /// As which role; null in runs of earlier versions.
    #[serde(default)]
    pub role: Option<Role>,
    /// Whether nobody but they themselves vouched for who they are: the platform was one person's.
    #[serde(default)]
    pub self_attested: bool,
    /// What is different from the run it retries, one sentence each; empty where it retries none.
    #[serde(default)]
    pub differs: Vec<String>,
    /// The run it retries.
    pub retry_of: Option<RunId>,
    /// The set it belongs to.
    pub set: Option<String>,
    /// The runs of its set that must succeed first.
    pub after: Vec<RunId>,
    /// The `unknown` run that this refresh-only plan looks into.
    pub resolves: Option<RunId>,
    /// The workspace it uses.
    pub workspace: Option<String>,
    /// The commit of the working copy it runs in; none where it runs in the estate itself.
    #[serde(default)]
    pub copy: Option<String>,
    /// Whether its state lies in the component's folder, so that no working copy can reach it.
    #[serde(default)]
    pub local_state: bool,
    /// Who confirmed its plan.
    pub confirmed_by: Option<String>,
    /// Whether a person asked to cancel it.
    pub cancel_asked: bool,
    /// For a command: whether it may change the world (what is not known to only read may).
    pub changing_command: bool,
    /// The instances it concerns (one for plan, apply, destroy).
    pub targets: Vec<InstanceRef>,
    /// How many bytes its log has.
    pub log_bytes: u64,
    /// How many lines its log has.
    pub log_lines: u64,
    /// How many bytes of its output could not be written (a full disk); 0 as a rule.
    pub log_lost: u64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: Timestamp,
    /// When its first command began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When its wait for confirmation ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

impl Run {
    /// Returns what the state machine needs to know.
    #[must_use]
    pub fn facts(&self) -> machine::Facts {
        machine::Facts {
            kind: self.kind,
            state: self.state,
            changes: self.changes(),
            plan: self.plan_digest.clone(),
            confirmed: self.confirmed_by.as_ref().and(self.plan_digest.clone()),
            cancel_asked: self.cancel_asked,
        }
    }

    /// Returns the command that asks for the same again, or that shows what goes on instead.
    #[must_use]
    pub fn again(&self) -> String {
        match (self.of_request, self.request) {
            (false, _) => format!("terrace runs retry {}", self.number),
            (true, Some(request)) => format!("terrace request show {request}"),
            (true, None) => format!("terrace runs show {}", self.number),
        }
    }

    /// Returns the last command that did something; reading what a plan or a state says (`terraform show`) is not one.
    #[must_use]
    pub fn last_command(&self) -> Option<&ExecutedCommand> {
        let reads = |command: &ExecutedCommand| command.argv.get(1).is_some_and(|argument| argument == "show");
        self.commands.iter().rev().find(|command| !reads(command))
    }

    /// Tells whether it made a plan, which can be priced and judged.
    #[must_use]
    pub fn has_plan(&self) -> bool {
        self.summary.is_some() && self.plan_digest.is_some()
    }

    /// Tells whether its commands may change the world.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self.kind {
            RunKind::Apply | RunKind::Destroy | RunKind::Workflow => true,
            RunKind::Plan | RunKind::Drift => false,
            RunKind::Command => self.changing_command,
        }
    }
}

/// Which part of a request a run is; the platform says so, nobody else can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestMark {
    /// The request's number; 0 for a preview.
    pub number: u64,
    /// Its revision.
    pub revision: usize,
    /// The worktree whose configuration counts; the estate's own where there is none.
    pub tree: Option<String>,
    /// The run whose plan was approved, and is applied as it is.
    pub applies: Option<RunId>,
    /// The digest of the workflow that was approved in the place of a plan.
    #[serde(default)]
    pub script: Option<Digest>,
}

/// What somebody asks for when they ask for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// What to do.
    pub kind: RunKind,
    /// The component, for plan, apply, destroy, drift.
    #[serde(default)]
    pub component: Option<String>,
    /// The stack, for the same, and for a workflow.
    #[serde(default)]
    pub stack: Option<String>,
    /// Which stack file is meant, where two make one stack name.
    #[serde(default)]
    pub stack_file: Option<String>,
    /// The workflow's name.
    #[serde(default)]
    pub workflow: Option<String>,
    /// The workflow's file, relative to the workflows folder.
    #[serde(default)]
    pub workflow_file: Option<String>,
    /// The step a workflow resumes from.
    #[serde(default)]
    pub from_step: Option<String>,
    /// Further arguments: those of `terrace atmos ARGS…`, or more for terraform.
    #[serde(default)]
    pub args: Vec<String>,
    /// The request that it is a part of; refused from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestMark>,
    /// Confirms ahead.
    #[serde(default)]
    pub yes: bool,
    /// For a command: reads the state of the instance for its price; nothing of it stands in the log, or is changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reads_state: bool,
    /// Gives the command a terminal, so that its operator can type into it.
    #[serde(default)]
    pub interactive: bool,
    /// Refuses instead of waiting where a lock is held.
    #[serde(default)]
    pub no_wait: bool,
    /// Chooses the driver for this run.
    #[serde(default)]
    pub driver: Option<DriverKind>,
    /// Runs in a working copy of this commit; only where the state is kept by a remote backend.
    #[serde(default)]
    pub commit: Option<String>,
    /// The environment of the person who asks; what is not on the allow-list is dropped, nothing is ever stored.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// Variables given by name for this run (`--env K=V`); never stored.
    #[serde(default)]
    pub set_env: std::collections::BTreeMap<String, String>,
}

impl RunRequest {
    /// Returns a request of this kind that asks for nothing yet.
    #[must_use]
    pub fn new(kind: RunKind) -> Self {
        Self {
            kind,
            component: None,
            stack: None,
            stack_file: None,
            workflow: None,
            workflow_file: None,
            from_step: None,
            args: Vec::new(),
            request: None,
            yes: false,
            reads_state: false,
            interactive: false,
            no_wait: false,
            driver: None,
            commit: None,
            env: std::collections::BTreeMap::new(),
            set_env: std::collections::BTreeMap::new(),
        }
    }
}

/// What somebody asks for when they ask for several runs in the order of their dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRequest {
    /// What to do with each: plan, apply, destroy or drift.
    pub kind: RunKind,
    /// The instances that were marked.
    #[serde(default)]
    pub targets: Vec<InstanceRef>,
    /// Every instance of this stack.
    #[serde(default)]
    pub stack: Option<String>,
    /// Every instance that changes since this Git reference affect.
    #[serde(default)]
    pub affected_since: Option<String>,
    /// How many go at a time.
    #[serde(default)]
    pub parallel: Option<u32>,
    /// Confirms each ahead.
    #[serde(default)]
    pub yes: bool,
    /// Chooses the driver.
    #[serde(default)]
    pub driver: Option<DriverKind>,
    /// As in [`RunRequest::env`].
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// As in [`RunRequest::set_env`].
    #[serde(default)]
    pub set_env: std::collections::BTreeMap<String, String>,
}

/// The size of the terminal that a run is typed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TerminalSize {
    /// How many characters a line has.
    pub columns: u16,
    /// How many lines.
    pub rows: u16,
}

impl Default for TerminalSize {
    /// What a run has where nobody is connected who says otherwise.
    fn default() -> Self {
        Self { columns: 120, rows: 40 }
    }
}

/// The runs of one set, in an order in which they can go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunSet {
    /// Its identity.
    pub id: String,
    /// Its runs; `after` of each makes the tree.
    pub runs: Vec<Run>,
}

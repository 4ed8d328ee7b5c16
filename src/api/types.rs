//! What the wire adds to the types of [`crate::domain`]: cards of estate and platform, workflows, lines of a log.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::page::Page;
pub use crate::atmos::driver::evaluate::Evaluation;
pub use crate::platform::build::Build;
pub use crate::platform::health::{Finding, Gravity};
pub use crate::platform::requests::{Deciding, InboxCause, InboxItem, Preview, RequestAction, Times};
pub use crate::platform::runs::{Resolution, Unlock};

use crate::domain::cost::{Charge, DatedLine};
use crate::domain::id::{Digest, RunId};
use crate::domain::recommend::DecisionWord;
use crate::domain::request::Wish;
use crate::domain::run::{RunKind, RunState};
use crate::domain::team::Role;

/// The estate as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EstateCard {
    /// What it is known by on this machine.
    pub key: String,
    /// Its name: `id` of `platform/terrace.yaml`, or the root folder's.
    pub name: String,
    /// The canonical path of its root.
    #[schema(value_type = String)]
    pub root: PathBuf,
    /// How often it was loaded in the process that answers, from 1.
    pub revision: u64,
    /// When it was loaded.
    #[schema(value_type = String, format = DateTime)]
    pub loaded_at: Timestamp,
    /// How many stacks it has.
    pub stacks: usize,
    /// How many instances it has, abstract ones left out.
    pub instances: usize,
    /// How many diagnostics are errors.
    pub errors: usize,
    /// How many diagnostics are warnings.
    pub warnings: usize,
    /// Whether what it needs trust for is evaluated.
    pub trusted: bool,
    /// What it needs trust for.
    pub needs: Vec<String>,
}

/// Whether the estate is trusted, and what it needs trust for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trust {
    /// The canonical path of the estate's root.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// Whether what it needs is evaluated.
    pub trusted: bool,
    /// When it was trusted; null where it is not, or for one call only.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub granted_at: Option<Timestamp>,
    /// What is not evaluated without trust: commands in locals, files outside of the estate.
    pub needs: Vec<String>,
}

/// A yes to what an estate needs trust for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustRequest {
    /// The needs that were looked at; others stay unevaluated.
    pub needs: Vec<String>,
}

/// The platform process, or the reading command that answers in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlatformCard {
    /// The estate's name.
    pub name: String,
    /// The estate's root.
    #[schema(value_type = String)]
    pub root: PathBuf,
    /// The process.
    pub pid: u32,
    /// The build that runs.
    pub build: Build,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Who asks.
    pub user: String,
    /// As which role.
    pub role: Role,
    /// Whether the platform is one person's: nobody else can approve here.
    pub solo: bool,
    /// How many connections are open, the one that asks among them.
    pub connections: usize,
    /// Where it keeps things; null in a command that keeps nothing.
    #[schema(value_type = Option<String>)]
    pub state_folder: Option<PathBuf>,
    /// The runs that have not ended.
    pub runs: Vec<LiveRun>,
    /// What is wrong, or soon will be; empty where all is well.
    pub health: Vec<Finding>,
    /// The driver with its path; null where neither atmos nor terraform is found.
    pub driver: Option<String>,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveRun {
    /// Its identity.
    pub id: RunId,
    /// Its number in the estate.
    pub number: u64,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// What a person would type.
    pub command: String,
}

/// How the platform process is to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// Refuses (409) where a run lives; they would go on without the platform.
    #[serde(default)]
    pub unless_runs: bool,
    /// Refuses (409) where somebody else is connected, too.
    #[serde(default)]
    pub unless_busy: bool,
}

/// What goes on without the platform that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// The runs that go on under their supervisors; the next platform takes them over.
    pub runs: Vec<LiveRun>,
}

/// A workflow that can be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowCard {
    /// Its name.
    pub name: String,
    /// Its file, relative to the workflows folder.
    pub file: String,
    /// What it does.
    pub description: Option<String>,
    /// The stack of its steps that name none.
    pub stack: Option<String>,
    /// Its steps.
    pub steps: Vec<WorkflowStep>,
}

/// A step of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowStep {
    /// Its name.
    pub name: String,
    /// `atmos`, `shell` or one that only Atmos runs.
    #[serde(rename = "type")]
    pub kind: String,
    /// The command as written.
    pub command: Option<String>,
    /// Its stack, where it names one.
    pub stack: Option<String>,
    /// The variables that its command reads and the workflow does not set; who starts it must have them, or give them.
    #[serde(default)]
    pub reads: Vec<String>,
}

/// Lines of a run's log. Bytes that are not UTF-8 are replaced; the log itself has them as they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// The offset in the log where the next part begins.
    pub next_offset: u64,
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number, from 1.
    pub number: u64,
    /// Where it begins in the log, in bytes.
    pub offset: u64,
    /// Its text without the newline, cut after 64 KiB.
    pub text: String,
    /// How many bytes it has in the log.
    pub length: u64,
    /// When it came (to some 20 ms).
    #[schema(value_type = Option<String>, format = DateTime)]
    pub time: Option<Timestamp>,
    /// How many bytes of output are missing within or right before it.
    pub lost: u64,
    /// Whether its newline has come.
    pub complete: bool,
}

/// A yes to a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The digest of the plan that was looked at; another plan is refused. Null says yes to whatever it shows.
    #[serde(default)]
    pub plan_digest: Option<Digest>,
}

/// With what a run is asked for again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// The environment of the person who asks; what is not on the allow-list is dropped, nothing is stored.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// Variables given by name for this run.
    #[serde(default)]
    pub set_env: std::collections::BTreeMap<String, String>,
    /// Confirms ahead; the yes of the run before is not said again by itself.
    #[serde(default)]
    pub yes: bool,
}

/// The lines of the bill that make up a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillLines {
    /// What they are about.
    pub charge: Charge,
    /// The lines with their days, in order.
    pub lines: Vec<DatedLine>,
}

/// Which month to close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosingRequest {
    /// The month, such as `2026-10`.
    pub period: String,
}

/// What is decided on a recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// What.
    pub word: DecisionWord,
    /// Why; a dismissal needs it.
    #[serde(default)]
    pub reason: Option<String>,
    /// Until when it is put off, such as `2027-01-31`.
    #[serde(default)]
    pub until: Option<String>,
    /// The environment for the plans of the request that it sends; never stored.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// What.
    pub wish: Wish,
    /// Whether it is only kept, and not sent yet.
    #[serde(default)]
    pub draft: bool,
    /// The environment of the person who asks; what is not on the allow-list is dropped, nothing is stored.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

/// What somebody would ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// What.
    pub wish: Wish,
    /// Whether each instance is planned, so that price and verdict are those of the real plan.
    #[serde(default)]
    pub plan: bool,
    /// As in [`NewRequest::env`].
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

/// With what a request is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// As in [`NewRequest::env`].
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

/// Something said about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// What.
    pub text: String,
}

/// Why the rules of approvals are set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GlassRequest {
    /// Why it cannot wait.
    #[serde(default)]
    pub reason: String,
}

/// The word of whoever looked afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRequest {
    /// What they have to say.
    #[serde(default)]
    pub comment: Option<String>,
}

/// A yes or a no to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestWord {
    /// The digest of what was looked at; where the request is another by now, it is refused.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// Why; a no must say it.
    #[serde(default)]
    pub reason: Option<String>,
    /// The environment in which what is approved is carried out; the requester's where it is empty.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

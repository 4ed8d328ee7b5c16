//! Requests: what somebody asks for, what was found out about it, who decided what.
//!
//! The words are here; [`machine`] has the rules of states, [`check`] what an approval is bound to, [`standing`] who may
//! decide and when that is enough, [`wave`] what is planned only after something else was applied, [`differences`] what
//! somebody has not read yet. Writing the commit, planning, pricing and judging belong to the platform.

pub mod check;
pub mod decision;
pub mod differences;
pub mod form;
pub mod machine;
pub mod standing;
pub mod wave;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::id::RunId;
use super::run::RunKind;
use super::stack::InstanceRef;

pub use check::{Binding, Check, CheckedPlan, PlannedCode, Price, ScriptStep};
pub use decision::{BrokenGlass, Decision, ReviewCause, Reviewed, SecondReview, Seen};
pub use differences::{Difference, Differences, Part, PartChange, PartKind};
pub use form::RequestForm;
pub use machine::{Step, StepRefused};
pub use standing::{Bar, Electorate, NeedStanding, Rules, Silent, Voice};
pub use wave::{AppliedInstance, Bounds, PlannedChange};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Something new, from a golden path.
    Provision,
    /// Other values for an instance.
    Change,
    /// An apply or destroy where one may not just do it.
    Run,
    /// A larger budget, or an exception from one.
    Budget,
    /// The end of an instance and of its configuration.
    Retire,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Being written; nobody but its requester is concerned.
    Draft,
    /// Sent, and not yet looked at.
    Submitted,
    /// Planned, priced and judged.
    Checking,
    /// Waits for people.
    PendingApproval,
    /// Enough people agreed, or none had to.
    Approved,
    /// Being carried out.
    Executing,
    /// Done, and usable.
    Fulfilled,
    /// A part is applied and the rest is not: somebody goes on with it, or reverts it.
    PartiallyApplied,
    /// Sent back: a new revision is needed.
    NeedsChanges,
    /// Refused by a person.
    Rejected,
    /// Taken back by its requester.
    Withdrawn,
    /// Waited too long.
    Expired,
    /// Could not be carried out.
    Failed,
    /// What had been applied of it was undone.
    Reverted,
}

impl RequestState {
    /// Whether nothing follows any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Fulfilled | Self::Rejected | Self::Withdrawn | Self::Expired | Self::Failed | Self::Reverted
        )
    }

    /// Whether the platform has something to do for it.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Submitted | Self::Checking | Self::Approved | Self::Executing)
    }

    /// Returns the word that stands in JSON and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Checking => "checking",
            Self::PendingApproval => "pending_approval",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Fulfilled => "fulfilled",
            Self::PartiallyApplied => "partially_applied",
            Self::NeedsChanges => "needs_changes",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Reverted => "reverted",
        }
    }
}

impl std::fmt::Display for RequestState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl RequestKind {
    /// Returns the word that stands in JSON and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Change => "change",
            Self::Run => "run",
            Self::Budget => "budget",
            Self::Retire => "retire",
        }
    }
}

impl std::fmt::Display for RequestKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// What kind of thing.
    pub kind: RequestKind,
    /// One line; made from the rest where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The golden path, for a provision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_path: Option<String>,
    /// The instance, for change, run and retire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceRef>,
    /// What was filled in: a golden path's inputs by name; for a change, values by path (`vars.size`), null to remove one.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// For a run of a workflow: which. Its steps are planned where each is understood, else read as a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowRef>,
    /// For a run: `apply` or `destroy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunKind>,
    /// Why it is needed, for those who decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Within what later waves go ahead without another approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
}

/// A workflow of the estate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowRef {
    /// Its name.
    pub name: String,
    /// Its file, relative to the workflows folder.
    pub file: String,
    /// The stack it is run for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl Wish {
    /// Returns a wish of a kind, with nothing filled in.
    #[must_use]
    pub fn new(kind: RequestKind) -> Self {
        Wish {
            kind,
            title: None,
            golden_path: None,
            instance: None,
            inputs: Map::new(),
            workflow: None,
            run: None,
            reason: None,
            bounds: None,
        }
    }
}

/// One version of what is asked for. Revisions are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// What is asked for.
    pub wish: Wish,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub written_at: Timestamp,
}

/// A word on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// Who.
    pub actor: String,
    /// What.
    pub text: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// What the owner of something new needs to use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveredOutput {
    /// The instance that has it.
    pub instance: InstanceRef,
    /// Its name.
    pub name: String,
    /// Its value; null where it is sensitive.
    #[schema(value_type = Object)]
    pub value: Value,
    /// Whether Terraform masks it.
    pub sensitive: bool,
    /// How to read it where it is masked.
    pub read_it: Option<String>,
}

/// A run that waits in `awaiting_approval` until people have decided on a request for its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskingRun {
    /// The run.
    pub id: RunId,
    /// The further arguments of its plan, for one that has to be made again.
    #[serde(default)]
    pub args: Vec<String>,
    /// Whether its plan is the one that people decide on; once voided, the request makes plans of its own.
    pub waits: bool,
}

/// A request as the platform keeps it and the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// Counts in the estate, from 1: `#57`.
    pub number: u64,
    /// What it asks for.
    pub kind: RequestKind,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub state: RequestState,
    /// Grows by one with each change; the ETag.
    pub version: u64,
    /// Who asks.
    pub requester: String,
    /// Why it stands where it stands, where somebody said so.
    pub reason: Option<String>,
    /// The next command that leads on, where one is known.
    pub next: Option<String>,
    /// Every revision, the first one first; the last one counts.
    pub revisions: Vec<Revision>,
    /// What was found out about the last revision; null before it was looked at.
    pub check: Option<Check>,
    /// What people said, in order; the newest word of a person counts.
    pub decisions: Vec<Decision>,
    /// Comments, in order.
    pub comments: Vec<Comment>,
    /// Who set the rules of approvals aside, and why; null where nobody did.
    #[serde(default)]
    pub glass: Option<BrokenGlass>,
    /// The look that somebody else owes at it; null where the usual approvals were there.
    #[serde(default)]
    pub review: Option<SecondReview>,
    /// What each person has looked at last.
    #[serde(default)]
    pub seen: Vec<Seen>,
    /// The instances that were applied, in order.
    #[serde(default)]
    pub applied: Vec<AppliedInstance>,
    /// Whether what was applied of it is being undone.
    #[serde(default)]
    pub reverting: bool,
    /// Who had it go on, or be undone, after a part was applied.
    #[serde(default)]
    pub starters: Vec<String>,
    /// The runs that carry it out.
    pub runs: Vec<RunId>,
    /// The commit that brought it to the main branch.
    pub merged: Option<String>,
    /// What its owner needs to use it.
    pub outputs: Vec<DeliveredOutput>,
    /// The run that asked for it, and waits; null where a person asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<AskingRun>,
    /// When it was first submitted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub submitted_at: Option<Timestamp>,
    /// When it began to wait for people.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Timestamp>,
    /// How many seconds it has waited for people in all.
    pub waited_seconds: u64,
    /// When it is given up, where it waits for people.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

impl Request {
    /// Begins a draft.
    #[must_use]
    pub fn draft(number: u64, title: String, requester: String, first: Revision) -> Self {
        Request {
            number,
            kind: first.wish.kind,
            title,
            state: RequestState::Draft,
            version: 1,
            requester,
            reason: None,
            next: None,
            revisions: vec![first],
            check: None,
            decisions: Vec::new(),
            comments: Vec::new(),
            glass: None,
            review: None,
            seen: Vec::new(),
            applied: Vec::new(),
            reverting: false,
            starters: Vec::new(),
            runs: Vec::new(),
            merged: None,
            outputs: Vec::new(),
            asked_by: None,
            submitted_at: None,
            waiting_since: None,
            waited_seconds: 0,
            expires_at: None,
            ended_at: None,
        }
    }

    /// Returns the number of the revision that counts, from 1.
    #[must_use]
    pub fn revision(&self) -> usize {
        self.revisions.len()
    }

    /// Returns what the revision that counts asks for.
    #[must_use]
    pub fn wish(&self) -> Option<&Wish> {
        self.revisions.last().map(|revision| &revision.wish)
    }

    /// Returns the branch that carries its commit.
    #[must_use]
    pub fn branch(&self) -> String {
        format!("terrace/request-{}", self.number)
    }

    /// Returns who agrees to what it is now: the newest word of each person, where that is a yes that still counts.
    #[must_use]
    pub fn agreed(&self) -> Vec<&Decision> {
        let Some(digest) = self.check.as_ref().map(|check| check.binding.digest()) else { return Vec::new() };
        let newest = |decision: &&Decision| {
            self.decisions
                .iter()
                .rfind(|other| other.actor == decision.actor)
                .is_some_and(|last| std::ptr::eq(last, *decision))
        };
        let counts = |decision: &&Decision| decision.approved && decision.voided.is_none() && decision.digest == digest;
        self.decisions.iter().filter(newest).filter(counts).collect()
    }

    /// Returns who set the rules of approvals aside for the revision that counts.
    #[must_use]
    pub fn broken_glass(&self) -> Option<&BrokenGlass> {
        self.glass.as_ref().filter(|glass| glass.revision == self.revision())
    }

    /// Returns the run whose very plan people decide on; none where the plans are the request's own.
    #[must_use]
    pub fn waiting_run(&self) -> Option<RunId> {
        self.asked_by.as_ref().filter(|run| run.waits).map(|run| run.id)
    }

    /// Returns the instances that it applied and that were not undone since.
    pub fn live(&self) -> impl Iterator<Item = &AppliedInstance> {
        self.applied.iter().filter(|applied| applied.undone.is_none())
    }

    /// Returns the wave that comes next, from 1.
    #[must_use]
    pub fn wave(&self) -> usize {
        self.applied.iter().map(|applied| applied.wave).max().unwrap_or(0) + 1
    }

    /// Tells whether every instance that it concerns is applied.
    #[must_use]
    pub fn is_all_applied(&self) -> bool {
        let all = self.check.as_ref().filter(|check| !check.instances.is_empty() && !self.reverting);
        all.is_some_and(|check| {
            check.instances.iter().all(|one| self.live().any(|applied| applied.instance == one.instance))
        })
    }
}

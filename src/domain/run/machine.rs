//! The state machine of a run: what may follow what, what each state allows, and which locks it holds.
//!
//! Pure: a transition is a function of what is known of the run ([`Facts`]) and of what happened ([`Happening`]). The
//! platform writes each transition together with its event and its audit record in one transaction; the numbers in
//! the comments are those of "What must never happen" in the design.

use super::{RunKind, RunState};
use crate::domain::id::Digest;

/// What the rules need to know of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// Whether its commands may change the world (always for apply, destroy and workflow, never for plan and drift).
    pub changes: bool,
    /// The digest of the plan it made.
    pub plan: Option<Digest>,
    /// The digest a person confirmed.
    pub confirmed: Option<Digest>,
    /// Whether a person asked to cancel it.
    pub cancel_asked: bool,
}

/// How the supervisor saw a run end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every command did what it should.
    Succeeded,
    /// The plan holds nothing to do.
    NoChanges,
    /// A command failed, or could not be started.
    Failed,
    /// It ended because it was asked to.
    Canceled,
    /// Nobody confirmed in time.
    Expired,
    /// Terraform refused the plan: the state moved on after it was made.
    Stale,
    /// Credentials are missing or expired, and nothing was changed.
    NeedsCredentials,
    /// Policy or the rules of approvals stand against its plan.
    Denied,
    /// An approver refused its plan.
    Rejected,
}

impl Ending {
    /// Returns the state this ending leads to.
    #[must_use]
    pub fn state(self) -> RunState {
        match self {
            Ending::Succeeded => RunState::Succeeded,
            Ending::NoChanges => RunState::NoChanges,
            Ending::Failed => RunState::Failed,
            Ending::Canceled => RunState::Canceled,
            Ending::Expired => RunState::Expired,
            Ending::Stale => RunState::Stale,
            Ending::NeedsCredentials => RunState::NeedsCredentials,
            Ending::Denied => RunState::Denied,
            Ending::Rejected => RunState::Rejected,
        }
    }
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A place and its locks are there: its first command begins.
    Started,
    /// Its plan is made, checked to be the instance's, and has something to do.
    Planned {
        /// The digest of the plan file.
        digest: Digest,
    },
    /// The yes was given ahead, and gates are in force: the plan is looked at before it counts.
    CheckBegun,
    /// It could not be looked at: a person says yes, or not.
    CheckGivenUp,
    /// Others have to agree to its plan: a request asks them.
    ApprovalAsked,
    /// Enough people agreed to exactly this plan.
    Approved {
        /// The digest that they were shown.
        digest: Digest,
    },
    /// A person (or `--yes`, ahead) said yes to exactly this plan.
    Confirmed {
        /// The digest that was shown.
        digest: Digest,
    },
    /// The supervisor is about to apply the plan file of this digest.
    Applying {
        /// The digest computed right before.
        digest: Digest,
    },
    /// A person asked to cancel.
    CancelAsked,
    /// The supervisor says that it ended.
    Ended(Ending),
    /// The supervisor is gone and left no word of an end.
    Lost,
    /// A person settled an `unknown` run after a refresh-only plan.
    Resolved {
        /// Whether what it was to do is done.
        done: bool,
    },
}

/// Why something is not possible now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run has come to its end.
    #[error("the run has ended ({0}) and cannot change any more")]
    Ended(RunState),
    /// The state does not allow it.
    #[error("a run that is {state} cannot be {what}")]
    NotNow {
        /// The present state.
        state: RunState,
        /// What was asked, as a participle.
        what: &'static str,
    },
    /// The plan is not the one that was shown or confirmed (1).
    #[error("the plan is not the one that was confirmed: confirmed {confirmed}, found {found}")]
    OtherPlan {
        /// What was confirmed or planned, shortened.
        confirmed: String,
        /// What was given, shortened.
        found: String,
    },
    /// Nobody confirmed the plan (1).
    #[error("nobody has confirmed this plan")]
    NotConfirmed,
    /// The run changes nothing, so there is nothing to apply.
    #[error("a {0} run never applies anything")]
    NeverApplies(RunKind),
}

/// A change of state that the rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: RunState,
    /// The state after (the same, where only a mark is set).
    pub to: RunState,
    /// The verb of the event: `dev.terrace.run.<verb>`.
    pub verb: &'static str,
}

/// Which locks a run holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds {
    /// The lock of the state (backend and workspace) it changes.
    pub state: bool,
    /// The lock of the component's folder, whose files it uses.
    pub folder: bool,
}

/// What a person can do with a run now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Cancel it.
    pub cancel: bool,
    /// Confirm its plan.
    pub confirm: bool,
    /// Ask for the same again, as a new run.
    pub retry: bool,
    /// Settle it after a refresh-only plan.
    pub resolve: bool,
    /// Type into it.
    pub input: bool,
}

impl RunState {
    /// Tells whether nothing follows by itself. `unknown` is an end too, though a person may settle it.
    #[must_use]
    pub fn is_end(self) -> bool {
        use RunState::{
            Canceled, Denied, Expired, Failed, NeedsCredentials, NoChanges, Rejected, Stale, Succeeded, Unknown,
        };
        matches!(
            self,
            Succeeded
                | NoChanges
                | Failed
                | Canceled
                | Denied
                | Rejected
                | Expired
                | Stale
                | Unknown
                | NeedsCredentials
        )
    }

    /// Tells whether the run did what it was asked to do.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, RunState::Succeeded | RunState::NoChanges)
    }

    /// Tells whether commands of the run are alive in this state.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, RunState::Planning | RunState::Applying | RunState::Running)
    }

    /// Tells what a person can do with a run in this state.
    #[must_use]
    pub fn allows(self) -> Allowed {
        let ended = self.is_end();
        Allowed {
            cancel: !ended,
            confirm: self == RunState::AwaitingConfirmation,
            retry: ended && self != RunState::Unknown,
            resolve: self == RunState::Unknown,
            input: self == RunState::Running,
        }
    }

    /// Tells which locks a run of this kind holds in this state (5, 6).
    ///
    /// Planning needs the folder's files; what will apply also holds its state from the plan on, so that the plan
    /// cannot go stale by our own doing. While it waits for a person the folder is free. Others may take days to agree, so
    /// the state is free then too; it is compared with the plan before that is applied (4). `unknown` keeps the state.
    #[must_use]
    pub fn holds(self, kind: RunKind) -> Holds {
        let changes_state = matches!(kind, RunKind::Apply | RunKind::Destroy);
        match self {
            RunState::Planning => Holds { state: changes_state, folder: true },
            RunState::AwaitingConfirmation | RunState::Checking => Holds { state: true, folder: false },
            RunState::Applying | RunState::Running => Holds { state: true, folder: true },
            RunState::Unknown => Holds { state: true, folder: false },
            _ => Holds::default(),
        }
    }

    /// Returns the name on the wire, such as `awaiting_confirmation`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Planning => "planning",
            RunState::AwaitingConfirmation => "awaiting_confirmation",
            RunState::Checking => "checking",
            RunState::AwaitingApproval => "awaiting_approval",
            RunState::Applying => "applying",
            RunState::Running => "running",
            RunState::Succeeded => "succeeded",
            RunState::NoChanges => "no_changes",
            RunState::Failed => "failed",
            RunState::Canceled => "canceled",
            RunState::Denied => "denied",
            RunState::Rejected => "rejected",
            RunState::Expired => "expired",
            RunState::Stale => "stale",
            RunState::Unknown => "unknown",
            RunState::NeedsCredentials => "needs_credentials",
        }
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl RunKind {
    /// Returns the name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RunKind::Plan => "plan",
            RunKind::Apply => "apply",
            RunKind::Destroy => "destroy",
            RunKind::Workflow => "workflow",
            RunKind::Command => "command",
            RunKind::Drift => "drift",
        }
    }

    /// Tells whether it makes a plan, shows it, and then applies exactly it.
    #[must_use]
    pub fn applies(self) -> bool {
        matches!(self, RunKind::Apply | RunKind::Destroy)
    }

    /// Tells whether its first state is `planning`.
    #[must_use]
    pub fn plans(self) -> bool {
        matches!(self, RunKind::Plan | RunKind::Apply | RunKind::Destroy | RunKind::Drift)
    }
}

impl std::fmt::Display for RunKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Facts {
    /// Decides what follows from what happened; the rules are all here.
    ///
    /// # Errors
    ///
    /// Refuses whatever the present state does not allow; nothing changes then.
    pub fn after(&self, happening: &Happening) -> Result<Transition, Refusal> {
        let to = self.target(happening)?;
        Ok(Transition { from: self.state, to, verb: verb(happening, to) })
    }

    fn target(&self, happening: &Happening) -> Result<RunState, Refusal> {
        use RunState::{
            Applying, AwaitingApproval, AwaitingConfirmation, Checking, Planning, Queued, Running, Unknown,
        };
        if let (Happening::Resolved { done }, Unknown) = (happening, self.state) {
            return Ok(if *done { RunState::Succeeded } else { RunState::Failed });
        }
        if self.state.is_end() {
            return Err(match happening {
                Happening::Resolved { .. } => self.not_now("resolved: only an unknown one can"),
                _ => Refusal::Ended(self.state),
            });
        }
        match (happening, self.state) {
            (Happening::Started, Queued) => Ok(if self.kind.plans() { Planning } else { Running }),
            (Happening::Planned { .. }, Planning) if self.kind.applies() => Ok(AwaitingConfirmation),
            (Happening::Planned { .. }, Planning) => Ok(Planning),
            (Happening::CheckBegun, AwaitingConfirmation) if self.confirmed.is_none() => Ok(Checking),
            (Happening::CheckGivenUp, Checking) => Ok(AwaitingConfirmation),
            (Happening::ApprovalAsked, AwaitingConfirmation | Checking) if self.confirmed.is_none() => {
                Ok(AwaitingApproval)
            }
            // It stays there until its locks are free again.
            (Happening::Approved { digest }, AwaitingApproval) => {
                same(self.plan.as_ref(), digest)?;
                Ok(AwaitingApproval)
            }
            (Happening::Confirmed { digest }, AwaitingConfirmation | Checking) => {
                same(self.plan.as_ref(), digest)?;
                Ok(AwaitingConfirmation)
            }
            (Happening::Applying { .. }, _) if !self.kind.applies() => Err(Refusal::NeverApplies(self.kind)),
            // Only from here, and only once: nothing leads back (4).
            (Happening::Applying { digest }, AwaitingConfirmation | AwaitingApproval) => {
                let confirmed = self.confirmed.as_ref().ok_or(Refusal::NotConfirmed)?;
                same(Some(confirmed), digest)?;
                Ok(Applying)
            }
            (Happening::CancelAsked, Queued) => Ok(RunState::Canceled),
            (Happening::CancelAsked, state) => Ok(state),
            (Happening::Ended(ending), state) => self.ended(*ending, state),
            (Happening::Lost, Applying) => Ok(Unknown),
            (Happening::Lost, Running) if self.changes => Ok(Unknown),
            (Happening::Lost, _) => Ok(RunState::Failed),
            (Happening::Started, _) => Err(self.not_now("started")),
            (Happening::Planned { .. }, _) => Err(self.not_now("planned")),
            (Happening::CheckBegun | Happening::CheckGivenUp, _) => Err(self.not_now("checked")),
            (Happening::ApprovalAsked, _) => Err(self.not_now("given to others to agree to")),
            (Happening::Confirmed { .. }, _) => Err(self.not_now("confirmed")),
            (Happening::Approved { .. }, _) => Err(self.not_now("approved")),
            (Happening::Applying { .. }, _) => Err(self.not_now("applied")),
            (Happening::Resolved { .. }, _) => Err(self.not_now("resolved: only an unknown one can")),
        }
    }

    /// An ending is believed only where it can be true.
    fn ended(&self, ending: Ending, state: RunState) -> Result<RunState, Refusal> {
        use RunState::{Applying, AwaitingApproval, AwaitingConfirmation, Checking, Planning, Queued, Running};
        let possible = match ending {
            Ending::Failed | Ending::Canceled => true,
            Ending::Succeeded if self.kind.applies() => state == Applying,
            Ending::Succeeded => !matches!(state, Queued),
            Ending::NoChanges => state == Planning,
            Ending::Expired => matches!(state, AwaitingConfirmation | Checking | AwaitingApproval | Queued),
            // Found out right before an apply, by Terraform while it begins, or by what an approval was bound to: that may
            // change while the run that applies the plan waits for a lock.
            Ending::Stale => matches!(state, AwaitingConfirmation | AwaitingApproval | Applying | Queued),
            // The check comes before everything, and once more right before a plan is applied.
            Ending::NeedsCredentials => state != Applying,
            // Of its plan, or of what no plan binds right before its commands begin.
            Ending::Denied => matches!(state, AwaitingConfirmation | Checking | AwaitingApproval | Running),
            Ending::Rejected => state == AwaitingApproval,
        };
        if possible { Ok(ending.state()) } else { Err(self.not_now("ended like this")) }
    }

    fn not_now(&self, what: &'static str) -> Refusal {
        Refusal::NotNow { state: self.state, what }
    }
}

fn same(expected: Option<&Digest>, found: &Digest) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected == found => Ok(()),
        expected => Err(Refusal::OtherPlan {
            confirmed: expected.map_or_else(|| "none".to_owned(), |digest| digest.short().to_owned()),
            found: found.short().to_owned(),
        }),
    }
}

fn verb(happening: &Happening, to: RunState) -> &'static str {
    match happening {
        Happening::Started => "started",
        Happening::Planned { .. } => "planned",
        Happening::CheckBegun => "checking",
        Happening::CheckGivenUp => "check_given_up",
        Happening::ApprovalAsked => "awaiting_approval",
        Happening::Approved { .. } => "approved",
        Happening::Confirmed { .. } => "confirmed",
        Happening::Applying { .. } => "applying",
        Happening::CancelAsked if to.is_end() => "canceled",
        Happening::CancelAsked => "cancel_asked",
        Happening::Ended(_) | Happening::Lost => to.name(),
        Happening::Resolved { .. } => "resolved",
    }
}

//! The state machine of a request: what may follow what.
//!
//! Pure: a step of a request gives the next request or says why not. Nothing here ever removes a revision, a decision or
//! what was applied; a request of which something is applied does not end without a word on that.

use jiff::Timestamp;

use super::{
    AppliedInstance, BrokenGlass, Check, Comment, Decision, DeliveredOutput, Request, RequestState, Reviewed, Revision,
    SecondReview,
};
use crate::domain::id::RunId;
use crate::domain::policy::Outcome;
use crate::domain::stack::InstanceRef;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The requester writes a new revision.
    Revise(Revision),
    /// The requester sends it.
    Submit,
    /// The platform begins to plan, price and judge.
    BeginCheck,
    /// It was planned, priced and judged; approvals that were asked for beyond policy are in the outcome.
    Judge(Box<Check>, Outcome),
    /// The platform could not plan or judge: the requester can change that, or try again.
    SendBack {
        /// Why.
        reason: String,
    },
    /// A person agrees; whether that is enough is for the rules of approvals to say.
    Approve {
        /// The word.
        decision: Box<Decision>,
        /// Whether nobody else has to agree.
        enough: bool,
        /// The look that somebody else owes at it, where the usual approvals are not there.
        review: Option<SecondReview>,
    },
    /// A person refuses; the decision must give a reason.
    Reject(Box<Decision>),
    /// A person sets the rules of approvals aside, because it cannot wait.
    BreakGlass(Box<BrokenGlass>),
    /// What was agreed to has changed: it is looked at again, and what was said counts no more.
    Void {
        /// What changed.
        reason: String,
    },
    /// What was said is not enough any more: somebody who agreed may not, by now.
    Wait {
        /// Why.
        reason: String,
    },
    /// The platform begins to carry it out.
    Execute,
    /// A run carries it out.
    Run(RunId),
    /// An instance is applied.
    Applied {
        /// What was applied, by which run.
        applied: Box<AppliedInstance>,
        /// What its owner needs.
        outputs: Vec<DeliveredOutput>,
    },
    /// What an earlier run of it applied is undone.
    Undone {
        /// The instance.
        instance: InstanceRef,
        /// The run that undid it.
        run: RunId,
    },
    /// Everything that was planned is applied, and something else can be planned now.
    NextWave,
    /// It is done.
    Fulfill {
        /// The commit that brought it to the main branch.
        merged: Option<String>,
    },
    /// It could not be carried out.
    Fail {
        /// Why.
        reason: String,
    },
    /// Somebody goes on with what is partially applied.
    Continue {
        /// Who.
        by: String,
    },
    /// Somebody has what was applied of it undone.
    Revert {
        /// Who.
        by: String,
    },
    /// Somebody else looked at what had gone ahead.
    Review(Reviewed),
    /// Somebody says something.
    Comment(Comment),
    /// The requester takes it back.
    Withdraw,
    /// It has waited too long.
    Expire,
}

impl Step {
    /// Returns the word for messages and for events.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Step::Revise(_) => "changed",
            Step::Submit => "submitted",
            Step::BeginCheck => "checked",
            Step::Judge(..) => "judged",
            Step::SendBack { .. } => "sent back",
            Step::Approve { .. } => "approved",
            Step::Reject(_) => "rejected",
            Step::BreakGlass(_) => "glass broken",
            Step::Void { .. } => "looked at again",
            Step::Wait { .. } => "held back",
            Step::Execute | Step::Run(_) => "carried out",
            Step::Applied { .. } => "applied",
            Step::Undone { .. } => "undone",
            Step::NextWave => "brought to its next wave",
            Step::Fulfill { .. } => "fulfilled",
            Step::Fail { .. } => "given up",
            Step::Continue { .. } => "continued",
            Step::Revert { .. } => "reverted",
            Step::Review(_) => "reviewed",
            Step::Comment(_) => "commented on",
            Step::Withdraw => "withdrawn",
            Step::Expire => "expired",
        }
    }
}

/// Why a step is refused; the request is then as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepRefused {
    /// The state does not allow it.
    #[error("request #{number} is {state} and cannot be {verb}")]
    WrongState {
        /// The request.
        number: u64,
        /// Where it stands.
        state: RequestState,
        /// What was tried.
        verb: &'static str,
    },
    /// A rejection or a return without a word helps nobody.
    #[error("request #{number} cannot be {verb} without a reason")]
    NoReason {
        /// The request.
        number: u64,
        /// What was tried.
        verb: &'static str,
    },
}

impl Request {
    /// Returns the request as it is after a step.
    ///
    /// # Errors
    ///
    /// Where the state does not allow the step, or a reason is missing.
    pub fn after(&self, step: Step, now: Timestamp) -> Result<Self, StepRefused> {
        use RequestState as State;
        let verb = step.verb();
        let wrong = || StepRefused::WrongState { number: self.number, state: self.state, verb };
        let reason = |text: &str| match text.trim() {
            "" => Err(StepRefused::NoReason { number: self.number, verb }),
            text => Ok(Some(text.to_owned())),
        };
        let mut next = Request { version: self.version + 1, ..self.clone() };
        match (self.state, step) {
            // Of what has ended something can be said too, and what went ahead is looked at afterwards.
            (_, Step::Comment(comment)) => {
                next.comments.push(comment);
                return Ok(next);
            }
            (_, Step::Review(reviewed)) => {
                let owed = next.review.as_mut().filter(|review| review.done.is_none()).ok_or_else(wrong)?;
                owed.done = Some(reviewed);
                return Ok(next);
            }
            // A change of what is asked for always goes back to the start: whatever was said was about the old one.
            (State::Draft | State::NeedsChanges | State::PendingApproval, Step::Revise(revision))
                if self.applied.is_empty() =>
            {
                next.kind = revision.wish.kind;
                next.revisions.push(revision);
                (next.state, next.reason, next.check) = (State::Draft, None, None);
                next.void("the revision changed");
            }
            (State::Draft | State::NeedsChanges, Step::Submit) => {
                (next.state, next.reason) = (State::Submitted, None);
                next.submitted_at = self.submitted_at.or(Some(now));
            }
            (State::Submitted, Step::BeginCheck) => next.state = State::Checking,
            (State::Checking, Step::Judge(check, outcome)) => next.judge(*check, outcome),
            (State::Submitted | State::Checking | State::Executing, Step::SendBack { reason: why }) => {
                (next.state, next.reason) = (State::NeedsChanges, reason(&why)?);
                next.void(&why);
            }
            (State::PendingApproval, Step::Approve { decision, enough, review }) if decision.approved => {
                next.decisions.push(*decision);
                if enough {
                    (next.state, next.reason) = (State::Approved, None);
                    next.review = review.or_else(|| self.review.clone());
                }
            }
            (State::PendingApproval, Step::Reject(decision)) if !decision.approved => {
                let why = decision.reason.clone().unwrap_or_default();
                (next.state, next.reason) = (State::Rejected, reason(&why)?);
                next.decisions.push(*decision);
            }
            (State::PendingApproval, Step::BreakGlass(glass)) if self.broken_glass().is_none() => {
                reason(&glass.reason)?;
                next.glass = Some(*glass);
                return Ok(next);
            }
            (State::PendingApproval | State::Approved, Step::Void { reason: why }) => {
                (next.state, next.reason) = (State::Submitted, reason(&why)?);
                next.void(&why);
            }
            // Nothing of what was planned has begun: it is planned again.
            (State::Executing, Step::Void { reason: why }) if !self.has_begun() => {
                (next.state, next.reason) = (State::Submitted, reason(&why)?);
                next.void(&why);
            }
            (State::Approved, Step::Wait { reason: why }) => {
                (next.state, next.reason) = (State::PendingApproval, reason(&why)?);
            }
            (State::Approved, Step::Execute) => next.state = State::Executing,
            (State::Executing, Step::Run(run)) => next.runs.push(run),
            (State::Executing, Step::Applied { applied, outputs }) if !self.reverting => {
                next.applied.push(*applied);
                next.outputs.extend(outputs);
            }
            (State::Executing, Step::Undone { instance, run }) if self.reverting => {
                let live = next.applied.iter_mut().rfind(|one| one.instance == instance && one.undone.is_none());
                live.ok_or_else(wrong)?.undone = Some(run);
                next.outputs.retain(|output| output.instance != instance);
            }
            (State::Executing, Step::NextWave) => (next.state, next.reason) = (State::Submitted, None),
            (State::Executing, Step::Fulfill { merged }) if !self.reverting => {
                (next.state, next.reason, next.merged) = (State::Fulfilled, None, merged);
            }
            // All of it was applied, and somebody has merged it by hand since.
            (State::Checking, Step::Fulfill { merged }) if self.is_all_applied() => {
                (next.state, next.reason, next.merged) = (State::Fulfilled, None, merged);
            }
            (State::Executing, Step::Fulfill { .. }) if self.live().next().is_none() => {
                (next.state, next.reason) = (State::Reverted, None);
            }
            (State::Executing, Step::Fail { reason: why }) => {
                (next.state, next.reason) = (State::Failed, reason(&why)?);
            }
            (State::PartiallyApplied, Step::Continue { by }) => {
                (next.state, next.reason) = (State::Submitted, None);
                next.starters.push(by);
            }
            (State::PartiallyApplied, Step::Revert { by }) => {
                (next.state, next.reason, next.reverting) = (State::Submitted, None, true);
                next.starters.push(by);
            }
            (
                State::Draft
                | State::Submitted
                | State::Checking
                | State::PendingApproval
                | State::NeedsChanges
                | State::Approved,
                Step::Withdraw,
            ) => next.state = State::Withdrawn,
            // A draft and a request that was sent back wait for their requester, not for others.
            (State::PendingApproval | State::Approved, Step::Expire) => next.state = State::Expired,
            _ => return Err(wrong()),
        }
        next.keep_what_is_applied(verb);
        next.count_waiting(self, now);
        if next.state.is_final() {
            next.ended_at = Some(now);
        }
        Ok(next)
    }

    /// Takes the outcome of a check.
    fn judge(&mut self, check: Check, outcome: Outcome) {
        self.state = match outcome {
            Outcome::Deny => RequestState::NeedsChanges,
            Outcome::NeedsApproval => RequestState::PendingApproval,
            Outcome::Allow | Outcome::Warn => RequestState::Approved,
        };
        self.reason = (outcome == Outcome::Deny).then(|| {
            let said: Vec<&str> = check.verdict.denials().map(|finding| finding.message.as_str()).collect();
            format!(
                "denied by policy: {}",
                if said.is_empty() { "no rule allows it".to_owned() } else { said.join("; ") }
            )
        });
        self.check = Some(check);
    }

    /// Tells whether something of what the present check planned is applied or undone.
    fn has_begun(&self) -> bool {
        let Some(check) = &self.check else { return false };
        match self.reverting {
            true => check.plans.iter().any(|plan| !self.live().any(|applied| applied.instance == plan.instance)),
            false => self.applied.iter().any(|applied| applied.wave == check.wave),
        }
    }

    /// What would end or go back while a part is applied waits for a person instead.
    fn keep_what_is_applied(&mut self, verb: &str) {
        let ends = self.state.is_final() && !matches!(self.state, RequestState::Fulfilled | RequestState::Reverted);
        if (ends || self.state == RequestState::NeedsChanges) && self.live().next().is_some() {
            self.state = RequestState::PartiallyApplied;
            self.reason.get_or_insert_with(|| format!("the rest was {verb}"));
        }
    }

    /// Counts how long it waited for people.
    fn count_waiting(&mut self, before: &Request, now: Timestamp) {
        match (before.waiting_since, self.state) {
            (None, RequestState::PendingApproval) => self.waiting_since = Some(now),
            (Some(since), state) if state != RequestState::PendingApproval => {
                let seconds = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
                (self.waiting_since, self.expires_at) = (None, None);
                self.waited_seconds = before.waited_seconds.saturating_add(seconds);
            }
            _ => {}
        }
    }

    /// What was said counts no more, and a plan that waits is not applied.
    fn void(&mut self, why: &str) {
        if let Some(run) = &mut self.asked_by {
            run.waits = false;
        }
        for decision in self.decisions.iter_mut().filter(|decision| decision.voided.is_none()) {
            decision.voided = Some(why.to_owned());
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;

//! The state machine of a request: what may follow what.
//!
//! Pure: a step of a request gives the next request or says why not. Nothing here ever removes a revision or a decision.

use jiff::Timestamp;

use super::{Check, Comment, Decision, DeliveredOutput, Request, RequestState, Revision};
use crate::domain::id::RunId;
use crate::domain::policy::Outcome;

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
    },
    /// A person refuses; the decision must give a reason.
    Reject(Box<Decision>),
    /// What was agreed to has changed: it is looked at again, and what was said counts no more.
    Void {
        /// What changed.
        reason: String,
    },
    /// The platform begins to carry it out.
    Execute,
    /// A run carries it out.
    Run(RunId),
    /// It is done.
    Fulfill {
        /// The commit that brought it to the main branch.
        merged: Option<String>,
        /// What its owner needs.
        outputs: Vec<DeliveredOutput>,
    },
    /// It could not be carried out.
    Fail {
        /// Why.
        reason: String,
    },
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
            Step::Void { .. } => "looked at again",
            Step::Execute | Step::Run(_) => "carried out",
            Step::Fulfill { .. } => "fulfilled",
            Step::Fail { .. } => "given up",
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
            // A change of what is asked for always goes back to the start: whatever was said was about the old one.
            (State::Draft | State::NeedsChanges | State::PendingApproval, Step::Revise(revision)) => {
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
            (State::Checking, Step::Judge(check, outcome)) => {
                next.state = match outcome {
                    Outcome::Deny => State::NeedsChanges,
                    Outcome::NeedsApproval => State::PendingApproval,
                    Outcome::Allow | Outcome::Warn => State::Approved,
                };
                next.reason = (outcome == Outcome::Deny).then(|| {
                    let said: Vec<&str> = check.verdict.denials().map(|finding| finding.message.as_str()).collect();
                    format!(
                        "denied by policy: {}",
                        if said.is_empty() { "no rule allows it".to_owned() } else { said.join("; ") }
                    )
                });
                next.check = Some(*check);
            }
            (State::Submitted | State::Checking | State::Executing, Step::SendBack { reason: why }) => {
                (next.state, next.reason) = (State::NeedsChanges, reason(&why)?);
                next.void(&why);
            }
            (State::PendingApproval, Step::Approve { decision, enough }) if decision.approved => {
                next.decisions.push(*decision);
                if enough {
                    (next.state, next.reason) = (State::Approved, None);
                }
            }
            (State::PendingApproval, Step::Reject(decision)) if !decision.approved => {
                let why = decision.reason.clone().unwrap_or_default();
                (next.state, next.reason) = (State::Rejected, reason(&why)?);
                next.decisions.push(*decision);
            }
            (State::PendingApproval | State::Approved, Step::Void { reason: why }) => {
                (next.state, next.reason) = (State::Submitted, reason(&why)?);
                next.void(&why);
            }
            (State::Approved, Step::Execute) => next.state = State::Executing,
            (State::Executing, Step::Run(run)) => next.runs.push(run),
            (State::Executing, Step::Fulfill { merged, outputs }) => {
                (next.state, next.reason) = (State::Fulfilled, None);
                (next.merged, next.outputs) = (merged, outputs);
            }
            (State::Executing, Step::Fail { reason: why }) => {
                (next.state, next.reason) = (State::Failed, reason(&why)?);
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
            // Also of what has ended something can be said.
            (_, Step::Comment(comment)) => {
                next.comments.push(comment);
                return Ok(next);
            }
            _ => return Err(wrong()),
        }
        match (self.waiting_since, next.state) {
            (None, State::PendingApproval) => next.waiting_since = Some(now),
            (Some(since), state) if state != State::PendingApproval => {
                let seconds = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
                (next.waiting_since, next.expires_at) = (None, None);
                next.waited_seconds = self.waited_seconds.saturating_add(seconds);
            }
            _ => {}
        }
        if next.state.is_final() {
            next.ended_at = Some(now);
        }
        Ok(next)
    }

    /// What was said counts no more.
    fn void(&mut self, why: &str) {
        for decision in self.decisions.iter_mut().filter(|decision| decision.voided.is_none()) {
            decision.voided = Some(why.to_owned());
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;

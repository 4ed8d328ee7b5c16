//! Requests: what somebody asks for, its states, and what may follow what.
//!
//! The rules are here and pure. Writing the commit, planning, pricing and judging belong to the platform; so does
//! keeping revisions: nothing here ever removes one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::policy::Outcome;
use super::stack::InstanceRef;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Something new, from a golden path.
    Provision,
    /// Other values for an instance.
    Change,
    /// An apply, destroy or workflow where one may not just do it.
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
}

impl RequestState {
    /// Whether nothing follows any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Rejected | Self::Withdrawn | Self::Expired | Self::Failed)
    }
}

/// What happens to a request.
///
/// The steps from [`RequestState::Approved`] on are not among them yet: what may approve, and what is carried out, is
/// for the rules about approvals to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The requester writes a new revision.
    Revise(Revision),
    /// The requester sends it.
    Submit,
    /// The platform begins to plan, price and judge.
    BeginCheck,
    /// Policy has spoken.
    Judge(Outcome),
    /// The platform could not plan or judge: the requester can change that, or try again.
    SendBack {
        /// Why.
        reason: String,
    },
    /// A person refuses.
    Reject {
        /// Why; it must say something.
        reason: String,
    },
    /// The requester takes it back.
    Withdraw,
    /// It has waited too long.
    Expire,
}

impl Step {
    /// Returns the word for messages.
    fn verb(&self) -> &'static str {
        match self {
            Step::Revise(_) => "changed",
            Step::Submit => "submitted",
            Step::BeginCheck => "checked",
            Step::Judge(_) => "judged",
            Step::SendBack { .. } => "sent back",
            Step::Reject { .. } => "rejected",
            Step::Withdraw => "withdrawn",
            Step::Expire => "expired",
        }
    }
}

/// One version of what is asked for. Revisions are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// The golden path, for a provision.
    pub golden_path: Option<String>,
    /// The instance, where one is meant.
    pub instance: Option<InstanceRef>,
    /// What the requester filled in.
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub written_at: Timestamp,
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
    /// Every revision, the first one first; the last one counts.
    pub revisions: Vec<Revision>,
    /// When it was first submitted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub submitted_at: Option<Timestamp>,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// Why a step is refused; the request is then as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepRefused {
    /// The state does not allow it.
    #[error("request #{number} is {state:?} and cannot be {verb}")]
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
    /// Begins a draft.
    #[must_use]
    pub fn draft(number: u64, kind: RequestKind, title: String, requester: String, first: Revision) -> Self {
        Request {
            number,
            kind,
            title,
            state: RequestState::Draft,
            version: 1,
            requester,
            reason: None,
            revisions: vec![first],
            submitted_at: None,
            ended_at: None,
        }
    }

    /// Returns the number of the revision that counts, from 1.
    #[must_use]
    pub fn revision(&self) -> usize {
        self.revisions.len()
    }

    /// Returns the branch that carries its commit.
    #[must_use]
    pub fn branch(&self) -> String {
        format!("terrace/request-{}", self.number)
    }

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
                next.revisions.push(revision);
                (next.state, next.reason) = (State::Draft, None);
            }
            (State::Draft, Step::Submit) => {
                next.state = State::Submitted;
                next.submitted_at = self.submitted_at.or(Some(now));
            }
            (State::Submitted, Step::BeginCheck) => next.state = State::Checking,
            (State::Checking, Step::Judge(Outcome::Deny)) => {
                (next.state, next.reason) = (State::NeedsChanges, Some("denied by policy".to_owned()));
            }
            (State::Checking, Step::Judge(Outcome::NeedsApproval)) => next.state = State::PendingApproval,
            (State::Checking, Step::Judge(Outcome::Allow | Outcome::Warn)) => next.state = State::Approved,
            (State::Submitted | State::Checking, Step::SendBack { reason: why }) => {
                (next.state, next.reason) = (State::NeedsChanges, reason(&why)?);
            }
            (State::PendingApproval, Step::Reject { reason: why }) => {
                (next.state, next.reason) = (State::Rejected, reason(&why)?);
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
        if next.state.is_final() {
            next.ended_at = Some(now);
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn revision(size: i64) -> Revision {
        let inputs = Map::from_iter([("size".to_owned(), Value::from(size))]);
        Revision { golden_path: Some("postgres".into()), instance: None, inputs, written_at: at(size) }
    }

    fn draft() -> Request {
        Request::draft(57, RequestKind::Provision, "a database".into(), "dan".into(), revision(0))
    }

    fn go(steps: impl IntoIterator<Item = Step>) -> Result<Request, StepRefused> {
        steps.into_iter().try_fold(draft(), |request, step| request.after(step, at(10)))
    }

    #[test]
    fn a_verdict_decides_what_follows_the_check() {
        let checked = |outcome| go([Step::Submit, Step::BeginCheck, Step::Judge(outcome)]).unwrap().state;
        assert_eq!(checked(Outcome::Deny), RequestState::NeedsChanges);
        assert_eq!(checked(Outcome::NeedsApproval), RequestState::PendingApproval);
        assert_eq!(checked(Outcome::Warn), RequestState::Approved);
        assert_eq!(checked(Outcome::Allow), RequestState::Approved);
    }

    #[test]
    fn nothing_is_approved_that_was_not_judged() {
        for step in [Step::BeginCheck, Step::Judge(Outcome::Allow)] {
            assert!(matches!(go([step]), Err(StepRefused::WrongState { state: RequestState::Draft, .. })));
        }
        assert!(go([Step::Submit, Step::Judge(Outcome::Allow)]).is_err());
    }

    #[test]
    fn a_rejection_says_why() {
        let steps = |reason: &str| {
            [
                Step::Submit,
                Step::BeginCheck,
                Step::Judge(Outcome::NeedsApproval),
                Step::Reject { reason: reason.into() },
            ]
        };
        assert_eq!(go(steps(" ")).unwrap_err().to_string(), "request #57 cannot be rejected without a reason");
        assert_eq!(go(steps("too large")).unwrap().reason.as_deref(), Some("too large"));
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let outcome = prop::sample::select(vec![Outcome::Allow, Outcome::Warn, Outcome::NeedsApproval, Outcome::Deny]);
        prop_oneof![
            (0..9_i64).prop_map(|size| Step::Revise(revision(size))),
            Just(Step::Submit),
            Just(Step::BeginCheck),
            outcome.prop_map(Step::Judge),
            "[a-z ]{0,3}".prop_map(|reason| Step::SendBack { reason }),
            "[a-z ]{0,3}".prop_map(|reason| Step::Reject { reason }),
            Just(Step::Withdraw),
            Just(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_lost_and_ends_stay_ends(steps in prop::collection::vec(any_step(), 0..40)) {
            let mut request = draft();
            for (second, step) in steps.into_iter().enumerate() {
                let now = at(i64::try_from(second).unwrap() + 100);
                let judged = matches!(step, Step::Judge(_));
                let revised = matches!(step, Step::Revise(_));
                let Ok(next) = request.after(step, now) else { continue };
                prop_assert!(!request.state.is_final(), "{:?} has an end no more", request.state);
                prop_assert_eq!(next.version, request.version + 1);
                prop_assert_eq!(&next.revisions[..request.revisions.len()], &request.revisions[..]);
                prop_assert_eq!(next.revisions.len(), request.revisions.len() + usize::from(revised));
                prop_assert!(!revised || next.state == RequestState::Draft, "an old verdict outlived a change");
                let decided = matches!(next.state, RequestState::Approved | RequestState::PendingApproval);
                prop_assert!(!decided || judged, "{:?} without a verdict", next.state);
                prop_assert_eq!(next.ended_at.is_some(), next.state.is_final());
                prop_assert!(request.submitted_at.is_none() || next.submitted_at == request.submitted_at);
                prop_assert_eq!((next.number, &next.requester), (57, &request.requester));
                let reasoned = matches!(next.state, RequestState::Rejected | RequestState::NeedsChanges);
                prop_assert!(!reasoned || next.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()));
                request = next;
            }
        }
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::domain::id::Digest;
use crate::domain::policy::{Gate, Verdict};
use crate::domain::request::{Binding, RequestKind, Wish};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn revision(size: i64) -> Revision {
    let inputs = Map::from_iter([("size".to_owned(), Value::from(size))]);
    let wish = Wish {
        kind: RequestKind::Provision,
        title: None,
        golden_path: Some("postgres".into()),
        instance: None,
        inputs,
        run: None,
        reason: None,
    };
    Revision { wish, written_at: at(size) }
}

fn draft() -> Request {
    Request::draft(57, "a database".into(), "dan".into(), revision(0))
}

fn check(policy: &str) -> Check {
    let digest = |text: &str| Digest::of(text.as_bytes());
    Check {
        files: vec![],
        instances: vec![],
        plans: vec![],
        price: None,
        verdict: Verdict::sum_up(Gate::Plan, vec![], vec![], vec![], 0, digest(policy)),
        binding: Binding {
            revision: 1,
            commit: None,
            plans: BTreeMap::new(),
            policy: digest(policy),
            estimate: digest("estimate"),
            variables: digest("variables"),
        },
        checked_at: at(0),
    }
}

fn judge(outcome: Outcome) -> Step {
    Step::Judge(Box::new(check("policy")), outcome)
}

fn word(actor: &str, approved: bool, reason: &str) -> Box<Decision> {
    Box::new(Decision {
        actor: actor.into(),
        approved,
        reason: Some(reason.into()),
        digest: check("policy").binding.digest(),
        self_attested: false,
        voided: None,
        at: at(5),
    })
}

fn yes(actor: &str, enough: bool) -> Step {
    Step::Approve { decision: word(actor, true, ""), enough }
}

fn go(steps: impl IntoIterator<Item = Step>) -> Result<Request, StepRefused> {
    steps.into_iter().try_fold(draft(), |request, step| request.after(step, at(10)))
}

fn pending() -> Vec<Step> {
    vec![Step::Submit, Step::BeginCheck, judge(Outcome::NeedsApproval)]
}

#[test]
fn a_verdict_decides_what_follows_the_check() {
    let checked = |outcome| go([Step::Submit, Step::BeginCheck, judge(outcome)]).unwrap().state;
    assert_eq!(checked(Outcome::Deny), RequestState::NeedsChanges);
    assert_eq!(checked(Outcome::NeedsApproval), RequestState::PendingApproval);
    assert_eq!(checked(Outcome::Warn), RequestState::Approved);
    assert_eq!(checked(Outcome::Allow), RequestState::Approved);
}

#[test]
fn nothing_is_approved_that_was_not_judged_and_nothing_carried_out_that_was_not_approved() {
    for step in [Step::BeginCheck, judge(Outcome::Allow), yes("ann", true), Step::Execute] {
        assert!(matches!(go([step]), Err(StepRefused::WrongState { state: RequestState::Draft, .. })));
    }
    assert!(go([Step::Submit, judge(Outcome::Allow)]).is_err());
    assert!(go(pending().into_iter().chain([Step::Execute])).is_err());
    assert!(go(pending().into_iter().chain([yes("ann", false), Step::Execute])).is_err());
}

#[test]
fn a_rejection_says_why() {
    let rejected = |reason: &str| go(pending().into_iter().chain([Step::Reject(word("ann", false, reason))]));
    assert_eq!(rejected(" ").unwrap_err().to_string(), "request #57 cannot be rejected without a reason");
    assert_eq!(rejected("too large").unwrap().reason.as_deref(), Some("too large"));
    // A yes is no rejection, whatever it is called.
    assert!(go(pending().into_iter().chain([Step::Reject(word("ann", true, "fine"))])).is_err());
}

#[test]
fn only_the_newest_word_on_what_it_is_now_counts() {
    let agreed = |steps: Vec<Step>| {
        let request = go(pending().into_iter().chain(steps)).unwrap();
        request.agreed().iter().map(|decision| decision.actor.clone()).collect::<Vec<_>>()
    };
    assert_eq!(agreed(vec![yes("ann", false), yes("bob", false), yes("ann", false)]), ["bob", "ann"]);
    let void = Step::Void { reason: "the policies changed".into() };
    let again = vec![yes("ann", false), void.clone(), Step::BeginCheck, judge(Outcome::NeedsApproval)];
    assert_eq!(agreed(again), Vec::<String>::new());
    let request = go(pending().into_iter().chain([yes("ann", true), void])).unwrap();
    assert_eq!(request.state, RequestState::Submitted);
    assert_eq!(request.decisions[0].voided.as_deref(), Some("the policies changed"));
    let mut other = go(pending().into_iter().chain([yes("ann", false)])).unwrap();
    other.check = Some(check("another bundle"));
    assert_eq!(other.agreed(), Vec::<&Decision>::new());
}

#[test]
fn waiting_for_people_is_counted_apart() {
    let mut request = draft();
    for (second, step) in
        [(0, Step::Submit), (1, Step::BeginCheck), (2, judge(Outcome::NeedsApproval)), (62, yes("ann", true))]
    {
        request = request.after(step, at(second)).unwrap();
    }
    assert_eq!((request.waited_seconds, request.waiting_since), (60, None));
}

fn any_step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![Outcome::Allow, Outcome::Warn, Outcome::NeedsApproval, Outcome::Deny]);
    prop_oneof![
        (0..9_i64).prop_map(|size| Step::Revise(revision(size))),
        Just(Step::Submit),
        Just(Step::BeginCheck),
        outcome.prop_map(judge),
        "[a-z ]{0,3}".prop_map(|reason| Step::SendBack { reason }),
        "[a-z ]{0,3}".prop_map(|reason| Step::Reject(word("ann", false, &reason))),
        any::<bool>().prop_map(|enough| yes("ann", enough)),
        "[a-z ]{0,3}".prop_map(|reason| Step::Void { reason }),
        "[a-z ]{0,3}".prop_map(|reason| Step::Fail { reason }),
        Just(Step::Execute),
        Just(Step::Fulfill { merged: None, outputs: vec![] }),
        Just(Step::Withdraw),
        Just(Step::Expire),
        Just(Step::Comment(Comment { actor: "bob".into(), text: "hm".into(), at: at(1) })),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_nothing_is_lost_and_ends_stay_ends(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut request = draft();
        for (second, step) in steps.into_iter().enumerate() {
            let now = at(i64::try_from(second).unwrap() + 100);
            let judged = matches!(step, Step::Judge(..));
            let revised = matches!(step, Step::Revise(_));
            let agreed = matches!(step, Step::Approve { enough: true, .. });
            let commented = matches!(step, Step::Comment(_));
            let Ok(next) = request.after(step, now) else { continue };
            prop_assert!(commented || !request.state.is_final(), "{:?} has an end no more", request.state);
            prop_assert!(!commented || next.state == request.state);
            prop_assert_eq!(next.version, request.version + 1);
            prop_assert_eq!(&next.revisions[..request.revisions.len()], &request.revisions[..]);
            prop_assert_eq!(next.revisions.len(), request.revisions.len() + usize::from(revised));
            prop_assert!(next.decisions.len() >= request.decisions.len() && next.comments.len() >= request.comments.len());
            prop_assert!(!revised || next.state == RequestState::Draft, "an old verdict outlived a change");
            prop_assert!(!revised || (next.check.is_none() && next.agreed().is_empty()));
            if next.state != request.state {
                match next.state {
                    RequestState::Approved => prop_assert!(judged || agreed, "approved without a verdict or a yes"),
                    RequestState::PendingApproval => prop_assert!(judged, "pending without a verdict"),
                    RequestState::Executing => prop_assert_eq!(request.state, RequestState::Approved),
                    RequestState::Fulfilled => prop_assert_eq!(request.state, RequestState::Executing),
                    _ => {}
                }
            }
            prop_assert_eq!(next.ended_at.is_some(), next.state.is_final());
            prop_assert_eq!(next.waiting_since.is_some(), next.state == RequestState::PendingApproval);
            prop_assert!(request.submitted_at.is_none() || next.submitted_at == request.submitted_at);
            prop_assert_eq!((next.number, &next.requester), (57, &request.requester));
            let reasoned = matches!(next.state, RequestState::Rejected | RequestState::NeedsChanges | RequestState::Failed);
            prop_assert!(!reasoned || next.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()));
            request = next;
        }
    }
}

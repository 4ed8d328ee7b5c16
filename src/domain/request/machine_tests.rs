use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::domain::golden_path::InstanceAction;
use crate::domain::id::Digest;
use crate::domain::policy::{Gate, Verdict};
use crate::domain::request::{Binding, RequestKind, ReviewCause, Wish};
use crate::domain::team::Role;

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
        workflow: None,
        run: None,
        reason: None,
        bounds: None,
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
        wave: 1,
        later: vec![],
        script: vec![],
        authors: vec![],
        restores: None,
        claims: Vec::new(),
        outside: None,
        price: None,
        verdict: Verdict::sum_up(Gate::Plan, vec![], vec![], vec![], 0, digest(policy)),
        binding: Binding {
            revision: 1,
            wave: 1,
            commit: None,
            plans: BTreeMap::new(),
            policy: digest(policy),
            estimate: digest("estimate"),
            variables: digest("variables"),
            script: None,
            code: None,
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
        role: Role::Approver,
        approved,
        reason: Some(reason.into()),
        digest: check("policy").binding.digest(),
        self_attested: false,
        restores: false,
        voided: None,
        at: at(5),
    })
}

fn yes(actor: &str, enough: bool) -> Step {
    Step::Approve { decision: word(actor, true, ""), enough, review: None }
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

fn instance(name: &str) -> InstanceRef {
    InstanceRef { component: name.into(), stack: "dev".into() }
}

fn applied(name: &str, wave: usize) -> Step {
    let applied = Box::new(AppliedInstance {
        instance: instance(name),
        action: InstanceAction::Create,
        run: run(),
        plan: Digest::of(b"plan"),
        configuration: None,
        wave,
        undone: None,
        at: at(6),
    });
    Step::Applied { applied, outputs: vec![] }
}

fn run() -> RunId {
    "01K9QZ4W9E3N3Y0M7R6Q5T8V2A".parse().expect("a ULID")
}

fn glass(actor: &str, reason: &str) -> Step {
    Step::BreakGlass(Box::new(BrokenGlass {
        actor: actor.into(),
        role: Role::Operator,
        reason: reason.into(),
        revision: 1,
        at: at(4),
    }))
}

fn executing() -> Vec<Step> {
    vec![Step::Submit, Step::BeginCheck, judge(Outcome::Allow), Step::Execute]
}

fn after(steps: Vec<Step>) -> Request {
    go(executing().into_iter().chain(steps)).unwrap()
}

#[test]
fn what_is_partially_applied_is_continued_or_reverted_and_never_just_ends() {
    let failed = || Step::Fail { reason: "the disk is full".into() };
    assert_eq!(after(vec![failed()]).state, RequestState::Failed);
    let partly = after(vec![applied("net", 1), failed()]);
    assert_eq!((partly.state, partly.ended_at), (RequestState::PartiallyApplied, None));
    // The second wave is refused by a person: what is applied is not forgotten.
    let second = vec![applied("net", 1), Step::NextWave, Step::BeginCheck, judge(Outcome::NeedsApproval)];
    let waits = after(second);
    assert_eq!((waits.state, waits.wave()), (RequestState::PendingApproval, 2));
    for step in [Step::Reject(word("ann", false, "too dear")), Step::Withdraw, Step::Expire] {
        let next = waits.after(step.clone(), at(20)).unwrap();
        assert_eq!(next.state, RequestState::PartiallyApplied, "{step:?}");
        assert!(next.reason.is_some(), "{step:?}");
    }
    assert!(waits.after(Step::Revise(revision(1)), at(20)).is_err(), "a part of what it was is applied");
    let on = partly.after(Step::Continue { by: "ann".into() }, at(20)).unwrap();
    assert_eq!(on.state, RequestState::Submitted);
    let back = [Step::Revert { by: "ann".into() }, Step::BeginCheck, judge(Outcome::Allow), Step::Execute];
    let back = back.into_iter().try_fold(partly, |request, step| request.after(step, at(30))).unwrap();
    let end = Step::Fulfill { merged: None };
    assert!(back.after(end.clone(), at(31)).is_err(), "something is still there");
    let undone = back.after(Step::Undone { instance: instance("net"), run: run() }, at(31)).unwrap();
    assert!(undone.after(Step::Undone { instance: instance("net"), run: run() }, at(31)).is_err(), "only once");
    assert_eq!(undone.after(end, at(32)).unwrap().state, RequestState::Reverted);
}

#[test]
fn glass_is_broken_with_a_reason_once_and_for_one_revision() {
    let broken = |reason: &str| go(pending().into_iter().chain([glass("ida", reason)]));
    assert!(matches!(broken(" "), Err(StepRefused::NoReason { .. })));
    let broken = broken("the site is down").unwrap();
    assert_eq!(broken.state, RequestState::PendingApproval, "it still waits for a second person");
    assert!(broken.after(glass("bob", "so is mine"), at(11)).is_err());
    let revised = broken.after(Step::Revise(revision(2)), at(11)).unwrap();
    assert!(revised.glass.is_some() && revised.broken_glass().is_none(), "it was about another revision");
}

#[test]
fn a_second_look_is_owed_once_also_after_the_end() {
    let owed = SecondReview { cause: ReviewCause::Restored, due_at: at(100), done: None };
    let word = Step::Approve { decision: word("ann", true, ""), enough: true, review: Some(owed) };
    let done = [word, Step::Execute, Step::Fulfill { merged: None }];
    let request = go(pending().into_iter().chain(done)).unwrap();
    assert!(request.review.as_ref().is_some_and(|review| review.is_overdue(at(100)) && !review.is_overdue(at(99))));
    let looked = Step::Review(Reviewed { actor: "bob".into(), comment: None, self_attested: false, at: at(101) });
    let request = request.after(looked.clone(), at(101)).unwrap();
    assert!(request.review.as_ref().is_some_and(|review| !review.is_overdue(at(200))));
    assert!(request.after(looked, at(102)).is_err(), "once");
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
        Just(Step::NextWave),
        Just(Step::Continue { by: "ann".into() }),
        Just(Step::Revert { by: "ann".into() }),
        "[a-z ]{0,3}".prop_map(|reason| Step::Wait { reason }),
        "[a-z ]{0,3}".prop_map(|reason| glass("ida", &reason)),
        (0..4_usize).prop_map(|name| Step::Undone { instance: instance(&format!("i{name}")), run: run() }),
        (0..4_usize, 1..4_usize).prop_map(|(name, wave)| applied(&format!("i{name}"), wave)),
        Just(Step::Fulfill { merged: None }),
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
            let broke = matches!(step, Step::BreakGlass(_));
            let Ok(next) = request.after(step, now) else { continue };
            prop_assert!(commented || !request.state.is_final(), "{:?} has an end no more", request.state);
            prop_assert!(!(commented || broke) || next.state == request.state);
            // What was applied is never forgotten, and no end leaves it without a word.
            prop_assert!(next.applied.len() >= request.applied.len());
            for (before, after) in request.applied.iter().zip(&next.applied) {
                prop_assert!(before.undone.is_none() || before == after, "what was undone stays undone");
            }
            let ends = next.state.is_final() && next.state != RequestState::Fulfilled;
            prop_assert!(!ends || next.live().next().is_none(), "{:?} with something applied", next.state);
            prop_assert!(next.state != RequestState::PartiallyApplied || next.live().next().is_some());
            prop_assert!(next.glass.as_ref().is_none_or(|glass| !glass.reason.trim().is_empty()));
            prop_assert!(request.reverting == next.reverting || request.state == RequestState::PartiallyApplied);
            prop_assert_eq!(next.version, request.version + 1);
            prop_assert_eq!(&next.revisions[..request.revisions.len()], &request.revisions[..]);
            prop_assert_eq!(next.revisions.len(), request.revisions.len() + usize::from(revised));
            prop_assert!(next.decisions.len() >= request.decisions.len() && next.comments.len() >= request.comments.len());
            prop_assert!(!revised || next.state == RequestState::Draft, "an old verdict outlived a change");
            prop_assert!(!revised || (next.check.is_none() && next.agreed().is_empty()));
            if next.state != request.state {
                match next.state {
                    RequestState::Approved => prop_assert!(judged || agreed, "approved without a verdict or a yes"),
                    RequestState::PendingApproval => {
                        prop_assert!(judged || request.state == RequestState::Approved, "pending without a verdict");
                    }
                    RequestState::Executing => prop_assert_eq!(request.state, RequestState::Approved),
                    RequestState::Fulfilled => prop_assert!(
                        request.state == RequestState::Executing || request.is_all_applied(),
                        "fulfilled while {:?}", request.state
                    ),
                    _ => {}
                }
            }
            prop_assert_eq!(next.ended_at.is_some(), next.state.is_final());
            prop_assert_eq!(next.waiting_since.is_some(), next.state == RequestState::PendingApproval);
            prop_assert!(request.submitted_at.is_none() || next.submitted_at == request.submitted_at);
            prop_assert_eq!((next.number, &next.requester), (57, &request.requester));
            let reasoned = matches!(
                next.state,
                RequestState::Rejected | RequestState::NeedsChanges | RequestState::Failed | RequestState::PartiallyApplied
            );
            prop_assert!(!reasoned || next.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty()));
            request = next;
        }
    }
}

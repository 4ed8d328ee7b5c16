use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::domain::id::Digest;
use crate::domain::policy::{ApprovalNeed, Gate, Outcome, Verdict};
use crate::domain::request::{
    Binding, BrokenGlass, Check, Decision, Request, RequestKind, RequestState, Revision, Step, Wish,
};
use crate::domain::team::Role;

const PEOPLE: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn need(count: u32, group: Option<&str>) -> ApprovalNeed {
    let text = |text: &str| text.to_owned();
    ApprovalNeed { count, group: group.map(str::to_owned), code: text("c"), message: text("m"), policy: text("p") }
}

fn check(needs: Vec<ApprovalNeed>, seed: u8) -> Check {
    let digest = Digest::of(&[seed]);
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
        verdict: Verdict::sum_up(Gate::Plan, vec![], needs, vec![], 0, digest.clone()),
        binding: Binding {
            revision: 1,
            wave: 1,
            commit: None,
            plans: BTreeMap::new(),
            policy: digest.clone(),
            estimate: digest.clone(),
            variables: digest,
            script: None,
            code: None,
        },
        checked_at: at(0),
    }
}

fn wish() -> Wish {
    Wish {
        kind: RequestKind::Run,
        title: None,
        golden_path: None,
        instance: None,
        inputs: serde_json::Map::new(),
        workflow: None,
        run: None,
        reason: None,
        bounds: None,
    }
}

fn waits(requester: &str, check: Check) -> Request {
    let draft = Request::draft(1, "x".into(), requester.into(), Revision { wish: wish(), written_at: at(0) });
    let steps = [Step::Submit, Step::BeginCheck, Step::Judge(Box::new(check), Outcome::NeedsApproval)];
    steps.into_iter().fold(draft, |request, step| request.after(step, at(1)).unwrap())
}

fn word(request: &Request, actor: &str, role: Role, approved: bool) -> Decision {
    Decision {
        actor: actor.into(),
        role,
        approved,
        reason: Some("because".into()),
        digest: request.check.as_ref().unwrap().binding.digest(),
        self_attested: false,
        restores: false,
        voided: None,
        at: at(2),
    }
}

fn said(mut request: Request, actor: &str, role: Role) -> Request {
    let decision = word(&request, actor, role, true);
    request.decisions.push(decision);
    request
}

fn rules(needs: &[(u32, &[&str])], barred: &[(&str, Bar)]) -> Rules {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    Rules {
        electorates: needs
            .iter()
            .map(|(count, people)| Electorate { need: need(*count, None), people: names(people) })
            .collect(),
        barred: barred.iter().map(|(name, bar)| ((*name).to_owned(), *bar)).collect(),
        ..Rules::default()
    }
}

#[test]
fn each_need_is_answered_by_its_own_people() {
    let request = waits("ann", check(vec![need(1, None)], 0));
    let rules = rules(&[(2, &["bob", "cid"]), (1, &["dan"])], &[("ann", Bar::Requester)]);
    assert!(!rules.enough(&request));
    let two = said(said(request, "bob", Role::Approver), "cid", Role::Approver);
    assert_eq!(rules.standing(&two).iter().map(|need| need.missing).collect::<Vec<_>>(), [0, 1]);
    assert!(!rules.enough(&two));
    assert!(rules.enough(&said(two.clone(), "dan", Role::Approver)));
    assert!(!rules.enough(&said(two, "eve", Role::Admin)), "an admin is none of them while they can answer");
}

#[test]
fn an_admin_decides_only_where_nobody_else_ever_could() {
    let request = waits("bob", check(vec![need(1, None)], 0));
    let rules = rules(&[(1, &["bob"])], &[("bob", Bar::Requester)]);
    assert_eq!(rules.voice(&request, "bob", Role::Admin), Err(Silent::Barred(Bar::Requester)));
    assert_eq!(rules.voice(&request, "eve", Role::Operator), Err(Silent::NoApprover { may: vec![] }));
    assert_eq!(rules.voice(&request, "eve", Role::Admin), Ok(Voice::Approver));
    assert!(rules.enough(&said(request, "eve", Role::Admin)));
}

#[test]
fn one_operator_brings_back_what_was_there_only_where_policy_lets() {
    let request = waits("ann", check(vec![need(2, None)], 0));
    let mut rules = rules(&[(2, &["bob", "cid"])], &[("ann", Bar::Requester)]);
    assert_eq!(rules.voice(&request, "ann", Role::Operator), Err(Silent::Barred(Bar::Requester)));
    rules.restorable = true;
    assert_eq!(rules.voice(&request, "ann", Role::Operator), Ok(Voice::Restorer));
    assert_eq!(rules.voice(&request, "ann", Role::Approver), Err(Silent::Barred(Bar::Requester)));
    let mut word = word(&request, "ann", Role::Operator, true);
    word.restores = true;
    let mut restored = request;
    restored.decisions.push(word);
    assert!(rules.enough(&restored));
    rules.restorable = false;
    assert!(!rules.enough(&restored), "policy took it back");
}

/// What people do, at random.
#[derive(Debug, Clone)]
enum Act {
    Yes(usize),
    No(usize),
    Glass(usize),
    Change(u8),
    Leave(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let person = 0..PEOPLE.len();
    prop_oneof![
        6 => person.clone().prop_map(Act::Yes),
        1 => person.clone().prop_map(Act::No),
        1 => person.clone().prop_map(Act::Glass),
        1 => any::<u8>().prop_map(Act::Change),
        1 => person.prop_map(Act::Leave),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Viewer, Role::Developer, Role::Approver, Role::Operator, Role::Admin])
}

proptest! {
    /// 2, 3: whatever people do in whatever order, nothing is approved that not enough of the right people agreed to, on
    /// exactly what it is then.
    #[test]
    fn nothing_is_approved_without_the_right_words(
        roles in prop::collection::vec(role(), PEOPLE.len()),
        named in prop::collection::vec(any::<bool>(), PEOPLE.len()),
        count in 1..4_u32,
        acts in prop::collection::vec(act(), 0..40),
    ) {
        let requester = PEOPLE[0];
        let mut people: Vec<&str> = PEOPLE.iter().zip(&named).filter(|(_, named)| **named).map(|(name, _)| *name).collect();
        let mut request = waits(requester, check(vec![need(count, None)], 0));
        for act in acts {
            let rules = rules(&[(count, &people)], &[(requester, Bar::Requester)]);
            let step = match act {
                Act::Yes(who) => {
                    let (name, role) = (PEOPLE[who], roles[who]);
                    let voice = rules.voice(&request, name, role);
                    prop_assert!(name != requester || voice.is_err(), "their own");
                    let Ok(voice) = voice else { continue };
                    prop_assert!(voice != Voice::Second || request.broken_glass().is_some_and(|glass| glass.actor != name));
                    let mut with = request.clone();
                    with.decisions.push(word(&request, name, role, true));
                    let enough = rules.enough(&with);
                    Step::Approve { decision: Box::new(word(&request, name, role, true)), enough, review: None }
                }
                Act::No(who) if rules.voice(&request, PEOPLE[who], roles[who]).is_ok() => {
                    Step::Reject(Box::new(word(&request, PEOPLE[who], roles[who], false)))
                }
                Act::No(_) => continue,
                Act::Glass(who) if roles[who] >= Role::Operator => Step::BreakGlass(Box::new(BrokenGlass {
                    actor: PEOPLE[who].into(), role: roles[who], reason: "fire".into(), revision: request.revision(), at: at(2),
                })),
                Act::Glass(_) => continue,
                Act::Change(seed) => {
                    let void = request.after(Step::Void { reason: "the policies changed".into() }, at(3));
                    let Ok(void) = void else { continue };
                    let again = [Step::BeginCheck, Step::Judge(Box::new(check(vec![need(count, None)], seed)), Outcome::NeedsApproval)];
                    request = again.into_iter().fold(void, |request, step| request.after(step, at(4)).unwrap());
                    prop_assert!(request.agreed().is_empty(), "an old word outlived a change");
                    continue;
                }
                Act::Leave(who) => {
                    people.retain(|name| *name != PEOPLE[who]);
                    continue;
                }
            };
            let Ok(next) = request.after(step, at(5)) else { continue };
            request = next;
            if request.state == RequestState::Approved {
                let agreed: BTreeSet<&str> = request.agreed().iter().map(|word| word.actor.as_str()).collect();
                prop_assert!(!agreed.contains(requester));
                match request.broken_glass() {
                    Some(glass) => {
                        let second = request.agreed().into_iter().any(|word| word.actor != glass.actor && word.role >= Role::Approver);
                        prop_assert!(second && !glass.reason.is_empty());
                    }
                    None => {
                        let free = people.iter().filter(|name| **name != requester).count();
                        let right = |name: &&str| people.contains(name)
                            || (free < count as usize && PEOPLE.iter().zip(&roles).any(|(one, role)| one == name && *role == Role::Admin));
                        prop_assert!(agreed.iter().filter(|name| right(name)).count() >= count as usize, "{agreed:?}");
                    }
                }
                break;
            }
            if request.state.is_final() {
                break;
            }
        }
    }
}

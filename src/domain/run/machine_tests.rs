//! Random actions, kills and clock jumps against the invariants of the design (numbers as there).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::machine::{Ending, Facts, Happening};
use super::{RunKind, RunState};
use crate::domain::id::Digest;

/// What chance can do to one of the runs of a small world.
#[derive(Debug, Clone)]
enum Act {
    Start,
    Plan(u8),
    Check(bool),
    Confirm(u8),
    AskOthers,
    Approve(u8),
    Apply(u8),
    Cancel,
    End(u8),
    KillSupervisor,
    KillPlatform,
    Resolve(bool),
    /// Seconds the clock jumps, either way.
    Clock(i32),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Start),
        3 => (0..3u8).prop_map(Act::Plan),
        2 => any::<bool>().prop_map(Act::Check),
        3 => (0..3u8).prop_map(Act::Confirm),
        2 => Just(Act::AskOthers),
        2 => (0..3u8).prop_map(Act::Approve),
        3 => (0..3u8).prop_map(Act::Apply),
        1 => Just(Act::Cancel),
        3 => (0..9u8).prop_map(Act::End),
        1 => Just(Act::KillSupervisor),
        1 => Just(Act::KillPlatform),
        1 => any::<bool>().prop_map(Act::Resolve),
        1 => (-100_000..100_000i32).prop_map(Act::Clock),
    ]
}

const KINDS: [RunKind; 6] =
    [RunKind::Plan, RunKind::Apply, RunKind::Destroy, RunKind::Workflow, RunKind::Command, RunKind::Drift];
const ENDINGS: [Ending; 9] = [
    Ending::Succeeded,
    Ending::NoChanges,
    Ending::Failed,
    Ending::Canceled,
    Ending::Expired,
    Ending::Stale,
    Ending::NeedsCredentials,
    Ending::Denied,
    Ending::Rejected,
];

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

/// One run as the store would keep it.
struct Kept {
    facts: Facts,
    version: u64,
    events: u64,
    audits: u64,
    applied: Vec<Digest>,
    /// Journal entries the platform has not yet taken over (it was dead).
    pending: Vec<Happening>,
}

/// Two runs' worth of locks: both want the same state and the same folder.
#[derive(Default)]
struct World {
    runs: Vec<Kept>,
    platform_dead: bool,
    clock: i64,
}

impl World {
    /// Takes a happening into the store; a transition is row, event and audit together (7).
    fn take(&mut self, at: usize, happening: &Happening) {
        let run = &mut self.runs[at];
        let before = run.facts.clone();
        let Ok(transition) = run.facts.after(happening) else {
            return;
        };
        assert_eq!(transition.from, before.state);
        run.version += 1;
        run.events += 1;
        run.audits += 1;
        match happening {
            Happening::Planned { digest } => run.facts.plan = Some(digest.clone()),
            Happening::Confirmed { digest } | Happening::Approved { digest } => {
                run.facts.confirmed = Some(digest.clone());
            }
            Happening::Applying { digest } => {
                // 1: what is applied is what was planned and confirmed.
                assert_eq!(before.plan.as_ref(), Some(digest));
                assert_eq!(before.confirmed.as_ref(), Some(digest));
                run.applied.push(digest.clone());
            }
            Happening::CancelAsked => run.facts.cancel_asked = true,
            _ => {}
        }
        // 6: `unknown` is left only by a person's word.
        if before.state == RunState::Unknown {
            assert!(matches!(happening, Happening::Resolved { .. }), "unknown left by {happening:?}");
        }
        if transition.to == RunState::Unknown {
            assert!(matches!(happening, Happening::Lost), "unknown by {happening:?}");
            assert!(before.changes);
        }
        run.facts.state = transition.to;
    }

    /// The executor's rule: a run starts (or goes on after confirmation) only where no other holds what it needs.
    fn free_for(&self, at: usize, to: RunState) -> bool {
        let wants = to.holds(self.runs[at].facts.kind);
        self.runs.iter().enumerate().filter(|(other, _)| *other != at).all(|(_, other)| {
            let held = other.facts.state.holds(other.facts.kind);
            !(wants.state && held.state || wants.folder && held.folder)
        })
    }

    fn check(&self) {
        let states = self.runs.iter().filter(|run| run.facts.state.holds(run.facts.kind).state).count();
        let folders = self.runs.iter().filter(|run| run.facts.state.holds(run.facts.kind).folder).count();
        assert!(states <= 1, "5: {states} runs hold one state");
        assert!(folders <= 1, "5: {folders} runs hold one folder");
        for run in &self.runs {
            assert!(run.applied.len() <= 1, "4: a plan is used once");
            assert_eq!(run.version, run.events, "7");
            assert_eq!(run.version, run.audits, "7");
            assert!(run.applied.is_empty() || run.facts.kind.applies(), "1");
            let allowed = run.facts.state.allows();
            assert_eq!(allowed.cancel, !run.facts.state.is_end());
            assert!(!(allowed.retry && allowed.resolve), "6: an unknown run is not retried");
            if run.facts.state.is_end() && run.facts.state != RunState::Unknown {
                assert_eq!(run.facts.state.holds(run.facts.kind), super::machine::Holds::default());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn invariants_hold_whatever_happens(
        kinds in proptest::collection::vec(0..KINDS.len(), 1..4),
        acts in proptest::collection::vec((0..4usize, act()), 0..80),
    ) {
        let mut world = World {
            runs: kinds.iter().map(|kind| {
                let kind = KINDS[*kind];
                let changes = !matches!(kind, RunKind::Plan | RunKind::Drift);
                Kept {
                    facts: Facts { kind, state: RunState::Queued, changes, plan: None, confirmed: None, cancel_asked: false },
                    version: 0, events: 0, audits: 0, applied: Vec::new(), pending: Vec::new(),
                }
            }).collect(),
            ..World::default()
        };
        for (at, act) in acts {
            let at = at % world.runs.len();
            let happening = match act {
                Act::Start => Happening::Started,
                Act::Plan(n) => Happening::Planned { digest: digest(n) },
                Act::Check(true) => Happening::CheckBegun,
                Act::Check(false) => Happening::CheckGivenUp,
                Act::Confirm(n) => Happening::Confirmed { digest: digest(n) },
                Act::AskOthers => Happening::ApprovalAsked,
                Act::Approve(n) => Happening::Approved { digest: digest(n) },
                Act::Apply(n) => Happening::Applying { digest: digest(n) },
                Act::Cancel => Happening::CancelAsked,
                Act::End(n) => Happening::Ended(ENDINGS[usize::from(n)]),
                Act::KillSupervisor => Happening::Lost,
                Act::Resolve(done) => Happening::Resolved { done },
                Act::KillPlatform => { world.platform_dead = !world.platform_dead; continue; }
                Act::Clock(seconds) => { world.clock += i64::from(seconds); continue; }
            };
            let from_supervisor = matches!(happening, Happening::Planned { .. } | Happening::Ended(_) | Happening::Applying { .. });
            if world.platform_dead {
                // What supervisors write meanwhile is taken over later; everything else needs the platform.
                if from_supervisor && !matches!(happening, Happening::Applying { .. }) {
                    world.runs[at].pending.push(happening);
                }
                continue;
            }
            for run in 0..world.runs.len() {
                for pending in std::mem::take(&mut world.runs[run].pending) {
                    world.take(run, &pending);
                }
            }
            if let Ok(transition) = world.runs[at].facts.after(&happening) {
                let needs_locks = matches!(happening, Happening::Started | Happening::Applying { .. });
                if needs_locks && !world.free_for(at, transition.to) {
                    continue;
                }
            }
            world.take(at, &happening);
            world.check();
        }
    }
}

#[test]
fn the_way_of_an_apply() {
    let mut facts = Facts {
        kind: RunKind::Apply,
        state: RunState::Queued,
        changes: true,
        plan: None,
        confirmed: None,
        cancel_asked: false,
    };
    let mut seen = BTreeMap::new();
    for happening in [
        Happening::Started,
        Happening::Planned { digest: digest(1) },
        Happening::Confirmed { digest: digest(1) },
        Happening::Applying { digest: digest(1) },
        Happening::Ended(Ending::Succeeded),
    ] {
        let transition = facts.after(&happening).expect("allowed");
        facts.state = transition.to;
        match happening {
            Happening::Planned { digest } => facts.plan = Some(digest),
            Happening::Confirmed { digest } => facts.confirmed = Some(digest),
            _ => {}
        }
        seen.insert(transition.verb, transition.to);
    }
    assert_eq!(facts.state, RunState::Succeeded);
    assert_eq!(seen["planned"], RunState::AwaitingConfirmation);
    assert_eq!(seen["applying"], RunState::Applying);
}

#[test]
fn a_yes_that_was_given_ahead_counts_once_the_plan_was_looked_at() {
    let checking = Facts {
        kind: RunKind::Apply,
        state: RunState::Checking,
        changes: true,
        plan: Some(digest(1)),
        confirmed: None,
        cancel_asked: false,
    };
    let to = |facts: &Facts, happening: Happening| facts.after(&happening).map(|transition| transition.to);
    assert_eq!(to(&checking, Happening::Confirmed { digest: digest(1) }), Ok(RunState::AwaitingConfirmation));
    assert!(to(&checking, Happening::Confirmed { digest: digest(2) }).is_err());
    assert!(to(&checking, Happening::Applying { digest: digest(1) }).is_err());
    assert_eq!(to(&checking, Happening::Ended(Ending::Denied)), Ok(RunState::Denied));
    assert_eq!(to(&checking, Happening::CheckGivenUp), Ok(RunState::AwaitingConfirmation));
    let confirmed = Facts { state: RunState::AwaitingConfirmation, confirmed: Some(digest(1)), ..checking };
    assert!(to(&confirmed, Happening::CheckBegun).is_err(), "what was confirmed is not looked at again");
}

#[test]
fn what_others_have_to_agree_to_is_applied_by_their_word_and_by_no_other() {
    let waiting = Facts {
        kind: RunKind::Apply,
        state: RunState::AwaitingApproval,
        changes: true,
        plan: Some(digest(1)),
        confirmed: None,
        cancel_asked: false,
    };
    let to = |facts: &Facts, happening: Happening| facts.after(&happening).map(|transition| transition.to);
    for from in [RunState::AwaitingConfirmation, RunState::Checking] {
        let facts = Facts { state: from, ..waiting.clone() };
        assert_eq!(to(&facts, Happening::ApprovalAsked), Ok(RunState::AwaitingApproval));
        assert!(to(&facts, Happening::Approved { digest: digest(1) }).is_err(), "nobody was asked");
    }
    assert!(to(&waiting, Happening::Confirmed { digest: digest(1) }).is_err(), "a yes of one's own is not enough");
    assert!(to(&waiting, Happening::Applying { digest: digest(1) }).is_err(), "nobody agreed");
    assert!(to(&waiting, Happening::Approved { digest: digest(2) }).is_err(), "another plan");
    assert_eq!(to(&waiting, Happening::Approved { digest: digest(1) }), Ok(RunState::AwaitingApproval));
    let agreed = Facts { confirmed: Some(digest(1)), ..waiting.clone() };
    assert!(to(&agreed, Happening::Applying { digest: digest(2) }).is_err(), "another plan");
    assert_eq!(to(&agreed, Happening::Applying { digest: digest(1) }), Ok(RunState::Applying));
    for ending in [Ending::Rejected, Ending::Expired, Ending::Stale, Ending::Canceled, Ending::Denied] {
        assert_eq!(to(&waiting, Happening::Ended(ending)), Ok(ending.state()));
    }
    assert_eq!(to(&waiting, Happening::Lost), Ok(RunState::Failed));
    let planning = Facts { state: RunState::Planning, ..waiting };
    assert!(to(&planning, Happening::Ended(Ending::Rejected)).is_err(), "only what was asked about");
}

#[test]
fn another_plan_than_the_confirmed_one_is_refused() {
    let facts = Facts {
        kind: RunKind::Apply,
        state: RunState::AwaitingConfirmation,
        changes: true,
        plan: Some(digest(1)),
        confirmed: Some(digest(1)),
        cancel_asked: false,
    };
    assert!(facts.after(&Happening::Applying { digest: digest(2) }).is_err());
    assert!(facts.after(&Happening::Confirmed { digest: digest(2) }).is_err());
    let unconfirmed = Facts { confirmed: None, ..facts };
    assert!(unconfirmed.after(&Happening::Applying { digest: digest(1) }).is_err());
}

#[test]
fn a_lost_plan_failed_and_a_lost_apply_is_unknown() {
    let facts = |kind, state, changes| Facts { kind, state, changes, plan: None, confirmed: None, cancel_asked: false };
    let lost = |facts: Facts| facts.after(&Happening::Lost).expect("allowed").to;
    assert_eq!(lost(facts(RunKind::Plan, RunState::Planning, false)), RunState::Failed);
    assert_eq!(lost(facts(RunKind::Apply, RunState::Planning, true)), RunState::Failed);
    assert_eq!(lost(facts(RunKind::Apply, RunState::AwaitingConfirmation, true)), RunState::Failed);
    assert_eq!(lost(facts(RunKind::Apply, RunState::Applying, true)), RunState::Unknown);
    assert_eq!(lost(facts(RunKind::Workflow, RunState::Running, true)), RunState::Unknown);
    assert_eq!(lost(facts(RunKind::Command, RunState::Running, false)), RunState::Failed);
}

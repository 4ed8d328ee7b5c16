//! What approvals a request needs, and who may give them here and now.
//!
//! Owns what the platform itself asks for, and reading the rules of [`crate::domain::request::standing`] out of teams and
//! policies. Leaves deciding to [`super::decide`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::check::about;
use super::claims::BudgetWords;
use super::proposal::Proposal;
use crate::domain::budget::Claim;
use crate::domain::policy::{ApprovalNeed, Gate, Verdict, Weight};
use crate::domain::request::{Bar, Check, Electorate, Price, Request, Rules};
use crate::domain::review::Review;
use crate::domain::run::{Run, RunKind};
use crate::domain::stack::InstanceRef;
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::policies::{Bundle, SelfApproval};
use crate::platform::reviews::{self, Known};
use crate::platform::runs::configuration::Promise;
use crate::platform::runs::{NEEDED, RunError};

/// The code of a need that waits for one more word than there is.
const ONE_MORE: &str = "spacelift-undecided";

/// Returns the approvals that the platform itself asks for where gates are in force: a price that is not known, a
/// protected stage, a change of the rules themselves.
pub(super) fn needs(snapshot: &Snapshot, proposal: &Proposal, price: Option<&Price>) -> Vec<ApprovalNeed> {
    if !snapshot.has_gates() {
        return Vec::new();
    }
    let mut needs = Vec::new();
    if price.is_some_and(|price| !price.is_known()) {
        needs.push(need("price-unknown", "a part of its price is not known".to_owned()));
    }
    if proposal.script.is_some() {
        needs.push(need("unbound", "no plan binds what it runs: its script is read instead".to_owned()));
    }
    for one in &proposal.instances {
        let at = &one.instance;
        let facts = reviews::facts(&proposal.after, snapshot.teams(), &at.component, &at.stack);
        let before = reviews::facts(snapshot.estate(), snapshot.teams(), &at.component, &at.stack);
        if facts.protected || before.protected {
            needs.push(need("protected-stage", format!("{at} is in a protected stage")));
        }
    }
    if proposal.changes.files().any(|change| change.path.starts_with("platform/")) {
        needs.push(need("rules-change", "it changes the rules of the platform itself".to_owned()));
    }
    needs
}

/// Makes a need of one person of the team that owns it.
pub(super) fn need(code: &str, message: String) -> ApprovalNeed {
    ApprovalNeed { count: 1, group: None, code: code.to_owned(), message, policy: "terrace".to_owned() }
}

/// Returns the people who may answer a need, as the teams are now.
fn people(snapshot: &Snapshot, check: &Check, need: &ApprovalNeed) -> BTreeSet<String> {
    let teams = snapshot.teams();
    let of = |name: &str| teams.all().iter().find(|team| team.name == name).map(|team| team.approvers.clone());
    match &need.group {
        Some(group) => of(group).unwrap_or_default().into_iter().collect(),
        None => {
            let owners: BTreeSet<&str> = check
                .instances
                .iter()
                .filter_map(|one| teams.owner(&one.instance.component, &one.instance.stack))
                .map(|team| team.name.as_str())
                .collect();
            // Of what nobody owns, every team's approvers may decide.
            let all = teams.all().iter().filter(|team| owners.is_empty() || owners.contains(team.name.as_str()));
            all.flat_map(|team| team.approvers.iter().cloned()).collect()
        }
    }
}

/// Returns who may decide on a request, and when that is enough, by teams and policies as they are now.
pub(super) fn rules(snapshot: &Snapshot, bundle: &Bundle, request: &Request, check: &Check, solo: bool) -> Rules {
    let settings = &bundle.config().settings;
    let electorate = |need: &ApprovalNeed| Electorate { need: need.clone(), people: people(snapshot, check, need) };
    let mut barred = BTreeMap::new();
    if settings.self_approval != SelfApproval::Always {
        barred.extend(check.authors.iter().map(|name| (name.clone(), Bar::Author)));
        barred.extend(request.starters.iter().map(|name| (name.clone(), Bar::Starter)));
        barred.insert(request.requester.clone(), Bar::Requester);
    }
    Rules {
        electorates: check.verdict.approvals.iter().map(electorate).collect(),
        barred,
        own_word: solo && settings.self_approval != SelfApproval::Never,
        restorable: settings.restore && check.restores.is_some(),
    }
}

/// Asks policy about the words that were said (gate `approval`); what it asks for beyond the check joins the rules.
pub(super) fn ask(
    snapshot: &Snapshot,
    bundle: &Arc<Bundle>,
    request: &Request,
    check: &Check,
    actor: &Actor,
    rules: &mut Rules,
) -> Verdict {
    let mut verdict = bundle.judge(Gate::Approval, &document(snapshot, bundle, request, check, Some(actor)));
    let agreed = u32::try_from(request.agreed().len()).unwrap_or(u32::MAX);
    for need in &mut verdict.approvals {
        if need.code == ONE_MORE {
            need.count = agreed.saturating_add(1);
        }
    }
    for need in &verdict.approvals {
        let people = people(snapshot, check, need);
        rules.electorates.push(Electorate { need: need.clone(), people });
    }
    verdict
}

/// Returns what policies of the gate `approval` are asked about: `schemas/policy-input-approval.json`.
pub(super) fn document(
    snapshot: &Snapshot,
    bundle: &Bundle,
    request: &Request,
    check: &Check,
    actor: Option<&Actor>,
) -> Value {
    let teams = snapshot.teams();
    let facts = |at: &InstanceRef| {
        let mut facts = reviews::facts(snapshot.estate(), teams, &at.component, &at.stack);
        facts.team = facts.team.or_else(|| teams.owner(&at.component, &at.stack).map(|team| team.name.clone()));
        facts
    };
    let votes = request.decisions.iter().filter(|decision| decision.voided.is_none());
    let votes: Vec<Value> = votes
        .map(|decision| {
            json!({
                "actor": decision.actor, "role": decision.role, "teams": reviews::actor(teams, &decision.actor).teams,
                "decision": if decision.approved { "approve" } else { "reject" }, "at": decision.at,
            })
        })
        .collect();
    let kind = request.wish().and_then(|wish| wish.run).unwrap_or(RunKind::Apply);
    let plan = check.plans.first();
    json!({
        "request": about(request),
        "instance": check.instances.first().map(|one| facts(&one.instance)),
        "instances": check.instances,
        "plans": check.plans.iter().map(|plan| json!({
            "instance": plan.instance, "action": plan.action, "summary": plan.summary, "resources": plan.resources,
        })).collect::<Vec<_>>(),
        "run": {"id": plan.map(|plan| plan.run), "number": plan.map(|plan| plan.number), "kind": kind, "commit": check.binding.commit},
        "price": check.price,
        "wave": check.wave,
        "glass_broken": request.broken_glass().is_some(),
        "votes": votes,
        "actor": actor.map(|actor| json!({
            "name": actor.name, "role": actor.role, "teams": reviews::actor(teams, &actor.name).teams,
        })),
        "config": bundle.config().settings,
    })
}

/// Reviews the plan of a run that no request asked for, and says whether it may be applied.
pub(super) fn of_run(
    snapshot: &Arc<Snapshot>,
    run: &Run,
    (plan, known): (PathBuf, Known),
    solo: bool,
    budgets: impl FnOnce(&Review) -> Result<(BudgetWords, Option<Claim>), PlatformError>,
) -> Result<(Review, Result<Option<Promise>, RunError>), RunError> {
    let bundle = Bundle::load(snapshot.estate().root());
    let review = reviews::review_run(snapshot, run, plan, known, &bundle)?;
    let (component, stack) = (run.component.clone().unwrap_or_default(), run.stack.clone().unwrap_or_default());
    let verdict = review.verdict.clone();
    let facts = reviews::facts(snapshot.estate(), snapshot.teams(), &component, &stack);
    let (mut budgets, claim) = budgets(&review)?;
    if let Some(denied) = over_budget(&mut budgets) {
        return Ok((review, Err(denied)));
    }
    if let Some(first) = verdict.denials().next() {
        let more = verdict.denials().count() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let message = format!("denied by policy: {}{more}", first.message);
        let hint = first.fix.clone().or_else(|| Some(format!("terrace policy check {component} -s {stack}")));
        return Ok((review, Err(RunError::Denied { code: "denied-by-policy", message, hint })));
    }
    let mut reasons: Vec<String> = verdict.approvals.iter().map(|need| need.message.clone()).collect();
    reasons.extend(budgets.needs.into_iter().map(|need| need.message));
    if !review.estimate.unknown.is_empty() {
        reasons.push("a part of its price is not known".to_owned());
    }
    if facts.protected {
        reasons.push(format!("{component}@{stack} is in a protected stage"));
    }
    let own_word = own_word(&bundle, solo);
    if reasons.is_empty() || own_word {
        let promise = claim.map(|claim| Promise { claim, snapshot: Arc::clone(snapshot), own_word });
        return Ok((review, Ok(promise)));
    }
    let verb = if run.kind == RunKind::Destroy { "destroy" } else { "apply" };
    Ok((review, Err(somebody_else(&reasons, verb, &component, &stack))))
}

/// Returns the denial of what does not fit a budget or a quota.
fn over_budget(words: &mut BudgetWords) -> Option<RunError> {
    let at = words.findings.iter().position(|finding| finding.weight == Weight::Deny)?;
    let first = words.findings.swap_remove(at);
    let code = if first.code == "quota-exceeded" { "quota-exceeded" } else { "budget-exceeded" };
    Some(RunError::Denied { code, message: first.message, hint: first.fix })
}

fn somebody_else(reasons: &[String], verb: &str, component: &str, stack: &str) -> RunError {
    let message = format!("somebody else must agree: {}", reasons.join("; "));
    let hint = Some(format!("terrace request new --{verb} {component} -s {stack}"));
    RunError::Denied { code: NEEDED, message, hint }
}

/// Refuses what does not fit any more now that others have reserved what they promise.
pub(super) fn of_promise(promise: &Promise, mut words: BudgetWords) -> Result<(), RunError> {
    if let Some(denied) = over_budget(&mut words) {
        return Err(denied);
    }
    if words.needs.is_empty() || promise.own_word {
        return Ok(());
    }
    let reasons: Vec<String> = words.needs.into_iter().map(|need| need.message).collect();
    Err(somebody_else(&reasons, "apply", &promise.claim.component, &promise.claim.stack))
}

/// Tells whether policy lets a person's own word be enough.
fn own_word(bundle: &Bundle, solo: bool) -> bool {
    match bundle.config().settings.self_approval {
        SelfApproval::Never => false,
        SelfApproval::Solo => solo,
        SelfApproval::Always => true,
    }
}

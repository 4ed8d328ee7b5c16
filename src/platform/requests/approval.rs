//! Who may decide, and when enough people agreed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::check::load;
use super::error::RequestError;
use super::proposal::Proposal;
use super::{Env, RequestService};
use crate::domain::id::Digest;
use crate::domain::policy::ApprovalNeed;
use crate::domain::request::{Check, Decision, Price, Request, RequestState, Step};
use crate::domain::review::Review;
use crate::domain::run::{Run, RunKind};
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::policies::Bundle;
use crate::platform::reviews;
use crate::platform::runs::RunError;

/// Returns the approvals that the platform itself asks for where gates are in force: a price that is not known, a
/// protected stage, a change of the rules themselves.
pub(super) fn needs(snapshot: &Snapshot, proposal: &Proposal, price: Option<&Price>) -> Vec<ApprovalNeed> {
    if !snapshot.has_gates() {
        return Vec::new();
    }
    let need = |code: &str, message: String| ApprovalNeed {
        count: 1,
        group: None,
        code: code.to_owned(),
        message,
        policy: "terrace".to_owned(),
    };
    let mut needs = Vec::new();
    if price.is_some_and(|price| !price.is_known()) {
        needs.push(need("price-unknown", "a part of its price is not known".to_owned()));
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

/// Returns the people who may answer a need.
fn may_answer(snapshot: &Snapshot, check: &Check, need: &ApprovalNeed) -> BTreeSet<String> {
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

/// Says whether enough people agreed: for each need, as many different ones as it asks for.
fn enough(snapshot: &Snapshot, check: &Check, agreed: &[&Decision]) -> bool {
    if agreed.iter().any(|decision| decision.self_attested) {
        return true;
    }
    check.verdict.approvals.iter().all(|need| {
        let may = may_answer(snapshot, check, need);
        let people: BTreeSet<&str> = agreed.iter().map(|decision| decision.actor.as_str()).collect();
        people.iter().filter(|name| may.contains(**name)).count() >= need.count as usize
    })
}

/// Reviews the plan of a run that no request asked for, and says whether it may be applied.
pub(super) fn of_run(
    snapshot: &Snapshot,
    run: &Run,
    plan: PathBuf,
    solo: bool,
) -> Result<(Review, Result<(), RunError>), RunError> {
    let bundle = Arc::new(Bundle::load(snapshot.estate().root()));
    let review = reviews::review_run(snapshot, run, plan, &bundle)?;
    let (component, stack) = (run.component.clone().unwrap_or_default(), run.stack.clone().unwrap_or_default());
    let verdict = review.verdict.clone();
    if let Some(first) = verdict.denials().next() {
        let more = verdict.denials().count() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let message = format!("denied by policy: {}{more}", first.message);
        let hint = first.fix.clone().or_else(|| Some(format!("terrace policy check {component} -s {stack}")));
        return Ok((review, Err(RunError::Denied { code: "denied-by-policy", message, hint })));
    }
    let facts = reviews::facts(snapshot.estate(), snapshot.teams(), &component, &stack);
    let mut reasons: Vec<String> = verdict.approvals.iter().map(|need| need.message.clone()).collect();
    if !review.estimate.unknown.is_empty() {
        reasons.push("a part of its price is not known".to_owned());
    }
    if facts.protected {
        reasons.push(format!("{component}@{stack} is in a protected stage"));
    }
    if reasons.is_empty() || own_word(&bundle, solo) {
        return Ok((review, Ok(())));
    }
    let verb = if run.kind == RunKind::Destroy { "destroy" } else { "apply" };
    let message = format!("somebody else must agree: {}", reasons.join("; "));
    let hint = Some(format!("terrace request new --{verb} {component} -s {stack}"));
    Ok((review, Err(RunError::Denied { code: "approval-needed", message, hint })))
}

/// What policy lets a person do with a request of their own.
fn own_word(bundle: &Bundle, solo: bool) -> bool {
    match bundle.config().settings.more.get("self_approval") {
        Some(serde_json::Value::Bool(yes)) => *yes,
        Some(serde_json::Value::String(word)) => word == "solo" && solo,
        _ => false,
    }
}

impl RequestService {
    /// Agrees to a request; where that is enough, it is carried out.
    ///
    /// `digest` is what was looked at; where the request has become another since, it is refused.
    ///
    /// # Errors
    ///
    /// One's own request unless policy allows it, a person who is no approver, a request that waits for nobody.
    pub async fn approve(
        &self,
        actor: &Actor,
        number: u64,
        digest: Option<&Digest>,
        reason: Option<String>,
        env: Env,
    ) -> Result<Request, RequestError> {
        let request = self.get(number).await?;
        let (snapshot, check, self_attested) = self.may_decide(actor, &request, digest).await?;
        if let Some(changed) = self.changed(&request, &check).await? {
            let reason = format!("{changed} changed after it was judged");
            self.step(&Actor::platform(), number, Step::Void { reason: reason.clone() }, json!({"reason": reason}))
                .await?;
            self.nudge(number);
            let hint = format!("look at it again: terrace request show {number}");
            return Err(RequestError::Denied {
                code: "approval-void",
                message: format!("{reason}: it is judged again"),
                hint: Some(hint),
            });
        }
        let decision = Decision {
            actor: actor.name.clone(),
            approved: true,
            reason: reason.filter(|reason| !reason.trim().is_empty()),
            digest: check.binding.digest(),
            self_attested,
            voided: None,
            at: Timestamp::now(),
        };
        let mut with = request.clone();
        with.decisions.push(decision.clone());
        let enough = enough(&snapshot, &check, &with.agreed());
        let detail = json!({"digest": decision.digest, "binding": check.binding, "self_attested": self_attested, "enough": enough});
        self.keep_env(number, env);
        let request =
            self.step_at(actor, &request, Step::Approve { decision: Box::new(decision), enough }, detail).await?;
        self.nudge(number);
        Ok(request)
    }

    /// Refuses a request, and says why.
    ///
    /// # Errors
    ///
    /// A refusal without a reason; as [`RequestService::approve`].
    pub async fn reject(
        &self,
        actor: &Actor,
        number: u64,
        digest: Option<&Digest>,
        reason: &str,
    ) -> Result<Request, RequestError> {
        let request = self.get(number).await?;
        let (_, check, self_attested) = self.may_decide(actor, &request, digest).await?;
        let decision = Decision {
            actor: actor.name.clone(),
            approved: false,
            reason: Some(reason.trim().to_owned()),
            digest: check.binding.digest(),
            self_attested,
            voided: None,
            at: Timestamp::now(),
        };
        let detail = json!({"digest": decision.digest, "reason": reason});
        let request = self.step_at(actor, &request, Step::Reject(Box::new(decision)), detail).await?;
        self.clean(&request).await;
        Ok(request)
    }

    /// Moves a request that is as it was read.
    async fn step_at(
        &self,
        actor: &Actor,
        read: &Request,
        step: Step,
        detail: serde_json::Value,
    ) -> Result<Request, RequestError> {
        let now = self.get(read.number).await?;
        if now.version != read.version {
            return Err(crate::platform::PlatformError::Stale {
                what: format!("request/{}", read.number),
                expected: read.version,
                found: now.version,
            }
            .into());
        }
        self.step(actor, read.number, step, detail).await
    }

    /// Says whether a person may decide on a request; tells whether it would be their own word on their own request.
    async fn may_decide(
        &self,
        actor: &Actor,
        request: &Request,
        digest: Option<&Digest>,
    ) -> Result<(Arc<Snapshot>, Check, bool), RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let Some(check) = request.check.clone().filter(|_| request.state == RequestState::PendingApproval) else {
            let message = format!("request #{} is {}, and waits for nobody's word", request.number, request.state);
            return Err(RequestError::invalid(
                "not-waiting",
                message,
                Some(&format!("terrace request show {}", request.number)),
            ));
        };
        let found = check.binding.digest();
        if digest.is_some_and(|digest| *digest != found) {
            let message = format!("request #{} is not what you looked at any more", request.number);
            return Err(RequestError::Denied {
                code: "other-content",
                message,
                hint: Some(format!("terrace request show {}", request.number)),
            });
        }
        let author = actor.name == request.requester;
        if author {
            let bundle = load(&snapshot).await?;
            if own_word(&bundle, actor.self_attested) {
                return Ok((snapshot, check, true));
            }
            return Err(RequestError::Denied {
                code: "own-request",
                message: format!("request #{} is your own: somebody else decides", request.number),
                hint: Some("settings.self_approval of platform/policies.yaml may allow it".to_owned()),
            });
        }
        let may = check.verdict.approvals.iter().any(|need| may_answer(&snapshot, &check, need).contains(&actor.name));
        if !may {
            let who: BTreeSet<String> =
                check.verdict.approvals.iter().flat_map(|need| may_answer(&snapshot, &check, need)).collect();
            let who: Vec<String> = who.into_iter().collect();
            return Err(RequestError::Denied {
                code: "no-approver",
                message: format!("{} is no approver of request #{}", actor.name, request.number),
                hint: Some(if who.is_empty() {
                    "platform/teams.yaml names no approver for it".to_owned()
                } else {
                    format!("those who may: {}", who.join(", "))
                }),
            });
        }
        Ok((snapshot, check, false))
    }
}

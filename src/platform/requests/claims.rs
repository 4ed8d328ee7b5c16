//! What budgets and quotas say of a request: in its preview, in its check, and again before it is carried out.
//!
//! Owns turning plans into claims, and the words of budgets into findings and approvals. Leaves the arithmetic to
//! [`crate::platform::budgets`].

use super::RequestService;
use super::error::RequestError;
use crate::atmos::Estate;
use crate::domain::budget::{Claim, Level, Verdict};
use crate::domain::golden_path::InstanceAction;
use crate::domain::money::Money;
use crate::domain::policy::{ApprovalNeed, Finding, Weight};
use crate::domain::request::{Check, CheckedPlan};
use crate::domain::review::Review;
use crate::domain::run::{Run, RunKind};
use crate::domain::stack::{InstanceRef, Source};
use crate::platform::PlatformError;
use crate::platform::budgets::{BudgetService, adds, size_of};
use crate::platform::estate::Snapshot;
use crate::platform::policies::LIMIT;
use crate::platform::{reviews, teams};

/// What budgets and quotas say, as parts of a verdict.
#[derive(Debug, Default)]
pub(crate) struct BudgetWords {
    /// What is refused, and what is past a warning.
    pub(crate) findings: Vec<Finding>,
    /// What somebody must agree to.
    pub(crate) needs: Vec<ApprovalNeed>,
}

impl BudgetWords {
    /// Joins a verdict. A budget that refuses says why in figures; the built-in rule over one plan need not say it again.
    pub(super) fn join(self, findings: &mut Vec<Finding>, needs: &mut Vec<ApprovalNeed>) {
        if self.findings.iter().any(|finding| finding.code == "budget-exceeded") {
            findings.retain(|finding| finding.code != LIMIT);
        }
        findings.extend(self.findings);
        needs.extend(self.needs);
    }
}

/// Returns what the plans of a request add a month, each for the team that owns the instance; what nobody owns nobody
/// pays.
pub(super) fn claims(snapshot: &Snapshot, after: &Estate, number: u64, plans: &[CheckedPlan]) -> Vec<Claim> {
    let claim = |plan: &CheckedPlan| {
        let claimant = format!("request/{number}/{}", plan.instance);
        claim(snapshot, after, claimant, (&plan.instance, plan.action), &plan.estimate.delta)
    };
    plans.iter().filter_map(claim).collect()
}

/// Returns what one instance adds a month.
pub(super) fn claim(
    snapshot: &Snapshot,
    after: &Estate,
    claimant: String,
    (at, action): (&InstanceRef, InstanceAction),
    monthly: &Money,
) -> Option<Claim> {
    let estate = if action == InstanceAction::Remove { snapshot.estate() } else { after };
    let team = reviews::facts(estate, snapshot.teams(), &at.component, &at.stack).team?;
    let adds = match action {
        InstanceAction::Create => adds(after, at),
        InstanceAction::Change => {
            let (was, is) = (size_of(snapshot.estate(), at, None), size_of(after, at, None));
            is.filter(|is| was.as_ref() != Some(is)).map(|is| format!("size {is}")).into_iter().collect()
        }
        InstanceAction::Remove => Vec::new(),
    };
    let (component, stack) = (at.component.clone(), at.stack.clone());
    Some(Claim { claimant, team, component, stack, monthly: monthly.clone(), adds })
}

/// Puts the words of budgets into those of a verdict.
pub(crate) fn words(snapshot: &Snapshot, verdict: &Verdict) -> BudgetWords {
    let mut found = BudgetWords::default();
    for word in &verdict.judged {
        let budget = snapshot.teams().budgets().iter().find(|scoped| scoped.budget.name == word.by);
        let team = budget.map_or_else(|| word.by.trim_start_matches("quota of "), |scoped| &scoped.budget.team);
        let place: Option<Source> = snapshot.teams().place(team).cloned();
        let (code, fix) = match budget {
            Some(scoped) => {
                // A team may have several; the one of its own name needs no other.
                let name = &scoped.budget.name;
                let which = if name == team { String::new() } else { format!(" --set budget='{name}'") };
                ("budget-exceeded", format!("terrace request new --budget {team}{which} --set amount=…"))
            }
            None => (
                "quota-exceeded",
                format!("ask for less, or for more: terrace request new --budget {team} --set quota.…"),
            ),
        };
        let finding = |code: &str, weight, message| Finding {
            code: code.to_owned(),
            message,
            weight,
            address: None,
            location: place.clone(),
            fix: Some(fix.clone()),
            policy: teams::FILE.to_owned(),
        };
        let what = if budget.is_some() { format!("budget '{}'", word.by) } else { format!("the {}", word.by) };
        match word.level {
            Level::Ok => {}
            Level::Warn => {
                let message = format!("it comes near the end of {what}: {}", word.reason);
                found.findings.push(finding("budget-warning", Weight::Warn, message));
            }
            Level::Approve => found.needs.push(ApprovalNeed {
                count: 1,
                group: None,
                code: "budget-passed".to_owned(),
                message: format!("it passes a threshold of {what}: {}", word.reason),
                policy: teams::FILE.to_owned(),
            }),
            Level::Refuse => {
                let message = format!("it does not fit {what}: {}", word.reason);
                found.findings.push(finding(code, Weight::Deny, message));
            }
        }
    }
    found
}

/// Asks budgets and quotas about the plan of a run that no request asked for, and returns what it would reserve; what it adds is new where nothing of its
/// instance is live.
pub(super) fn of_run(
    budgets: &BudgetService,
    snapshot: &Snapshot,
    run: &Run,
    review: &Review,
    reserved: &[Claim],
) -> Result<(BudgetWords, Option<Claim>), PlatformError> {
    let at = InstanceRef {
        component: run.component.clone().unwrap_or_default(),
        stack: run.stack.clone().unwrap_or_default(),
    };
    let action = match run.kind {
        RunKind::Destroy => InstanceAction::Remove,
        _ if budgets.is_live(snapshot, &at)? => InstanceAction::Change,
        _ => InstanceAction::Create,
    };
    let claimant = Claim::of_run(run.number);
    let claim = claim(snapshot, snapshot.estate(), claimant, (&at, action), &review.estimate.delta);
    let Some(claim) = claim else { return Ok((BudgetWords::default(), None)) };
    let words = words(snapshot, &budgets.judge(snapshot, reserved, std::slice::from_ref(&claim))?);
    Ok((words, Some(claim).filter(|claim| !claim.saves())))
}

impl RequestService {
    /// Asks budgets and quotas about what a request, or what would become one, adds.
    pub(super) async fn ask_budgets(&self, snapshot: &Snapshot, claims: &[Claim]) -> Result<BudgetWords, RequestError> {
        if claims.is_empty() {
            return Ok(BudgetWords::default());
        }
        Ok(words(snapshot, &self.inner.budgets.check(snapshot, claims).await?))
    }

    /// Says why a request that was approved does not fit any more: budgets, prices and what is live may be others by now.
    pub(super) async fn outgrown(&self, check: &Check) -> Result<Option<String>, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let words = self.ask_budgets(&snapshot, &check.claims).await?;
        let denied = words.findings.into_iter().find(|finding| finding.weight == Weight::Deny);
        Ok(denied.map(|finding| finding.message))
    }
}

//! What approving a request promises of its team's budgets: reserved in the same transaction, given back at any end.

use jiff::Timestamp;

use super::RequestService;
use super::approval::need;
use super::error::RequestError;
use crate::domain::budget::Level;
use crate::domain::policy::{Finding, Outcome, Verdict, Weight};
use crate::domain::request::{Check, Request, RequestState, Step};
use crate::platform::estate::Snapshot;
use crate::platform::store::Tx;

/// Tells whether a step may leave a request approved.
pub(super) fn may_approve(step: &Step) -> bool {
    matches!(step, Step::Approve { enough: true, .. } | Step::Judge(_, Outcome::Allow | Outcome::Warn))
}

/// Tells whether budgets are promised to a request in this state.
fn is_promised(state: RequestState) -> bool {
    matches!(state, RequestState::Approved | RequestState::Executing)
}

impl RequestService {
    /// Reserves what a step would approve (9): of two requests that fit each by itself but not together, the second is
    /// refused. Returns the step, with the budgets' word in it where the platform judges.
    ///
    /// # Errors
    ///
    /// A budget that would be passed, where a person agrees.
    pub(super) async fn reserve(
        &self,
        tx: &mut dyn Tx,
        snapshot: Option<&Snapshot>,
        before: &Request,
        step: Step,
        now: Timestamp,
    ) -> Result<Step, RequestError> {
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.has_gates()) else { return Ok(step) };
        let check = match &step {
            Step::Judge(check, _) => Some(check.as_ref()),
            _ => before.check.as_ref(),
        };
        let (mut level, mut said) = (Level::Ok, Vec::new());
        for claim in check.into_iter().flat_map(|check| &check.claims).filter(|claim| !claim.saves()) {
            let verdict = self.inner.budgets.reserve(tx, snapshot, claim, now).await?;
            level = level.max(verdict.level);
            let grave = verdict.judged.into_iter().filter(|word| word.level >= Level::Approve);
            said.extend(grave.map(|word| format!("{}: {}", word.by, word.reason)));
        }
        match step {
            Step::Approve { .. } if level >= Level::Refuse => Err(RequestError::Denied {
                code: "budget-exceeded",
                message: format!("request #{} does not fit its budget: {}", before.number, said.join("; ")),
                hint: Some("terrace budget list shows what is committed and reserved".to_owned()),
            }),
            Step::Judge(check, _) if level >= Level::Approve => Ok(judged(*check, level, &said.join("; "))),
            step => Ok(step),
        }
    }

    /// Gives back what was reserved, where a step ends the promise: it is live now, or will not be.
    pub(super) async fn release(&self, tx: &mut dyn Tx, before: &Request, after: &Request) -> Result<(), RequestError> {
        let judged_anew = after.state == RequestState::PendingApproval || after.state == RequestState::NeedsChanges;
        if !(is_promised(before.state) || judged_anew) || is_promised(after.state) {
            return Ok(());
        }
        for claim in before.check.iter().chain(after.check.iter()).flat_map(|check| &check.claims) {
            self.inner.budgets.release(tx, &claim.claimant).await?;
        }
        Ok(())
    }
}

/// Puts the budgets' word into a verdict that had nothing against it.
fn judged(mut check: Check, level: Level, said: &str) -> Step {
    let verdict = check.verdict.clone();
    let (mut findings, mut needs) = (verdict.findings, verdict.approvals);
    if level >= Level::Refuse {
        findings.push(Finding {
            code: "budget-exceeded".to_owned(),
            message: format!("it does not fit its budget: {said}"),
            weight: Weight::Deny,
            address: None,
            location: None,
            fix: Some("ask for less, or for a larger budget".to_owned()),
            policy: "terrace".to_owned(),
        });
    } else {
        needs.push(need("budget-passed", format!("it passes a threshold of its budget: {said}")));
    }
    check.verdict =
        Verdict::sum_up(verdict.gate, findings, needs, verdict.switched_off, verdict.passed, verdict.bundle);
    let outcome = check.verdict.outcome;
    Step::Judge(Box::new(check), outcome)
}

//! Runs that wait for approvals: a plain apply to which others have to agree becomes a request for its very plan.
//!
//! Owns writing that request, finding the plan it stands on, and ending the run where its plan is not applied any more.
//! Leaves the plan and the supervisor that holds it to the runs.

use jiff::Timestamp;
use serde_json::json;

use super::RequestService;
use super::error::RequestError;
use super::steps::{change, next};
use crate::domain::id::RunRef;
use crate::domain::request::{AskingRun, CheckedPlan, Request, RequestKind, RequestState, Revision, Step, Wish};
use crate::domain::run::machine::Ending;
use crate::domain::run::{Run, RunKind, RunState};
use crate::domain::stack::InstanceRef;
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::store::{Change, KeptRun, Tx};

/// For how much longer than its request a run waits: the request says that it has expired.
const BEYOND_SECONDS: u64 = 24 * 60 * 60;

/// Writes the request for the plan of a run; none where a request could not make the same plan again.
pub(super) async fn ask(
    tx: &mut dyn Tx,
    actor: &Actor,
    kept: &KeptRun,
    now: Timestamp,
) -> Result<Option<(u64, Change)>, PlatformError> {
    let (run, asked) = (&kept.run, &kept.request);
    let (Some(component), Some(stack)) = (run.component.clone(), run.stack.clone()) else { return Ok(None) };
    if !run.kind.applies() || asked.commit.is_some() || asked.stack_file.is_some() {
        return Ok(None);
    }
    let at = InstanceRef { component, stack };
    let verb = if run.kind == RunKind::Destroy { "Destroy" } else { "Apply" };
    let title = format!("{verb} {at}");
    let wish = Wish { instance: Some(at), run: Some(run.kind), ..Wish::new(RequestKind::Run) };
    let mut request = Request::draft(0, title, run.actor.clone(), Revision { wish, written_at: now });
    request.asked_by = Some(AskingRun { id: run.id, args: asked.args.clone(), waits: true });
    // Whoever said yes for somebody else had it go on, and does not agree to it a second time.
    request.starters.extend(Some(actor.name.clone()).filter(|name| *name != run.actor));
    tx.add_request(&mut request).await?;
    let told = change(actor, None, &request, "created", json!({"revision": 1, "run": run.id}), now);
    let mut sent = request.after(Step::Submit, now).map_err(|error| PlatformError::Interrupted(error.to_string()))?;
    sent.next = next(&sent);
    tx.save_request(&sent, request.version).await?;
    let detail = json!({"run": run.id, "plan": run.plan_digest});
    Ok(Some((sent.number, told.join(change(actor, Some(&request), &sent, "submitted", detail, now)))))
}

impl RequestService {
    /// Returns the run whose plan a request stands on, its plan kept encrypted for as long as people may take; none where it
    /// does not wait any more.
    pub(super) async fn waiting_plan(&self, request: &Request) -> Result<Option<Run>, RequestError> {
        let Some(id) = request.waiting_run() else { return Ok(None) };
        let run = self.inner.runs.get(&RunRef::Id(id)).await?;
        if run.state != RunState::AwaitingApproval {
            return Ok(None);
        }
        let seconds = u64::try_from(self.patience()).unwrap_or_default().saturating_mul(60 * 60);
        match self.inner.runs.park(id, seconds.saturating_add(BEYOND_SECONDS)).await {
            Ok(()) => Ok(Some(run)),
            Err(error) => {
                tracing::warn!(request = request.number, run = %id, %error, "its plan is lost, and is made again");
                Ok(None)
            }
        }
    }

    /// Returns the run that applies a plan, where one does already.
    pub(super) async fn carrying(&self, request: &Request, plan: &CheckedPlan) -> Result<Option<Run>, RequestError> {
        if request.waiting_run() != Some(plan.run) {
            return self.find_run(&self.asked(request, plan), |_| true).await;
        }
        let run = self.inner.runs.get(&RunRef::Id(plan.run)).await?;
        Ok(Some(run).filter(|run| run.state != RunState::AwaitingApproval))
    }

    /// Lets the run that waited apply its plan.
    pub(super) async fn let_apply(&self, request: &Request, plan: &CheckedPlan) -> Result<Run, RequestError> {
        let agreed: Vec<&str> = request.agreed().iter().map(|decision| decision.actor.as_str()).collect();
        let by = if agreed.is_empty() { request.requester.clone() } else { agreed.join(" and ") };
        Ok(self.inner.runs.agreed(plan.run, &plan.digest, &by).await?)
    }

    /// Ends the run that asked for a request where its plan is not applied any more.
    pub(super) async fn settle(&self, request: &Request) {
        let Some(asking) = &request.asked_by else { return };
        let stands = |check: &crate::domain::request::Check| check.plans.iter().any(|plan| plan.run == asking.id);
        let number = request.number;
        let reason = request.reason.clone().unwrap_or_else(|| format!("request #{number} is {}", request.state));
        let (ending, why) = match request.state {
            RequestState::Submitted | RequestState::Checking if asking.waits => return,
            RequestState::PendingApproval | RequestState::Approved | RequestState::Executing
                if asking.waits && request.check.as_ref().is_none_or(stands) =>
            {
                return;
            }
            RequestState::Rejected => {
                let who = request.decisions.last().map(|decision| decision.actor.as_str()).unwrap_or_default();
                (Ending::Rejected, format!("rejected by {who}: {reason}"))
            }
            RequestState::Withdrawn => (Ending::Canceled, format!("request #{number} was withdrawn")),
            RequestState::Expired => (Ending::Expired, format!("nobody decided on request #{number} in time")),
            RequestState::NeedsChanges => (Ending::Denied, reason),
            RequestState::Failed => (Ending::Failed, reason),
            _ => (Ending::Stale, format!("{reason}: request #{number} goes on with a plan of its own")),
        };
        if let Err(error) = self.inner.runs.dismiss(asking.id, ending, &why).await {
            tracing::warn!(request = number, run = %asking.id, %error, "a run waits for nothing, and could not be ended");
        }
    }

    /// Looks after what the platform left undone when it ended: runs that wait for nothing, requests whose run is gone.
    pub(super) async fn settle_all(&self, live: &[Request]) -> Result<(), RequestError> {
        for run in self.inner.runs.live().await? {
            if let (RunState::AwaitingApproval, Some(number)) = (run.state, run.request) {
                self.settle(&self.get(number).await?).await;
            }
        }
        let waits = |state| matches!(state, RequestState::PendingApproval | RequestState::Approved);
        for request in live.iter().filter(|request| waits(request.state)) {
            let Some(id) = request.waiting_run() else { continue };
            let run = self.inner.runs.get(&RunRef::Id(id)).await?;
            if !run.state.is_end() {
                continue;
            }
            let detail = json!({"run": run.id, "state": run.state});
            let step = match run.state {
                RunState::Canceled => Step::Withdraw,
                state => Step::Void { reason: format!("run #{}, whose plan it stood on, is {state}", run.number) },
            };
            match self.step_at(&Actor::platform(), request, step, detail).await {
                Ok(after) if after.state.is_under_way() => self.nudge(request.number),
                Ok(_) | Err(RequestError::Refused(_) | RequestError::Platform(PlatformError::Stale { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

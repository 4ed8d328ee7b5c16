//! Gates before an apply: where they are in force, a yes alone is not enough.
//!
//! Owns when a gate is passed, what a refusal does to a run, and how a run waits where others have to agree. Leaves what the
//! gate says to [`super::configuration::Configurations::may_apply`], and asking people to the requests.

use serde_json::json;

use super::configuration::UnboundRun;
use super::error::RunError;
use super::protocol::Ask;
use super::service::{RunService, save};
use super::takeover::Telling;
use super::work::{self, Work};
use crate::atmos::driver::commands;
use crate::domain::id::{Digest, RunId, RunRef};
use crate::domain::run::machine::{Ending, Happening};
use crate::domain::run::{Run, RunKind, RunRequest, RunState};
use crate::domain::team::Role;
use crate::platform::audit::Actor;
use crate::platform::store::RunQuery;

/// The code of a refusal that others can lift.
pub(crate) const NEEDED: &str = "approval-needed";

/// How many of the newest runs of an instance are looked through.
const LOOKED_AT: u32 = 50;

/// Returns who asked for a run, for what the platform does in their name.
pub(super) fn who_asked(run: &Run) -> Actor {
    Actor {
        name: run.actor.clone(),
        role: run.role.unwrap_or(Role::Operator),
        self_attested: run.self_attested,
        ..Actor::platform()
    }
}

impl RunService {
    /// Says yes for whoever said it ahead, once the plan is there to be looked at.
    pub(super) async fn pass_gate(self, id: RunId) {
        let kept = match self.inner.store.run(&RunRef::Id(id)).await {
            Ok(kept) => kept,
            Err(error) => return tracing::warn!(run = %id, %error, "a run could not be looked at"),
        };
        if kept.run.state != RunState::Checking {
            return;
        }
        let actor = who_asked(&kept.run);
        let Err(error) = self.confirm(&actor, &RunRef::Id(id), None).await else { return };
        tracing::info!(run = %id, %error, "the yes that was given ahead does not count");
        if !matches!(error, RunError::Denied { .. })
            && let Err(error) = self.give_up_check(id, &error.to_string()).await
        {
            tracing::warn!(run = %id, %error, "a run stays where it is");
        }
    }

    /// Leaves a plan that could not be looked at to a person.
    async fn give_up_check(&self, id: RunId, why: &str) -> Result<(), RunError> {
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let transition = kept.run.facts().after(&Happening::CheckGivenUp)?;
        kept.run.state = transition.to;
        kept.request.yes = false;
        kept.run.reason = Some(why.to_owned());
        kept.run.next = Some(format!("terrace runs confirm {}", kept.run.number));
        kept.run.version += 1;
        let mut telling = Telling::new(self.now(), Actor::platform());
        telling.transition(&kept.run, transition, json!({"reason": why}));
        save(tx, &kept, read, telling).await
    }

    /// Refuses what no plan binds where policy does not let it run; what a request asked for was approved.
    pub(super) async fn check_bound(&self, actor: &Actor, request: &RunRequest, work: &Work) -> Result<(), RunError> {
        let unbound = matches!(request.kind, RunKind::Workflow | RunKind::Command) && work.changes;
        // A lock that a run left behind, and a state that could not be sent, are not held up: the platform offers both.
        if !unbound || request.request.is_some() || work::unlocks(request) || self.is_way_on(work).await? {
            return Ok(());
        }
        let named = request.stack.clone().or_else(|| commands::flag(&request.args, &["-s", "--stack"]));
        let ask = |name: &String| {
            let file = request.workflow_file.as_deref().unwrap_or_default();
            let stack = request.stack.as_ref().map(|stack| format!(" -s {stack}")).unwrap_or_default();
            format!("--workflow {name} --file {file}{stack}")
        };
        let run = UnboundRun {
            kind: request.kind,
            command: work.command.clone(),
            steps: work.steps().into_iter().map(|step| step.command).collect(),
            stacks: named.into_iter().chain(work.targets.iter().map(|at| at.stack.clone())).collect(),
            targets: work.targets.clone(),
            request: request.workflow.as_ref().map(ask),
        };
        self.inner.configurations.may_run(actor, &run).await
    }

    /// Tells whether a command is one that the platform offered as the way on from a run of its instance.
    async fn is_way_on(&self, work: &Work) -> Result<bool, RunError> {
        let Some(at) = work.targets.first() else { return Ok(false) };
        let query = RunQuery {
            component: Some(at.component.clone()),
            stack: Some(at.stack.clone()),
            limit: LOOKED_AT,
            ..RunQuery::default()
        };
        let runs = self.inner.store.runs(&query).await?;
        Ok(runs.iter().any(|kept| kept.run.ways.iter().any(|way| way.command == work.command)))
    }

    /// Does what a refusal at the gate comes to: where others can lift it, the run waits for them, and is returned; else it is
    /// denied, and lets go of its locks.
    pub(super) async fn turn_away(&self, actor: &Actor, id: RunId, error: RunError) -> Result<Run, RunError> {
        if let RunError::Denied { code: NEEDED, message, .. } = &error
            && let Some(run) = self.ask_others(actor, id, message).await?
        {
            return Ok(run);
        }
        if matches!(error, RunError::Denied { .. }) {
            self.end_before(id, Ending::Denied, &error.to_string()).await?;
        }
        Err(error)
    }

    /// Lets a run wait until people have decided on its plan: a request asks them, in the same transaction. Its locks are free
    /// meanwhile.
    async fn ask_others(&self, actor: &Actor, id: RunId, why: &str) -> Result<Option<Run>, RunError> {
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        if kept.run.state == RunState::AwaitingApproval {
            // Somebody else asked; only then it is sure that it is kept.
            tx.commit_bookkeeping().await?;
            return Ok(Some(kept.run));
        }
        let (read, now) = (kept.run.version, self.now());
        let transition = kept.run.facts().after(&Happening::ApprovalAsked)?;
        let asked = self.inner.configurations.ask_others(tx.as_mut(), actor, &kept, now).await?;
        let Some((number, change)) = asked else { return Ok(None) };
        kept.run.state = transition.to;
        kept.run.request = Some(number);
        kept.run.reason = Some(why.to_owned());
        kept.run.next = Some(format!("terrace request show {number}"));
        kept.run.expires_at = None;
        kept.run.version += 1;
        tx.release_locks(id, &kept.locks).await?;
        let mut telling = Telling::new(now, actor.clone());
        telling.transition(&kept.run, transition, json!({"plan": kept.run.plan_digest, "request": number, "why": why}));
        telling.beside(change);
        save(tx, &kept, read, telling).await?;
        self.inner.wake.notify_one();
        self.inner.configurations.nudge_requests();
        Ok(Some(kept.run))
    }

    /// Keeps the plan of a run that waits for approvals as others are kept: encrypted with the platform's key, for so long.
    ///
    /// # Errors
    ///
    /// A supervisor that is gone, and the plan with it.
    pub(crate) async fn park(&self, id: RunId, seconds: u64) -> Result<(), RunError> {
        let hand = self.inner.hand(id).ok_or_else(|| RunError::Supervisor("it is gone".to_owned()))?;
        hand.ask(Ask::Park { token: self.inner.token, seconds }).await?;
        self.seal_plan(id).await
    }

    /// Lets a run that waited apply its plan, which people agreed to; one that waits no more stays as it is, and is returned.
    ///
    /// # Errors
    ///
    /// A plan that is another, or was changed where it lies.
    pub(crate) async fn agreed(&self, id: RunId, digest: &Digest, by: &str) -> Result<Run, RunError> {
        let before = self.inner.store.run(&RunRef::Id(id)).await?.run;
        if before.state != RunState::AwaitingApproval {
            return Ok(before);
        }
        if before.confirmed_by.is_none() {
            self.open_plan(id, id).await?;
        }
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        if kept.run.state == RunState::AwaitingApproval && kept.run.confirmed_by.is_none() {
            let transition = kept.run.facts().after(&Happening::Approved { digest: digest.clone() })?;
            kept.run.state = transition.to;
            kept.run.confirmed_by = Some(by.to_owned());
            kept.run.reason = None;
            kept.run.version += 1;
            let mut telling = Telling::new(self.now(), Actor::platform());
            telling.transition(&kept.run, transition, json!({"plan": digest, "request": kept.run.request, "by": by}));
            save(tx, &kept, read, telling).await?;
        } else {
            tx.commit_bookkeeping().await?;
        }
        self.inner.wake.notify_one();
        Ok(kept.run)
    }

    /// Ends a run that waits for approvals which do not come any more, or for a place or a lock while they no longer hold; any
    /// other stays as it is.
    pub(crate) async fn dismiss(&self, id: RunId, ending: Ending, why: &str) -> Result<(), RunError> {
        match self.inner.store.run(&RunRef::Id(id)).await?.run.state {
            RunState::AwaitingApproval | RunState::Queued => self.end_before(id, ending, why).await,
            _ => Ok(()),
        }
    }
}

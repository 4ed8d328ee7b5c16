//! Gates before an apply: where they are in force, a yes alone is not enough.
//!
//! Owns when a gate is passed and what a refusal does to a run. Leaves what the gate says to
//! [`super::configuration::Configurations::may_apply`].

use jiff::Timestamp;
use serde_json::json;

use super::configuration::{Promise, UnboundRun};
use super::error::RunError;
use super::service::{RunService, save};
use super::takeover::Telling;
use super::work::{self, Work};
use crate::atmos::driver::commands;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::machine::{Ending, Happening};
use crate::domain::run::{Run, RunKind, RunRequest, RunState};
use crate::domain::team::Role;
use crate::platform::audit::Actor;
use crate::platform::store::RunQuery;

/// How many of the newest runs of an instance are looked through.
const LOOKED_AT: u32 = 50;

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
        let actor = Actor { name: kept.run.actor, role: Role::Operator, ..Actor::platform() };
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
        let mut telling = Telling::new(Timestamp::now(), Actor::platform());
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

    /// Refuses where policy or approvals stand against a run's plan; the run is then denied, and lets go of its locks.
    /// Returns what it promises of its team's budgets.
    pub(super) async fn check_gate(&self, actor: &Actor, run: &Run) -> Result<Option<Promise>, RunError> {
        match self.inner.configurations.may_apply(actor, run, &self.plan_json(run.id)).await {
            Ok(promise) => Ok(promise),
            Err(error) => Err(self.refuse(run.id, error).await?),
        }
    }

    /// Ends a run that was denied; returns the denial.
    pub(super) async fn refuse(&self, id: RunId, error: RunError) -> Result<RunError, RunError> {
        if matches!(error, RunError::Denied { .. }) {
            self.end_before(id, Ending::Denied, &error.to_string()).await?;
        }
        Ok(error)
    }
}

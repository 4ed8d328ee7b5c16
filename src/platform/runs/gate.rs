//! Gates before an apply: where they are in force, a yes alone is not enough.
//!
//! Owns when a gate is passed and what a refusal does to a run. Leaves what the gate says to
//! [`super::configuration::Configurations::may_apply`].

use super::error::RunError;
use super::service::RunService;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::machine::Ending;
use crate::domain::run::{Run, RunState};
use crate::domain::team::Role;
use crate::platform::audit::Actor;

impl RunService {
    /// Says yes for whoever said it ahead, once the plan is there to be looked at.
    pub(super) async fn pass_gate(self, id: RunId) {
        if !self.inner.configurations.has_gates().await {
            return;
        }
        let kept = match self.inner.store.run(&RunRef::Id(id)).await {
            Ok(kept) => kept,
            Err(error) => return tracing::warn!(run = %id, %error, "a run could not be looked at"),
        };
        let waits = kept.run.state == RunState::AwaitingConfirmation && kept.run.confirmed_by.is_none();
        if !waits || !kept.request.yes {
            return;
        }
        let actor = Actor { name: kept.run.actor, role: Role::Operator, ..Actor::platform() };
        if let Err(error) = self.confirm(&actor, &RunRef::Id(id), None).await {
            tracing::info!(run = %id, %error, "the yes that was given ahead does not count");
        }
    }

    /// Refuses where policy or approvals stand against a run's plan; the run is then denied, and lets go of its locks.
    pub(super) async fn check_gate(&self, actor: &Actor, run: &Run) -> Result<(), RunError> {
        let asked = self.inner.configurations.may_apply(actor, run, &self.plan_json(run.id)).await;
        let Err(error) = asked else { return Ok(()) };
        if matches!(error, RunError::Denied { .. }) {
            self.end_before(run.id, Ending::Denied, &error.to_string()).await?;
        }
        Err(error)
    }
}

//! Gates before an apply: where they are in force, a yes alone is not enough.
//!
//! Owns when a gate is passed and what a refusal does to a run. Leaves what the gate says to
//! [`super::configuration::Configurations::may_apply`].

use jiff::Timestamp;
use serde_json::json;

use super::error::RunError;
use super::service::{RunService, save};
use super::takeover::Telling;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::machine::{Ending, Happening};
use crate::domain::run::{Run, RunState};
use crate::domain::team::Role;
use crate::platform::audit::Actor;

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

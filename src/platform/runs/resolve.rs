//! Settles runs whose outcome nobody knows.

use std::collections::BTreeMap;

use serde_json::json;

use super::accept::Draft;
use super::error::RunError;
use super::service::{RunService, save};
use super::takeover::Telling;
use crate::domain::id::RunRef;
use crate::domain::run::machine::Happening;
use crate::domain::run::{Run, RunKind, RunRequest};
use crate::platform::audit::Actor;
use crate::platform::store::RunQuery;

/// How somebody settles an `unknown` run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// Whether what it was to do is done; none starts the refresh-only plan that must come first.
    #[serde(default)]
    pub done: Option<bool>,
    /// Why.
    #[serde(default)]
    pub note: Option<String>,
    /// The environment of the person, for the refresh-only plan.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl RunService {
    /// Settles an `unknown` run: first by a refresh-only plan, then by a person's word.
    ///
    /// Without `done` it starts that plan and returns its run; with it, it returns the settled run.
    ///
    /// # Errors
    ///
    /// Where the run is not `unknown`, a process of it still lives, or no such plan has succeeded.
    pub async fn resolve(&self, actor: &Actor, which: &RunRef, resolution: &Resolution) -> Result<Run, RunError> {
        let before = self.inner.store.run(which).await?;
        let (id, number) = (before.run.id, before.run.number);
        let done = resolution.done.unwrap_or_default();
        before.run.facts().after(&Happening::Resolved { done })?;
        if let Some(pid) = super::leftover::leftover(&self.inner.folder(id), id) {
            return Err(RunError::Invalid {
                message: format!("a command of run #{number} still runs (process {pid}); it may yet change something"),
                hint: Some(format!("wait for it to end, or end it: kill -INT {pid}")),
            });
        }
        let one_instance = before.run.component.is_some() && before.run.kind.plans();
        if resolution.done.is_none() {
            if !one_instance {
                return Err(RunError::Invalid {
                    message: format!(
                        "run #{number} is a {}, which no refresh-only plan can look into",
                        before.run.kind
                    ),
                    hint: Some(format!("look yourself, then: terrace runs resolve {number} --done (or --not-done)")),
                });
            }
            let request = RunRequest {
                component: before.request.component.clone(),
                stack: before.request.stack.clone(),
                stack_file: before.request.stack_file.clone(),
                driver: before.request.driver,
                env: resolution.env.clone(),
                ..RunRequest::new(RunKind::Drift)
            };
            let draft = Draft { request, resolves: Some(id), ..Draft::default() };
            return self.accept_and_add(actor, draft).await;
        }
        let query = RunQuery {
            component: before.run.component.clone(),
            stack: before.run.stack.clone(),
            kind: Some(RunKind::Drift),
            limit: 100,
            ..RunQuery::default()
        };
        let looked = self
            .inner
            .store
            .runs(&query)
            .await?
            .into_iter()
            .any(|kept| kept.run.resolves == Some(id) && kept.run.state.is_success());
        if one_instance && !looked {
            return Err(RunError::Invalid {
                message: format!("no refresh-only plan has looked into run #{number} yet"),
                hint: Some(format!("terrace runs resolve {number} makes one")),
            });
        }
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let transition = kept.run.facts().after(&Happening::Resolved { done })?;
        kept.run.state = transition.to;
        kept.run.version += 1;
        let word = if done { "done" } else { "not done" };
        let note = resolution.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        kept.run.reason = Some(format!("resolved by {} as {word}{note}", actor.name));
        kept.run.next = (!done).then(|| kept.run.again());
        kept.run.ways = self.ways(&kept.run).await?;
        tx.release_locks(id, &kept.locks).await?;
        let mut telling = Telling::new(self.now(), actor.clone());
        telling.transition(&kept.run, transition, json!({"done": done, "note": resolution.note}));
        save(tx, &kept, read, telling).await?;
        self.inner.wake.notify_one();
        Ok(kept.run)
    }
}

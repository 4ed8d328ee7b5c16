//! Sets: several runs in the order of their dependencies.

use std::collections::HashMap;

use ulid::Ulid;

use super::accept::Draft;
use super::configuration::Configuration;
use super::error::RunError;
use super::service::RunService;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::machine::Refusal;
use crate::domain::run::{Run, RunKind, RunRequest, RunSet, SetRequest};
use crate::domain::stack::InstanceRef;
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::store::RunQuery;

impl RunService {
    /// Accepts several runs in the order of their dependencies.
    ///
    /// # Errors
    ///
    /// As [`RunService::create`]; nothing is queued where one of them is refused.
    pub async fn create_set(&self, actor: &Actor, request: &SetRequest) -> Result<RunSet, RunError> {
        if !request.kind.plans() {
            return Err(RunError::invalid("a set is of plan, apply, destroy or drift"));
        }
        let configuration = self.inner.configurations.current().await?;
        let members = members(request, configuration.as_ref())?;
        let ordered = crate::domain::run::order::order(
            &members,
            &configuration.dependencies(),
            request.kind == RunKind::Destroy,
        )?;
        let set = Ulid::generate().to_string();
        let mut ids: HashMap<InstanceRef, RunId> = HashMap::new();
        let mut accepted = Vec::with_capacity(ordered.len());
        for (member, needs) in ordered {
            let draft = Draft {
                request: RunRequest {
                    component: Some(member.component.clone()),
                    stack: Some(member.stack.clone()),
                    yes: request.yes,
                    driver: request.driver,
                    env: request.env.clone(),
                    set_env: request.set_env.clone(),
                    ..RunRequest::new(request.kind)
                },
                set: Some(set.clone()),
                after: needs.iter().filter_map(|need| ids.get(need).copied()).collect(),
                parallel: request.parallel,
                ..Draft::default()
            };
            match self.accept(actor, draft).await {
                Ok(kept) => {
                    ids.insert(member, kept.run.id);
                    accepted.push(kept);
                }
                Err(error) => {
                    for kept in &accepted {
                        self.discard(kept.run.id).await;
                    }
                    return Err(error);
                }
            }
        }
        let tx = self.inner.store.begin().await?;
        if let Err(error) = self.add(tx, actor, &mut accepted, None).await {
            for kept in &accepted {
                self.discard(kept.run.id).await;
            }
            return Err(error);
        }
        Ok(RunSet { id: set, runs: accepted.into_iter().map(|kept| kept.run).collect() })
    }

    /// Cancels what has not ended of a set: first what waits, so that nothing of it begins meanwhile.
    ///
    /// # Errors
    ///
    /// Where there is none of that id.
    pub async fn cancel_set(&self, actor: &Actor, id: &str) -> Result<RunSet, RunError> {
        let mut runs = self.set(id).await?.runs;
        runs.sort_by_key(|run| run.state.is_active());
        for run in runs.iter().filter(|run| !run.state.is_end()) {
            match self.cancel(actor, &RunRef::Id(run.id)).await {
                // It ended by itself meanwhile.
                Ok(_) | Err(RunError::Refused(Refusal::Ended(_))) => {}
                Err(error) => return Err(error),
            }
        }
        self.set(id).await
    }

    /// Returns the runs of a set, in the order in which they were queued.
    ///
    /// # Errors
    ///
    /// Where there is none of that id.
    pub async fn set(&self, id: &str) -> Result<RunSet, RunError> {
        let query = RunQuery { set: Some(id.to_owned()), limit: u32::MAX, ..RunQuery::default() };
        let mut runs: Vec<Run> = self.inner.store.runs(&query).await?.into_iter().map(|kept| kept.run).collect();
        if runs.is_empty() {
            return Err(PlatformError::NotFound { what: format!("set {id}") }.into());
        }
        runs.reverse();
        Ok(RunSet { id: id.to_owned(), runs })
    }
}

/// Finds the members of a set.
fn members(request: &SetRequest, configuration: &dyn Configuration) -> Result<Vec<InstanceRef>, RunError> {
    if request.affected_since.is_some() {
        return Err(RunError::invalid("what is affected is looked up before a set is asked for"));
    }
    let mut members = request.targets.clone();
    if let Some(stack) = &request.stack {
        let runnable = configuration.instances().into_iter().filter(|instance| {
            instance.stack == *stack
                && !instance.is_abstract
                && instance.enabled
                && instance.component_type == "terraform"
                && !(instance.locked && request.kind.applies())
        });
        members.extend(runnable.map(|instance| InstanceRef { component: instance.component, stack: instance.stack }));
    }
    members.sort();
    members.dedup();
    if members.is_empty() {
        return Err(RunError::invalid("the set has no instances that can be run"));
    }
    Ok(members)
}

//! Carrying out what was approved: exactly those plans, then the merge, then what its owner needs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::check::{load, requester};
use super::error::RequestError;
use super::git::{Merged, Repository};
use super::{RequestService, tree_of};
use crate::domain::golden_path::InstanceAction;
use crate::domain::id::Digest;
use crate::domain::request::{Binding, Check, CheckedPlan, DeliveredOutput, Request, Step};
use crate::domain::run::{RequestMark, Run, RunKind, RunRequest, RunState};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estimates::{self, EstimateRequest};

impl RequestService {
    /// Names what of a request has changed since it was judged; `None` where nothing has.
    pub(super) async fn changed(&self, request: &Request, check: &Check) -> Result<Option<String>, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let bundle = load(&snapshot).await?;
        let plans: Vec<(CheckedPlan, std::path::PathBuf, std::path::PathBuf)> = check
            .plans
            .iter()
            .map(|plan| (plan.clone(), self.inner.runs.plan_file(plan.run), self.inner.runs.plan_json(plan.run)))
            .collect();
        let (root, branch, was) = (self.inner.estate.root().to_owned(), request.branch(), check.binding.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let repository = Repository::new(&root);
            let digest = |path: &std::path::Path| {
                std::fs::read(path)
                    .map_or_else(|error| Digest::of(error.to_string().as_bytes()), |bytes| Digest::of(&bytes))
            };
            let price = |path: &std::path::Path| {
                let asked = EstimateRequest { plan: path.to_owned(), usage: None, infracost: None };
                let found = estimates::estimate(Some(&root), &asked).map_err(|error| error.to_string());
                found.map_or_else(|error| error, |estimate| serde_json::to_string(&estimate).unwrap_or_default())
            };
            Binding {
                commit: was.commit.as_ref().map(|_| repository.tip(&branch).unwrap_or_default()),
                plans: plans
                    .iter()
                    .map(|(plan, file, _)| {
                        (format!("{}@{}", plan.instance.component, plan.instance.stack), digest(file))
                    })
                    .collect::<BTreeMap<_, _>>(),
                policy: bundle.digest().clone(),
                estimate: Digest::of(
                    plans.iter().map(|(.., json)| price(json)).collect::<Vec<_>>().join("\n").as_bytes(),
                ),
                ..was
            }
        });
        let mut now = looking.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
        now.revision = request.revision();
        let differences = check.binding.differences(&now);
        Ok((!differences.is_empty()).then(|| differences.join(" and ")))
    }

    /// Looks at everything again, and begins to carry it out.
    pub(super) async fn begin(&self, request: &Request) -> Result<(), RequestError> {
        let platform = Actor::platform();
        let Some(check) = &request.check else {
            let reason = "nothing was found out about it".to_owned();
            return self.step(&platform, request.number, Step::Void { reason }, json!({})).await.map(drop);
        };
        if let Some(changed) = self.changed(request, check).await? {
            let reason = format!("{changed} changed after it was judged");
            let detail = json!({"reason": reason});
            return self.step(&platform, request.number, Step::Void { reason }, detail).await.map(drop);
        }
        let detail = json!({"digest": check.binding.digest(), "binding": check.binding});
        self.step(&platform, request.number, Step::Execute, detail).await.map(drop)
    }

    /// Applies the approved plans one after the other, merges, and hands over.
    pub(super) async fn carry_out(&self, request: &Request) -> Result<(), RequestError> {
        let platform = Actor::platform();
        let Some(check) = &request.check else {
            return Err(RequestError::invalid("check-missing", "what was approved is not known", None));
        };
        let applied = self.applied(request, check).await?;
        if let (Some(commit), true) = (&check.binding.commit, applied.is_empty())
            && let Some(conflict) = self.conflict(commit).await?
        {
            // Nothing was applied: its requester can answer to what was changed meanwhile.
            let step = Step::SendBack { reason: conflict };
            return self.step(&platform, request.number, step, json!({})).await.map(drop);
        }
        for plan in &check.plans {
            let run = self.apply(request, check, plan).await?;
            match run.state {
                RunState::Succeeded | RunState::NoChanges => {}
                RunState::Stale if applied.is_empty() => {
                    let reason = format!(
                        "the state of {} moved on after the plan was made (run #{}): nothing was applied",
                        plan.instance, run.number
                    );
                    return self
                        .step(&platform, request.number, Step::SendBack { reason }, json!({"run": run.id}))
                        .await
                        .map(drop);
                }
                state => {
                    let why = run.reason.clone().unwrap_or_else(|| state.to_string());
                    let message = format!("{} was not applied (run #{}): {why}", plan.instance, run.number);
                    return Err(RequestError::invalid(
                        "apply-failed",
                        message,
                        Some(&format!("terrace runs logs {}", run.number)),
                    ));
                }
            }
        }
        let merged = match &check.binding.commit {
            Some(commit) => Some(self.merge(request, commit).await?),
            None => None,
        };
        let mut outputs = Vec::new();
        for plan in check.plans.iter().filter(|plan| !removes(check, plan)) {
            outputs.extend(self.outputs(request, plan).await?);
        }
        let detail = json!({"merged": merged, "runs": request.runs, "outputs": outputs.iter().map(|o| &o.name).collect::<Vec<_>>()});
        let request = self.step(&platform, request.number, Step::Fulfill { merged, outputs }, detail).await?;
        self.clean(&request).await;
        Ok(())
    }

    /// Returns what asks for the apply of an approved plan.
    fn asked(&self, request: &Request, plan: &CheckedPlan, branch: bool) -> RunRequest {
        let mark = RequestMark {
            number: request.number,
            revision: request.revision(),
            tree: branch.then(|| tree_of(request.number, request.revision())),
            applies: Some(plan.run),
        };
        RunRequest {
            component: Some(plan.instance.component.clone()),
            stack: Some(plan.instance.stack.clone()),
            request: Some(mark),
            yes: true,
            ..RunRequest::new(RunKind::Apply)
        }
    }

    /// Returns the runs that already carry it out.
    async fn applied(&self, request: &Request, check: &Check) -> Result<Vec<Run>, RequestError> {
        let mut found = Vec::new();
        for plan in &check.plans {
            let asked = self.asked(request, plan, on_branch(check, plan));
            found.extend(self.find_run(&asked, |_| true).await?);
        }
        Ok(found)
    }

    /// Applies one approved plan: the run that does is found again, or started once.
    async fn apply(&self, request: &Request, check: &Check, plan: &CheckedPlan) -> Result<Run, RequestError> {
        let asked = self.asked(request, plan, on_branch(check, plan));
        let run = match self.find_run(&asked, |_| true).await? {
            Some(run) => run,
            None => {
                let with = RunRequest { env: self.env(request.number), ..asked };
                self.inner.runs.create(&requester(request), with, None).await?
            }
        };
        let noted = self.get(request.number).await?.runs.contains(&run.id);
        if !noted {
            let detail = json!({"run": run.id, "plan": plan.digest});
            self.step(&Actor::platform(), request.number, Step::Run(run.id), detail).await?;
        }
        self.end_of(&run).await
    }

    /// Says why a commit could not be merged now; `None` where it could.
    async fn conflict(&self, commit: &str) -> Result<Option<String>, RequestError> {
        let (root, commit) = (self.inner.estate.root().to_owned(), commit.to_owned());
        let looking = tokio::task::spawn_blocking(move || Repository::new(&root).conflict(&commit));
        looking.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?
    }

    async fn merge(&self, request: &Request, commit: &str) -> Result<String, RequestError> {
        let (root, commit) = (self.inner.estate.root().to_owned(), commit.to_owned());
        let message =
            format!("Merge request #{}: {}\n\nTerrace-Request: {}\n", request.number, request.title, request.number);
        let (name, owner) = (request.requester.clone(), self.inner.owner == request.requester);
        let merging = tokio::task::spawn_blocking(move || {
            let repository = Repository::new(&root);
            let author = repository.author(&name, owner);
            repository.merge(&commit, &author, &message)
        });
        match merging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?? {
            Merged::Done(tip) => Ok(tip),
            Merged::Conflict(why) => {
                let hint = format!("it is applied, and its commit is on {}: merge it by hand", request.branch());
                Err(RequestError::git("git-conflict", why, Some(&hint)))
            }
        }
    }

    /// Reads what Terraform put out after the apply; what it masks stays where it is.
    async fn outputs(&self, request: &Request, plan: &CheckedPlan) -> Result<Vec<DeliveredOutput>, RequestError> {
        let asked = self.asked(request, plan, true);
        let run = match self.find_run(&asked, |_| true).await? {
            Some(run) => Some(run),
            None => self.find_run(&self.asked(request, plan, false), |_| true).await?,
        };
        let Some(run) = run else { return Ok(Vec::new()) };
        let file = self.inner.runs.outputs_file(run.id);
        let text = std::fs::read(&file).unwrap_or_default();
        let Ok(Value::Object(found)) = serde_json::from_slice::<Value>(&text) else { return Ok(Vec::new()) };
        let read = |(name, output): (String, Value)| {
            let sensitive = output["sensitive"].as_bool().unwrap_or(true);
            let read_it = format!(
                "terrace atmos terraform output {} -s {} -- {name}",
                plan.instance.component, plan.instance.stack
            );
            DeliveredOutput {
                instance: plan.instance.clone(),
                name,
                value: if sensitive { Value::Null } else { output["value"].clone() },
                sensitive,
                read_it: sensitive.then_some(read_it),
            }
        };
        Ok(found.into_iter().map(read).collect())
    }
}

fn removes(check: &Check, plan: &CheckedPlan) -> bool {
    check.instances.iter().any(|one| one.instance == plan.instance && one.action == InstanceAction::Remove)
}

/// Whether a plan stands on the request's branch: what goes does not.
fn on_branch(check: &Check, plan: &CheckedPlan) -> bool {
    check.binding.commit.is_some() && !removes(check, plan)
}

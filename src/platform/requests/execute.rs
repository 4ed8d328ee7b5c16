//! Carrying out what was approved: exactly those plans, then the merge, then what its owner needs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::{digest_of, load, requester};
use super::error::RequestError;
use super::git::{Merged, Repository};
use super::remote::Push;
use super::unbound::{self, Reading};
use super::{RequestService, code, tree_of};
use crate::atmos::Estate;
use crate::domain::golden_path::InstanceAction;
use crate::domain::id::{Digest, RunRef};
use crate::domain::policy::Outcome;
use crate::domain::request::{
    AppliedInstance, Binding, Check, CheckedPlan, DeliveredOutput, PlannedCode, Request, Step, Wish,
};
use crate::domain::run::machine::Ending;
use crate::domain::run::{RequestMark, Run, RunKind, RunRequest, RunState};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estimates;
use crate::platform::reviews;

/// How often is looked at a run that waits, besides when something happens.
const LOOK: Duration = Duration::from_secs(2);
/// How long between two comparisons at least, however much happens.
const PAUSE: Duration = Duration::from_millis(500);

impl RequestService {
    /// Names what of a request has changed since it was judged; `None` where nothing has.
    pub(super) async fn changed(&self, request: &Request, check: &Check) -> Result<Option<String>, RequestError> {
        let differences = self.differences(request, check).await?;
        Ok((!differences.is_empty()).then(|| differences.join(" and ")))
    }

    async fn differences(&self, request: &Request, check: &Check) -> Result<Vec<&'static str>, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let bundle = load(&snapshot).await?;
        let (runs, branch, check) = (self.inner.runs.clone(), request.branch(), check.clone());
        let wish = request.wish().cloned();
        let (revision, wave) = (request.revision(), request.wave());
        let looking = tokio::task::spawn_blocking(move || {
            let root = snapshot.estate().root();
            let was = &check.binding;
            let missing = |error: std::io::Error| Digest::of(error.to_string().as_bytes());
            let price = |plan: &CheckedPlan| {
                // What stands on the request's commit says the same as when it was judged.
                let (component, stack) = (&plan.instance.component, &plan.instance.stack);
                let now = || reviews::facts(snapshot.estate(), snapshot.teams(), component, stack).settings;
                let hints = if plan.on_branch { plan.hints.clone() } else { now().get("price").cloned() };
                let asked = reviews::priced(&runs.plan_json(plan.run), hints);
                let found = estimates::estimate(Some(root), &asked).map_err(|error| error.to_string());
                found.map_or_else(|error| error, |estimate| serde_json::to_string(&estimate).unwrap_or_default())
            };
            // What stands on the request's commit cannot change without it; the estate's own files can.
            let variables = |plan: &CheckedPlan| {
                if plan.on_branch {
                    return plan.variables.to_string();
                }
                let (component, stack) = (&plan.instance.component, &plan.instance.stack);
                digest_of(&reviews::facts(snapshot.estate(), snapshot.teams(), component, stack).vars).to_string()
            };
            let codes: Vec<PlannedCode> = check
                .plans
                .iter()
                .filter_map(|plan| plan.code.as_ref())
                .map(|code| {
                    let digest = code::digest(root, code.folder.as_ref(), &code.generated);
                    PlannedCode { digest, ..code.clone() }
                })
                .collect();
            let joined = |parts: Vec<String>| Digest::of(parts.join("\n").as_bytes());
            let now = Binding {
                revision,
                wave,
                commit: was.commit.as_ref().map(|_| Repository::new(root).tip(&branch).unwrap_or_default()),
                plans: check
                    .plans
                    .iter()
                    .map(|plan| (plan.instance.to_string(), runs.sealed_digest(plan.run).unwrap_or_else(missing)))
                    .collect(),
                policy: bundle.digest().clone(),
                estimate: joined(check.plans.iter().map(price).collect()),
                variables: joined(check.plans.iter().map(variables).collect()),
                script: wish
                    .as_ref()
                    .and_then(|wish| script_now(snapshot.estate(), wish))
                    .filter(|_| was.script.is_some()),
                // What was judged before code was bound has none to compare.
                code: Binding::code_of(codes.iter().filter(|_| was.code.is_some())),
            };
            was.differences(&now)
        });
        Ok(looking.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?)
    }

    /// Waits until a run has ended that carries out what was approved. While it waits for a lock or a place everything but the plan,
    /// which is its own by now, is compared as before it began: what changed ends it, and is returned.
    async fn end_unless_changed(
        &self,
        request: &Request,
        check: &Check,
        run: &Run,
    ) -> Result<(Run, Option<String>), RequestError> {
        let mut bell = self.inner.store.bell().subscribe();
        let mut compared: Option<Instant> = None;
        loop {
            let now = self.inner.runs.get(&RunRef::Id(run.id)).await?;
            if now.state.is_end() {
                return Ok((now, None));
            }
            if now.waiting_for.is_some() && compared.is_none_or(|at| at.elapsed() >= PAUSE) {
                compared = Some(Instant::now());
                let why = match self.differences(request, check).await {
                    Ok(mut differences) => {
                        differences.retain(|what| *what != Binding::PLAN);
                        (!differences.is_empty())
                            .then(|| format!("{} changed while it waited", differences.join(" and ")))
                    }
                    Err(error) if error.is_passing() => return Err(error),
                    // Nobody agreed to what cannot be told.
                    Err(error) => Some(format!("what it is bound to could not be compared while it waited: {error}")),
                };
                if let Some(why) = why {
                    self.inner.runs.dismiss(run.id, Ending::Stale, &why).await?;
                    let ended = self.end_of(&now).await?;
                    let voided = ended.state == RunState::Stale;
                    return Ok((ended, voided.then_some(why)));
                }
            }
            drop(tokio::time::timeout(LOOK, bell.changed()).await);
        }
    }

    /// Looks at everything again, and begins to carry it out.
    pub(super) async fn begin(&self, request: &Request) -> Result<(), RequestError> {
        let platform = Actor::platform();
        let Some(check) = &request.check else {
            let reason = "nothing was found out about it".to_owned();
            return self.step_at(&platform, request, Step::Void { reason }, json!({})).await.map(drop);
        };
        if let Some(changed) = self.changed(request, check).await? {
            let reason = format!("{changed} changed after it was judged");
            let detail = json!({"reason": reason});
            return self.step_at(&platform, request, Step::Void { reason }, detail).await.map(drop);
        }
        if let Some(reason) = self.outgrown(check).await? {
            let detail = json!({"reason": reason});
            return self.step_at(&platform, request, Step::Void { reason }, detail).await.map(drop);
        }
        if let Some(reason) = self.missing_words(request, check).await? {
            let detail = json!({"reason": reason});
            return self.step_at(&platform, request, Step::Wait { reason }, detail).await.map(drop);
        }
        let detail = json!({
            "digest": check.binding.digest(), "binding": check.binding,
            "agreed": request.agreed().iter().map(|decision| &decision.actor).collect::<Vec<_>>(),
        });
        self.step_at(&platform, request, Step::Execute, detail).await.map(drop)
    }

    /// Says why the words that were said are not enough any more: teams and roles may be others by now.
    async fn missing_words(&self, request: &Request, check: &Check) -> Result<Option<String>, RequestError> {
        let ground = self.ground(request, check).await?;
        let within = check.outside.as_ref().is_some_and(Vec::is_empty);
        if !ground.snapshot.has_gates() || check.verdict.outcome != Outcome::NeedsApproval || within {
            return Ok(None);
        }
        if ground.rules.enough(request) {
            return Ok(None);
        }
        let standing = ground.rules.standing(request);
        let counted: Vec<&String> = standing.iter().flat_map(|need| &need.agreed).collect();
        let said: Vec<String> = request
            .agreed()
            .iter()
            .filter(|decision| !counted.contains(&&decision.actor))
            .map(|decision| decision.actor.clone())
            .collect();
        Ok(Some(if said.is_empty() {
            "more people have to agree by now".to_owned()
        } else {
            format!("{} agreed, and may not by now: somebody else has to", said.join(" and "))
        }))
    }

    /// Applies the approved plans one after the other; then what needed them is planned, or it is merged and handed over.
    pub(super) async fn carry_out(&self, request: &Request) -> Result<(), RequestError> {
        let platform = Actor::platform();
        let Some(check) = &request.check else {
            return Err(RequestError::invalid("check-missing", "what was approved is not known", None));
        };
        let untouched = request.applied.is_empty() && self.started(request, check).await?.is_empty();
        if let (Some(commit), true) = (&check.binding.commit, untouched)
            && let Some(conflict) = self.conflict(commit).await?
        {
            // Nothing was applied: its requester can answer to what was changed meanwhile.
            let step = Step::SendBack { reason: conflict };
            return self.step(&platform, request.number, step, json!({})).await.map(drop);
        }
        for plan in &check.plans {
            let (run, changed) = self.apply(request, check, plan).await?;
            match run.state {
                RunState::Succeeded | RunState::NoChanges => {
                    self.note_applied(request.number, check, plan, &run).await?
                }
                RunState::Stale => {
                    let what = changed
                        .unwrap_or_else(|| format!("the state of {} moved on after the plan was made", plan.instance));
                    return self.look_again(request, Some(&run), &what).await;
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
        if !check.script.is_empty()
            && let Some((run, changed)) = self.run_script(request, check).await?
        {
            return self.look_again(request, run.as_ref(), &changed).await;
        }
        if !check.later.is_empty() {
            let detail = json!({"wave": check.wave, "later": check.later});
            return self.step(&platform, request.number, Step::NextWave, detail).await.map(drop);
        }
        let merged = match &check.binding.commit {
            Some(commit) if !request.reverting => Some(self.merge(request, commit).await?),
            _ => None,
        };
        let request = self.get(request.number).await?;
        let outputs: Vec<&String> = request.outputs.iter().map(|output| &output.name).collect();
        let detail = json!({"merged": merged, "runs": request.runs, "outputs": outputs});
        let request = self.step(&platform, request.number, Step::Fulfill { merged }, detail).await?;
        self.clean(&request).await;
        Ok(())
    }

    /// Has everything looked at again, for what changed before a run began.
    async fn look_again(&self, request: &Request, run: Option<&Run>, what: &str) -> Result<(), RequestError> {
        let platform = Actor::platform();
        let at = run.map(|run| format!(" (run #{})", run.number)).unwrap_or_default();
        let reason = format!("{what}{at}: nothing was applied");
        let detail = json!({"run": run.map(|run| run.id), "reason": reason});
        let again = self.step(&platform, request.number, Step::Void { reason: reason.clone() }, detail.clone());
        match again.await {
            // A part of the wave is applied: a person decides how it goes on.
            Err(RequestError::Refused(_)) => {
                self.step(&platform, request.number, Step::Fail { reason }, detail).await.map(drop)
            }
            done => done.map(drop),
        }
    }

    /// Runs the workflow that was approved in the place of a plan: the run that does is found again, or started once. Returns what
    /// changed before it began, where that ended it.
    async fn run_script(
        &self,
        request: &Request,
        check: &Check,
    ) -> Result<Option<(Option<Run>, String)>, RequestError> {
        let gone = || RequestError::invalid("script-missing", "what was approved is not there any more", None);
        let which = request.wish().and_then(|wish| wish.workflow.clone()).ok_or_else(gone)?;
        let snapshot = self.inner.estate.current().await?;
        let Reading::Script(script) = unbound::read(snapshot.estate(), &which)? else { return Err(gone()) };
        let mark = RequestMark {
            number: request.number,
            revision: request.revision(),
            tree: None,
            applies: None,
            script: Some(script.digest),
        };
        let asked = RunRequest {
            workflow: Some(which.name),
            workflow_file: Some(which.file),
            stack: which.stack,
            request: Some(mark),
            yes: true,
            ..RunRequest::new(RunKind::Workflow)
        };
        // One that was ended because something had changed never began.
        let run = match self.find_run(&asked, |run| run.state != RunState::Stale).await? {
            Some(run) => run,
            None => {
                if let Some(changed) = self.changed(request, check).await? {
                    return Ok(Some((None, format!("{changed} changed after it was judged"))));
                }
                let with = RunRequest { env: self.env(request.number), ..asked };
                self.inner.runs.create(&requester(request), with, None).await?
            }
        };
        if !self.get(request.number).await?.runs.contains(&run.id) {
            self.step(&Actor::platform(), request.number, Step::Run(run.id), json!({"run": run.id})).await?;
        }
        let (run, changed) = self.end_unless_changed(request, check, &run).await?;
        if run.state.is_success() || changed.is_some() {
            return Ok(changed.map(|changed| (Some(run), changed)));
        }
        let why = run.reason.clone().unwrap_or_else(|| run.state.to_string());
        let message = format!("the workflow did not end well (run #{}): {why}", run.number);
        Err(RequestError::invalid("run-failed", message, Some(&format!("terrace runs logs {}", run.number))))
    }

    /// Returns what asks for the apply of an approved plan.
    pub(super) fn asked(&self, request: &Request, plan: &CheckedPlan) -> RunRequest {
        let mark = RequestMark {
            number: request.number,
            revision: request.revision(),
            tree: plan.on_branch.then(|| tree_of(request.number, request.revision())),
            applies: Some(plan.run),
            script: None,
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
    async fn started(&self, request: &Request, check: &Check) -> Result<Vec<Run>, RequestError> {
        let mut found = Vec::new();
        for plan in &check.plans {
            found.extend(self.carrying(request, plan).await?);
        }
        Ok(found)
    }

    /// Applies one approved plan: the run that does is found again, or started once.
    async fn apply(
        &self,
        request: &Request,
        check: &Check,
        plan: &CheckedPlan,
    ) -> Result<(Run, Option<String>), RequestError> {
        let waits = request.waiting_run() == Some(plan.run);
        let run = match self.carrying(request, plan).await? {
            Some(run) => run,
            None if waits => self.let_apply(request, plan).await?,
            None => {
                // Another plan of this wave may have taken its time.
                if check.plans.len() > 1 && self.inner.runs.sealed_digest(plan.run).ok().as_ref() != Some(&plan.digest)
                {
                    let message = format!("the plan of {} is not the one that was approved", plan.instance);
                    return Err(RequestError::invalid("other-plan", message, None));
                }
                let with = RunRequest { env: self.env(request.number), ..self.asked(request, plan) };
                self.inner.runs.create(&requester(request), with, None).await?
            }
        };
        if !waits {
            // It is used once: the run has its own copy.
            self.inner.runs.forget_plan(plan.run);
        }
        let noted = self.get(request.number).await?.runs.contains(&run.id);
        if !noted {
            let detail = json!({"run": run.id, "plan": plan.digest});
            self.step(&Actor::platform(), request.number, Step::Run(run.id), detail).await?;
        }
        self.end_unless_changed(request, check, &run).await
    }

    /// Notes that a plan is applied, once, with what its owner needs.
    async fn note_applied(
        &self,
        number: u64,
        check: &Check,
        plan: &CheckedPlan,
        run: &Run,
    ) -> Result<(), RequestError> {
        let now = self.get(number).await?;
        let known = now.applied.iter().any(|one| one.run == run.id || one.undone == Some(run.id));
        if known {
            return Ok(());
        }
        let detail = json!({"instance": plan.instance, "action": plan.action, "run": run.id, "plan": plan.digest});
        let step = if now.reverting {
            Step::Undone { instance: plan.instance.clone(), run: run.id }
        } else {
            let applied = AppliedInstance {
                instance: plan.instance.clone(),
                action: plan.action,
                run: run.id,
                plan: plan.digest.clone(),
                configuration: plan.configuration.clone(),
                wave: check.wave,
                undone: None,
                at: run.ended_at.unwrap_or_else(|| self.now()),
            };
            let outputs = if plan.action == InstanceAction::Remove { Vec::new() } else { self.outputs(plan, run) };
            Step::Applied { applied: Box::new(applied), outputs }
        };
        self.step(&Actor::platform(), number, step, detail).await?;
        // It holds what Terraform masks, and nobody needs it any more.
        drop(std::fs::remove_file(self.inner.runs.outputs_file(run.id)));
        Ok(())
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
        let (name, owner) = (request.requester.clone(), self.is_owner(&request.requester));
        let merging = tokio::task::spawn_blocking(move || {
            let repository = Repository::new(&root);
            let author = repository.author(&name, owner);
            repository.merge(&commit, &author, &message)
        });
        match merging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?? {
            Merged::Done(tip) => {
                self.share(request, Push::Main);
                Ok(tip)
            }
            Merged::Conflict(why) => {
                let hint = format!("it is applied, and its commit is on {}: merge it by hand", request.branch());
                Err(RequestError::git("git-conflict", why, Some(&hint)))
            }
        }
    }

    /// Reads what Terraform put out after the apply; what it masks stays where it is.
    fn outputs(&self, plan: &CheckedPlan, run: &Run) -> Vec<DeliveredOutput> {
        let text = std::fs::read(self.inner.runs.outputs_file(run.id)).unwrap_or_default();
        let Ok(Value::Object(found)) = serde_json::from_slice::<Value>(&text) else { return Vec::new() };
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
        found.into_iter().map(read).collect()
    }
}

/// Returns what an approval of a workflow would be bound to now; none where it is no script any more.
fn script_now(estate: &Estate, wish: &Wish) -> Option<Digest> {
    match unbound::read(estate, wish.workflow.as_ref()?).ok()? {
        Reading::Script(script) => Some(unbound::bound(estate.root(), &script)),
        Reading::Plans(_) => None,
    }
}

//! The check of a request: its commit, its plans, its price, its verdict.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::error::RequestError;
use super::git::Repository;
use super::proposal::{self, Proposal};
use super::{LOOKED_AT, RequestService, approval, tree_of};
use crate::atmos::Estate;
use crate::domain::golden_path::{ConcernedInstance, InstanceAction};
use crate::domain::id::{Digest, RunRef};
use crate::domain::policy::{Gate, Outcome, Verdict};
use crate::domain::request::{Binding, Check, CheckedPlan, Price, Request, Step, Wish};
use crate::domain::run::{RequestMark, Run, RunKind, RunRequest};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::policies::Bundle;
use crate::platform::reviews::{self, Reviewed};
use crate::platform::store::RunQuery;

impl RequestService {
    /// Says what a wish comes to, off the async threads.
    pub(super) async fn propose(&self, wish: &Wish, requester: &str) -> Result<Proposal, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let (wish, requester) = (wish.clone(), requester.to_owned());
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let proposing = tokio::task::spawn_blocking(move || proposal::propose(&snapshot, &wish, &requester, today));
        proposing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?
    }

    /// Commits, plans, prices and judges the revision that counts.
    pub(super) async fn check(&self, request: &Request) -> Result<(), RequestError> {
        let wish = request
            .wish()
            .cloned()
            .ok_or_else(|| RequestError::invalid("revision-missing", "the request has no revision", None))?;
        let proposal = self.propose(&wish, &request.requester).await?;
        let snapshot = self.inner.estate.current().await?;
        let commit = if proposal.changes.is_empty() { None } else { Some(self.commit(request, &proposal).await?) };
        let mut plans = Vec::new();
        let bundle = Arc::new(load(&snapshot).await?);
        for concerned in &proposal.instances {
            let run = self.plan(request, concerned, commit.is_some()).await?;
            plans.push(self.review(request, concerned, &proposal.after, &snapshot, &run, &bundle).await?);
        }
        let (check, outcome) = sum_up(request, proposal, plans, commit, &snapshot, &bundle).await?;
        let detail = json!({
            "binding": check.binding, "digest": check.binding.digest(), "outcome": outcome,
            "plans": check.plans.iter().map(|plan| json!({"run": plan.run, "digest": plan.digest})).collect::<Vec<_>>(),
        });
        self.step(&Actor::platform(), request.number, Step::Judge(Box::new(check), outcome), detail).await.map(drop)
    }

    /// Makes the commit on the request's branch, in a worktree of its own.
    async fn commit(&self, request: &Request, proposal: &Proposal) -> Result<String, RequestError> {
        let root = self.inner.estate.root().to_owned();
        let tree = self.inner.folder.join(tree_of(request.number, request.revision()));
        let (branch, changes, requester) = (request.branch(), proposal.changes.clone(), request.requester.clone());
        let folders: Vec<String> = proposal
            .instances
            .iter()
            .filter_map(|one| {
                let id = proposal.after.find(&one.instance.component, &one.instance.stack, None).ok()?;
                let folder = proposal.after.run_target(id)?.folder;
                Some(folder.strip_prefix(&root).ok()?.display().to_string())
            })
            .collect();
        let reason = request.wish().and_then(|wish| wish.reason.clone()).unwrap_or_default();
        let body = if reason.trim().is_empty() { String::new() } else { format!("{}\n\n", reason.trim()) };
        let message = format!("{}\n\n{body}Terrace-Request: {}\n", request.title, request.number);
        let owner = self.inner.owner == request.requester;
        let committing = tokio::task::spawn_blocking(move || {
            let repository = Repository::new(&root);
            let (_, tip) = repository.main()?;
            let mut touched: Vec<String> = changes.files().map(|change| change.path.clone()).collect();
            touched.extend(folders);
            let dirty = repository.dirty(&touched)?;
            if !dirty.is_empty() {
                let message = format!("files that the request stands on are not committed: {}", dirty.join(", "));
                return Err(RequestError::git(
                    "git-dirty",
                    message,
                    Some("commit them or put them aside, then submit again"),
                ));
            }
            let author = repository.author(&requester, owner);
            repository.commit(&tree, (&branch, &tip), &changes, &author, &message)
        });
        committing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?
    }

    /// Returns the run that planned an instance for this revision; starts it where there is none.
    async fn plan(&self, request: &Request, concerned: &ConcernedInstance, branch: bool) -> Result<Run, RequestError> {
        let removing = concerned.action == InstanceAction::Remove;
        let mark = RequestMark {
            number: request.number,
            revision: request.revision(),
            // What goes is planned with the configuration that still has it.
            tree: (branch && !removing).then(|| tree_of(request.number, request.revision())),
            applies: None,
        };
        let mut asked = RunRequest {
            component: Some(concerned.instance.component.clone()),
            stack: Some(concerned.instance.stack.clone()),
            env: self.env(request.number),
            request: Some(mark),
            ..RunRequest::new(RunKind::Plan)
        };
        if removing {
            asked.args = vec!["-destroy".to_owned()];
        }
        // A check that was broken off goes on with the plan that is being made.
        let alive = self.find_run(&asked, |run| !run.state.is_end()).await?;
        let run = match alive {
            Some(run) => run,
            None => self.inner.runs.create(&requester(request), asked, None).await?,
        };
        let run = self.end_of(&run).await?;
        if run.state.is_success() {
            return Ok(run);
        }
        let why = run.reason.clone().unwrap_or_else(|| run.state.to_string());
        let message = format!("{} cannot be planned (run #{}): {why}", concerned.instance, run.number);
        Err(RequestError::invalid("plan-failed", message, Some(&format!("terrace runs logs {}", run.number))))
    }

    /// Finds the newest run of a request for what is asked.
    pub(super) async fn find_run(
        &self,
        asked: &RunRequest,
        fits: impl Fn(&Run) -> bool,
    ) -> Result<Option<Run>, RequestError> {
        let query = RunQuery {
            component: asked.component.clone(),
            stack: asked.stack.clone(),
            limit: LOOKED_AT,
            ..RunQuery::default()
        };
        let found = self.inner.store.runs(&query).await?;
        let mine = found
            .into_iter()
            .find(|kept| kept.request.request == asked.request && kept.request.kind == asked.kind && fits(&kept.run));
        Ok(mine.map(|kept| kept.run))
    }

    /// Waits for the end of a run.
    pub(super) async fn end_of(&self, run: &Run) -> Result<Run, RequestError> {
        let mut bell = self.inner.store.bell().subscribe();
        loop {
            let now = self.inner.runs.get(&RunRef::Id(run.id)).await?;
            if now.state.is_end() {
                return Ok(now);
            }
            // The bell rings with each event; the look in between costs little.
            drop(tokio::time::timeout(Duration::from_secs(2), bell.changed()).await);
        }
    }

    async fn review(
        &self,
        request: &Request,
        concerned: &ConcernedInstance,
        after: &Arc<Estate>,
        snapshot: &Arc<Snapshot>,
        run: &Run,
        bundle: &Arc<Bundle>,
    ) -> Result<CheckedPlan, RequestError> {
        let removing = concerned.action == InstanceAction::Remove;
        let estate = if removing { snapshot.estate() } else { after };
        let plan: PathBuf = self.inner.runs.plan_json(run.id);
        let (estate, snapshot, run, bundle) =
            (Arc::clone(estate), Arc::clone(snapshot), run.clone(), Arc::clone(bundle));
        let (about, instance) = (about(request), concerned.instance.clone());
        let actor = reviews::actor(snapshot.teams(), &request.requester);
        let (id, number, summary) = (run.id, run.number, run.summary.unwrap_or_default());
        let reviewing = tokio::task::spawn_blocking(move || {
            let facts = reviews::facts(&estate, snapshot.teams(), &instance.component, &instance.stack);
            let variables = Digest::of(serde_json::to_string(&facts.vars).unwrap_or_default().as_bytes());
            let root = snapshot.estate().root();
            let with =
                Reviewed { root, plan, run: &run, instance: facts, actor, request: Some(about), bundle: &bundle };
            reviews::review(with).map(|review| (instance, variables, review))
        });
        let reviewed = reviewing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
        let (instance, variables, review) = reviewed?;
        reviews::keep(&self.inner.store, id, &review).await?;
        let crate::domain::review::Review { plan: digest, estimate, verdict, .. } = review;
        Ok(CheckedPlan { instance, run: id, number, digest, summary, variables, estimate, verdict })
    }
}

/// Returns the requester as the one who starts runs.
pub(super) fn requester(request: &Request) -> Actor {
    Actor {
        name: request.requester.clone(),
        role: crate::domain::team::Role::Developer,
        origin: format!("request/{}", request.number),
        ..Actor::platform()
    }
}

/// Loads the policies in force.
pub(super) async fn load(snapshot: &Arc<Snapshot>) -> Result<Bundle, RequestError> {
    let snapshot = Arc::clone(snapshot);
    let loading = tokio::task::spawn_blocking(move || Bundle::load(snapshot.estate().root()));
    Ok(loading.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?)
}

/// Says what policy may know of a request.
pub(super) fn about(request: &Request) -> Value {
    json!({
        "number": request.number, "kind": request.kind, "title": request.title, "requester": request.requester,
        "revision": request.revision(), "wish": request.wish(),
    })
}

/// Puts what was found together: all verdicts as one, the price of all, what an approval is bound to.
async fn sum_up(
    request: &Request,
    proposal: Proposal,
    plans: Vec<CheckedPlan>,
    commit: Option<String>,
    snapshot: &Arc<Snapshot>,
    bundle: &Arc<Bundle>,
) -> Result<(Check, Outcome), RequestError> {
    let input = json!({
        "request": about(request),
        "instances": proposal.instances,
        "files": proposal.changes.files().map(|change| &change.path).collect::<Vec<_>>(),
        "actor": reviews::actor(snapshot.teams(), &request.requester),
        "instance": {"team": request.wish().and_then(|wish| wish.inputs.get("team")).cloned()},
        "config": bundle.config().settings,
    });
    let asked = Arc::clone(bundle);
    let own = tokio::task::spawn_blocking(move || asked.judge(Gate::Request, &input));
    let own = own.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
    let price = Price::sum(plans.iter().map(|plan| &plan.estimate));
    let mut needs = own.approvals.clone();
    let (mut findings, mut switched, mut passed) = (own.findings, own.switched_off, own.passed);
    for plan in &plans {
        findings.extend(plan.verdict.findings.iter().cloned());
        switched.extend(plan.verdict.switched_off.iter().cloned());
        needs.extend(plan.verdict.approvals.iter().cloned());
        passed += plan.verdict.passed;
    }
    needs.extend(approval::needs(snapshot, &proposal, price.as_ref()));
    let gates = snapshot.has_gates();
    let verdict = Verdict::sum_up(Gate::Plan, findings, needs, switched, passed, bundle.digest().clone());
    // Without `teams.yaml` there are no gates: what policy says is shown, and its owner goes ahead.
    let outcome = if gates { verdict.outcome } else { Outcome::Allow };
    let texts = |parts: Vec<String>| Digest::of(parts.join("\n").as_bytes());
    let json_of = |estimate: &crate::domain::estimate::Estimate| serde_json::to_string(estimate).unwrap_or_default();
    let binding = Binding {
        revision: request.revision(),
        commit,
        plans: plans
            .iter()
            .map(|plan| (format!("{}@{}", plan.instance.component, plan.instance.stack), plan.digest.clone()))
            .collect::<BTreeMap<_, _>>(),
        policy: bundle.digest().clone(),
        estimate: texts(plans.iter().map(|plan| json_of(&plan.estimate)).collect()),
        variables: texts(plans.iter().map(|plan| plan.variables.to_string()).collect()),
    };
    let check = Check {
        files: proposal.changes.files().cloned().collect(),
        instances: proposal.instances,
        plans,
        price,
        verdict,
        binding,
        checked_at: Timestamp::now(),
    };
    Ok((check, outcome))
}

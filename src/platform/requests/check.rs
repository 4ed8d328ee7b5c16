//! The check of a request: its commit, its plans, its price, its verdict.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::claims::{self, BudgetWords};
use super::error::RequestError;
use super::git::Repository;
use super::proposal::{self, Proposal};
use super::remote::Push;
use super::todo::{Todo, todo};
use super::{LOOKED_AT, RequestService, approval, code, expire, restore, tree_of, unbound};
use crate::atmos::Estate;
use crate::domain::budget::Claim;
use crate::domain::estimate::Estimate;
use crate::domain::golden_path::{ConcernedInstance, InstanceAction};
use crate::domain::id::{Digest, RunRef};
use crate::domain::plan::{Plan, PlannedResource, ResourceAction};
use crate::domain::policy::{Gate, Outcome, Verdict};
use crate::domain::request::{
    Binding, Check, CheckedPlan, PlannedChange, PlannedCode, Price, Request, ScriptStep, Step, Wish,
};
use crate::domain::review::Review;
use crate::domain::run::{RequestMark, Run, RunKind, RunRequest};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::policies::{Bundle, RequestInput, TeamFacts, document};
use crate::platform::reviews::{self, Reviewed};
use crate::platform::store::RunQuery;

impl RequestService {
    /// Says what a wish comes to, off the async threads.
    pub(super) async fn propose(&self, wish: &Wish, requester: &str) -> Result<Proposal, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let (wish, requester) = (wish.clone(), requester.to_owned());
        let today = self.now().to_zoned(TimeZone::UTC).date();
        let proposing = tokio::task::spawn_blocking(move || proposal::propose(&snapshot, &wish, &requester, today));
        proposing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?
    }

    /// Commits, plans, prices and judges the revision that counts.
    pub(super) async fn check(&self, request: &Request) -> Result<(), RequestError> {
        let wish = request
            .wish()
            .cloned()
            .ok_or_else(|| RequestError::invalid("revision-missing", "the request has no revision", None))?;
        let proposal = match self.propose(&wish, &request.requester).await {
            Err(RequestError::Invalid { code: "nothing-changes", .. }) if request.is_all_applied() => {
                let detail = json!({"merged": "by hand"});
                let done =
                    self.step(&Actor::platform(), request.number, Step::Fulfill { merged: None }, detail).await?;
                self.clean(&done).await;
                return Ok(());
            }
            proposal => proposal?,
        };
        let snapshot = self.inner.estate.current().await?;
        let commit = if proposal.changes.is_empty() { None } else { Some(self.commit(request, &proposal).await?) };
        let mut plans = Vec::new();
        let bundle = load(&snapshot).await?;
        let (now, later) = todo(request, &proposal);
        for todo in &now {
            let run = self.plan(request, todo).await?;
            let with = Reviewing { request, todo, after: &proposal.after, snapshot: &snapshot, bundle: &bundle };
            plans.push(self.look_at(with, &run, commit.as_deref()).await?);
        }
        let restores =
            if later.is_empty() && request.applied.is_empty() { self.applied_before(&plans).await? } else { None };
        let authors = self.authors(&snapshot, commit.as_deref()).await;
        let script = self.script(request, &proposal, &snapshot, &bundle).await?;
        let claims = claims::claims(&snapshot, &proposal.after, request.number, &plans);
        let mut budgets = self.ask_budgets(&snapshot, &claims).await?;
        budgets.needs.extend(expire::need(request));
        let found = Found { script, plans, later, restores, authors, commit, claims, budgets, checked_at: self.now() };
        let (mut check, outcome) = sum_up(request, proposal, found, &snapshot, &bundle).await?;
        if !request.reverting {
            check.price = check.price.map(|price| price.awaiting(&check.later));
            for estimate in self.estimates_of_before(request).await? {
                check.price = check.price.map(|price| price.plus(&estimate));
            }
        }
        let detail = json!({
            "binding": check.binding, "digest": check.binding.digest(), "outcome": outcome,
            "plans": check.plans.iter().map(|plan| json!({"run": plan.run, "digest": plan.digest})).collect::<Vec<_>>(),
        });
        let committed = check.binding.commit.is_some();
        let judged = Step::Judge(Box::new(check), outcome);
        let request = self.step(&Actor::platform(), request.number, judged, detail).await?;
        if committed {
            self.share(&request, Push::Branch);
        }
        Ok(())
    }

    /// Makes the commit on the request's branch, in a worktree of its own.
    async fn commit(&self, request: &Request, proposal: &Proposal) -> Result<String, RequestError> {
        let root = self.inner.estate.root().to_owned();
        let tree = self.inner.folder.join(tree_of(request.number, request.revision()));
        let earlier: Vec<PathBuf> =
            (1..request.revision()).map(|at| self.inner.folder.join(tree_of(request.number, at))).collect();
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
        let owner = self.is_owner(&request.requester);
        let committing = tokio::task::spawn_blocking(move || {
            let repository = Repository::new(&root);
            let (_, tip) = repository.main()?;
            // The branch is in one worktree at a time.
            earlier.iter().filter(|tree| tree.exists()).for_each(|tree| repository.discard(tree));
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
    async fn plan(&self, request: &Request, todo: &Todo) -> Result<Run, RequestError> {
        if let Some(run) = self.waiting_plan(request).await? {
            return Ok(run);
        }
        let concerned = &todo.concerned;
        let removing = concerned.action == InstanceAction::Remove;
        let mark = RequestMark {
            number: request.number,
            revision: request.revision(),
            tree: todo.on_branch.then(|| tree_of(request.number, request.revision())),
            applies: None,
            script: None,
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
        asked.args.extend(request.asked_by.iter().flat_map(|run| run.args.clone()));
        // A check that was broken off goes on with the plan that is being made.
        let alive = self.find_run(&asked, |run| !run.state.is_end()).await?;
        let run = match alive {
            Some(run) => run,
            None => self.inner.runs.create(&requester(request), asked, None).await?,
        };
        let run = self.end_of(&run).await?;
        if run.state.is_success() {
            // It holds secrets, and waits from now on.
            self.inner.runs.seal_plan(run.id).await?;
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

    /// Returns the estimates of the plans that earlier waves have applied.
    async fn estimates_of_before(&self, request: &Request) -> Result<Vec<Estimate>, RequestError> {
        let mut found = Vec::new();
        for applied in request.applied.iter().filter(|applied| applied.undone.is_none()) {
            let run = self.inner.store.run(&RunRef::Id(applied.run)).await?;
            // Its plan was priced when it was checked.
            let planned = run.request.request.and_then(|mark| mark.applies).unwrap_or(applied.run);
            found.extend(self.inner.store.run_review(planned).await?.map(|review| review.estimate));
        }
        Ok(found)
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

    async fn look_at(&self, with: Reviewing<'_>, run: &Run, commit: Option<&str>) -> Result<CheckedPlan, RequestError> {
        let Reviewing { request, todo, after, snapshot, bundle } = with;
        let ConcernedInstance { instance, action } = todo.concerned.clone();
        let estate = if todo.on_branch { after } else { snapshot.estate() };
        let plan: PathBuf = self.inner.runs.plan_json(run.id);
        let (estate, snapshot, bundle) = (Arc::clone(estate), Arc::clone(snapshot), Arc::clone(bundle));
        let (about, run) = (about(request), run.clone());
        let commit = commit.filter(|_| todo.on_branch).map(str::to_owned);
        let on_branch = todo.on_branch;
        let actor = reviews::actor(snapshot.teams(), &request.requester);
        let known = reviews::Known::of(self.inner.store.as_ref(), &self.inner.budgets, &run).await?;
        let reviewing = tokio::task::spawn_blocking(move || {
            let facts = reviews::facts(&estate, snapshot.teams(), &instance.component, &instance.stack);
            let variables = digest_of(&facts.vars);
            let hints = facts.settings.get("price").cloned();
            let resources = resources(&plan)?;
            let root = snapshot.estate().root();
            let folder = estate.find(&instance.component, &instance.stack, None).ok();
            let target = folder.and_then(|id| estate.run_target(id));
            let folder = target.as_ref().map(|target| target.folder.as_path());
            let configuration = folder.and_then(|folder| restore::configuration(root, &run, commit.as_deref(), folder));
            // On a branch it works in a worktree at its commit, but where a local state lies beside the estate's own files.
            let code = target.as_ref().filter(|target| target.has_local_state() || !on_branch).map(|target| {
                let folder = target.folder.strip_prefix(root).unwrap_or(&target.folder);
                let generated: Vec<String> =
                    target.generate.as_object().into_iter().flat_map(Map::keys).cloned().collect();
                let digest = code::digest(root, folder, &generated);
                PlannedCode { folder: folder.display().to_string(), generated, digest }
            });
            let with = Reviewed {
                snapshot: &snapshot,
                plan,
                run: &run,
                instance: facts,
                actor,
                request: Some(about),
                known,
                bundle: &bundle,
            };
            let review = reviews::review(with)?;
            let (id, number, summary) = (run.id, run.number, run.summary.unwrap_or_default());
            let Review { plan: digest, estimate, verdict, .. } = review.clone();
            let plan = CheckedPlan {
                instance,
                action,
                on_branch,
                run: id,
                number,
                digest,
                summary,
                resources,
                variables,
                hints,
                configuration,
                code,
                estimate,
                verdict,
            };
            Ok::<_, RequestError>((plan, review))
        });
        let reviewed = reviewing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
        let (plan, review) = reviewed?;
        reviews::keep(&self.inner.store, plan.run, &review).await?;
        Ok(plan)
    }

    /// Returns the script that is read in the place of plans, with what an approval of it is bound to and what policy says.
    async fn script(
        &self,
        request: &Request,
        proposal: &Proposal,
        snapshot: &Arc<Snapshot>,
        bundle: &Arc<Bundle>,
    ) -> Result<Option<JudgedScript>, RequestError> {
        let which = request.wish().and_then(|wish| wish.workflow.clone());
        let Some((script, which)) = proposal.script.clone().zip(which) else { return Ok(None) };
        let (snapshot, bundle, starter) = (Arc::clone(snapshot), Arc::clone(bundle), requester(request));
        let reading = tokio::task::spawn_blocking(move || {
            let verdict = unbound::review(&snapshot, &bundle, (&starter.name, starter.role), &which, &script)?;
            let digest = unbound::bound(snapshot.estate().root(), &script);
            Ok(Some(JudgedScript { steps: script.steps, digest, verdict }))
        });
        reading.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?
    }

    /// Returns the names of whoever wrote the commit that the plans stand on, and the people whom `teams.yaml` gives them to; a
    /// commit of its own is the requester's.
    async fn authors(&self, snapshot: &Snapshot, own: Option<&str>) -> Vec<String> {
        if own.is_some() {
            return Vec::new();
        }
        let root = self.inner.estate.root().to_owned();
        let asking = tokio::task::spawn_blocking(move || Repository::new(&root).authors());
        let said = asking.await.unwrap_or_default();
        let people: Vec<String> =
            said.iter().filter_map(|name| snapshot.teams().author(name)).map(str::to_owned).collect();
        said.into_iter().chain(people).collect()
    }
}

/// What a plan is reviewed with.
struct Reviewing<'a> {
    request: &'a Request,
    todo: &'a Todo,
    after: &'a Arc<Estate>,
    snapshot: &'a Arc<Snapshot>,
    bundle: &'a Arc<Bundle>,
}

/// A script, what an approval of it is bound to, and what policy says of it.
struct JudgedScript {
    steps: Vec<ScriptStep>,
    digest: Digest,
    verdict: Verdict,
}

/// What was found out, plan by plan.
struct Found {
    script: Option<JudgedScript>,
    plans: Vec<CheckedPlan>,
    later: Vec<ConcernedInstance>,
    restores: Option<u64>,
    authors: Vec<String>,
    commit: Option<String>,
    claims: Vec<Claim>,
    budgets: BudgetWords,
    checked_at: Timestamp,
}

/// Returns the digest of resolved variables.
pub(super) fn digest_of(vars: &serde_json::Map<String, Value>) -> Digest {
    Digest::of(serde_json::to_string(vars).unwrap_or_default().as_bytes())
}

/// Reads what a plan does to each resource that it changes.
fn resources(plan: &std::path::Path) -> Result<Vec<PlannedChange>, RequestError> {
    let unreadable =
        |why: String| RequestError::invalid("plan-unreadable", format!("the plan cannot be read: {why}"), None);
    let bytes = std::fs::read(plan).map_err(|error| unreadable(error.to_string()))?;
    let plan = Plan::read(&bytes).map_err(|error| unreadable(error.message))?;
    let changed = plan.resources.into_iter().filter(|resource| resource.action != ResourceAction::NoOp);
    let change = |resource: PlannedResource| PlannedChange {
        digest: Digest::of(
            json!([resource.action, resource.before, resource.after, resource.after_unknown]).to_string().as_bytes(),
        ),
        address: resource.address,
        action: resource.action,
    };
    Ok(changed.map(change).collect())
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
pub(super) async fn load(snapshot: &Arc<Snapshot>) -> Result<Arc<Bundle>, RequestError> {
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
    found: Found,
    snapshot: &Arc<Snapshot>,
    bundle: &Arc<Bundle>,
) -> Result<(Check, Outcome), RequestError> {
    let Found { script, plans, later, restores, authors, commit, claims, budgets, checked_at } = found;
    let price = Price::sum(plans.iter().map(|plan| &plan.estimate));
    let team = request.wish().and_then(|wish| wish.inputs.get("team")?.as_str());
    let input = document(&RequestInput {
        request: about(request),
        instances: proposal.instances.clone(),
        files: proposal.changes.files().map(|change| change.path.clone()).collect(),
        price: price.clone(),
        actor: reviews::actor(snapshot.teams(), &request.requester),
        instance: TeamFacts { team: team.map(str::to_owned) },
        config: bundle.config().settings.clone(),
    });
    let asked = Arc::clone(bundle);
    let own = tokio::task::spawn_blocking(move || asked.judge(Gate::Request, &input));
    let own = own.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
    let mut needs = own.approvals.clone();
    let (mut findings, mut switched, mut passed) = (own.findings, own.switched_off, own.passed);
    for verdict in plans.iter().map(|plan| &plan.verdict).chain(script.as_ref().map(|script| &script.verdict)) {
        findings.extend(verdict.findings.iter().cloned());
        switched.extend(verdict.switched_off.iter().cloned());
        needs.extend(verdict.approvals.iter().cloned());
        passed += verdict.passed;
    }
    needs.extend(approval::needs(snapshot, &proposal, price.as_ref()));
    budgets.join(&mut findings, &mut needs);
    let gates = snapshot.has_gates();
    let verdict = Verdict::sum_up(Gate::Plan, findings, needs, switched, passed, bundle.digest().clone());
    let texts = |parts: Vec<String>| Digest::of(parts.join("\n").as_bytes());
    let json_of = |estimate: &Estimate| serde_json::to_string(estimate).unwrap_or_default();
    let binding = Binding {
        revision: request.revision(),
        wave: request.wave(),
        commit,
        plans: plans
            .iter()
            .map(|plan| (format!("{}@{}", plan.instance.component, plan.instance.stack), plan.digest.clone()))
            .collect::<BTreeMap<_, _>>(),
        policy: bundle.digest().clone(),
        estimate: texts(plans.iter().map(|plan| json_of(&plan.estimate)).collect()),
        variables: texts(plans.iter().map(|plan| plan.variables.to_string()).collect()),
        script: script.as_ref().map(|script| script.digest.clone()),
        code: Binding::code_of(plans.iter().filter_map(|plan| plan.code.as_ref())),
    };
    let bounds = request.wish().and_then(|wish| wish.bounds.as_ref());
    let outside = bounds.filter(|_| request.wave() > 1 && !request.reverting).map(|bounds| bounds.broken_by(&plans));
    let mut check = Check {
        files: proposal.changes.files().cloned().collect(),
        instances: proposal.instances,
        plans,
        wave: binding.wave,
        later,
        script: script.map(|script| script.steps).unwrap_or_default(),
        authors,
        restores,
        claims,
        outside,
        price,
        verdict,
        binding,
        checked_at,
    };
    // Without `teams.yaml` there are no gates: what policy says is shown, and its owner goes ahead.
    if !gates {
        return Ok((check, Outcome::Allow));
    }
    let (snapshot, asked, bundle) = (Arc::clone(snapshot), request.clone(), Arc::clone(bundle));
    let judging = tokio::task::spawn_blocking(move || {
        let said = bundle.judge(Gate::Approval, &approval::document(&snapshot, &bundle, &asked, &check, None));
        let verdict = check.verdict;
        check.verdict = Verdict::sum_up(
            verdict.gate,
            verdict.findings.into_iter().chain(said.findings).collect(),
            verdict.approvals.into_iter().chain(said.approvals).collect(),
            verdict.switched_off.into_iter().chain(said.switched_off).collect(),
            verdict.passed + said.passed,
            verdict.bundle,
        );
        check
    });
    let check = judging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
    let within = check.outside.as_ref().is_some_and(Vec::is_empty);
    let outcome = match check.verdict.outcome {
        // Whoever approved the first wave approved what stays within the bounds that were stated.
        Outcome::NeedsApproval if within => Outcome::Allow,
        outcome => outcome,
    };
    Ok((check, outcome))
}

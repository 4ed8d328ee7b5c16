//! Reviews of plans: the price and the verdict of a run's plan, made once and kept with the run.
//!
//! Owns putting together what policy is asked about. Leaves prices to [`super::estimates`], rules to
//! [`super::policies`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::audit::{Actor, AuditDraft};
use super::estate::Snapshot;
use super::estimates::{self, EstimateRequest};
use super::events::EventDraft;
use super::policies::{ActorFacts, Bundle, InstanceFacts, PlanInput, read_plan};
use super::runs::{RunError, scanners};
use super::store::{Change, RunQuery, Store};
use super::{Platform, PlatformError};
use crate::atmos::Estate;
use crate::domain::id::{Digest, RunRef};
use crate::domain::policy::{Gate, Verdict};
use crate::domain::review::{Rejudged, Replay, Review};
use crate::domain::run::Run;
use crate::domain::scan::{ScanFinding, ScanLevel, read_sarif};
use crate::platform::teams::Teams;

/// Says what policy may know of an instance.
#[must_use]
pub fn facts(estate: &Estate, teams: &Teams, component: &str, stack: &str) -> InstanceFacts {
    let Ok(id) = estate.find(component, stack, None) else {
        return InstanceFacts {
            component: Some(component.to_owned()),
            stack: Some(stack.to_owned()),
            ..InstanceFacts::default()
        };
    };
    let section = |name: &str| match estate.section(id, name) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let (vars, settings) = (section("vars"), section("settings"));
    let team = teams.owner(component, stack).map(|team| team.name.clone());
    InstanceFacts {
        component: Some(component.to_owned()),
        stack: Some(stack.to_owned()),
        stage: vars.get("stage").and_then(Value::as_str).map(str::to_owned),
        team: team.or_else(|| settings.get("team").and_then(Value::as_str).map(str::to_owned)),
        protected: settings.get("protected").and_then(Value::as_bool).unwrap_or(false),
        vars,
        settings,
    }
}

/// Says what policy may know of a person.
#[must_use]
pub fn actor(teams: &Teams, name: &str) -> ActorFacts {
    let member = |team: &&crate::domain::team::Team| team.members.iter().any(|member| member == name);
    ActorFacts {
        name: Some(name.to_owned()),
        role: None,
        teams: teams.all().iter().filter(member).map(|team| team.name.clone()).collect(),
    }
}

/// What a plan is reviewed with.
pub(super) struct Reviewed<'a> {
    /// The estate's root, for prices and policies.
    pub(super) root: &'a Path,
    /// The plan as `terraform show -json` printed it.
    pub(super) plan: PathBuf,
    /// The run that made it.
    pub(super) run: &'a Run,
    /// The instance.
    pub(super) instance: InstanceFacts,
    /// Who asks.
    pub(super) actor: ActorFacts,
    /// The request it is for.
    pub(super) request: Option<Value>,
    /// The policies in force.
    pub(super) bundle: &'a Arc<Bundle>,
}

/// Prices a plan and asks policy about it. Reads the plan's file and evaluates rules, so it blocks.
///
/// # Errors
///
/// A plan or prices that cannot be read. A policy that fails is no error but a denial.
pub(super) fn review(with: Reviewed<'_>) -> Result<Review, RunError> {
    let invalid = |message: String, hint: Option<String>| RunError::Invalid { message, hint };
    let request = EstimateRequest { plan: with.plan.clone(), usage: None, infracost: None };
    let estimate = estimates::estimate(Some(with.root), &request)
        .map_err(|error| invalid(format!("the plan cannot be priced: {error}"), error.hint().map(str::to_owned)))?;
    let bytes =
        std::fs::read(&with.plan).map_err(|error| invalid(format!("the plan cannot be read: {error}"), None))?;
    let plan = read_plan(&bytes).map_err(|error| invalid(error.to_string(), Some(error.hint.clone())))?;
    let run = with.run;
    let input = PlanInput {
        plan,
        instance: with.instance,
        estimate: serde_json::to_value(&estimate).ok(),
        budget: None,
        request: with.request,
        actor: with.actor,
        run: Some(json!({
            "id": run.id, "number": run.number, "kind": run.kind, "commit": run.stood_on.commit, "summary": run.summary,
        })),
        findings: with.plan.parent().map(|folder| scanners::scanned(folder, run)).unwrap_or_default(),
        config: with.bundle.config().settings.clone(),
    };
    let mut document = input.document();
    let verdict = with.bundle.judge(Gate::Plan, &document);
    let mut asked = document.as_object_mut().map(std::mem::take).unwrap_or_default();
    // The plan lies beside its run, and the settings are those of the rules.
    asked.retain(|name, _| name != "plan" && name != "config");
    let digest = run.plan_digest.clone();
    let digest = digest.ok_or_else(|| RunError::invalid(format!("run #{} has made no plan", run.number)))?;
    Ok(Review { plan: digest, estimate, verdict, asked, reviewed_at: Timestamp::now() })
}

impl Platform {
    /// Returns the review of a run's plan; makes and keeps it where there is none yet.
    ///
    /// # Errors
    ///
    /// A run that has made no plan, or whose plan is not there any more.
    pub async fn review(&self, which: &RunRef) -> Result<Review, RunError> {
        let runs = self.runs()?;
        let run = runs.get(which).await?;
        let store = self.store("reviews")?;
        if let Some(review) = store.run_review(run.id).await? {
            return Ok(review);
        }
        let snapshot = self.estate().current().await?;
        let plan = runs.plan_json(run.id);
        let review = tokio::task::spawn_blocking(move || {
            let bundle = Arc::new(Bundle::load(snapshot.estate().root()));
            review_run(&snapshot, &run, plan, &bundle).map(|review| (run.id, review))
        });
        let (id, review) = review.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??;
        keep(store, id, &review).await?;
        Ok(review)
    }
}

impl Platform {
    /// Returns what scanners found about a run's code.
    ///
    /// # Errors
    ///
    /// Where there is no such run.
    pub async fn findings(&self, which: &RunRef) -> Result<Vec<ScanFinding>, RunError> {
        let runs = self.runs()?;
        let run = runs.get(which).await?;
        let mut found = self.store("findings")?.run_scans(run.id).await?;
        let folder = runs.plan_json(run.id);
        let scanned = tokio::task::spawn_blocking(move || {
            folder.parent().map(|folder| scanners::scanned(folder, &run)).unwrap_or_default()
        });
        found.extend(scanned.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?);
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Judges past plans again, by the rules as they are written now, and says which would differ.
    ///
    /// # Errors
    ///
    /// Where the store or the estate cannot be read.
    pub async fn replay(&self, limit: u32) -> Result<Replay, RunError> {
        let (runs, store) = (self.runs()?, self.store("reviews")?);
        let snapshot = self.estate().current().await?;
        let mut past = Vec::new();
        for kept in store.runs(&RunQuery { limit, ..RunQuery::default() }).await? {
            if kept.run.plan_digest.is_some() {
                let review = store.run_review(kept.run.id).await?;
                past.push((runs.plan_json(kept.run.id), kept.run, review));
            }
        }
        let judging = tokio::task::spawn_blocking(move || {
            let bundle = Arc::new(Bundle::load(snapshot.estate().root()));
            let mut replay = Replay { bundle: bundle.digest().clone(), judged: 0, left_out: 0, differ: Vec::new() };
            for (plan, run, review) in past {
                let Some(after) = judge_again(&snapshot, &run, &plan, review.as_ref(), &bundle) else {
                    replay.left_out += 1;
                    continue;
                };
                replay.judged += 1;
                let again = Rejudged {
                    run: run.id,
                    number: run.number,
                    component: run.component,
                    stack: run.stack,
                    before: None,
                    after: after.outcome,
                    appeared: Vec::new(),
                    gone: Vec::new(),
                };
                replay.differ.extend(again.compare(review.as_ref().map(|review| &review.verdict), &after));
            }
            replay
        });
        Ok(judging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?)
    }

    /// Attaches what a scanner found to a run; what the same scanner found before gives way.
    ///
    /// # Errors
    ///
    /// Where the text is no SARIF.
    pub async fn attach_findings(
        &self,
        actor: &Actor,
        which: &RunRef,
        sarif: &[u8],
    ) -> Result<Vec<ScanFinding>, RunError> {
        let run = self.runs()?.get(which).await?;
        let new = read_sarif(sarif).map_err(|error| RunError::Invalid {
            message: format!("the findings cannot be read: {error}"),
            hint: Some("scanners write SARIF with --format sarif".to_owned()),
        })?;
        let store = self.store("findings")?;
        let mut kept = store.run_scans(run.id).await?;
        kept.retain(|old| !new.iter().any(|finding| finding.tool == old.tool));
        kept.extend(new);
        kept.sort();
        let errors = kept.iter().filter(|finding| finding.level == ScanLevel::Error).count();
        let detail = json!({"id": run.id, "number": run.number, "findings": kept.len(), "errors": errors});
        let event = EventDraft::about("run", "findings_attached", &run.id.to_string(), detail.clone());
        let after = serde_json::to_vec(&kept).ok().map(|bytes| Digest::of(&bytes));
        let audit = AuditDraft::new(actor.clone(), "run.findings_attached", format!("run/{}", run.id), detail);
        let mut tx = store.begin().await?;
        tx.save_run_scans(run.id, &kept).await?;
        tx.commit(Change::new(Timestamp::now(), event, audit.digests(None, after))).await?;
        Ok(kept)
    }
}

/// Judges a plan as it was asked about then; one that nobody asked about, as it would be asked about now.
fn judge_again(
    snapshot: &Snapshot,
    run: &Run,
    plan: &Path,
    review: Option<&Review>,
    bundle: &Arc<Bundle>,
) -> Option<Verdict> {
    let Some(review) = review.filter(|review| !review.asked.is_empty()) else {
        return review_run(snapshot, run, plan.to_owned(), bundle).ok().map(|review| review.verdict);
    };
    let mut document = review.asked.clone();
    document.insert("plan".to_owned(), read_plan(&std::fs::read(plan).ok()?).ok()?);
    document.insert("config".to_owned(), serde_json::to_value(&bundle.config().settings).ok()?);
    Some(bundle.judge(Gate::Plan, &Value::Object(document)))
}

/// Reviews the plan of a run of one instance.
pub(super) fn review_run(
    snapshot: &Snapshot,
    run: &Run,
    plan: PathBuf,
    bundle: &Arc<Bundle>,
) -> Result<Review, RunError> {
    let (Some(component), Some(stack)) = (&run.component, &run.stack) else {
        return Err(RunError::invalid(format!("run #{} is of no single instance, and has no plan", run.number)));
    };
    if run.plan_digest.is_none() || !plan.is_file() {
        return Err(RunError::Invalid {
            message: format!("run #{} has no plan that can be looked at", run.number),
            hint: Some(format!("terrace plan {component} -s {stack} makes one")),
        });
    }
    let estate = snapshot.estate();
    review(Reviewed {
        root: estate.root(),
        plan,
        run,
        instance: facts(estate, snapshot.teams(), component, stack),
        actor: actor(snapshot.teams(), &run.actor),
        request: None,
        bundle,
    })
}

/// Keeps a review with its run.
pub(super) async fn keep(
    store: &Arc<dyn Store>,
    run: crate::domain::id::RunId,
    review: &Review,
) -> Result<(), PlatformError> {
    let mut tx = store.begin().await?;
    tx.save_run_review(run, review).await?;
    tx.commit_bookkeeping().await
}

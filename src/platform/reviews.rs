//! Reviews of plans: the price and the verdict of a run's plan, made once and kept with the run.
//!
//! Owns putting together what policy is asked about. Leaves prices to [`super::estimates`], rules to
//! [`super::policies`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::audit::{Actor, AuditDraft};
use super::budgets::BudgetService;
use super::estate::Snapshot;
use super::estimates::{self, EstimateRequest};
use super::events::EventDraft;
use super::infracost;
use super::policies::{ActorFacts, Bundle, InstanceFacts, PlanInput, document, read_plan};
use super::runs::{RunError, scanners};
use super::store::{Change, RunQuery, Store};
use super::{Platform, PlatformError};
use crate::atmos::Estate;
use crate::domain::budget::Claim;
use crate::domain::id::{Digest, RunRef};
use crate::domain::policy::{Gate, Verdict};
use crate::domain::review::{Rejudged, Replay, Review};
use crate::domain::run::Run;
use crate::domain::scan::{ScanFinding, ScanLevel, read_sarif};
use crate::domain::stack::InstanceRef;
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

/// How many of an instance's newest runs policy may look at.
const HISTORY: u32 = 20;

/// What the store knows of a run and its instance: what was attached, what ran before, what is reserved of budgets.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    scans: Vec<ScanFinding>,
    history: Vec<Value>,
    budgets: Option<(BudgetService, Vec<Claim>)>,
}

impl Known {
    /// Asks the store.
    pub(super) async fn of(store: &dyn Store, budgets: &BudgetService, run: &Run) -> Result<Self, PlatformError> {
        let before = RunQuery {
            before: Some(run.number),
            component: run.component.clone(),
            stack: run.stack.clone(),
            limit: HISTORY,
            ..RunQuery::default()
        };
        let past = store.runs(&before).await?.into_iter().map(|kept| kept.run).filter(|run| !run.preview);
        let past = past.map(|run| {
            json!({
                "number": run.number, "kind": run.kind, "state": run.state, "actor": run.actor, "request": run.request,
                "commit": run.stood_on.commit, "summary": run.summary, "queued_at": run.queued_at,
                "ended_at": run.ended_at,
            })
        });
        Ok(Self {
            scans: store.run_scans(run.id).await?,
            history: past.collect(),
            budgets: Some((budgets.clone(), store.budget_reservations().await?)),
        })
    }

    /// Returns the budget that an instance counts against; null where there is none.
    fn budget(&self, snapshot: &Snapshot, facts: &InstanceFacts) -> Result<Option<Value>, PlatformError> {
        let (Some((budgets, reserved)), Some(team)) = (&self.budgets, &facts.team) else { return Ok(None) };
        let at = InstanceRef {
            component: facts.component.clone().unwrap_or_default(),
            stack: facts.stack.clone().unwrap_or_default(),
        };
        budgets.facts(snapshot, reserved, team, &at)
    }
}

/// What a plan is reviewed with.
pub(super) struct Reviewed<'a> {
    /// The estate as it is, for prices, policies and budgets.
    pub(super) snapshot: &'a Snapshot,
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
    /// What the store knows.
    pub(super) known: Known,
    /// The policies in force.
    pub(super) bundle: &'a Arc<Bundle>,
}

/// Says what a run's plan is priced with: what the stack says of usage, and what Infracost said of it where it was asked.
pub(super) fn priced(plan: &Path, hints: Option<Value>) -> EstimateRequest {
    let infracost = Some(infracost::beside(plan)).filter(|file| file.is_file());
    EstimateRequest { plan: plan.to_owned(), hints, infracost, usage: None }
}

/// Prices a plan and asks policy about it. Reads the plan's file and evaluates rules, so it blocks.
///
/// # Errors
///
/// A plan or prices that cannot be read. A policy that fails is no error but a denial.
pub(super) fn review(with: Reviewed<'_>) -> Result<Review, RunError> {
    let invalid = |message: String, hint: Option<String>| RunError::Invalid { message, hint };
    if !infracost::beside(&with.plan).is_file()
        && let Err(why) = infracost::ask(&with.plan, &infracost::beside(&with.plan))
    {
        tracing::warn!(run = with.run.number, why);
    }
    let request = priced(&with.plan, with.instance.settings.get("price").cloned());
    let estimate = estimates::estimate(Some(with.snapshot.estate().root()), &request)
        .map_err(|error| invalid(format!("the plan cannot be priced: {error}"), error.hint().map(str::to_owned)))?;
    let bytes =
        std::fs::read(&with.plan).map_err(|error| invalid(format!("the plan cannot be read: {error}"), None))?;
    let plan = read_plan(&bytes).map_err(|error| invalid(error.to_string(), Some(error.hint.clone())))?;
    let run = with.run;
    let budget = with.known.budget(with.snapshot, &with.instance)?;
    let mut findings = with.plan.parent().map(|folder| scanners::scanned(folder, run)).unwrap_or_default();
    findings.extend(with.known.scans);
    findings.sort();
    findings.dedup();
    let input = PlanInput {
        plan,
        instance: with.instance,
        estimate: serde_json::to_value(&estimate).ok(),
        budget,
        request: with.request,
        actor: with.actor,
        run: Some(json!({
            "id": run.id, "number": run.number, "kind": run.kind, "commit": run.stood_on.commit, "summary": run.summary,
        })),
        findings,
        history: with.known.history,
        config: with.bundle.config().settings.clone(),
    };
    let mut document = document(&input);
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
        self.review_anew(run).await
    }

    /// Prices and judges the plan of a run by what is known now, and keeps that.
    async fn review_anew(&self, run: Run) -> Result<Review, RunError> {
        let store = self.store("reviews")?;
        let snapshot = self.estate().current().await?;
        let plan = self.runs()?.plan_json(run.id);
        let known = Known::of(store.as_ref(), self.budgets()?, &run).await?;
        let review = tokio::task::spawn_blocking(move || {
            let bundle = Bundle::load(snapshot.estate().root());
            review_run(&snapshot, &run, plan, known, &bundle).map(|review| (run.id, review))
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
            let bundle = Bundle::load(snapshot.estate().root());
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
        // What was said of the plan before was said without them.
        if let Some(review) = store.run_review(run.id).await?
            && review.asked.get("request").is_none_or(Value::is_null)
        {
            self.review_anew(run).await?;
        }
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
        return review_run(snapshot, run, plan.to_owned(), Known::default(), bundle).ok().map(|review| review.verdict);
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
    known: Known,
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
        snapshot,
        plan,
        run,
        instance: facts(estate, snapshot.teams(), component, stack),
        actor: actor(snapshot.teams(), &run.actor),
        request: None,
        known,
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

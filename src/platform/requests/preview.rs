//! What a request would come to, before it is sent; and how long requests take.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::check::load;
use super::error::RequestError;
use super::git::Repository;
use super::{Env, RequestService, approval, claims};
use crate::domain::budget::Claim;
use crate::domain::estimate::Estimate;
use crate::domain::golden_path::{ConcernedInstance, FileChange, InputProblem, InstanceAction};
use crate::domain::policy::{Gate, Verdict};
use crate::domain::request::{Price, Request, RequestState, Wish};
use crate::domain::run::{RequestMark, RunKind, RunRequest, RunState};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::reviews::{self, Reviewed};
use crate::platform::store::{RequestQuery, RunQuery};

/// What a request would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// One line.
    pub title: String,
    /// What is wrong with what was filled in; the rest is empty then.
    pub problems: Vec<InputProblem>,
    /// The files it would change.
    pub files: Vec<FileChange>,
    /// The instances it would concern, in the order in which they would be applied.
    pub instances: Vec<ConcernedInstance>,
    /// What it would cost a month; null where no plan was made, and `unknown` says why.
    pub price: Option<Price>,
    /// Why the price is not known, or not all of it.
    pub unknown: Vec<String>,
    /// What policy would say; null where no plan was made.
    pub verdict: Option<Verdict>,
}

/// How long requests took from being sent to being usable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Times {
    /// How many were fulfilled, of those looked at.
    pub fulfilled: u64,
    /// Half of them took no longer, in seconds.
    pub p50_seconds: Option<u64>,
    /// Nine of ten took no longer, in seconds.
    pub p90_seconds: Option<u64>,
    /// The same without the time they waited for people.
    pub p50_seconds_without_waiting: Option<u64>,
    /// The same for nine of ten.
    pub p90_seconds_without_waiting: Option<u64>,
    /// How many runs changed something (applies and destroys that succeeded), of those looked at.
    pub changes: u64,
    /// How many of them carried out a request.
    pub changes_through_requests: u64,
}

/// How many requests, and runs of a kind, are looked at for [`Times`].
const LOOKED_AT: u32 = 1_000;

impl RequestService {
    /// Says what a request would come to. With `plan`, each instance is planned in a worktree that goes afterwards, so
    /// that price and verdict are those of the real plan.
    ///
    /// # Errors
    ///
    /// A golden path or an instance that is not there, an edit that cannot be made, a plan that fails. Inputs that are
    /// wrong are no error: the form shows them.
    pub async fn preview(&self, actor: &Actor, wish: &Wish, plan: bool, env: Env) -> Result<Preview, RequestError> {
        let proposal = match self.propose(wish, &actor.name).await {
            Ok(proposal) => proposal,
            Err(RequestError::Inputs(problems)) => return Ok(Preview { problems, ..Preview::default() }),
            Err(error) => return Err(error),
        };
        let mut preview = Preview {
            title: proposal.title.clone(),
            files: proposal.changes.files().cloned().collect(),
            instances: proposal.instances.clone(),
            ..Preview::default()
        };
        if proposal.instances.is_empty() {
            return Ok(preview);
        }
        if !plan {
            preview
                .unknown
                .push("no plan was made yet; it is made when the request is sent, before anybody decides".to_owned());
            return Ok(preview);
        }
        let (root, tree) = (self.inner.estate.root().to_owned(), format!("preview-{}", Ulid::generate()));
        let place = self.inner.folder.join(&tree);
        let changes = proposal.changes.clone();
        let writes = !changes.is_empty();
        if writes {
            let (root, place) = (root.clone(), place.clone());
            let making = tokio::task::spawn_blocking(move || Repository::new(&root).lay_out(&place, &changes));
            making.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??;
        }
        let found = self.plan_preview(actor, &proposal, writes.then_some(tree), env).await;
        if writes {
            let cleaning = tokio::task::spawn_blocking(move || Repository::new(&root).discard(&place));
            drop(cleaning.await);
        }
        let (price, verdict) = found?;
        preview.unknown = price.as_ref().map(|price| price.after.unknown.clone()).unwrap_or_default();
        (preview.price, preview.verdict) = (price, Some(verdict));
        Ok(preview)
    }

    async fn plan_preview(
        &self,
        actor: &Actor,
        proposal: &super::proposal::Proposal,
        tree: Option<String>,
        env: Env,
    ) -> Result<(Option<Price>, Verdict), RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let bundle = load(&snapshot).await?;
        let (mut estimates, mut findings, mut needs, mut switched, mut passed) = (vec![], vec![], vec![], vec![], 0);
        for one in &proposal.instances {
            let removing = one.action == InstanceAction::Remove;
            let mut asked = RunRequest {
                component: Some(one.instance.component.clone()),
                stack: Some(one.instance.stack.clone()),
                env: env.clone(),
                request: Some(RequestMark {
                    number: 0,
                    revision: 0,
                    tree: tree.clone().filter(|_| !removing),
                    applies: None,
                    script: None,
                }),
                ..RunRequest::new(RunKind::Plan)
            };
            if removing {
                asked.args = vec!["-destroy".to_owned()];
            }
            let run = self.inner.runs.create(actor, asked, None).await?;
            let run = self.end_of(&run).await?;
            if !run.state.is_success() {
                let why = run.reason.clone().unwrap_or_else(|| run.state.to_string());
                let message = format!("{} cannot be planned (run #{}): {why}", one.instance, run.number);
                return Err(RequestError::invalid(
                    "plan-failed",
                    message,
                    Some(&format!("terrace runs logs {}", run.number)),
                ));
            }
            let estate = if removing { snapshot.estate() } else { &proposal.after };
            let (estate, snapshot, bundle) = (Arc::clone(estate), Arc::clone(&snapshot), Arc::clone(&bundle));
            let (plan, instance) = (self.inner.runs.plan_json(run.id), one.instance.clone());
            let who = reviews::actor(snapshot.teams(), &actor.name);
            let known = reviews::Known::of(self.inner.store.as_ref(), &self.inner.budgets, &run).await?;
            let reviewing = tokio::task::spawn_blocking(move || {
                let facts = reviews::facts(&estate, snapshot.teams(), &instance.component, &instance.stack);
                let with = Reviewed {
                    snapshot: &snapshot,
                    plan,
                    run: &run,
                    instance: facts,
                    actor: who,
                    request: None,
                    known,
                    bundle: &bundle,
                };
                reviews::review(with)
            });
            let review = reviewing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??;
            findings.extend(review.verdict.findings);
            needs.extend(review.verdict.approvals);
            switched.extend(review.verdict.switched_off);
            passed += review.verdict.passed;
            estimates.push(review.estimate);
        }
        let price = Price::sum(&estimates);
        needs.extend(approval::needs(&snapshot, proposal, price.as_ref()));
        let planned = proposal.instances.iter().zip(&estimates);
        let claim = |(one, estimate): (&ConcernedInstance, &Estimate)| {
            let claimant = format!("preview/{}", one.instance);
            claims::claim(&snapshot, &proposal.after, claimant, (&one.instance, one.action), &estimate.delta)
        };
        let claims: Vec<Claim> = planned.filter_map(claim).collect();
        let budgets = self.ask_budgets(&snapshot, &claims).await?;
        budgets.join(&mut findings, &mut needs);
        Ok((price, Verdict::sum_up(Gate::Plan, findings, needs, switched, passed, bundle.digest().clone())))
    }

    /// Says how long the newest requests took.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn times(&self) -> Result<Times, RequestError> {
        let query = RequestQuery { state: Some(RequestState::Fulfilled), limit: LOOKED_AT, ..RequestQuery::default() };
        let requests = self.inner.store.requests(&query).await?;
        let taken = |request: &Request| {
            let (begin, end) = (request.submitted_at?, request.ended_at?);
            let all = u64::try_from(end.duration_since(begin).as_secs()).ok()?;
            Some((all, all.saturating_sub(request.waited_seconds)))
        };
        let pairs: Vec<(u64, u64)> = requests.iter().filter_map(taken).collect();
        let mut all: Vec<u64> = pairs.iter().map(|(all, _)| *all).collect();
        let mut without: Vec<u64> = pairs.iter().map(|(_, without)| *without).collect();
        all.sort_unstable();
        without.sort_unstable();
        let (mut changes, mut through) = (0, 0);
        for kind in [RunKind::Apply, RunKind::Destroy] {
            let query = RunQuery {
                kind: Some(kind),
                state: Some(RunState::Succeeded),
                limit: LOOKED_AT,
                ..RunQuery::default()
            };
            let runs = self.inner.store.runs(&query).await?;
            changes += runs.len() as u64;
            through += runs.iter().filter(|kept| kept.run.request.is_some()).count() as u64;
        }
        Ok(Times {
            changes,
            changes_through_requests: through,
            fulfilled: all.len() as u64,
            p50_seconds: percentile(&all, 50),
            p90_seconds: percentile(&all, 90),
            p50_seconds_without_waiting: percentile(&without, 50),
            p90_seconds_without_waiting: percentile(&without, 90),
        })
    }
}

/// Returns the smallest of sorted values that so many per cent do not exceed (nearest rank).
fn percentile(sorted: &[u64], per_cent: usize) -> Option<u64> {
    let rank = (sorted.len() * per_cent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let values: Vec<u64> = (1..=10).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 90)), (Some(5), Some(9)));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 90), percentile(&[], 50)), (Some(7), Some(7), None));
    }
}

//! What is left of requests: worktrees, branches and plans go when nobody waits with them any more.

use std::sync::PoisonError;

use super::remote::Push;
use super::{LOOKED_AT, RequestService, git, tree_of};
use crate::domain::request::{Request, RequestState};
use crate::domain::run::RunKind;
use crate::platform::store::{RequestQuery, RunQuery};

impl RequestService {
    /// Cleans up after requests that ended when the platform did.
    pub(super) async fn clean_up(&self) {
        let newest = RequestQuery { limit: 1_000, ..RequestQuery::default() };
        let ended = match self.inner.store.requests(&newest).await {
            Ok(requests) => requests.into_iter().filter(|request| request.state.is_final()),
            Err(error) => return tracing::warn!(%error, "requests cannot be cleaned up after now"),
        };
        for request in ended {
            let mut trees =
                (1..=request.revision()).map(|revision| self.inner.folder.join(tree_of(request.number, revision)));
            let mut plans = request.check.iter().flat_map(|check| &check.plans);
            if trees.any(|tree| tree.exists()) || plans.any(|plan| self.inner.runs.has_plan(plan.run)) {
                self.clean(&request).await;
            }
        }
    }

    /// Removes the plans of a check: each is used once, or never, and what it holds is secret.
    pub(super) fn forget_plans(&self, request: &Request) {
        for plan in request.check.iter().flat_map(|check| &check.plans) {
            self.inner.runs.forget_plan(plan.run);
        }
    }

    /// Removes plans that no request waits with any more: the platform may have ended right after they were made.
    pub(super) async fn forget_strays(&self) {
        for (run, number) in self.inner.runs.sealed().await {
            let Ok(request) = self.get(number).await else { continue };
            let has = request.check.iter().flat_map(|check| &check.plans).any(|plan| plan.run == run);
            let planning = matches!(request.state, RequestState::Submitted | RequestState::Checking);
            if !(planning || (has && waits_with_plans(request.state))) {
                self.inner.runs.forget_plan(run);
            }
        }
    }

    /// Removes the worktrees and the branch of a request that has ended.
    pub(super) async fn clean(&self, request: &Request) {
        let (root, folder) = (self.inner.estate.root().to_owned(), self.inner.folder.clone());
        let (number, revisions, branch) = (request.number, request.revision(), request.branch());
        let cleaning = tokio::task::spawn_blocking(move || {
            let repository = git::Repository::new(&root);
            for revision in 1..=revisions {
                let tree = folder.join(tree_of(number, revision));
                if tree.exists() {
                    repository.discard(&tree);
                }
            }
            if repository.tip(&branch).is_some() {
                repository.forget(&branch);
            }
        });
        drop(cleaning.await);
        if request.check.as_ref().is_some_and(|check| check.binding.commit.is_some()) {
            self.share(request, Push::Gone);
        }
        // A plan is used once, or never: what it holds is secret. Those that were made again have other runs; the ones that
        // count go last, since they tell `clean_up` that something is left.
        let newest = RunQuery { kind: Some(RunKind::Plan), limit: LOOKED_AT, ..RunQuery::default() };
        let made = self.inner.store.runs(&newest).await.unwrap_or_default();
        let made = made.iter().map(|kept| &kept.run).filter(|run| run.request == Some(number)).map(|run| run.id);
        for run in made.chain(request.check.iter().flat_map(|check| &check.plans).map(|plan| plan.run)) {
            self.inner.runs.forget_plan(run);
        }
        // They hold what Terraform masks, and nobody needs them any more.
        for run in &request.runs {
            drop(std::fs::remove_file(self.inner.runs.outputs_file(*run)));
        }
        self.inner.envs.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}

/// Tells whether a request in this state may still apply the plans of its check.
pub(super) fn waits_with_plans(state: RequestState) -> bool {
    matches!(state, RequestState::PendingApproval | RequestState::Approved | RequestState::Executing)
}

//! Configurations that stand on a request's branch: its stack files, and the components where their state lies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{approval, asking, claims, unbound};
use crate::atmos::driver::commands::OwnCommands;
use crate::atmos::{AtmosError, Estate, LoadOptions, RunTarget};
use crate::domain::review::Review;
use crate::domain::run::Run;
use crate::domain::run::since::Leaf;
use crate::domain::stack::{Dependency, Diagnostic, InstanceSummary};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::budgets::BudgetService;
use crate::platform::estate::EstateService;
use crate::platform::policies::Bundle;
use crate::platform::reviews::{self, Known};
use crate::platform::runs::RunError;
use crate::platform::runs::configuration::{Configuration, Configurations, Promise, UnboundRun};
use crate::platform::sharing::Sharing;
use crate::platform::store::{Change, KeptRun, Store, Tx};

/// The estate as it is checked out, and as the branches of requests have it.
#[derive(Debug, Clone)]
pub struct Branches {
    estate: EstateService,
    /// Where the worktrees lie.
    folder: PathBuf,
    /// Where reviews are kept.
    store: Arc<dyn Store>,
    /// Whether the platform is one person's.
    sharing: Sharing,
    /// What may be spent.
    budgets: BudgetService,
    /// Rings when a run asks others to agree, or one that had ends.
    asking: Arc<Notify>,
}

impl Branches {
    /// Joins the estate with the folder of requests' worktrees.
    #[must_use]
    pub fn new(
        estate: EstateService,
        folder: PathBuf,
        store: Arc<dyn Store>,
        sharing: Sharing,
        budgets: BudgetService,
        asking: Arc<Notify>,
    ) -> Self {
        Self { estate, folder, store, sharing, budgets, asking }
    }
}

#[async_trait]
impl Configurations for Branches {
    async fn current(&self) -> Result<Arc<dyn Configuration>, RunError> {
        Configurations::current(&self.estate).await
    }

    async fn at(&self, root: &Path) -> Result<Arc<dyn Configuration>, RunError> {
        Configurations::at(&self.estate, root).await
    }

    async fn has_gates(&self) -> bool {
        // What cannot be read lets nobody pass.
        EstateService::current(&self.estate).await.map_or(true, |snapshot| snapshot.has_gates())
    }

    async fn may_apply(&self, _: &Actor, run: &Run, plan: &Path) -> Result<Option<Promise>, RunError> {
        let snapshot = EstateService::current(&self.estate).await?;
        if !snapshot.has_gates() {
            return Ok(None);
        }
        let (about, plan, solo) = (run.clone(), plan.to_owned(), self.sharing.is_solo());
        let (budgets, reserved) = (self.budgets.clone(), self.store.budget_reservations().await?);
        let known = Known::of(self.store.as_ref(), &budgets, run).await?;
        let judging = tokio::task::spawn_blocking(move || {
            let asked = |review: &Review| claims::of_run(&budgets, &snapshot, &about, review, &reserved);
            approval::of_run(&snapshot, &about, (plan, known), solo, asked)
        });
        let (review, answer) = judging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??;
        reviews::keep(&self.store, run.id, &review).await?;
        answer
    }

    async fn reserve(&self, tx: &mut dyn Tx, promise: &Promise, now: Timestamp) -> Result<(), RunError> {
        let snapshot = &promise.snapshot;
        let verdict = self.budgets.reserve(tx, snapshot, &promise.claim, now).await?;
        approval::of_promise(promise, claims::words(snapshot, &verdict))
    }

    async fn ask_others(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        kept: &KeptRun,
        now: Timestamp,
    ) -> Result<Option<(u64, Change)>, RunError> {
        Ok(asking::ask(tx, actor, kept, now).await?)
    }

    fn nudge_requests(&self) {
        self.asking.notify_one();
    }

    async fn may_run(&self, actor: &Actor, run: &UnboundRun) -> Result<(), RunError> {
        let snapshot = EstateService::current(&self.estate).await?;
        if !snapshot.has_gates() {
            return Ok(());
        }
        let (actor, run, solo) = (actor.clone(), run.clone(), self.sharing.is_solo());
        let judging = tokio::task::spawn_blocking(move || {
            let bundle = Bundle::load(snapshot.estate().root());
            unbound::may_run(&snapshot, &bundle, &actor, &run, solo)
        });
        judging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?
    }

    async fn of_branch(&self, tree: &str) -> Result<Arc<dyn Configuration>, RunError> {
        let snapshot = EstateService::current(&self.estate).await?;
        let given = snapshot.estate().options();
        let options = LoadOptions { files: LoadOptions::default().files, ..given.clone() };
        let (tree, root) = (self.folder.join(tree), snapshot.estate().root().to_owned());
        if !tree.is_dir() {
            let message = format!("the worktree {} is not there any more", tree.display());
            return Err(RunError::Invalid { message, hint: Some("submit the request again".to_owned()) });
        }
        let loading = tokio::task::spawn_blocking(move || {
            Estate::load(&tree, &options).map(|estate| OnBranch { tree: estate.root().to_owned(), estate, root })
        });
        let loaded = loading.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
        Ok(Arc::new(loaded.map_err(PlatformError::from)?))
    }
}

/// A branch's configuration.
#[derive(Debug)]
struct OnBranch {
    estate: Estate,
    tree: PathBuf,
    root: PathBuf,
}

impl Configuration for OnBranch {
    fn root(&self) -> &Path {
        &self.root
    }

    fn target(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Result<RunTarget, AtmosError> {
        let mut target = Configuration::target(&self.estate, component, stack, stack_file)?;
        // A local state lies in the component's folder of the estate; one that is elsewhere is reached from anywhere.
        if target.has_local_state()
            && let Ok(below) = target.folder.strip_prefix(&self.tree)
        {
            target.folder = self.root.join(below);
        }
        Ok(target)
    }

    fn leaves(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Vec<Leaf> {
        Configuration::leaves(&self.estate, component, stack, stack_file)
    }

    fn own_commands(&self) -> OwnCommands {
        Configuration::own_commands(&self.estate)
    }

    fn refusal(&self) -> Option<Diagnostic> {
        Configuration::refusal(&self.estate)
    }

    fn instances(&self) -> Vec<InstanceSummary> {
        Estate::instances(&self.estate)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Estate::dependencies(&self.estate)
    }

    fn workflows(&self) -> PathBuf {
        Configuration::workflows(&self.estate)
    }
}

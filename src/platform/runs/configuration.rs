//! What runs need of the estate: its instances as a run sees them, what needs what, where workflows lie.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::RunError;
use crate::atmos::driver::commands::OwnCommands;
use crate::atmos::{AtmosError, Estate, RunTarget};
use crate::domain::budget::Claim;
use crate::domain::run::since::Leaf;
use crate::domain::run::{Run, RunKind};
use crate::domain::stack::{Dependency, Diagnostic, ExplainedValue, InstanceRef, InstanceSummary, Severity};
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::store::{Change, KeptRun, Tx};

/// One resolved configuration.
pub trait Configuration: Send + Sync {
    /// Returns the estate's root.
    fn root(&self) -> &Path;

    /// Returns an instance as a run sees it.
    ///
    /// # Errors
    ///
    /// Where there is none of that name, with what was perhaps meant.
    fn target(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Result<RunTarget, AtmosError>;

    /// Returns every value of an instance with its line, in the order of the document; none where there is no instance.
    fn leaves(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Vec<Leaf>;

    /// Returns every instance.
    fn instances(&self) -> Vec<InstanceSummary>;

    /// Returns what needs what.
    fn dependencies(&self) -> Vec<Dependency>;

    /// Returns the folder of workflow files.
    fn workflows(&self) -> PathBuf;

    /// Returns the commands and aliases that the estate adds to those of Atmos.
    fn own_commands(&self) -> OwnCommands;

    /// Returns why Atmos would refuse the estate as a whole, where it would.
    fn refusal(&self) -> Option<Diagnostic>;
}

/// A run that changes something and that no plan binds: a workflow, or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnboundRun {
    /// Workflow or command.
    pub kind: RunKind,
    /// What a person would type.
    pub command: String,
    /// What it runs, step by step.
    pub steps: Vec<String>,
    /// The instances that it names.
    pub targets: Vec<InstanceRef>,
    /// The stacks that it names.
    pub stacks: BTreeSet<String>,
    /// How the same is asked for as a request (`--workflow NAME --file FILE`), where it can be.
    pub request: Option<String>,
}

/// What a run that may apply promises of its team's budgets.
#[derive(Debug, Clone)]
pub struct Promise {
    pub(in crate::platform) claim: Claim,
    /// The estate that it was judged by.
    pub(in crate::platform) snapshot: Arc<Snapshot>,
    /// Whether the person's own word is enough where an approval is needed.
    pub(in crate::platform) own_word: bool,
}

/// Where the current configuration comes from.
#[async_trait]
pub trait Configurations: Send + Sync {
    /// Returns the configuration as the files are now.
    async fn current(&self) -> Result<Arc<dyn Configuration>, RunError>;

    /// Returns the configuration of the files at another root: a working copy.
    async fn at(&self, root: &Path) -> Result<Arc<dyn Configuration>, RunError>;

    /// Tells whether gates are in force, so that a yes given ahead waits for the plan.
    async fn has_gates(&self) -> bool {
        false
    }

    /// Says whether a person may let a run apply its plan, which lies there as JSON, and what it then promises.
    async fn may_apply(&self, actor: &Actor, run: &Run, plan: &Path) -> Result<Option<Promise>, RunError> {
        let _ = (actor, run, plan);
        Ok(None)
    }

    /// Reserves what a run promises, in the transaction of the yes to its plan: of two that fit each by itself but not
    /// together, the second is refused.
    async fn reserve(&self, tx: &mut dyn Tx, promise: &Promise, now: Timestamp) -> Result<(), RunError> {
        let _ = (tx, promise, now);
        Ok(())
    }

    /// Writes, in the transaction of the run, the request that asks others to agree to a run's plan; returns its number and
    /// what is to be told of it. None where others cannot be asked.
    async fn ask_others(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        kept: &KeptRun,
        now: Timestamp,
    ) -> Result<Option<(u64, Change)>, RunError> {
        let _ = (tx, actor, kept, now);
        Ok(None)
    }

    /// Says that something changed that requests wait for: one was written, or a run ended that one stands on.
    fn nudge_requests(&self) {}

    /// Says whether a person may start something that no plan binds.
    async fn may_run(&self, actor: &Actor, run: &UnboundRun) -> Result<(), RunError> {
        let _ = (actor, run);
        Ok(())
    }

    /// Returns the configuration of a request's worktree.
    async fn of_branch(&self, tree: &str) -> Result<Arc<dyn Configuration>, RunError> {
        Err(RunError::invalid(format!("there is no worktree '{tree}'")))
    }
}

impl Configuration for Estate {
    fn root(&self) -> &Path {
        Estate::root(self)
    }

    fn target(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Result<RunTarget, AtmosError> {
        let id = self.find(component, stack, stack_file)?;
        self.run_target(id).ok_or_else(|| {
            AtmosError::new("not-runnable", format!("what a run of {component}@{stack} needs cannot be resolved"))
                .hint("`terrace check` lists the problems of the estate")
        })
    }

    fn leaves(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Vec<Leaf> {
        let Ok(id) = self.find(component, stack, stack_file) else {
            return Vec::new();
        };
        let leaf = |value: ExplainedValue| Leaf { path: value.path, value: value.value, source: value.source };
        self.explain(id, None).values.into_iter().map(leaf).collect()
    }

    fn instances(&self) -> Vec<InstanceSummary> {
        Estate::instances(self)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Estate::dependencies(self)
    }

    fn workflows(&self) -> PathBuf {
        let configured = self.config().workflows_path.clone();
        configured.unwrap_or_else(|| Estate::root(self).join("stacks/workflows"))
    }

    fn own_commands(&self) -> OwnCommands {
        OwnCommands::of(self.config())
    }

    fn refusal(&self) -> Option<Diagnostic> {
        self.diagnostics().iter().find(|problem| problem.severity == Severity::Error).cloned()
    }
}

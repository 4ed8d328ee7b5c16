//! The estate as a Git ref has it, resolved without touching the working tree: comparisons, and what a change reaches.
//!
//! Owns which revisions are kept resolved, and the steps of a comparison. Leaves reading Git's objects to [`tree`], and what
//! differs to [`crate::atmos::diff`] and [`crate::atmos::affected`].

pub mod fix;
pub mod tree;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::atmos::affected::{self, Options};
use crate::atmos::diff::{self, Narrow};
use crate::atmos::driver::evaluate::{self, Evaluation};
use crate::atmos::driver::tools::Tools;
use crate::atmos::files::{Disk, Files};
use crate::atmos::{AtmosConfig, AtmosError, Estate, InstanceId, LoadOptions};
use crate::domain::comparison::{Affected, Side};
use crate::domain::stack::DiffEntry;
use crate::platform::estate::Snapshot;
use crate::platform::{Platform, PlatformError, trust};
use tree::GitTree;

/// How many revisions stay resolved: both sides of one comparison.
const KEPT: usize = 2;
/// How long Atmos may take to evaluate the values of one instance, unless `evaluation_seconds` says otherwise.
const EVALUATION: Duration = Duration::from_secs(60);
/// What is wrong at a commit where there is no estate yet.
const NO_ESTATE: [&str; 5] =
    ["no-atmos-yaml", "no-stack-manifests", "no-stacks-folder", "no-stacks-base-path", "no-included-paths"];

/// The revisions that were resolved last.
#[derive(Debug, Default)]
pub struct Revisions(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    commit: String,
    trusted: bool,
    /// Whether it was read by a configuration that is not its own.
    borrowed: bool,
    estate: Arc<Estate>,
}

impl Platform {
    /// Returns what differs between two sides, leaf by leaf; a ref or `worktree` compares whole estates.
    ///
    /// # Errors
    ///
    /// A side that does not exist, or two that cannot be compared: an instance with a stack.
    pub async fn diff(self: &Arc<Self>, a: Side, b: Side, narrow: Narrow) -> Result<Vec<DiffEntry>, PlatformError> {
        let snapshot = self.estate().current().await?;
        let now = Arc::clone(snapshot.estate());
        let platform = Arc::clone(self);
        blocking(move || match (&a, &b) {
            (Side::Stack(left), Side::Stack(right)) => Ok(diff::stacks((&now, left), (&now, right))?),
            (Side::Instance(_) | Side::InFile(..), Side::Instance(_) | Side::InFile(..)) => {
                Ok(diff::instances((&now, instance(&now, &a)?), (&now, instance(&now, &b)?)))
            }
            (Side::Ref(_) | Side::Worktree, Side::Ref(_) | Side::Worktree) => {
                let (left, right) = (platform.side(&a, &snapshot)?, platform.side(&b, &snapshot)?);
                Ok(diff::estates(&left, &right, &narrow))
            }
            _ => Err(AtmosError::new("not-comparable", format!("{a} and {b} cannot be compared"))
                .hint("compare two stacks, two instances, or two of ref:GITREF and worktree")
                .into()),
        })
        .await
    }

    /// Returns the instances that differ between a Git ref and the files as they are, with the lines that caused it.
    ///
    /// As Atmos does, the stacks of the ref are read by the `atmos.yaml` of now, and of the components' files only those count
    /// that differ between the ref and `HEAD`.
    ///
    /// # Errors
    ///
    /// A ref that does not exist, or an estate at that ref of which nothing can be said.
    pub async fn affected(self: &Arc<Self>, base: String, options: Options) -> Result<Vec<Affected>, PlatformError> {
        let snapshot = self.estate().current().await?;
        let now = Arc::clone(snapshot.estate());
        let platform = Arc::clone(self);
        blocking(move || {
            let tree = GitTree::open(now.root(), &base)?;
            let changed: Vec<PathBuf> = tree.changed()?;
            let old = match platform.at(tree, &snapshot, Some(now.config())) {
                Ok(old) => Some(old),
                // Before there was an estate, all of it is new.
                Err(error) if NO_ESTATE.contains(&error.code) => None,
                Err(error) => return Err(error.into()),
            };
            Ok(affected::affected(old.as_deref(), &now, &changed, &Disk, &options))
        })
        .await
    }

    /// Asks Atmos to evaluate the values of one instance.
    ///
    /// # Errors
    ///
    /// Where Atmos is missing or refuses.
    pub async fn evaluate(
        self: &Arc<Self>,
        component: String,
        stack: String,
        what: Evaluation,
    ) -> Result<serde_json::Value, PlatformError> {
        let snapshot = self.estate().current().await?;
        blocking(move || {
            let tools = Tools::find(&|name| std::env::var(name).ok(), snapshot.settings().atmos_bin.as_deref());
            let Some(atmos) = tools.atmos else {
                let missing = "templates and functions in values are evaluated by Atmos, which is not installed here";
                return Err(AtmosError::new("no-atmos", missing)
                    .hint("install it or name it with ATMOS_BIN; without --process-templates and --process-functions values are shown as written")
                    .into());
            };
            let limit = snapshot.settings().evaluation_seconds.map_or(EVALUATION, |s| Duration::from_secs(s.get().into()));
            Ok(evaluate::evaluate(&atmos, snapshot.estate().root(), (&component, &stack), what, limit)?)
        })
        .await
    }

    fn side(&self, side: &Side, snapshot: &Snapshot) -> Result<Arc<Estate>, PlatformError> {
        match side {
            Side::Ref(name) => Ok(self.at(GitTree::open(snapshot.estate().root(), name)?, snapshot, None)?),
            _ => Ok(Arc::clone(snapshot.estate())),
        }
    }

    /// Resolves the estate at a commit, by `config` instead of its own `atmos.yaml` where one is given, or returns it where it
    /// was resolved just now. What it needs trust for is evaluated only where the very same is trusted now.
    fn at(&self, tree: GitTree, snapshot: &Snapshot, config: Option<&AtmosConfig>) -> Result<Arc<Estate>, AtmosError> {
        let commit = tree.commit().to_owned();
        let kept = || self.revisions().0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = snapshot.is_trusted();
        let same = |kept: &&Kept| {
            kept.commit == commit
                && kept.trusted == may
                && kept.borrowed == config.is_some()
                && config.is_none_or(|config| config == kept.estate.config())
        };
        if let Some(found) = kept().iter().find(same) {
            return Ok(Arc::clone(&found.estate));
        }
        let config = config.map(|config| Arc::new(config.clone()));
        let files: Arc<dyn Files> = Arc::new(tree);
        let root = &self.identity().root;
        let load = |trusted| {
            let (files, config) = (Arc::clone(&files), config.clone());
            let options = LoadOptions { files, trusted, config, ..snapshot.estate().options().clone() };
            Estate::load(root, &options).map_err(|error| {
                let message = format!("the estate at commit {}: {}", &commit[..commit.len().min(12)], error.message);
                AtmosError { message, ..error }
            })
        };
        let mut estate = load(false)?;
        let needs = trust::needs(&estate);
        let known = self.estate().trusts_all() || needs.iter().all(|need| snapshot.needs().contains(need));
        if may && known && !needs.is_empty() {
            estate = load(true)?;
        }
        let estate = Arc::new(estate);
        let mut kept = kept();
        kept.push_front(Kept { commit, trusted: may, borrowed: config.is_some(), estate: Arc::clone(&estate) });
        kept.truncate(KEPT);
        Ok(estate)
    }
}

/// Returns the instance that a side names.
fn instance(estate: &Estate, side: &Side) -> Result<InstanceId, AtmosError> {
    match side {
        Side::Instance(named) => estate.find(&named.component, &named.stack, None),
        Side::InFile(named, file) => estate.find(&named.component, &named.stack, Some(file)),
        _ => Err(AtmosError::new("not-comparable", format!("{side} is no instance"))),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PlatformError> + Send + 'static,
) -> Result<T, PlatformError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| PlatformError::Interrupted(e.to_string()))?
}

//! The estate as a Git ref has it, resolved without touching the working tree: comparisons, and what a change reaches.
//!
//! Owns which revisions are kept resolved, and the steps of a comparison. Leaves reading Git's objects to [`tree`], and what
//! differs to [`crate::atmos::diff`] and [`crate::atmos::affected`].

pub mod tree;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::atmos::affected::{self, Options};
use crate::atmos::diff::{self, Narrow};
use crate::atmos::files::Disk;
use crate::atmos::{AtmosError, Estate, LoadOptions};
use crate::domain::comparison::{Affected, Side};
use crate::domain::stack::DiffEntry;
use crate::platform::{Platform, PlatformError};
use tree::GitTree;

/// How many revisions stay resolved: both sides of one comparison.
const KEPT: usize = 2;

/// The revisions that were resolved last, by commit.
#[derive(Debug, Default)]
pub struct Revisions(Mutex<VecDeque<(String, bool, Arc<Estate>)>>);

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
            (Side::Instance(left), Side::Instance(right)) => {
                let id = |side: &crate::domain::stack::InstanceRef| now.find(&side.component, &side.stack, None);
                Ok(diff::instances((&now, id(left)?), (&now, id(right)?)))
            }
            (Side::Ref(_) | Side::Worktree, Side::Ref(_) | Side::Worktree) => {
                let (left, right) = (platform.side(&a, &now)?, platform.side(&b, &now)?);
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
            let old = platform.at(tree, now.options())?;
            Ok(affected::affected(&old, &now, &changed, &Disk, &options))
        })
        .await
    }

    fn side(&self, side: &Side, now: &Arc<Estate>) -> Result<Arc<Estate>, PlatformError> {
        match side {
            Side::Ref(name) => Ok(self.at(GitTree::open(now.root(), name)?, now.options())?),
            _ => Ok(Arc::clone(now)),
        }
    }

    /// Resolves the estate at a commit, or returns it where it was resolved just now.
    fn at(&self, tree: GitTree, now: &LoadOptions) -> Result<Arc<Estate>, AtmosError> {
        let commit = tree.commit().to_owned();
        let kept = || self.revisions().0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., estate)) = kept().iter().find(|(c, trusted, _)| *c == commit && *trusted == now.trusted) {
            return Ok(Arc::clone(estate));
        }
        let options = LoadOptions { files: Arc::new(tree), ..now.clone() };
        let root = self.identity().root.clone();
        let estate = Arc::new(Estate::load(&root, &options).map_err(|error| {
            let message = format!("the estate at commit {}: {}", &commit[..commit.len().min(12)], error.message);
            AtmosError { message, ..error }
        })?);
        let mut kept = kept();
        kept.push_front((commit, now.trusted, Arc::clone(&estate)));
        kept.truncate(KEPT);
        Ok(estate)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PlatformError> + Send + 'static,
) -> Result<T, PlatformError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| PlatformError::Interrupted(e.to_string()))?
}

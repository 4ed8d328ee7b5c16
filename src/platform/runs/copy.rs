//! Working copies: runs of one component in parallel, or at an earlier commit, where the state is kept elsewhere.
//!
//! A copy is a Git worktree of a commit in the run's own folder. It is made only for a remote backend: with a local one
//! the state would stay in the copy. It is taken away when the run has ended, unless Terraform left a state there that
//! it could not send.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::configuration::Configuration;
use super::error::RunError;
use super::folder::RunFolder;
use super::git;
use crate::atmos::driver::commands::OwnCommands;
use crate::atmos::{AtmosError, RunTarget};
use crate::domain::run::Run;
use crate::domain::run::lock::LockKey;
use crate::domain::run::since::Leaf;
use crate::domain::stack::{Dependency, Diagnostic, InstanceSummary};

/// What Terraform calls a state that it could not send.
const UNSENT: &str = "errored.tfstate";
/// The file that pins providers; where Git does not keep it, the copy gets it all the same.
const PINS: &str = ".terraform.lock.hcl";

/// Tells whether locks are on a state that is kept elsewhere than in the component's folder.
pub(super) fn is_remote(locks: &[LockKey]) -> bool {
    let mut states = locks.iter().filter_map(|key| match key {
        LockKey::State { backend, .. } => Some(backend.as_str()),
        LockKey::Folder { .. } => None,
    });
    states.clone().count() == 1 && states.all(|backend| backend != "local")
}

/// Returns the commit whose copy has exactly the files that are there now; none where no commit has.
pub(super) fn commit_of(root: &Path, folder: &Path) -> Option<String> {
    let tree = git::tree(root);
    tree.commit.filter(|_| tree.changes.is_none() && git::ignored(root, folder).is_empty())
}

/// Tells whether the files below a root are those of a commit, and nothing differs from it.
pub(super) fn is_at(root: &Path, commit: &str) -> bool {
    let tree = git::tree(root);
    tree.changes.is_none() && tree.commit.as_deref() == Some(commit)
}

/// Makes the copy of a commit that a person names; returns where the estate's root lies in it.
pub(super) fn at(root: &Path, run: &RunFolder, named: &str) -> Result<PathBuf, RunError> {
    let commit = git::commit(root, named).ok_or_else(|| RunError::Invalid {
        message: format!("the estate's repository has no commit '{named}'"),
        hint: Some("git log shows the commits that there are".to_owned()),
    })?;
    run.create().map_err(RunError::io("cannot make the run's folder"))?;
    make(root, run, &commit)
}

/// Makes the copy where it is not there yet; returns where the estate's root lies in it.
pub(super) fn make(root: &Path, run: &RunFolder, commit: &str) -> Result<PathBuf, RunError> {
    git::copy(root, commit, &run.copy()).map_err(|why| RunError::Invalid {
        message: format!("no working copy of commit {commit}: {why}"),
        hint: Some("git log shows the commits that there are".to_owned()),
    })
}

/// Takes the copy away, unless a state lies in it that is nowhere else; returns that state's file then.
pub(super) fn remove(root: &Path, folder: &RunFolder, run: &Run) -> Option<PathBuf> {
    let copy = folder.copy();
    if !copy.exists() {
        return None;
    }
    let places = run.commands.iter().map(|command| copy.join(&command.folder).join(UNSENT));
    let unsent = places.into_iter().find(|path| path.exists());
    if unsent.is_none() {
        git::remove_copy(root, &copy);
    }
    unsent
}

/// The configuration as it is, with its files in a working copy.
pub(super) struct Copied {
    pub(super) inner: Arc<dyn Configuration>,
    /// Where the estate's root lies in the copy.
    pub(super) root: PathBuf,
}

impl Copied {
    fn moved(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.inner.root()).map_or_else(|_| path.to_owned(), |below| self.root.join(below))
    }
}

impl Configuration for Copied {
    fn root(&self) -> &Path {
        &self.root
    }

    fn target(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Result<RunTarget, AtmosError> {
        let mut target = self.inner.target(component, stack, stack_file)?;
        let pins = target.folder.join(PINS);
        target.folder = self.moved(&target.folder);
        if pins.is_file() && !target.folder.join(PINS).exists() {
            drop(std::fs::copy(&pins, target.folder.join(PINS)));
        }
        Ok(target)
    }

    fn leaves(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Vec<Leaf> {
        self.inner.leaves(component, stack, stack_file)
    }

    fn instances(&self) -> Vec<InstanceSummary> {
        self.inner.instances()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.inner.dependencies()
    }

    fn workflows(&self) -> PathBuf {
        self.moved(&self.inner.workflows())
    }

    fn own_commands(&self) -> OwnCommands {
        self.inner.own_commands()
    }

    fn refusal(&self) -> Option<Diagnostic> {
        self.inner.refusal()
    }
}

//! Plans that wait for approvals: sealed when they are made, opened for the one run that applies them.
//!
//! Owns the way of such a plan from the run that made it to the run that applies it. Leaves how it is encrypted to
//! [`super::vault`], and whether it may be applied to the requests.

use std::io;
use std::sync::PoisonError;

use super::accept::blocking;
use super::error::RunError;
use super::folder::RunFolder;
use super::service::RunService;
use super::vault;
use crate::domain::id::{Digest, RunId, RunRef};
use crate::domain::run::RunKind;

impl RunService {
    /// Encrypts the plan that a run made, so that it can wait.
    ///
    /// # Errors
    ///
    /// A disk that takes nothing.
    pub(crate) async fn seal_plan(&self, id: RunId) -> Result<(), RunError> {
        let (service, folder) = (self.clone(), self.inner.folder(id));
        let sealing = blocking(move || {
            let vault = service.inner.vault.lock().unwrap_or_else(PoisonError::into_inner);
            if !folder.plan().exists() {
                return Ok(());
            }
            vault.seal(&folder.plan(), &folder.sealed(), &id.to_string())
        });
        sealing.await?.map_err(RunError::io("cannot encrypt the plan"))
    }

    /// Returns the SHA-256 of a plan that waits.
    ///
    /// # Errors
    ///
    /// A plan that is not there any more, or is not the one that was put there.
    pub(crate) fn sealed_digest(&self, id: RunId) -> io::Result<Digest> {
        let vault = self.inner.vault.lock().unwrap_or_else(PoisonError::into_inner);
        vault.unseal(&self.inner.folder(id).sealed(), &id.to_string()).map(|plan| Digest::of(&plan))
    }

    /// Lists the plans that wait for approvals: the run that made each, and the request it is for.
    pub(crate) async fn sealed(&self) -> Vec<(RunId, u64)> {
        let folder = self.inner.settings.folder.clone();
        let looking = blocking(move || {
            let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let sealed = folders.filter(|folder| RunFolder::new(folder.path()).sealed().exists());
            sealed.filter_map(|folder| folder.file_name().to_str()?.parse::<RunId>().ok()).collect::<Vec<_>>()
        });
        let mut found = Vec::new();
        for id in looking.await.unwrap_or_default() {
            if let Ok(kept) = self.inner.store.run(&RunRef::Id(id)).await
                && kept.run.kind == RunKind::Plan
                && let Some(number) = kept.run.request
            {
                found.push((id, number));
            }
        }
        found
    }

    /// Tells whether a run's plan is still there, encrypted or not.
    pub(crate) fn has_plan(&self, id: RunId) -> bool {
        let folder = self.inner.folder(id);
        folder.sealed().exists() || folder.plan().exists()
    }

    /// Removes a plan that nobody will apply any more.
    pub(crate) fn forget_plan(&self, id: RunId) {
        let folder = self.inner.folder(id);
        for path in [folder.sealed(), folder.plan()] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %path.display(), "a plan cannot be removed now");
                }
                _ => {}
            }
        }
    }

    /// Takes the plan of another run for the run that applies it; it stays encrypted until that run's turn has come.
    pub(super) async fn take_plan(&self, planned: RunId, id: RunId) -> Result<(), RunError> {
        let (from, to) = (self.inner.folder(planned), self.inner.folder(id));
        let taking = blocking(move || {
            std::fs::copy(from.plan_json(), to.plan_json())?;
            std::fs::copy(from.sealed(), to.sealed()).map(drop)
        });
        taking.await?.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RunError::Denied {
                code: "plan-used",
                message: "the approved plan is not there any more: a plan is used once".to_owned(),
                hint: Some("it has to be planned again".to_owned()),
            },
            _ => RunError::io("cannot take the approved plan")(error),
        })
    }

    /// Lays an approved plan where Terraform reads it, right before it does.
    pub(super) async fn open_plan(&self, planned: RunId, id: RunId) -> Result<(), RunError> {
        let (service, folder) = (self.clone(), self.inner.folder(id));
        let opening = blocking(move || service.open_now(planned, &folder));
        opening.await?.map_err(RunError::io("cannot open the approved plan"))
    }

    fn open_now(&self, planned: RunId, folder: &RunFolder) -> io::Result<()> {
        let vault = self.inner.vault.lock().unwrap_or_else(PoisonError::into_inner);
        if !folder.sealed().exists() && folder.plan().exists() {
            // The platform ended right after it had opened it; the supervisor compares the digest.
            return Ok(());
        }
        let plan = vault.unseal(&folder.sealed(), &planned.to_string())?;
        drop(std::fs::remove_file(folder.plan()));
        vault::lay_out(&folder.plan(), &plan)?;
        std::fs::remove_file(folder.sealed())
    }
}

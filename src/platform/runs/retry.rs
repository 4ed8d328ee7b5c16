//! The same once more, as a new run.

use std::collections::BTreeMap;

use super::accept::Draft;
use super::error::RunError;
use super::service::RunService;
use crate::domain::id::RunRef;
use crate::domain::run::{Run, RunRequest, RunState};
use crate::platform::audit::Actor;

impl RunService {
    /// Asks for the same again, as a new run with the environment of who asks now.
    ///
    /// # Errors
    ///
    /// Where the run has not ended, or is `unknown`.
    pub async fn retry(
        &self,
        actor: &Actor,
        which: &RunRef,
        env: BTreeMap<String, String>,
        set_env: BTreeMap<String, String>,
    ) -> Result<Run, RunError> {
        let before = self.inner.store.run(which).await?;
        if !before.run.state.allows().retry {
            return Err(RunError::Invalid {
                message: format!("run #{} is {}, so it cannot be retried", before.run.number, before.run.state),
                hint: (before.run.state == RunState::Unknown)
                    .then(|| format!("terrace runs resolve {}", before.run.number)),
            });
        }
        let request = RunRequest { env, set_env, ..before.request };
        let draft = Draft { request, retry_of: Some(before.run.id), ..Draft::default() };
        self.accept_and_add(actor, draft).await
    }
}

//! The same once more, as a new run.

use std::collections::BTreeMap;

use super::accept::Draft;
use super::error::RunError;
use super::service::RunService;
use super::work::Work;
use crate::domain::id::RunRef;
use crate::domain::run::{Run, RunRequest, RunState, since};
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
        yes: bool,
    ) -> Result<Run, RunError> {
        let before = self.inner.store.run(which).await?;
        if !before.run.state.allows().retry {
            return Err(RunError::Invalid {
                message: format!("run #{} is {}, so it cannot be retried", before.run.number, before.run.state),
                hint: (before.run.state == RunState::Unknown)
                    .then(|| format!("terrace runs resolve {}", before.run.number)),
            });
        }
        if before.request.request.is_some() {
            let what = match before.run.request {
                Some(request) => format!("is a part of request #{request}, which goes on by itself"),
                None => "only priced a form".to_owned(),
            };
            let message = format!("run #{} {what}", before.run.number);
            return Err(RunError::Invalid { message, hint: Some(before.run.again()) });
        }
        // A yes ahead was said to that run, and is not said again by itself.
        let request = RunRequest { env, set_env, yes, ..before.request };
        let draft = Draft { request, retry_of: Some(Box::new(before.run)), ..Draft::default() };
        self.accept_and_add(actor, draft).await
    }

    /// Says what is different from a run that is asked for again.
    pub(super) fn differences(&self, before: &Run, work: &Work) -> Vec<String> {
        let kept = self.inner.folder(before.id).leaves();
        let values = kept.filter(|_| !work.leaves.is_empty()).map(|kept| since::changed(&kept, &work.leaves));
        let (old, new) = ((&before.stood_on, before.driver), (&work.stood_on, work.driver));
        since::differences(old, new, values.as_deref())
    }
}

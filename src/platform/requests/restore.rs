//! Whether a request brings back exactly what was approved and applied before.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::RequestService;
use super::error::RequestError;
use crate::domain::golden_path::InstanceAction;
use crate::domain::id::Digest;
use crate::domain::request::{CheckedPlan, RequestState};
use crate::domain::run::Run;
use crate::platform::store::RequestQuery;

/// How many of the newest requests are looked through.
const LOOKED_AT: u32 = 1_000;

impl RequestService {
    /// Returns the newest request that had applied exactly these configurations; `None` where none had, or where one of
    /// them is not known.
    pub(super) async fn applied_before(&self, plans: &[CheckedPlan]) -> Result<Option<u64>, RequestError> {
        let known = |plan: &CheckedPlan| plan.action != InstanceAction::Remove && plan.configuration.is_some();
        if plans.is_empty() || !plans.iter().all(known) {
            return Ok(None);
        }
        let query = RequestQuery { state: Some(RequestState::Fulfilled), limit: LOOKED_AT, ..RequestQuery::default() };
        let before = self.inner.store.requests(&query).await?;
        let all = before.iter().find(|request| {
            let had = |plan: &CheckedPlan| {
                let same = |plan: &CheckedPlan, applied: &crate::domain::request::AppliedInstance| {
                    applied.instance == plan.instance
                        && applied.action != InstanceAction::Remove
                        && applied.configuration == plan.configuration
                };
                request.applied.iter().any(|applied| same(plan, applied))
            };
            // An approval of one person alone does not lend itself to a second one.
            request.review.is_none() && plans.iter().all(had)
        });
        Ok(all.map(|request| request.number))
    }
}

/// Returns the digest of everything that a run's outcome stands on: the resolved configuration, and the component's code
/// as it is committed. `None` where files differ from the commit, or where Git does not say.
pub(super) fn configuration(root: &Path, run: &Run, commit: Option<&str>, folder: &Path) -> Option<Digest> {
    if run.stood_on.dirty && commit.is_none() {
        return None;
    }
    let resolved = run.stood_on.config_digest.as_ref()?;
    let commit = commit.or(run.stood_on.commit.as_deref())?;
    let folder = folder.strip_prefix(root).ok()?.display().to_string();
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["-c", "core.fsmonitor=false", "rev-parse", "--verify", "--quiet"])
        .arg(format!("{commit}:{folder}"))
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let code = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(Digest::of(json!([resolved, code]).to_string().as_bytes()))
}

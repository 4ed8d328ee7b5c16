//! Undoes Terraform's own lock of a state: typed by a person, and refused while its holder lives.

use std::path::Path;

use super::accept::Draft;
use super::error::RunError;
use super::service::RunService;
use crate::domain::id::RunRef;
use crate::domain::run::{Run, RunKind, RunRequest, StateLock};
use crate::platform::audit::Actor;

/// How somebody undoes a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The lock's id, typed from what the run shows.
    pub lock: String,
    /// The environment of the person.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
}

impl RunService {
    /// Starts a run that undoes the lock on which a run failed.
    ///
    /// # Errors
    ///
    /// Where the run found no lock, the typed id is another, or whoever holds it may still live.
    pub async fn unlock(&self, actor: &Actor, which: &RunRef, unlock: &Unlock) -> Result<Run, RunError> {
        let before = self.inner.store.run(which).await?;
        let (run, number) = (&before.run, before.run.number);
        let lock = run.findings.iter().find_map(|finding| finding.lock.as_ref());
        let (Some(lock), Some(component), Some(stack)) = (lock, &run.component, &run.stack) else {
            return Err(RunError::invalid(format!("run #{number} did not fail on the lock of a state")));
        };
        if unlock.lock != lock.id {
            return Err(RunError::Invalid {
                message: format!("the lock that run #{number} found has another id than '{}'", unlock.lock),
                hint: Some(format!("terrace runs unlock {number} {}", lock.id)),
            });
        }
        let configuration = self.inner.configurations.current().await?;
        let target = configuration.target(component, stack, before.request.stack_file.as_deref())?;
        if let Some(pid) = living_holder(lock, &target.folder) {
            return Err(RunError::Invalid {
                message: format!(
                    "{} holds the lock and lives: process {pid} works in the component's folder",
                    lock.who
                ),
                hint: Some(format!("wait for it to end, or end it: kill -INT {pid}")),
            });
        }
        let words = ["terraform", "force-unlock", component, "-s", stack, "--", "-force", &lock.id];
        let request = RunRequest {
            args: words.map(str::to_owned).to_vec(),
            stack_file: before.request.stack_file.clone(),
            driver: before.request.driver,
            env: unlock.env.clone(),
            ..RunRequest::new(RunKind::Command)
        };
        self.accept_and_add(actor, Draft { request, ..Draft::default() }).await
    }
}

/// Looks for a Terraform on this machine that may hold the lock: of the holder's host, in the component's folder.
fn living_holder(lock: &StateLock, folder: &Path) -> Option<u32> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if lock.who.rsplit('@').next() != Some(host.as_str()) {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let at = std::fs::read_link(entry.path().join("cwd")).ok()?;
        (matches!(name.trim(), "terraform" | "tofu") && at == folder).then_some(pid)
    })
}

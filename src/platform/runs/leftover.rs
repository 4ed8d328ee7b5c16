//! What outlives a supervisor that was lost: the command it had started, or a child of it.
//!
//! Such a process still uses the component's folder, and nobody reads what it says. One that changes nothing is ended;
//! one that may be changing the world is left to a person, and its run keeps the folder until it is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, getsid, kill_process_group};

use super::error::RunError;
use super::executor::AGAIN;
use super::folder::RunFolder;
use super::journal::{self, Note};
use super::service::RunService;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::RunState;
use crate::domain::run::lock::LockKey;
use crate::domain::run::machine::Happening;
use crate::platform::PlatformError;
use crate::platform::store::KeptRun;

/// How many tenths of a second a command of a lost run gets after each signal.
const ENDS_WITHIN: usize = 50;

/// How often one that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(200);

impl RunService {
    /// Ends the command of a run whose supervisor was lost, where it changes nothing: the run is failed in a moment, and
    /// what it still does would disturb whoever uses the folder next. What changes something is left to a person.
    pub(super) async fn end_leftover(&self, id: RunId, folder: &RunFolder) {
        self.take_over_or_say(id, false).await;
        let Ok(kept) = self.inner.store.run(&RunRef::Id(id)).await else { return };
        let lost = kept.run.facts().after(&Happening::Lost);
        if lost.is_ok_and(|transition| transition.to == RunState::Failed) {
            for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
                for asked in 0..ENDS_WITHIN {
                    let left = leftover(folder, id).and_then(|pid| number_of(getpgid, pid));
                    let Some(group) = left.and_then(|group| Pid::from_raw(i32::try_from(group).ok()?)) else { return };
                    if asked == 0 {
                        let _ = kill_process_group(group, signal);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            tracing::warn!(run = %id, "a command of a lost run does not end");
        }
    }

    async fn release(&self, id: RunId, keys: &[LockKey]) -> Result<(), PlatformError> {
        let mut tx = self.inner.store.begin().await?;
        tx.release_locks(id, keys).await?;
        tx.commit_bookkeeping().await
    }

    /// Gives back the folder of an `unknown` run once its last command, which outlived its supervisor, has ended.
    pub(super) fn free_folder_later(&self, kept: KeptRun) {
        let (service, id) = (self.clone(), kept.run.id);
        tokio::spawn(async move {
            let folder = service.inner.folder(id);
            while leftover(&folder, id).is_some() {
                tokio::time::sleep(LOOK).await;
            }
            let folders: Vec<LockKey> = kept.locks.iter().filter(|key| !key.is_state()).cloned().collect();
            while let Err(error) = service.release(id, &folders).await {
                tracing::warn!(run = %id, %error, "the folder of a run cannot be given back now");
                tokio::time::sleep(AGAIN).await;
            }
            service.inner.wake.notify_one();
            if let Err(error) = service.clean_up(kept.run).await {
                tracing::warn!(run = %id, %error, "what a run left behind cannot be removed now");
            }
        });
    }

    /// After a start: waits again for what `unknown` runs have left behind.
    pub(super) async fn free_folders_later(&self) -> Result<(), RunError> {
        for held in self.inner.store.run_locks().await? {
            let kept = self.inner.store.run(&RunRef::Id(held.run)).await?;
            let folder = kept.locks.iter().any(|key| !key.is_state() && key.to_string() == held.key);
            if kept.run.state == RunState::Unknown && folder {
                self.free_folder_later(kept);
            }
        }
        Ok(())
    }
}

/// Returns a process of a run's commands that still lives though its supervisor is gone.
///
/// It is known by the mark in its environment and by its session: the supervisor's, or, with a terminal, one that the
/// command leads. What left for a session of its own is a service that somebody meant to stay.
pub(super) fn leftover(folder: &RunFolder, id: RunId) -> Option<u32> {
    let entries = journal::read(&folder.journal(), 0).ok()?;
    let sessions: BTreeSet<u32> = entries
        .iter()
        .filter_map(|entry| match entry.note {
            Note::Ready { pid, .. } | Note::Step { pid, .. } => Some(pid),
            _ => None,
        })
        .collect();
    let mark = format!("TERRACE_RUN={id}");
    let is_ours = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // Ours first: a thread of the kernel is in no session.
    processes.find(|pid| is_ours(pid) && number_of(getsid, *pid).is_some_and(|session| sessions.contains(&session)))
}

/// Returns the session or the process group of a process.
fn number_of(ask: impl Fn(Option<Pid>) -> rustix::io::Result<Pid>, pid: u32) -> Option<u32> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    u32::try_from(ask(Some(pid)).ok()?.as_raw_nonzero().get()).ok()
}

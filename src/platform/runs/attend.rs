//! Attends to living supervisors, and takes over what they note: now, or after the platform was gone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;

use super::accept::blocking;
use super::copy;
use super::error::RunError;
use super::executor::AGAIN;
use super::folder::RunFolder;
use super::hand;
use super::journal::{self, Note, Outcome};
use super::leftover::leftover;
use super::mask;
use super::service::{RunService, save};
use super::states;
use super::takeover::{self, Telling};
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::lock::LockKey;
use crate::domain::run::machine::Happening;
use crate::domain::run::{Run, RunKind, RunState, WayOn};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::store::KeptRun;

impl RunService {
    /// Attends to a run's supervisor until it is gone, taking over what it notes.
    pub(super) fn attend(&self, id: RunId) -> BoxFuture<'static, ()> {
        let service = self.clone();
        Box::pin(async move { service.begin_to_attend(id).await })
    }

    async fn begin_to_attend(self, id: RunId) {
        let folder = self.inner.folder(id);
        let attached = hand::attach(&folder, self.inner.token).await;
        let service = self.clone();
        match attached {
            Ok((hand, speaking, mut news)) => {
                self.inner.hands().insert(id, hand);
                tokio::spawn(async move {
                    let speaking = tokio::spawn(speaking);
                    while news.changed().await.is_ok() {
                        service.take_over_or_say(id, false).await;
                    }
                    drop(speaking.await);
                    service.inner.hands().remove(&id);
                    service.when_gone(id, &folder).await;
                });
            }
            Err(error) => {
                tracing::debug!(run = %id, %error, "no supervisor to attend to");
                tokio::spawn(async move { service.when_gone(id, &folder).await });
            }
        }
    }

    /// The connection ended: either the supervisor is gone, or only the connection.
    async fn when_gone(&self, id: RunId, folder: &RunFolder) {
        // A process that was killed is gone a moment after its connections are.
        for _ in 0..50 {
            if !folder.is_alive() {
                self.end_leftover(id, folder).await;
                self.take_over_or_say(id, true).await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.attend(id).await;
    }

    pub(super) async fn take_over_or_say(&self, id: RunId, gone: bool) {
        while let Err(error) = self.take_over(id, gone).await {
            tracing::warn!(run = %id, %error, "what a supervisor noted cannot be taken over now");
            if matches!(error, RunError::Platform(PlatformError::NotFound { .. })) {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes over what a supervisor noted since the last time; where it is gone without an end, the run is lost.
    async fn take_over(&self, id: RunId, gone: bool) -> Result<(), RunError> {
        let folder = self.inner.folder(id);
        let known = self.inner.store.run(&RunRef::Id(id)).await?;
        let skip = usize::try_from(known.taken).unwrap_or(usize::MAX);
        let new = journal::read(&folder.journal(), skip).map_err(RunError::io("cannot read the run's journal"))?;
        let new = if gone { new } else { takeover::whole(new) };
        let ended = new.iter().find_map(|entry| match entry.note {
            Note::Ended { outcome, .. } => Some(outcome),
            _ => None,
        });
        let shown = |note: &Note| matches!(note, Note::Planned { .. });
        if new.iter().any(|entry| shown(&entry.note)) || (ended.is_some() && known.request.reads_state) {
            mask_plan(&folder).await;
        }
        if new.is_empty() && (!gone || known.run.state.is_end()) {
            if gone {
                self.clean_up(known.run).await?;
            }
            return Ok(());
        }
        if let Some(outcome) = ended.filter(|_| copy::is_remote(&known.locks)) {
            let began = new.iter().any(|entry| matches!(entry.note, Note::Applying { .. }));
            self.keep_state(&known, &folder, outcome, began || known.run.state == RunState::Applying).await;
        }
        // What a request applies was looked at before people agreed to it.
        let agreed = known.request.request.as_ref().is_some_and(|mark| mark.applies.is_some());
        let ahead = known.request.yes && known.run.kind.applies() && !agreed;
        let ahead = ahead && self.inner.configurations.has_gates().await;
        let root = self.inner.configurations.current().await.map(|now| now.root().to_owned()).unwrap_or_default();
        let shown = root.display().to_string();
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let (read, before) = (kept.run.version, kept.run.state);
        // Only those that were looked at: what was noted meanwhile has its plan masked and its state kept the next time. Some
        // of them may be taken by now.
        let taken = usize::try_from(kept.taken.saturating_sub(known.taken)).unwrap_or(usize::MAX);
        let entries = new.get(taken..).unwrap_or_default();
        let lost = gone && !kept.run.state.is_end();
        if entries.is_empty() && !lost {
            // What it left is removed only once its end is kept.
            tx.commit_bookkeeping().await?;
            if gone && kept.run.state.is_end() {
                self.clean_up(kept.run).await?;
            }
            return Ok(());
        }
        let mut telling = Telling::new(self.now(), Actor::platform());
        kept.run.version += 1;
        for entry in entries {
            kept.taken += 1;
            // A run that the platform ended by itself (canceled while queued, denied) is not ended twice.
            let again = kept.run.state.is_end() && matches!(entry.note, Note::Ended { .. });
            if again {
                takeover::count(&mut kept.run, entry, &mut telling);
            } else {
                takeover::take(&mut kept.run, entry, &folder, &shown, &mut telling);
            }
        }
        if gone && !kept.run.state.is_end() {
            takeover::lose(&mut kept.run, self.now(), &folder, &mut telling);
        }
        let waits = kept.run.state == RunState::AwaitingConfirmation && kept.run.confirmed_by.is_none();
        if ahead
            && waits
            && kept.request.yes
            && let Some(transition) = takeover::step(&mut kept.run, &Happening::CheckBegun)
        {
            kept.run.version += 1;
            telling.transition(&kept.run, transition, json!({"plan": kept.run.plan_digest}));
        }
        let state = kept.run.state;
        if state.is_end() && !before.is_end() {
            kept.run.ways = self.ways(&kept.run).await?;
        }
        let held = state.holds(kept.run.kind);
        let lives_on = state == RunState::Unknown && leftover(&folder, id).is_some();
        let keeps_folder = held.folder
            || lives_on
            || state == RunState::Checking
            || (state == RunState::AwaitingConfirmation && (kept.run.confirmed_by.is_some() || kept.request.yes));
        // People agreed, and it may have its locks again: it keeps them until it applies.
        let goes_on = state == RunState::AwaitingApproval && kept.run.confirmed_by.is_some();
        let free: Vec<LockKey> = kept
            .locks
            .iter()
            .filter(|_| !goes_on)
            .filter(|key| if key.is_state() { !held.state } else { !keeps_folder })
            .cloned()
            .collect();
        tx.release_locks(id, &free).await?;
        save(tx, &kept, read, telling).await?;
        if state != before {
            self.inner.wake.notify_one();
        }
        if state.is_end() && before == RunState::AwaitingApproval {
            self.inner.configurations.nudge_requests();
        }
        if state == RunState::Checking && before != state {
            tokio::spawn(self.clone().pass_gate(id));
        }
        if lives_on {
            self.free_folder_later(kept);
        } else if state.is_end() && gone {
            self.clean_up(kept.run).await?;
        }
        Ok(())
    }

    /// Keeps what a run saw of a state that lies elsewhere; without it the instance has no price, and nothing else fails.
    async fn keep_state(&self, known: &KeptRun, folder: &RunFolder, outcome: Outcome, began: bool) {
        // Only what reads a state, or plans, has seen one.
        if !(known.run.kind.plans() || known.request.reads_state) {
            return;
        }
        let (states, run, place) = (self.inner.settings.states.clone(), known.run.clone(), folder.clone());
        let kept = blocking(move || states::keep(&states, &run, &place, outcome, began)).await;
        if let Err(error) = kept.and_then(|kept| kept.map_err(RunError::io("cannot keep the state"))) {
            tracing::warn!(run = %known.run.id, %error, "what a run saw of a state is not kept");
        }
    }

    /// Removes what nobody needs of a run that has ended, and says where a state lies that could not be sent.
    pub(super) async fn clean_up(&self, run: Run) -> Result<(), RunError> {
        let root = self.inner.configurations.current().await.map(|now| now.root().to_owned()).unwrap_or_default();
        let (id, folder) = (run.id, self.inner.folder(run.id));
        if waits_for_approval(&run) {
            self.seal_plan(id).await?;
        }
        match blocking(move || tidy(&root, &folder, &run)).await? {
            Some(unsent) => self.tell_of_unsent(id, &unsent).await,
            None => Ok(()),
        }
    }

    /// Says where the state lies that Terraform could not send.
    async fn tell_of_unsent(&self, id: RunId, unsent: &Path) -> Result<(), RunError> {
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        kept.run.version += 1;
        let way = WayOn {
            what: "send the state that could not be sent; the working copy stays until then".to_owned(),
            command: format!(
                "terrace atmos terraform state push {} -s {} -- {}",
                kept.run.component.as_deref().unwrap_or("COMPONENT"),
                kept.run.stack.as_deref().unwrap_or("STACK"),
                unsent.display()
            ),
        };
        kept.run.next = Some(way.command.clone());
        kept.run.ways.insert(0, way);
        let mut telling = Telling::new(self.now(), Actor::platform());
        telling.observed(&kept.run, "state_unsent");
        save(tx, &kept, read, telling).await
    }

    /// After a start: attends to every run that has not ended, and sends supervisors home that have no run.
    pub(super) async fn take_over_all(&self) -> Result<(), RunError> {
        let live = self.inner.store.live_runs().await?;
        let mut reached = tokio::task::JoinSet::new();
        for kept in &live {
            let (service, kept) = (self.clone(), kept.clone());
            reached.spawn(async move { service.take_back(kept).await });
        }
        while reached.join_next().await.is_some() {}
        self.free_folders_later().await?;
        self.send_strangers_home().await;
        Ok(())
    }

    async fn take_back(&self, kept: KeptRun) {
        let id = kept.run.id;
        self.attend(id).await;
        if kept.run.state == RunState::Checking {
            tokio::spawn(self.clone().pass_gate(id));
        }
        let folder = self.inner.folder(id);
        let started = journal::read(&folder.journal(), 0)
            .is_ok_and(|entries| entries.iter().any(|entry| matches!(entry.note, Note::Started { .. })));
        // The platform ended between its word and the supervisor's: the word is given again.
        if kept.run.state.is_active()
            && !started
            && let Some(hand) = self.inner.hand(id)
        {
            let service = self.clone();
            tokio::spawn(async move { service.hand_over(kept, hand).await });
        }
    }

    /// Looks at every run's folder: a supervisor whose run was never stored (the platform ended in between) is not waited
    /// for, and what a run left behind that has ended is removed.
    async fn send_strangers_home(&self) {
        let Ok(folders) = std::fs::read_dir(&self.inner.settings.folder) else {
            return;
        };
        for folder in folders.flatten() {
            let Some(id) = folder.file_name().to_str().and_then(|name| name.parse::<RunId>().ok()) else {
                continue;
            };
            let (place, attended) = (self.inner.folder(id), self.inner.hand(id).is_some());
            if !place.is_alive() && !attended {
                // The platform ended before it could clean up.
                if [place.data(), place.copy(), place.plan()].iter().any(|left| left.exists())
                    && let Ok(kept) = self.inner.store.run(&RunRef::Id(id)).await
                    && kept.run.state.is_end()
                    && leftover(&place, id).is_none()
                    && !kept.run.ways.iter().any(|way| way.command.contains(" state push "))
                    && let Err(error) = self.clean_up(kept.run).await
                {
                    tracing::warn!(run = %id, %error, "what a run left behind cannot be removed now");
                }
                continue;
            }
            if attended {
                continue;
            }
            if matches!(self.inner.store.run(&RunRef::Id(id)).await, Err(PlatformError::NotFound { .. })) {
                self.discard(id).await;
            }
        }
    }
}

/// Removes what nobody needs of a run that has ended: its data folder, its copy, the plan that nobody will apply; masks
/// what is kept. Returns a state that lies in the copy and nowhere else.
fn tidy(root: &Path, folder: &RunFolder, run: &Run) -> Option<PathBuf> {
    drop(std::fs::remove_dir_all(folder.data()));
    drop(std::fs::remove_file(folder.path().join("control.sock")));
    drop(std::fs::remove_file(folder.state()));
    if run.state != RunState::Unknown && !waits_for_approval(run) {
        // It holds secrets, and is used once: in its own run.
        drop(std::fs::remove_file(folder.plan()));
        drop(std::fs::remove_file(folder.sealed()));
    }
    if let Err(error) = mask::file(&folder.plan_json()) {
        tracing::warn!(run = %run.id, %error, "a plan could not be masked and was removed");
    }
    copy::remove(root, folder, run)
}

/// Whether a run's plan is kept for an approval: the request that it is for removes it.
fn waits_for_approval(run: &Run) -> bool {
    run.kind == RunKind::Plan && run.request.is_some()
}

/// Masks the plan that was just made.
async fn mask_plan(folder: &RunFolder) {
    let path = folder.plan_json();
    match blocking(move || mask::file(&path)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a plan could not be masked and was removed"),
        Err(error) => tracing::warn!(%error, "a plan could not be masked"),
    }
}

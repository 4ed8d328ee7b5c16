//! Lets queued runs go: places, locks, order of sets; attends to living supervisors; takes over after a restart.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;

use super::error::RunError;
use super::folder::RunFolder;
use super::hand;
use super::journal::{self, Note};
use super::protocol::Ask;
use super::service::{RunService, save};
use super::takeover::{self, Telling};
use super::work::Work;
use crate::atmos::driver::tools::Tools;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::lock::{LockKey, waiting_for};
use crate::domain::run::machine::{Ending, Happening};
use crate::domain::run::{Run, RunState};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::store::KeptRun;

/// How long the executor waits before it looks again where the store failed.
const AGAIN: Duration = Duration::from_secs(2);

impl RunService {
    /// Lets runs go for as long as the platform lives.
    pub(super) async fn execute(self) {
        loop {
            let pass = self.pass().await;
            match pass {
                Ok(true) => {}
                Ok(false) => self.inner.wake.notified().await,
                Err(error) => {
                    tracing::warn!(%error, "runs cannot be let go now");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Looks at all that wait, oldest first; says whether something changed that others may wait for.
    async fn pass(&self) -> Result<bool, RunError> {
        let live = self.inner.store.live_runs().await?;
        let mut active = live.iter().filter(|kept| kept.run.state.is_active()).count();
        let mut changed = false;
        for kept in &live {
            match kept.run.state {
                RunState::Queued => match self.may_go(kept, &live, active).await? {
                    Turn::Go => {
                        if self.let_go(kept).await? {
                            active += 1;
                        }
                    }
                    Turn::Wait(why) if kept.run.waiting_for.as_deref() == Some(why.as_str()) => {}
                    Turn::Wait(why) => self.note_wait(kept.run.id, &why).await?,
                    Turn::Never(why) => {
                        self.end_before(kept.run.id, Ending::Canceled, &why).await?;
                        changed = true;
                    }
                },
                RunState::AwaitingConfirmation if kept.run.confirmed_by.is_some() && !kept.request.yes => {
                    self.let_apply(kept).await?;
                }
                _ => {}
            }
        }
        Ok(changed)
    }

    async fn may_go(&self, kept: &KeptRun, live: &[KeptRun], active: usize) -> Result<Turn, RunError> {
        for before in &kept.run.after {
            let before = match live.iter().find(|other| other.run.id == *before) {
                Some(other) => other.run.clone(),
                None => self.inner.store.run(&RunRef::Id(*before)).await?.run,
            };
            if before.state.is_end() && !before.state.is_success() {
                return Ok(Turn::Never(format!("#{} ({}) is {}", before.number, subject(&before), before.state)));
            }
            if !before.state.is_end() {
                return Ok(Turn::Wait(format!("#{} ({})", before.number, subject(&before))));
            }
        }
        let parallel = self.inner.settings.parallel;
        if active >= parallel {
            return Ok(Turn::Wait(format!("a free place ({active} of {parallel} taken)")));
        }
        if let (Some(limit), Some(set)) = (kept.parallel, &kept.run.set) {
            let busy = live.iter().filter(|other| other.run.set.as_ref() == Some(set) && other.run.state.is_active());
            let busy = busy.count();
            if busy >= limit as usize {
                return Ok(Turn::Wait(format!("a free place of its set ({busy} of {limit} taken)")));
            }
        }
        Ok(Turn::Go)
    }

    /// Takes the locks of a run and starts it; false where it has to wait for one.
    async fn let_go(&self, kept: &KeptRun) -> Result<bool, RunError> {
        let id = kept.run.id;
        let Some(hand) = self.inner.hand(id) else {
            return Ok(false);
        };
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let now = Timestamp::now();
        let mut telling = Telling::new(now, Actor::platform());
        let Some(transition) = takeover::step(&mut kept.run, &Happening::Started) else {
            return Ok(false);
        };
        let keys = wanted(&kept, transition.to);
        if let Err((key, holder)) = tx.take_locks(id, &keys, now).await? {
            let holder = tx.run(holder).await?.run;
            drop(tx);
            self.note_wait(id, &waiting_for(&key, holder.number, holder.state)).await?;
            return Ok(false);
        }
        kept.run.waiting_for = None;
        kept.run.started_at = Some(now);
        kept.run.version += 1;
        telling.transition(&kept.run, transition, json!({"command": kept.run.command}));
        save(tx, &kept, read, telling).await?;
        // Others go on while this one is looked at again.
        let service = self.clone();
        tokio::spawn(async move { service.hand_over(kept, hand).await });
        Ok(true)
    }

    /// Writes the script with the configuration as it is now, and gives it to the supervisor.
    async fn hand_over(&self, kept: KeptRun, hand: hand::Hand) {
        let id = kept.run.id;
        let mut request = kept.request.clone();
        // What was decided when it was accepted stays decided.
        request.driver = Some(kept.run.driver);
        let tools = tools_of(&self.inner.folder(id));
        let started = async {
            let work = self.prepare(&request, id, tools).await?;
            self.note_ground(id, &work).await?;
            hand.ask(Ask::Start { token: self.inner.token, script: Box::new(work.script) }).await
        };
        let started = started.await;
        if let Err(error) = started {
            // It may be gone because it was canceled in the meantime: then it has noted its own end.
            self.take_over_or_say(id, false).await;
            let why = error.to_string();
            if let Err(error) = self.end_before(id, Ending::Failed, &why).await {
                tracing::warn!(run = %id, %error, "a run that could not be started could not be ended");
            }
        }
    }

    /// Notes what a run stands on where that is not what it stood on when it was accepted: files change while it waits.
    async fn note_ground(&self, id: RunId, work: &Work) -> Result<(), RunError> {
        let folder = self.inner.folder(id);
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        if kept.run.stood_on == work.stood_on && kept.run.steps.len() == work.steps().len() {
            return Ok(());
        }
        let read = kept.run.version;
        folder.keep_leaves(&work.leaves).map_err(RunError::io("cannot keep the run's configuration"))?;
        kept.run.stood_on = work.stood_on.clone();
        kept.run.workspace = work.workspace.clone();
        kept.run.steps = work.steps();
        kept.run.version += 1;
        let mut telling = Telling::new(Timestamp::now(), Actor::platform());
        telling.observed(&kept.run, "ground_moved");
        save(tx, &kept, read, telling).await
    }

    /// A confirmed run goes on as soon as the component's folder is free.
    async fn let_apply(&self, kept: &KeptRun) -> Result<(), RunError> {
        let id = kept.run.id;
        let Some(hand) = self.inner.hand(id) else {
            return Ok(());
        };
        let mut tx = self.inner.store.begin().await?;
        let kept = tx.run(id).await?;
        let keys = wanted(&kept, RunState::Applying);
        if let Err((key, holder)) = tx.take_locks(id, &keys, Timestamp::now()).await? {
            let holder = tx.run(holder).await?.run;
            drop(tx);
            return self.note_wait(id, &waiting_for(&key, holder.number, holder.state)).await;
        }
        tx.commit_bookkeeping().await?;
        let (Some(digest), Some(by)) = (kept.run.plan_digest.clone(), kept.run.confirmed_by.clone()) else {
            return Ok(());
        };
        let asked = hand.ask(Ask::Confirm { token: self.inner.token, digest, by }).await;
        if let Err(error) = asked {
            // It was told before, or it is about to end: its journal says which.
            tracing::debug!(run = %id, %error, "a supervisor did not take the confirmation");
        }
        Ok(())
    }

    /// Says what a run waits for, where that is news.
    async fn note_wait(&self, id: RunId, why: &str) -> Result<(), RunError> {
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        if kept.run.waiting_for.as_deref() == Some(why) || kept.run.state.is_end() {
            return Ok(());
        }
        let read = kept.run.version;
        kept.run.waiting_for = Some(why.to_owned());
        kept.run.version += 1;
        let mut telling = Telling::new(Timestamp::now(), Actor::platform());
        telling.observed(&kept.run, "waiting");
        save(tx, &kept, read, telling).await
    }

    /// Ends a run that never began, and sends its supervisor home.
    async fn end_before(&self, id: RunId, ending: Ending, why: &str) -> Result<(), RunError> {
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let now = Timestamp::now();
        let Some(transition) = takeover::step(&mut kept.run, &Happening::Ended(ending)) else {
            return Ok(());
        };
        kept.run.reason = Some(why.to_owned());
        kept.run.version += 1;
        takeover::finish(&mut kept.run, now);
        tx.release_locks(id, &kept.locks).await?;
        let mut telling = Telling::new(now, Actor::platform());
        telling.transition(&kept.run, transition, json!({"reason": why}));
        save(tx, &kept, read, telling).await?;
        if let Some(hand) = self.inner.hand(id) {
            drop(hand.ask(Ask::Cancel { token: self.inner.token, by: "the platform".to_owned() }).await);
        }
        self.inner.wake.notify_one();
        Ok(())
    }

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
                self.take_over_or_say(id, true).await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.attend(id).await;
    }

    async fn take_over_or_say(&self, id: RunId, gone: bool) {
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
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let (read, before) = (kept.run.version, kept.run.state);
        let skip = usize::try_from(kept.taken).unwrap_or(usize::MAX);
        let entries = journal::read(&folder.journal(), skip).map_err(RunError::io("cannot read the run's journal"))?;
        let lost = gone && !kept.run.state.is_end();
        if entries.is_empty() && !lost {
            return Ok(());
        }
        let root = self.inner.configurations.current().await.map(|now| now.root().display().to_string());
        let root = root.unwrap_or_default();
        let mut telling = Telling::new(Timestamp::now(), Actor::platform());
        kept.run.version += 1;
        for entry in &entries {
            kept.taken += 1;
            // A run that the platform ended by itself (canceled while queued) is not ended twice.
            let again = kept.run.state.is_end() && matches!(entry.note, Note::Ended { .. });
            if !again {
                takeover::take(&mut kept.run, entry, &folder, &root, &mut telling);
            }
        }
        if gone && !kept.run.state.is_end() {
            takeover::lose(&mut kept.run, Timestamp::now(), &folder, &mut telling);
        }
        let state = kept.run.state;
        let held = state.holds(kept.run.kind);
        let keeps_folder = held.folder
            || (state == RunState::AwaitingConfirmation && kept.run.confirmed_by.is_some())
            || (state == RunState::AwaitingConfirmation && kept.request.yes);
        let free: Vec<LockKey> =
            kept.locks.iter().filter(|key| if key.is_state() { !held.state } else { !keeps_folder }).cloned().collect();
        tx.release_locks(id, &free).await?;
        save(tx, &kept, read, telling).await?;
        if state != before {
            self.inner.wake.notify_one();
        }
        if state.is_end() && gone {
            tidy(&folder, &kept.run);
        }
        Ok(())
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
        self.send_strangers_home().await;
        Ok(())
    }

    async fn take_back(&self, kept: KeptRun) {
        let id = kept.run.id;
        self.attend(id).await;
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

    /// A supervisor whose run was never stored (the platform ended in between) is not waited for.
    async fn send_strangers_home(&self) {
        let Ok(folders) = std::fs::read_dir(&self.inner.settings.folder) else {
            return;
        };
        for folder in folders.flatten() {
            let Some(id) = folder.file_name().to_str().and_then(|name| name.parse::<RunId>().ok()) else {
                continue;
            };
            if !self.inner.folder(id).is_alive() || self.inner.hand(id).is_some() {
                continue;
            }
            if matches!(self.inner.store.run(&RunRef::Id(id)).await, Err(PlatformError::NotFound { .. })) {
                self.discard(id).await;
            }
        }
    }
}

/// Returns the tools that were found when the run was accepted, on the PATH of the person who asked.
fn tools_of(folder: &RunFolder) -> Tools {
    let noted = std::fs::read(folder.tools()).ok().and_then(|text| serde_json::from_slice(&text).ok());
    noted.unwrap_or_default()
}

/// Whether a run may go.
enum Turn {
    Go,
    Wait(String),
    Never(String),
}

fn subject(run: &Run) -> String {
    match (&run.component, &run.stack) {
        (Some(component), Some(stack)) => format!("{} {component}@{stack}", run.kind),
        _ => run.kind.to_string(),
    }
}

/// Which of its locks a run needs in a state.
fn wanted(kept: &KeptRun, state: RunState) -> Vec<LockKey> {
    let holds = state.holds(kept.run.kind);
    let changes = kept.run.changes() || kept.run.kind.plans();
    kept.locks
        .iter()
        .filter(|key| if key.is_state() { holds.state && changes } else { holds.folder })
        .cloned()
        .collect()
}

/// Removes what nobody needs of a run that has ended: its data folder, and a plan that was used or never will be.
fn tidy(folder: &RunFolder, run: &Run) {
    drop(std::fs::remove_dir_all(folder.data()));
    drop(std::fs::remove_file(folder.path().join("control.sock")));
    if run.kind.applies() && run.state != RunState::Unknown {
        drop(std::fs::remove_file(folder.plan()));
    }
}

/// Returns a process of a run's last command that still lives though its supervisor is gone.
pub(super) fn leftover(folder: &RunFolder, id: RunId) -> Option<u32> {
    let entries = journal::read(&folder.journal(), 0).ok()?;
    let pid = entries.iter().rev().find_map(|entry| match entry.note {
        Note::Step { pid, .. } => Some(pid),
        _ => None,
    })?;
    // The number may be somebody else's by now: only a process with our mark counts.
    let mark = format!("TERRACE_RUN={id}");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()).then_some(pid)
}

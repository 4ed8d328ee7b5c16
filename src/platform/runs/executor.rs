//! Lets queued runs go: places, locks, order of sets, working copies.

use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::accept::{Noted, blocking};
use super::copy;
use super::error::RunError;
use super::gate::who_asked;
use super::hand;
use super::journal::{self, Note};
use super::protocol::Ask;
use super::service::{RunService, save};
use super::takeover::{self, Telling};
use super::work::Work;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::lock::{LockKey, waiting_behind, waiting_for};
use crate::domain::run::machine::{Ending, Happening};
use crate::domain::run::{Run, RunState};
use crate::platform::audit::Actor;
use crate::platform::store::{KeptRun, Tx};

/// How long the executor waits before it looks again where the store failed.
pub(super) const AGAIN: Duration = Duration::from_secs(2);

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
        // Looked at first: what is no longer on its way then has arrived in the store.
        let going = self.inner.going().clone();
        let live = self.inner.store.live_runs().await?;
        let mut pass = Pass::new(&live, &going);
        let mut changed = false;
        let mut next = Vec::new();
        for kept in &live {
            match kept.run.state {
                RunState::Queued if going.contains(&kept.run.id) => {}
                RunState::Queued => match self.may_go(kept, &live, &pass).await? {
                    Turn::Go => match self.let_go(kept, &pass.reserved).await? {
                        Went::Yes => pass.went(kept),
                        Went::Gone => {}
                        Went::Blocked(key) => pass.reserve(&key, kept.run.number),
                    },
                    Turn::Wait(why) => self.note_wait(kept, &why).await?,
                    Turn::Next(why) => {
                        next.push(kept);
                        self.note_wait(kept, &why).await?;
                    }
                    Turn::Never(why) => {
                        self.end_before(kept.run.id, Ending::Canceled, &why).await?;
                        changed = true;
                    }
                },
                RunState::AwaitingConfirmation | RunState::AwaitingApproval if kept.run.confirmed_by.is_some() => {
                    if let Some(why) = pass.working(kept, false) {
                        self.note_wait(kept, &why).await?;
                    } else if let Some(key) = self.let_apply(kept).await? {
                        pass.reserve(&key, kept.run.number);
                    }
                }
                _ => {}
            }
        }
        next.truncate(self.inner.settings.parallel);
        self.look_ahead(&next);
        Ok(changed)
    }

    async fn may_go(&self, kept: &KeptRun, live: &[KeptRun], pass: &Pass) -> Result<Turn, RunError> {
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
        let (parallel, active) = (self.inner.settings.parallel, pass.active);
        if active >= parallel {
            return Ok(Turn::Next(format!("a free place ({active} of {parallel} taken)")));
        }
        if let (Some(limit), Some(set)) = (kept.parallel, &kept.run.set) {
            let busy = pass.sets.get(set).copied().unwrap_or_default();
            if busy >= limit as usize {
                return Ok(Turn::Wait(format!("a free place of its set ({busy} of {limit} taken)")));
            }
        }
        Ok(match pass.working(kept, true) {
            Some(why) => Turn::Wait(why),
            None => Turn::Go,
        })
    }

    /// Takes the locks of a run and starts it, unless it has to wait for one; others are looked at while that is stored.
    async fn let_go(&self, kept: &KeptRun, reserved: &Reserved) -> Result<Went, RunError> {
        let id = kept.run.id;
        let Some(hand) = self.inner.hand(id) else {
            return Ok(Went::Gone);
        };
        // Git is asked before the write lock is taken.
        let copy = self.copy_of(kept, reserved).await?;
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let now = self.now();
        let mut telling = Telling::new(now, Actor::platform());
        let Some(transition) = takeover::step(&mut kept.run, &Happening::Started) else {
            return Ok(Went::Gone);
        };
        let mut blocked = take(tx.as_mut(), &kept, transition.to, reserved, now).await?;
        if matches!(&blocked, Some((LockKey::Folder { .. }, _)))
            && let Some(commit) = copy
        {
            // Others use the folder, and the state lies elsewhere: it goes in a copy of its own.
            kept.locks.retain(LockKey::is_state);
            kept.run.copy = Some(commit);
            blocked = take(tx.as_mut(), &kept, transition.to, reserved, now).await?;
        }
        if let Some((key, why)) = blocked {
            drop(tx);
            self.note_wait(&kept, &why).await?;
            return Ok(Went::Blocked(key));
        }
        kept.run.waiting_for = None;
        kept.run.started_at = Some(now);
        kept.run.version += 1;
        telling.transition(&kept.run, transition, json!({"command": kept.run.command}));
        self.inner.going().insert(id);
        let service = self.clone();
        tokio::spawn(async move {
            let saved = save(tx, &kept, read, telling).await;
            service.inner.going().remove(&id);
            match saved {
                Ok(()) => service.hand_over(kept, hand).await,
                Err(error) => {
                    tracing::warn!(run = %id, %error, "a run cannot be let go now");
                    service.look_later();
                }
            }
        });
        Ok(Went::Yes)
    }

    /// Has the script, written with the configuration as it is now, and gives it to the supervisor.
    pub(super) async fn hand_over(&self, kept: KeptRun, hand: hand::Hand) {
        let (id, request) = (kept.run.id, kept.decided());
        let started = async {
            let work = match self.looked_at(id).await.filter(|_| kept.run.copy.is_none()) {
                Some(work) => work,
                None => {
                    let (noted, copy) = (Noted::of(&self.inner.folder(id)), kept.run.copy.as_deref());
                    self.prepare(&request, id, &noted, copy, Instant::now()).await?
                }
            };
            // Rules and scripts change while it waits.
            self.check_bound(&who_asked(&kept.run), &request, &work).await?;
            let moved = kept.run.stood_on != work.stood_on || kept.run.steps.len() != work.steps().len();
            if moved || kept.locks != work.locks {
                self.note_ground(id, &work).await?;
            }
            if let Some(planned) = request.request.as_ref().and_then(|mark| mark.applies) {
                self.open_plan(planned, id).await?;
            }
            hand.ask(Ask::Start { token: self.inner.token, script: Box::new(work.script) }).await
        };
        let started = started.await;
        if let Err(error) = started {
            // It may be gone because it was canceled in the meantime: then it has noted its own end.
            self.take_over_or_say(id, false).await;
            let why = error.to_string();
            let ending = if matches!(error, RunError::Denied { .. }) { Ending::Denied } else { Ending::Failed };
            if let Err(error) = self.end_before(id, ending, &why).await {
                tracing::warn!(run = %id, %error, "a run that could not be started could not be ended");
            }
        }
    }

    /// Returns the commit whose working copy a run can use instead of a folder that others use; none where it cannot.
    async fn copy_of(&self, kept: &KeptRun, reserved: &Reserved) -> Result<Option<String>, RunError> {
        let possible = self.inner.settings.copies
            && kept.run.kind.plans()
            && kept.run.copy.is_none()
            && copy::is_remote(&kept.locks);
        let (Some(component), Some(stack), true) = (&kept.run.component, &kept.run.stack, possible) else {
            return Ok(None);
        };
        let held = self.inner.store.run_locks().await?;
        let taken = |key: String| reserved.contains_key(&key) || held.iter().any(|held| held.key == key);
        let busy = |key: &LockKey| !key.is_state() && taken(key.to_string());
        if !kept.locks.iter().any(busy) {
            return Ok(None);
        }
        let configuration = self.inner.configurations.current().await?;
        let Ok(target) = configuration.target(component, stack, kept.request.stack_file.as_deref()) else {
            return Ok(None);
        };
        let refused = || self.inner.uncopied.lock().unwrap_or_else(PoisonError::into_inner);
        if refused().get(&target.folder).is_some_and(|at| at.elapsed() < AGAIN) {
            return Ok(None);
        }
        let folder = target.folder.clone();
        let commit = blocking(move || copy::commit_of(configuration.root(), &folder)).await?;
        // Only a no is believed for a while: a copy of files that have changed since would be another run.
        if commit.is_none() {
            refused().insert(target.folder, Instant::now());
        }
        Ok(commit)
    }

    /// Notes what a run stands on where that is not what it stood on when it was accepted: files change while it waits. Where
    /// it locks something else by now, it takes that instead.
    ///
    /// # Errors
    ///
    /// A lock that others hold: it does not begin then.
    async fn note_ground(&self, id: RunId, work: &Work) -> Result<(), RunError> {
        let folder = self.inner.folder(id);
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        if kept.run.state.is_end() {
            return Ok(());
        }
        let given_back: Vec<LockKey> = kept.locks.iter().filter(|key| !work.locks.contains(key)).cloned().collect();
        tx.release_locks(id, &given_back).await?;
        kept.locks.clone_from(&work.locks);
        if let Err((key, holder)) = tx.take_locks(id, &wanted(&kept, kept.run.state), self.now()).await? {
            let holder = tx.run(holder).await?.run;
            return Err(RunError::Invalid {
                message: format!(
                    "what it locks changed while it waited, and is not free: {}",
                    waiting_for(&key, holder.number, holder.state)
                ),
                hint: None,
            });
        }
        folder.keep_leaves(&work.leaves).map_err(RunError::io("cannot keep the run's configuration"))?;
        kept.run.stood_on = work.stood_on.clone();
        kept.run.workspace = work.workspace.clone();
        kept.run.steps = work.steps();
        kept.run.version += 1;
        let mut telling = Telling::new(self.now(), Actor::platform());
        telling.observed(&kept.run, "ground_moved");
        save(tx, &kept, read, telling).await
    }

    /// A confirmed run goes on as soon as the component's folder is free; returns the lock it has to wait for.
    async fn let_apply(&self, kept: &KeptRun) -> Result<Option<LockKey>, RunError> {
        let id = kept.run.id;
        let Some(hand) = self.inner.hand(id) else {
            return Ok(None);
        };
        let mut tx = self.inner.store.begin().await?;
        let kept = tx.run(id).await?;
        if kept.run.state.is_end() {
            return Ok(None);
        }
        let keys = wanted(&kept, RunState::Applying);
        if let Err((key, holder)) = tx.take_locks(id, &keys, self.now()).await? {
            let holder = tx.run(holder).await?.run;
            drop(tx);
            self.note_wait(&kept, &waiting_for(&key, holder.number, holder.state)).await?;
            return Ok(Some(key));
        }
        tx.commit_bookkeeping().await?;
        // What was agreed to in a request is compared by the request for as long as it waits.
        let waited = kept.run.state == RunState::AwaitingConfirmation && kept.run.waiting_for.is_some();
        if waited && !self.may_still_apply(&kept).await? {
            return Ok(None);
        }
        let (Some(digest), Some(by)) = (kept.run.plan_digest.clone(), kept.run.confirmed_by.clone()) else {
            return Ok(None);
        };
        let _told = self.inner.telling.lock().await;
        if self.inner.store.run(&RunRef::Id(id)).await?.run.state.is_end() {
            return Ok(None);
        }
        let asked = hand.ask(Ask::Confirm { token: self.inner.token, digest, by }).await;
        if let Err(error) = asked {
            // It was told before, or it is about to end: its journal says which.
            tracing::debug!(run = %id, %error, "a supervisor did not take the confirmation");
        }
        Ok(None)
    }

    /// Judges again, by the rules of now, what waited for a lock. Rules that cannot be asked hold up this run and no other.
    async fn may_still_apply(&self, kept: &KeptRun) -> Result<bool, RunError> {
        let (id, actor) = (kept.run.id, who_asked(&kept.run));
        match self.inner.configurations.may_apply(&actor, &kept.run, &self.plan_json(id)).await {
            Ok(_) => Ok(true),
            Err(error @ RunError::Denied { .. }) => {
                self.end_before(id, Ending::Denied, &error.to_string()).await?;
                Ok(false)
            }
            Err(error) => {
                self.note_wait(kept, &format!("rules that can be asked: {error}")).await?;
                self.look_later();
                Ok(false)
            }
        }
    }

    /// Looks at all that wait once more in a while.
    fn look_later(&self) {
        let service = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            service.inner.wake.notify_one();
        });
    }

    /// Says what a run waits for, where that is news.
    async fn note_wait(&self, kept: &KeptRun, why: &str) -> Result<(), RunError> {
        if kept.run.waiting_for.as_deref() == Some(why) {
            return Ok(());
        }
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(kept.run.id).await?;
        if kept.run.waiting_for.as_deref() == Some(why) || kept.run.state.is_end() {
            return Ok(());
        }
        let read = kept.run.version;
        kept.run.waiting_for = Some(why.to_owned());
        kept.run.version += 1;
        let mut telling = Telling::new(self.now(), Actor::platform());
        telling.observed(&kept.run, "waiting");
        save(tx, &kept, read, telling).await
    }

    /// Ends a run that never began, and sends its supervisor home; one whose supervisor was told to apply comes to its own end.
    pub(super) async fn end_before(&self, id: RunId, ending: Ending, why: &str) -> Result<(), RunError> {
        let telling = self.inner.telling.lock().await;
        // The store hears of it a moment later.
        let noted = journal::read(&self.inner.folder(id).journal(), 0);
        let noted = noted.map_err(RunError::io("cannot read the run's journal"))?;
        if noted.iter().any(|entry| matches!(entry.note, Note::Confirmed { .. })) {
            return Ok(());
        }
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let now = self.now();
        let Some(transition) = takeover::step(&mut kept.run, &Happening::Ended(ending)) else {
            return Ok(());
        };
        kept.run.reason = Some(why.to_owned());
        // Only a request leads on beyond the end.
        let next = kept.run.next.take().filter(|_| kept.run.request.is_some());
        kept.run.next = next.or_else(|| takeover::next(&kept.run, ending));
        kept.run.version += 1;
        takeover::finish(&mut kept.run, now);
        kept.run.ways = self.ways(&kept.run).await?;
        tx.release_locks(id, &kept.locks).await?;
        let mut told = Telling::new(now, Actor::platform());
        told.transition(&kept.run, transition, json!({"reason": why}));
        save(tx, &kept, read, told).await?;
        drop(telling);
        if let Some(hand) = self.inner.hand(id) {
            drop(hand.ask(Ask::Cancel { token: self.inner.token, by: "the platform".to_owned() }).await);
        }
        self.inner.wake.notify_one();
        Ok(())
    }
}

/// Locks that runs wait for, with the number of the oldest that does: a younger one does not overtake it there.
type Reserved = BTreeMap<String, u64>;

/// One look at all that wait.
struct Pass {
    /// How many runs have commands that live.
    active: usize,
    /// The states they work on, and the run's number: Terraform locks a state of its own accord, for a plan too.
    working: Vec<(LockKey, u64)>,
    /// The states that a confirmed run is about to work on.
    confirmed: Vec<(LockKey, u64)>,
    /// How many of each set.
    sets: BTreeMap<String, usize>,
    reserved: Reserved,
}

impl Pass {
    fn new(live: &[KeptRun], going: &HashSet<RunId>) -> Self {
        let mut pass = Self {
            active: 0,
            working: Vec::new(),
            confirmed: Vec::new(),
            sets: BTreeMap::new(),
            reserved: Reserved::new(),
        };
        let waits = |run: &Run| matches!(run.state, RunState::AwaitingConfirmation | RunState::AwaitingApproval);
        let confirmed = live.iter().filter(|kept| waits(&kept.run) && kept.run.confirmed_by.is_some());
        pass.confirmed = confirmed.flat_map(states).collect();
        let active = |kept: &&KeptRun| kept.run.state.is_active() || going.contains(&kept.run.id);
        live.iter().filter(active).for_each(|kept| pass.went(kept));
        pass
    }

    fn went(&mut self, kept: &KeptRun) {
        self.active += 1;
        self.working.extend(states(kept));
        if let Some(set) = &kept.run.set {
            *self.sets.entry(set.clone()).or_default() += 1;
        }
    }

    /// Says which run works on the state of this one, or is about to: the locks of folders do not keep copies apart.
    fn working(&self, kept: &KeptRun, or_confirmed: bool) -> Option<String> {
        if !copy::is_remote(&kept.locks) {
            return None;
        }
        let confirmed = self.confirmed.iter().filter(|_| or_confirmed);
        let mut others = self.working.iter().chain(confirmed).filter(|(_, number)| *number != kept.run.number);
        let (key, number) = others.find(|(key, _)| kept.locks.contains(key))?;
        Some(waiting_for(key, *number, RunState::Applying))
    }

    fn reserve(&mut self, key: &LockKey, number: u64) {
        self.reserved.entry(key.to_string()).or_insert(number);
    }
}

/// Returns the states of a run, with its number.
fn states(kept: &KeptRun) -> impl Iterator<Item = (LockKey, u64)> {
    kept.locks.iter().filter(|key| key.is_state()).map(|key| (key.clone(), kept.run.number))
}

/// Takes the locks that a run needs in a state; where it has to wait, returns for which and why.
async fn take(
    tx: &mut dyn Tx,
    kept: &KeptRun,
    state: RunState,
    reserved: &Reserved,
    now: Timestamp,
) -> Result<Option<(LockKey, String)>, RunError> {
    let keys = wanted(kept, state);
    if let Some((key, first)) = keys.iter().find_map(|key| Some((key, reserved.get(&key.to_string())?))) {
        return Ok(Some((key.clone(), waiting_behind(key, *first))));
    }
    match tx.take_locks(kept.run.id, &keys, now).await? {
        Ok(_) => Ok(None),
        Err((key, holder)) => {
            let holder = tx.run(holder).await?.run;
            let why = waiting_for(&key, holder.number, holder.state);
            Ok(Some((key, why)))
        }
    }
}

/// What became of a run that was to go.
enum Went {
    Yes,
    /// It does not wait any more.
    Gone,
    /// It waits for this lock.
    Blocked(LockKey),
}

/// Whether a run may go.
enum Turn {
    Go,
    Wait(String),
    /// It waits for nothing but a place.
    Next(String),
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

//! The service of runs: accept, look up, confirm, cancel, retry, resolve, type into.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{Notify, watch};
use ulid::Ulid;

use super::configuration::Configurations;
use super::error::RunError;
use super::folder::RunFolder;
use super::hand::{self, Hand};
use super::log::LogReader;
use super::protocol::{Ask, Hello, Patience, Progress};
use super::takeover::{self, Telling};
use super::work::{self, Ground, Work};
use crate::atmos::driver::tools::Tools;
use crate::domain::id::{Digest, RunId, RunRef};
use crate::domain::run::lock::{LockKey, waiting_for};
use crate::domain::run::machine::{Happening, Transition};
use crate::domain::run::{Run, RunKind, RunRequest, RunSet, RunState, SetRequest, StoodOn, environment};
use crate::domain::stack::InstanceRef;
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::store::{KeptRun, KeyFingerprint, Remembered, RunQuery, Store, Tx};

/// How runs are run.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// The folder in which each run has one of its own.
    pub folder: PathBuf,
    /// The program that is started as `PROGRAM run-host FOLDER`.
    pub program: PathBuf,
    /// The provider cache that runs share.
    pub cache: PathBuf,
    /// How many go on at a time.
    pub parallel: usize,
    /// For how many seconds a plan waits for a yes.
    pub confirmation_seconds: u64,
    /// How patient supervisors are.
    pub patience: Patience,
    /// The Atmos binary that `platform/terrace.yaml` names.
    pub atmos: Option<String>,
}

impl RunSettings {
    /// Returns settings with the usual numbers, for runs below `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, program: PathBuf, cache: PathBuf) -> Self {
        Self {
            folder,
            program,
            cache,
            parallel: 4,
            confirmation_seconds: 3600,
            patience: Patience::default(),
            atmos: None,
        }
    }
}

/// How somebody settles an `unknown` run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// Whether what it was to do is done; none starts the refresh-only plan that must come first.
    #[serde(default)]
    pub done: Option<bool>,
    /// Why.
    #[serde(default)]
    pub note: Option<String>,
    /// The environment of the person, for the refresh-only plan.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A log to be read, also while it grows.
#[derive(Debug)]
pub struct FollowedLog {
    /// Reads its bytes and lines.
    pub reader: LogReader,
    /// Wakes when there is more; closed when the supervisor is gone. None where it is gone already.
    pub progress: Option<watch::Receiver<Progress>>,
}

/// The service; cheap to clone.
#[derive(Clone)]
pub struct RunService {
    pub(super) inner: Arc<Inner>,
}

impl std::fmt::Debug for RunService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunService").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) configurations: Arc<dyn Configurations>,
    pub(super) settings: RunSettings,
    /// The fencing token of this platform.
    pub(super) token: u64,
    pub(super) hands: Mutex<HashMap<RunId, Hand>>,
    /// Wakes the executor.
    pub(super) wake: Notify,
}

impl Inner {
    pub(super) fn hands(&self) -> MutexGuard<'_, HashMap<RunId, Hand>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hand(&self, id: RunId) -> Option<Hand> {
        self.hands().get(&id).cloned()
    }

    pub(super) fn folder(&self, id: RunId) -> RunFolder {
        RunFolder::new(self.settings.folder.join(id.to_string()))
    }
}

/// Writes a run that changed, with what is to be told of it.
pub(super) async fn save(mut tx: Box<dyn Tx>, kept: &KeptRun, read: u64, telling: Telling) -> Result<(), RunError> {
    tx.save_run(kept, read).await?;
    match telling.into_change() {
        Some(change) => tx.commit(change).await.map(drop)?,
        None => tx.commit_bookkeeping().await?,
    }
    Ok(())
}

impl RunService {
    /// Begins: takes a fencing token, takes over the runs that live, and starts to execute.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn start(
        store: Arc<dyn Store>,
        configurations: Arc<dyn Configurations>,
        settings: RunSettings,
    ) -> Result<Self, RunError> {
        std::fs::create_dir_all(&settings.folder).map_err(RunError::io("cannot make the folder of runs"))?;
        let mut tx = store.begin().await?;
        let token = tx.next_platform().await?;
        tx.commit_bookkeeping().await?;
        let inner =
            Inner { store, configurations, settings, token, hands: Mutex::new(HashMap::new()), wake: Notify::new() };
        let service = Self { inner: Arc::new(inner) };
        service.take_over_all().await?;
        tokio::spawn(service.clone().execute());
        Ok(service)
    }

    /// Accepts a request: checks it, starts its supervisor with the environment of the person, and queues it.
    ///
    /// A request with an idempotency key that came before returns the run it made then.
    ///
    /// # Errors
    ///
    /// Whatever the configuration or the rules refuse; with `no_wait`, a lock that is held.
    pub async fn create(
        &self,
        actor: &Actor,
        request: RunRequest,
        key: Option<&KeyFingerprint>,
    ) -> Result<Run, RunError> {
        if let Some(key) = key
            && let Some(before) = self.inner.store.remembered(key).await?
        {
            return self.replay(&before).await;
        }
        let draft = Draft { request, ..Draft::default() };
        let mut accepted = self.accept(actor, draft).await?;
        let mut tx = self.inner.store.begin().await?;
        let before = match key {
            Some(key) => tx.recall(key).await?,
            None => None,
        };
        let added = match before {
            Some(before) => Err(self.replay(&before).await),
            None => match self.add(tx, actor, std::slice::from_mut(&mut accepted), key).await {
                Ok(()) => Ok(()),
                Err(error) => Err(Err(error)),
            },
        };
        match added {
            Ok(()) => Ok(accepted.run),
            Err(answer) => {
                self.discard(accepted.run.id).await;
                answer
            }
        }
    }

    /// Accepts several runs in the order of their dependencies.
    ///
    /// # Errors
    ///
    /// As [`RunService::create`]; nothing is queued where one of them is refused.
    pub async fn create_set(&self, actor: &Actor, request: &SetRequest) -> Result<RunSet, RunError> {
        if !request.kind.plans() {
            return Err(RunError::invalid("a set is of plan, apply, destroy or drift"));
        }
        let configuration = self.inner.configurations.current().await?;
        let members = members(request, configuration.as_ref())?;
        let ordered = crate::domain::run::order::order(
            &members,
            &configuration.dependencies(),
            request.kind == RunKind::Destroy,
        )?;
        let set = Ulid::generate().to_string();
        let mut ids: HashMap<InstanceRef, RunId> = HashMap::new();
        let mut accepted = Vec::with_capacity(ordered.len());
        for (member, needs) in ordered {
            let draft = Draft {
                request: RunRequest {
                    component: Some(member.component.clone()),
                    stack: Some(member.stack.clone()),
                    yes: request.yes,
                    driver: request.driver,
                    env: request.env.clone(),
                    set_env: request.set_env.clone(),
                    ..empty_request(request.kind)
                },
                set: Some(set.clone()),
                after: needs.iter().filter_map(|need| ids.get(need).copied()).collect(),
                parallel: request.parallel,
                ..Draft::default()
            };
            match self.accept(actor, draft).await {
                Ok(kept) => {
                    ids.insert(member, kept.run.id);
                    accepted.push(kept);
                }
                Err(error) => {
                    for kept in &accepted {
                        self.discard(kept.run.id).await;
                    }
                    return Err(error);
                }
            }
        }
        let tx = self.inner.store.begin().await?;
        if let Err(error) = self.add(tx, actor, &mut accepted, None).await {
            for kept in &accepted {
                self.discard(kept.run.id).await;
            }
            return Err(error);
        }
        Ok(RunSet { id: set, runs: accepted.into_iter().map(|kept| kept.run).collect() })
    }

    /// Returns the runs of a set, in the order in which they were queued.
    ///
    /// # Errors
    ///
    /// Where there is none of that id.
    pub async fn set(&self, id: &str) -> Result<RunSet, RunError> {
        let query = RunQuery { set: Some(id.to_owned()), limit: u32::MAX, ..RunQuery::default() };
        let mut runs: Vec<Run> = self.inner.store.runs(&query).await?.into_iter().map(|kept| kept.run).collect();
        if runs.is_empty() {
            return Err(PlatformError::NotFound { what: format!("set {id}") }.into());
        }
        runs.reverse();
        Ok(RunSet { id: id.to_owned(), runs })
    }

    /// Returns one run.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn get(&self, which: &RunRef) -> Result<Run, RunError> {
        let mut run = self.inner.store.run(which).await?.run;
        self.freshen(&mut run);
        Ok(run)
    }

    /// Lists runs, newest first.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn list(&self, query: &RunQuery) -> Result<Vec<Run>, RunError> {
        let mut runs: Vec<Run> = self.inner.store.runs(query).await?.into_iter().map(|kept| kept.run).collect();
        for run in &mut runs {
            self.freshen(run);
        }
        Ok(runs)
    }

    /// A living run's log is longer than the store knows.
    fn freshen(&self, run: &mut Run) {
        if let Some(hand) = self.inner.hand(run.id) {
            let progress = *hand.progress().borrow();
            run.log_bytes = run.log_bytes.max(progress.log);
            run.log_lines = run.log_lines.max(progress.lines);
        }
    }

    /// Opens a run's log.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or its files cannot be read.
    pub async fn log(&self, which: &RunRef) -> Result<FollowedLog, RunError> {
        let id = self.inner.store.run(which).await?.run.id;
        let progress = self.inner.hand(id).map(|hand| hand.progress());
        let folder = self.inner.folder(id);
        let reader = LogReader::open(&folder.log(), &folder.index()).map_err(RunError::io("cannot open the log"))?;
        Ok(FollowedLog { reader, progress })
    }

    /// Says yes to the plan of a run; `digest` is the one that was shown.
    ///
    /// # Errors
    ///
    /// Where it does not wait for a yes, or its plan is another.
    pub async fn confirm(&self, actor: &Actor, which: &RunRef, digest: Option<&Digest>) -> Result<Run, RunError> {
        let id = self.inner.store.run(which).await?.run.id;
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let digest = digest
            .or(kept.run.plan_digest.as_ref())
            .cloned()
            .ok_or(crate::domain::run::machine::Refusal::NotConfirmed)?;
        let transition = kept.run.facts().after(&Happening::Confirmed { digest: digest.clone() })?;
        if kept.run.confirmed_by.is_none() {
            kept.run.confirmed_by = Some(actor.name.clone());
            kept.run.expires_at = None;
            kept.run.next = None;
            let mut telling = Telling::new(Timestamp::now(), actor.clone());
            kept.run.version += 1;
            telling.transition(&kept.run, transition, json!({"plan": digest}));
            save(tx, &kept, read, telling).await?;
        }
        self.inner.wake.notify_one();
        Ok(kept.run)
    }

    /// Cancels a run: interrupts its commands, waits, terminates, kills. Asked again, it goes one step further at once.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub async fn cancel(&self, actor: &Actor, which: &RunRef) -> Result<Run, RunError> {
        let id = self.inner.store.run(which).await?.run.id;
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let transition = kept.run.facts().after(&Happening::CancelAsked)?;
        kept.run.state = transition.to;
        kept.run.cancel_asked = true;
        if transition.to.is_end() {
            kept.run.reason = Some(format!("canceled by {} before it began", actor.name));
            takeover::finish(&mut kept.run, Timestamp::now());
        }
        let mut telling = Telling::new(Timestamp::now(), actor.clone());
        kept.run.version += 1;
        telling.transition(&kept.run, transition, json!({}));
        save(tx, &kept, read, telling).await?;
        if let Some(hand) = self.inner.hand(id) {
            let asked = hand.ask(Ask::Cancel { token: self.inner.token, by: actor.name.clone() }).await;
            if let Err(error) = asked {
                tracing::info!(run = %id, %error, "the supervisor was not there to be canceled");
            }
        }
        self.inner.wake.notify_one();
        Ok(kept.run)
    }

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

    /// Settles an `unknown` run: first by a refresh-only plan, then by a person's word.
    ///
    /// Without `done` it starts that plan and returns its run; with it, it returns the settled run.
    ///
    /// # Errors
    ///
    /// Where the run is not `unknown`, a process of it still lives, or no such plan has succeeded.
    pub async fn resolve(&self, actor: &Actor, which: &RunRef, resolution: &Resolution) -> Result<Run, RunError> {
        let before = self.inner.store.run(which).await?;
        let (id, number) = (before.run.id, before.run.number);
        let done = resolution.done.unwrap_or_default();
        before.run.facts().after(&Happening::Resolved { done })?;
        if let Some(pid) = super::executor::leftover(&self.inner.folder(id), id) {
            return Err(RunError::Invalid {
                message: format!("a command of run #{number} still runs (process {pid}); it may yet change something"),
                hint: Some(format!("wait for it to end, or end it: kill -INT {pid}")),
            });
        }
        let one_instance = before.run.component.is_some() && before.run.kind.plans();
        if resolution.done.is_none() {
            if !one_instance {
                return Err(RunError::Invalid {
                    message: format!(
                        "run #{number} is a {}, which no refresh-only plan can look into",
                        before.run.kind
                    ),
                    hint: Some(format!("look yourself, then: terrace runs resolve {number} --done (or --not-done)")),
                });
            }
            let request = RunRequest {
                component: before.request.component.clone(),
                stack: before.request.stack.clone(),
                stack_file: before.request.stack_file.clone(),
                driver: before.request.driver,
                env: resolution.env.clone(),
                ..empty_request(RunKind::Drift)
            };
            let draft = Draft { request, resolves: Some(id), ..Draft::default() };
            return self.accept_and_add(actor, draft).await;
        }
        let query = RunQuery {
            component: before.run.component.clone(),
            stack: before.run.stack.clone(),
            kind: Some(RunKind::Drift),
            limit: 100,
            ..RunQuery::default()
        };
        let looked = self
            .inner
            .store
            .runs(&query)
            .await?
            .into_iter()
            .any(|kept| kept.run.resolves == Some(id) && kept.run.state.is_success());
        if one_instance && !looked {
            return Err(RunError::Invalid {
                message: format!("no refresh-only plan has looked into run #{number} yet"),
                hint: Some(format!("terrace runs resolve {number} makes one")),
            });
        }
        let mut tx = self.inner.store.begin().await?;
        let mut kept = tx.run(id).await?;
        let read = kept.run.version;
        let transition = kept.run.facts().after(&Happening::Resolved { done })?;
        kept.run.state = transition.to;
        kept.run.version += 1;
        let word = if done { "done" } else { "not done" };
        let note = resolution.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        kept.run.reason = Some(format!("resolved by {} as {word}{note}", actor.name));
        kept.run.next = (!done).then(|| format!("terrace runs retry {number}"));
        tx.release_locks(id, &kept.locks).await?;
        let mut telling = Telling::new(Timestamp::now(), actor.clone());
        telling.transition(&kept.run, transition, json!({"done": done, "note": resolution.note}));
        save(tx, &kept, read, telling).await?;
        self.inner.wake.notify_one();
        Ok(kept.run)
    }

    /// Types into a run that has a terminal.
    ///
    /// # Errors
    ///
    /// Where the run does not run, or has no terminal.
    pub async fn input(&self, which: &RunRef, bytes: &[u8]) -> Result<(), RunError> {
        let run = self.inner.store.run(which).await?.run;
        if !run.state.is_active() {
            return Err(RunError::invalid(format!(
                "run #{} is {}: nothing reads what you type",
                run.number, run.state
            )));
        }
        let hand = self.inner.hand(run.id).ok_or_else(|| RunError::Supervisor("it is gone".to_owned()))?;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        hand.ask(Ask::Input { token: self.inner.token, data }).await
    }

    /// Returns how many runs have not ended: an idle platform has none.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn live(&self) -> Result<Vec<Run>, RunError> {
        Ok(self.inner.store.live_runs().await?.into_iter().map(|kept| kept.run).collect())
    }

    async fn replay(&self, before: &Remembered) -> Result<Run, RunError> {
        let id: RunId = serde_json::from_str(&before.answer)
            .map_err(|error| PlatformError::Unreadable { what: "answer".to_owned(), message: error.to_string() })?;
        self.get(&RunRef::Id(id)).await
    }

    async fn accept_and_add(&self, actor: &Actor, draft: Draft) -> Result<Run, RunError> {
        let mut kept = self.accept(actor, draft).await?;
        let tx = self.inner.store.begin().await?;
        if let Err(error) = self.add(tx, actor, std::slice::from_mut(&mut kept), None).await {
            self.discard(kept.run.id).await;
            return Err(error);
        }
        Ok(kept.run)
    }

    /// Checks a request and starts its supervisor; nothing is stored yet.
    async fn accept(&self, actor: &Actor, draft: Draft) -> Result<KeptRun, RunError> {
        let id = RunId(Ulid::generate());
        let mut request = draft.request;
        let mut env = environment::reduce(std::mem::take(&mut request.env));
        env.append(&mut request.set_env);
        let folder = self.inner.folder(id);
        let tools = Tools::find(&|name| env.get(name).cloned(), self.inner.settings.atmos.as_deref());
        let work = self.prepare(&request, id, tools.clone()).await?;
        if work::unlocks(&request) {
            self.refuse_while_the_holder_lives(&work.target_locks).await?;
        }
        let doing = "cannot make the run's folder";
        folder.create().map_err(RunError::io(doing))?;
        let noted = serde_json::to_vec(&tools).unwrap_or_default();
        std::fs::write(folder.tools(), noted).map_err(RunError::io(doing))?;
        env.insert("TERRACE_RUN".to_owned(), id.to_string());
        let hello = Hello { env, patience: self.inner.settings.patience };
        if let Err(error) = hand::start(&self.inner.settings.program, &folder, &hello).await {
            remove(folder.path());
            return Err(error);
        }
        Ok(KeptRun {
            run: new_run(id, actor, &request, &work, draft.retry_of, draft.resolves, draft.set, draft.after),
            request,
            locks: work.locks,
            taken: 0,
            parallel: draft.parallel,
        })
    }

    /// Terraform's own lock is not taken from a run of ours that lives.
    async fn refuse_while_the_holder_lives(&self, keys: &[LockKey]) -> Result<(), RunError> {
        for held in self.inner.store.run_locks().await? {
            let state = keys.iter().any(|key| key.is_state() && key.to_string() == held.key);
            if !state {
                continue;
            }
            let holder = self.inner.store.run(&RunRef::Id(held.run)).await?.run;
            let lives = holder.state != RunState::Unknown
                || super::executor::leftover(&self.inner.folder(held.run), held.run).is_some();
            if lives {
                return Err(RunError::Invalid {
                    message: format!("the state is held by run #{}, which lives: it is not unlocked", holder.number),
                    hint: Some(format!(
                        "terrace runs cancel {0} ends it, terrace runs show {0} looks at it",
                        holder.number
                    )),
                });
            }
        }
        Ok(())
    }

    /// Looks at a request with the configuration as it is now.
    pub(super) async fn prepare(&self, request: &RunRequest, id: RunId, tools: Tools) -> Result<Work, RunError> {
        let configuration = self.inner.configurations.current().await?;
        let (request, folder, cache) = (request.clone(), self.inner.folder(id), self.inner.settings.cache.clone());
        let seconds = self.inner.settings.confirmation_seconds;
        let work = tokio::task::spawn_blocking(move || {
            let ground = Ground {
                configuration: configuration.as_ref(),
                tools: &tools,
                folder: &folder,
                cache: &cache,
                seconds,
            };
            ground.prepare(&request)
        });
        work.await.map_err(|error| RunError::Supervisor(error.to_string()))?
    }

    /// Stores runs whose supervisors wait, in one transaction, and lets the executor know.
    async fn add(
        &self,
        mut tx: Box<dyn Tx>,
        actor: &Actor,
        runs: &mut [KeptRun],
        key: Option<&KeyFingerprint>,
    ) -> Result<(), RunError> {
        let now = Timestamp::now();
        let mut telling = Telling::new(now, actor.clone());
        for kept in runs.iter_mut() {
            tx.add_run(kept).await?;
            if kept.request.no_wait
                && let Err((key, holder)) = tx.take_locks(kept.run.id, &kept.locks, now).await?
            {
                let holder = tx.run(holder).await?.run;
                return Err(RunError::WouldWait(waiting_for(&key, holder.number, holder.state)));
            }
            // The executor takes them in the order of the queue.
            tx.release_locks(kept.run.id, &kept.locks).await?;
            let queued = Transition { from: RunState::Queued, to: RunState::Queued, verb: "queued" };
            let detail = json!({"command": kept.run.command, "driver": kept.run.driver, "yes": kept.request.yes});
            telling.transition(&kept.run, queued, detail);
        }
        if let (Some(key), Some(first)) = (key, runs.first()) {
            let answer = serde_json::to_string(&first.run.id).unwrap_or_default();
            tx.remember(key, &Remembered { status: 201, answer }, now).await?;
        }
        match telling.into_change() {
            Some(change) => tx.commit(change).await.map(drop)?,
            None => tx.commit_bookkeeping().await?,
        }
        for kept in runs.iter() {
            self.attend(kept.run.id).await;
        }
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Sends a waiting supervisor home that has no run.
    pub(super) async fn discard(&self, id: RunId) {
        let folder = self.inner.folder(id);
        if let Ok((hand, speaking, _)) = hand::attach(&folder, self.inner.token).await {
            tokio::spawn(speaking);
            let by = "the platform, which did not take the run".to_owned();
            drop(hand.ask(Ask::Cancel { token: self.inner.token, by }).await);
        }
        remove(folder.path());
    }
}

/// Removes what a run that never was left behind.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        tracing::debug!(path = %path.display(), %error, "could not remove the folder of a run that was not taken");
    }
}

/// A run before it is accepted.
#[derive(Debug, Clone)]
struct Draft {
    request: RunRequest,
    retry_of: Option<RunId>,
    resolves: Option<RunId>,
    set: Option<String>,
    after: Vec<RunId>,
    parallel: Option<u32>,
}

impl Default for Draft {
    fn default() -> Self {
        let request = empty_request(RunKind::Plan);
        Self { request, retry_of: None, resolves: None, set: None, after: Vec::new(), parallel: None }
    }
}

/// Returns a request of this kind that asks for nothing yet.
fn empty_request(kind: RunKind) -> RunRequest {
    RunRequest {
        kind,
        component: None,
        stack: None,
        stack_file: None,
        workflow: None,
        workflow_file: None,
        from_step: None,
        args: Vec::new(),
        yes: false,
        interactive: false,
        no_wait: false,
        driver: None,
        env: BTreeMap::new(),
        set_env: BTreeMap::new(),
    }
}

/// Finds the members of a set.
fn members(
    request: &SetRequest,
    configuration: &dyn super::configuration::Configuration,
) -> Result<Vec<InstanceRef>, RunError> {
    if request.affected_since.is_some() {
        return Err(RunError::invalid(
            "what is affected since a reference cannot be run as a set yet; mark the instances",
        ));
    }
    let mut members = request.targets.clone();
    if let Some(stack) = &request.stack {
        let runnable = configuration.instances().into_iter().filter(|instance| {
            instance.stack == *stack
                && !instance.is_abstract
                && instance.enabled
                && instance.component_type == "terraform"
                && !(instance.locked && request.kind.applies())
        });
        members.extend(runnable.map(|instance| InstanceRef { component: instance.component, stack: instance.stack }));
    }
    members.sort();
    members.dedup();
    if members.is_empty() {
        return Err(RunError::invalid("the set has no instances that can be run"));
    }
    Ok(members)
}

#[expect(
    clippy::too_many_arguments,
    reason = "a run has these parts, and this is the one place that puts them together"
)]
fn new_run(
    id: RunId,
    actor: &Actor,
    request: &RunRequest,
    work: &Work,
    retry_of: Option<RunId>,
    resolves: Option<RunId>,
    set: Option<String>,
    after: Vec<RunId>,
) -> Run {
    Run {
        id,
        number: 0,
        kind: request.kind,
        state: RunState::Queued,
        version: 1,
        driver: work.driver,
        command: work.command.clone(),
        commands: Vec::new(),
        component: request.component.clone().or_else(|| match work.targets.as_slice() {
            [one] => Some(one.component.clone()),
            _ => None,
        }),
        stack: request.stack.clone().or_else(|| match work.targets.as_slice() {
            [one] => Some(one.stack.clone()),
            _ => None,
        }),
        waiting_for: None,
        reason: None,
        next: None,
        exit_code: None,
        summary: None,
        plan_digest: None,
        steps: work.steps(),
        findings: Vec::new(),
        stood_on: StoodOn::clone(&work.stood_on),
        actor: actor.name.clone(),
        retry_of,
        set,
        after,
        resolves,
        workspace: work.workspace.clone(),
        confirmed_by: None,
        cancel_asked: false,
        changing_command: work.changes,
        targets: work.targets.clone(),
        log_bytes: 0,
        log_lines: 0,
        log_lost: 0,
        queued_at: Timestamp::now(),
        started_at: None,
        expires_at: None,
        ended_at: None,
    }
}

//! Takes requests for runs: checks them, starts their supervisors, queues them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;
use ulid::Ulid;

use super::configuration::Configuration;
use super::copy::{self, Copied};
use super::error::RunError;
use super::folder::RunFolder;
use super::git;
use super::hand;
use super::protocol::{Ask, Hello};
use super::service::RunService;
use super::takeover::Telling;
use super::work::{self, Ground, Work};
use crate::atmos::driver::tools::Tools;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::lock::{LockKey, waiting_for};
use crate::domain::run::machine::Transition;
use crate::domain::run::{Run, RunKind, RunRequest, RunState, environment};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::limits;
use crate::platform::store::{KeptRun, KeyFingerprint, Remembered, Tx};

impl RunService {
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
            Some(before) => Err(match tx.commit_bookkeeping().await {
                // Only now it is sure that the run of the same key is kept.
                Ok(()) => self.replay(&before).await,
                Err(error) => Err(error.into()),
            }),
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

    async fn replay(&self, before: &Remembered) -> Result<Run, RunError> {
        let id: RunId = serde_json::from_str(&before.answer)
            .map_err(|error| PlatformError::Unreadable { what: "answer".to_owned(), message: error.to_string() })?;
        self.get(&RunRef::Id(id)).await
    }

    pub(super) async fn accept_and_add(&self, actor: &Actor, draft: Draft) -> Result<Run, RunError> {
        let mut kept = self.accept(actor, draft).await?;
        let tx = self.inner.store.begin().await?;
        if let Err(error) = self.add(tx, actor, std::slice::from_mut(&mut kept), None).await {
            self.discard(kept.run.id).await;
            return Err(error);
        }
        Ok(kept.run)
    }

    /// Checks a request and starts its supervisor; nothing is stored yet.
    pub(super) async fn accept(&self, actor: &Actor, draft: Draft) -> Result<KeptRun, RunError> {
        let id = RunId(Ulid::generate());
        let mut request = draft.request;
        let mut env = environment::reduce(std::mem::take(&mut request.env));
        env.append(&mut request.set_env);
        let folder = self.inner.folder(id);
        let tools = Tools::find(&|name| env.get(name).cloned(), self.inner.settings.atmos.as_deref());
        let noted = Noted { tools, variables: env.keys().cloned().collect() };
        let accepted = async {
            let work = self.prepare(&request, id, &noted, None, Instant::now()).await?;
            self.check_bound(actor, &request, &work).await?;
            if work::unlocks(&request) {
                self.refuse_while_the_holder_lives(&work.target_locks).await?;
            }
            let doing = "cannot make the run's folder";
            folder.create().map_err(RunError::io(doing))?;
            if let Some(planned) = request.request.as_ref().and_then(|mark| mark.applies) {
                self.take_plan(planned, id).await?;
            }
            noted.keep(&folder).map_err(RunError::io(doing))?;
            folder.keep_leaves(&work.leaves).map_err(RunError::io(doing))?;
            env.insert("TERRACE_RUN".to_owned(), id.to_string());
            let hello = Hello { env, patience: self.inner.settings.patience, files: limits::before() };
            hand::start(&self.inner.settings.program, &folder, &hello).await?;
            Ok::<_, RunError>(work)
        };
        let work = match accepted.await {
            Ok(work) => work,
            Err(error) => {
                self.remove(&folder).await;
                return Err(error);
            }
        };
        let mut run = new_run(id, actor, &request, &work, self.now());
        if let Some(before) = draft.retry_of {
            run.retry_of = Some(before.id);
            run.differs = self.differences(&before, &work);
        }
        (run.resolves, run.set, run.after) = (draft.resolves, draft.set, draft.after);
        Ok(KeptRun { run, request, locks: work.locks, taken: 0, parallel: draft.parallel })
    }

    /// Returns where a run's plan lies as JSON.
    pub(crate) fn plan_json(&self, id: RunId) -> PathBuf {
        self.inner.folder(id).plan_json()
    }

    /// Returns where Terraform's outputs lie after the apply of an approved plan.
    pub(crate) fn outputs_file(&self, id: RunId) -> PathBuf {
        self.inner.folder(id).outputs()
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
                || super::leftover::leftover(&self.inner.folder(held.run), held.run).is_some();
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

    /// Looks at a request with the configuration as it is now, or as it is at the commit of its working copy.
    ///
    /// `copy` is the commit whose files are those that are there now; what Git says of the files is not older than `since`.
    pub(super) async fn prepare(
        &self,
        request: &RunRequest,
        id: RunId,
        noted: &Noted,
        copy: Option<&str>,
        since: Instant,
    ) -> Result<Work, RunError> {
        let (mut request, folder, noted) = (request.clone(), self.inner.folder(id), noted.clone());
        let current = match request.request.as_ref().and_then(|mark| mark.tree.as_deref()) {
            Some(tree) => self.inner.configurations.of_branch(tree).await?,
            None => self.inner.configurations.current().await?,
        };
        let approved = match request.request.as_ref().and_then(|mark| mark.applies) {
            Some(planned) => {
                let run = self.inner.store.run(&RunRef::Id(planned)).await?.run;
                let none = || RunError::invalid(format!("run #{} has made no plan that could be applied", run.number));
                Some(run.plan_digest.clone().ok_or_else(none)?)
            }
            None => None,
        };
        // Where gates are in force, a yes given ahead waits until the plan was looked at; what was approved was.
        let gates = self.inner.configurations.has_gates().await;
        if approved.is_none() && request.yes && gates {
            request.yes = false;
        }
        let copied = request.commit.is_some() || copy.is_some();
        let configuration: Arc<dyn Configuration> = match (&request.commit, copy) {
            (Some(named), _) => {
                let (root, named, folder) = (current.root().to_owned(), named.clone(), folder.clone());
                let place = blocking(move || copy::at(&root, &folder, &named)).await??;
                self.inner.configurations.at(&place).await?
            }
            (None, Some(commit)) => {
                let (root, commit, folder) = (current.root().to_owned(), commit.to_owned(), folder.clone());
                let made = blocking(move || {
                    let place = copy::make(&root, &folder, &commit)?;
                    Ok::<_, RunError>((place, copy::is_at(&root, &commit)))
                });
                match made.await?? {
                    (root, true) => Arc::new(Copied { inner: current, root }),
                    // The files have changed since the commit was looked up: the copy says what it stands on.
                    (root, false) => self.inner.configurations.at(&root).await?,
                }
            }
            (None, None) => current,
        };
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let settings = &inner.settings;
            let ground = Ground {
                configuration: configuration.as_ref(),
                tools: &noted.tools,
                folder: &folder,
                cache: &settings.cache,
                seconds: settings.confirmation_seconds,
                copied,
                variables: &noted.variables,
                credentials: &settings.credentials,
                scanners: &settings.scanners,
                approved: approved.as_ref(),
                gates,
                trees: (&inner.trees, since),
            };
            let work = ground.prepare(&request)?;
            match request.request.as_ref().and_then(|mark| mark.script.as_ref()) {
                Some(approved) if work.digest.as_ref() != Some(approved) => Err(RunError::Denied {
                    code: "other-script",
                    message: "the workflow is not the one that was approved: nothing was run".to_owned(),
                    hint: None,
                }),
                _ => Ok(work),
            }
        })
        .await?
    }

    /// Stores runs whose supervisors wait, in one transaction, and lets the executor know.
    pub(super) async fn add(
        &self,
        mut tx: Box<dyn Tx>,
        actor: &Actor,
        runs: &mut [KeptRun],
        key: Option<&KeyFingerprint>,
    ) -> Result<(), RunError> {
        let now = self.now();
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
        self.remove(&folder).await;
    }

    /// Removes what a run that never was left behind.
    async fn remove(&self, folder: &RunFolder) {
        let root = self.inner.configurations.current().await.map(|now| now.root().to_owned());
        let folder = folder.clone();
        let removed = blocking(move || {
            if let Ok(root) = root {
                git::remove_copy(&root, &folder.copy());
            }
            std::fs::remove_dir_all(folder.path())
        });
        if let Ok(Err(error)) = removed.await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "could not remove the folder of a run that was not taken");
        }
    }
}

/// What is noted of a run's surroundings when it is accepted: no values, only where tools are and what is set.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Noted {
    /// The tools that were found on the PATH of the person who asked.
    pub(super) tools: Tools,
    /// The names of the variables that travel.
    #[serde(default)]
    pub(super) variables: BTreeSet<String>,
}

impl Noted {
    /// Keeps it in the run's folder.
    fn keep(&self, folder: &RunFolder) -> std::io::Result<()> {
        std::fs::write(folder.tools(), serde_json::to_vec(self)?)
    }

    /// Reads it from the run's folder.
    pub(super) fn of(folder: &RunFolder) -> Self {
        let noted = std::fs::read(folder.tools()).ok().and_then(|text| serde_json::from_slice(&text).ok());
        noted.unwrap_or_default()
    }
}

/// Does what blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| RunError::Supervisor(error.to_string()))
}

/// A run before it is accepted.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) request: RunRequest,
    pub(super) retry_of: Option<Box<Run>>,
    pub(super) resolves: Option<RunId>,
    pub(super) set: Option<String>,
    pub(super) after: Vec<RunId>,
    pub(super) parallel: Option<u32>,
}

impl Default for Draft {
    fn default() -> Self {
        let request = RunRequest::new(RunKind::Plan);
        Self { request, retry_of: None, resolves: None, set: None, after: Vec::new(), parallel: None }
    }
}

/// Puts a run together from what was asked and found.
fn new_run(id: RunId, actor: &Actor, request: &RunRequest, work: &Work, now: Timestamp) -> Run {
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
        stood_on: work.stood_on.clone(),
        request: request.request.as_ref().map(|mark| mark.number).filter(|number| *number > 0),
        of_request: request.request.is_some(),
        preview: request.request.as_ref().is_some_and(|mark| mark.number == 0),
        actor: actor.name.clone(),
        role: Some(actor.role),
        self_attested: actor.self_attested,
        differs: Vec::new(),
        ways: Vec::new(),
        copy: request.commit.as_ref().and(work.stood_on.commit.clone()),
        local_state: request.kind.plans() && !copy::is_remote(&work.locks),
        retry_of: None,
        set: None,
        after: Vec::new(),
        resolves: None,
        workspace: work.workspace.clone(),
        confirmed_by: None,
        cancel_asked: false,
        changing_command: work.changes,
        targets: work.targets.clone(),
        log_bytes: 0,
        log_lines: 0,
        log_lost: 0,
        queued_at: now,
        started_at: None,
        expires_at: None,
        ended_at: None,
    }
}

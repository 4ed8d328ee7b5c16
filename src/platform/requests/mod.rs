//! Requests: from what somebody asks for to something that works, or to a reason why not.
//!
//! Each transition is one transaction with its event and its audit record, by the rules of [`crate::domain::request`].
//! Whatever the platform does for a request is found again after a restart: its state says what comes next, its runs say
//! that they are its runs.

mod approval;
mod branches;
mod budget;
mod check;
mod claims;
mod decide;
mod error;
mod execute;
mod expire;
mod git;
mod inbox;
mod preview;
mod proposal;
mod reserve;
mod restore;
mod todo;
mod unbound;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::PlatformError;
use super::audit::{Actor, AuditDraft};
use super::budgets::BudgetService;
use super::clock::Clock;
use super::estate::EstateService;
use super::events::EventDraft;
use super::runs::RunService;
use super::sharing::Sharing;
use super::store::{Change, KeyFingerprint, Remembered, RequestQuery, RunQuery, Store};
use crate::domain::id::Digest;
use crate::domain::request::{Comment, Request, RequestState, Revision, Step, Wish};
use crate::domain::run::RunKind;
use crate::domain::team::Role;

pub use branches::Branches;
pub use error::RequestError;
pub use inbox::{Deciding, InboxCause, InboxItem, RequestAction};
pub use preview::{Preview, Times};
pub(crate) use proposal::{form, ground};

/// For how many hours a request waits for people unless `platform/terrace.yaml` says otherwise.
const PATIENCE_HOURS: i64 = 7 * 24;
/// How often is looked for requests that have waited too long, or that need a push.
const SWEEP: Duration = Duration::from_secs(30);
/// How many of the newest runs are looked through for those of a request.
const LOOKED_AT: u32 = 1_000;

/// With which of these looks plans that nobody waits for are looked for.
const STRAYS: u64 = 20;

/// What somebody brings who changes a request: who they are, and the environment of their shell (never stored).
pub type Env = BTreeMap<String, String>;

/// The service; cheap to clone.
#[derive(Clone)]
pub struct RequestService {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for RequestService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestService").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

/// What the service stands on.
#[derive(Debug, Clone)]
pub struct Services {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Plans and applies.
    pub runs: RunService,
    /// What is configured.
    pub estate: EstateService,
    /// What may be spent.
    pub budgets: BudgetService,
    /// Where worktrees lie.
    pub folder: PathBuf,
    /// The operating system user whose platform this is.
    pub owner: String,
    /// Whether several people share the platform.
    pub sharing: Sharing,
    /// What tells the time.
    pub clock: Clock,
}

struct Inner {
    store: Arc<dyn Store>,
    runs: RunService,
    estate: EstateService,
    budgets: BudgetService,
    folder: PathBuf,
    owner: String,
    sharing: Sharing,
    clock: Clock,
    /// The environments that requesters gave, for as long as this process lives.
    envs: Mutex<HashMap<u64, Env>>,
    /// The requests that something is being done for.
    busy: Mutex<HashSet<u64>>,
}

impl RequestService {
    /// Begins, and goes on with what was under way; the task that sweeps ends with the platform.
    #[must_use]
    pub fn start(services: Services) -> (Self, tokio::task::AbortHandle) {
        let Services { store, runs, estate, budgets, folder, owner, sharing, clock } = services;
        let inner = Inner {
            store,
            runs,
            estate,
            budgets,
            folder,
            owner,
            sharing,
            clock,
            envs: Mutex::new(HashMap::new()),
            busy: Mutex::new(HashSet::new()),
        };
        let service = Self { inner: Arc::new(inner) };
        let sweeping = tokio::spawn(service.clone().sweep()).abort_handle();
        (service, sweeping)
    }

    /// Looks again and again for what needs a push, or has waited too long.
    async fn sweep(self) {
        self.clean_up().await;
        for turn in 0_u64.. {
            if turn.is_multiple_of(STRAYS) {
                self.forget_strays().await;
            }
            match self.inner.store.live_requests().await {
                Ok(live) => {
                    for request in live {
                        let late = request.expires_at.is_some_and(|at| at <= self.now());
                        if late {
                            let expired = self.step(&Actor::platform(), request.number, Step::Expire, json!({})).await;
                            if let Ok(expired) = &expired {
                                self.clean(expired).await;
                            }
                            if let Err(error) = expired {
                                tracing::warn!(request = request.number, %error, "a request could not expire");
                            }
                        } else if request.state.is_under_way() {
                            self.nudge(request.number);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "requests cannot be looked through now"),
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// Writes a request, and submits it unless it is to stay a draft.
    ///
    /// # Errors
    ///
    /// Inputs that are wrong, a golden path or an instance that is not there, an edit that cannot be made.
    pub async fn create(
        &self,
        actor: &Actor,
        wish: Wish,
        draft: bool,
        env: Env,
        key: Option<&KeyFingerprint>,
    ) -> Result<Request, RequestError> {
        if let Some(key) = key
            && let Some(before) = self.inner.store.remembered(key).await?
        {
            let request = self.get(before.answer.parse().unwrap_or_default()).await?;
            // It was written, and the platform died before it was sent.
            let unsent = !draft && request.state == RequestState::Draft && request.version == 1;
            return if unsent { self.submit(actor, request.number, env).await } else { Ok(request) };
        }
        let proposal = self.propose(&wish, &actor.name).await?;
        let now = self.now();
        let mut wish = wish;
        if let Some(form) = &proposal.form {
            wish.inputs = form.with_defaults(&wish.inputs);
        }
        let mut request = Request::draft(0, proposal.title, actor.name.clone(), Revision { wish, written_at: now });
        let mut tx = self.inner.store.begin().await?;
        if let Some(key) = key
            && let Some(before) = tx.recall(key).await?
        {
            drop(tx);
            return self.get(before.answer.parse().unwrap_or_default()).await;
        }
        tx.add_request(&mut request).await?;
        if let Some(key) = key {
            let answer = Remembered { status: 201, answer: request.number.to_string() };
            tx.remember(key, &answer, now).await?;
        }
        let change = change(actor, None, &request, "created", json!({"revision": 1}), now);
        tx.commit(change).await?;
        self.keep_env(request.number, env);
        if draft { Ok(request) } else { self.submit(actor, request.number, Env::new()).await }
    }

    /// Writes a new revision; what was said about the one before counts no more.
    ///
    /// # Errors
    ///
    /// As [`RequestService::create`]; where the state does not allow it, or another person asks.
    pub async fn revise(&self, actor: &Actor, number: u64, wish: Wish) -> Result<Request, RequestError> {
        let request = self.get(number).await?;
        own(actor, &request)?;
        let proposal = self.propose(&wish, &request.requester).await?;
        let mut wish = wish;
        if let Some(form) = &proposal.form {
            wish.inputs = form.with_defaults(&wish.inputs);
        }
        let detail = json!({"revision": request.revision() + 1});
        self.step(actor, number, Step::Revise(Revision { wish, written_at: self.now() }), detail).await
    }

    /// Sends a draft, or one that came back.
    ///
    /// # Errors
    ///
    /// Where the state does not allow it, or another person asks.
    pub async fn submit(&self, actor: &Actor, number: u64, env: Env) -> Result<Request, RequestError> {
        own(actor, &self.get(number).await?)?;
        self.keep_env(number, env);
        let request = self.step(actor, number, Step::Submit, json!({})).await?;
        self.nudge(number);
        Ok(request)
    }

    /// Takes a request back.
    ///
    /// # Errors
    ///
    /// Where it is being carried out or has ended, or another person asks.
    pub async fn withdraw(&self, actor: &Actor, number: u64) -> Result<Request, RequestError> {
        own(actor, &self.get(number).await?)?;
        let request = self.step(actor, number, Step::Withdraw, json!({})).await?;
        self.clean(&request).await;
        Ok(request)
    }

    /// Says something about a request.
    ///
    /// # Errors
    ///
    /// Where nothing is said.
    pub async fn comment(&self, actor: &Actor, number: u64, text: &str) -> Result<Request, RequestError> {
        if text.trim().is_empty() {
            return Err(RequestError::invalid("comment-empty", "a comment says something", None));
        }
        let comment = Comment { actor: actor.name.clone(), text: text.trim().to_owned(), at: self.now() };
        self.step(actor, number, Step::Comment(comment), json!({})).await
    }

    /// Returns one request.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn get(&self, number: u64) -> Result<Request, RequestError> {
        Ok(self.inner.store.request(number).await?)
    }

    /// Lists requests, newest first.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn list(&self, query: &RequestQuery) -> Result<Vec<Request>, RequestError> {
        Ok(self.inner.store.requests(query).await?)
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Moves a request by the rules, with its event and its audit record in one transaction.
    async fn step(&self, actor: &Actor, number: u64, step: Step, detail: Value) -> Result<Request, RequestError> {
        self.step_from(actor, number, None, step, detail).await
    }

    /// Moves a request that is as it was read.
    async fn step_at(&self, actor: &Actor, read: &Request, step: Step, detail: Value) -> Result<Request, RequestError> {
        self.step_from(actor, read.number, Some(read.version), step, detail).await
    }

    async fn step_from(
        &self,
        actor: &Actor,
        number: u64,
        version: Option<u64>,
        step: Step,
        detail: Value,
    ) -> Result<Request, RequestError> {
        let now = self.now();
        let verb = step.verb();
        // Before the write lock is taken: others need not wait for files to be read.
        let snapshot = if reserve::may_approve(&step) { Some(self.inner.estate.current().await?) } else { None };
        let mut tx = self.inner.store.begin().await?;
        let before = tx.request(number).await?;
        if let Some(expected) = version.filter(|version| *version != before.version) {
            let (what, found) = (format!("request/{number}"), before.version);
            return Err(PlatformError::Stale { what, expected, found }.into());
        }
        let step = self.reserve(tx.as_mut(), snapshot.as_deref(), &before, step, now).await?;
        let mut after = before.after(step, now)?;
        self.release(tx.as_mut(), &before, &after).await?;
        after.next = next(&after);
        if after.state == RequestState::PendingApproval && after.expires_at.is_none() {
            after.expires_at = now.checked_add(SignedDuration::from_hours(self.patience())).ok();
        }
        tx.save_request(&after, before.version).await?;
        tx.commit(change(actor, Some(&before), &after, verb, detail, now)).await?;
        if !waits_with_plans(after.state) {
            self.forget_plans(&before);
        }
        Ok(after)
    }

    fn patience(&self) -> i64 {
        let snapshot = self.inner.estate.last();
        let hours = snapshot.and_then(|snapshot| snapshot.settings().approval_hours);
        hours.map_or(PATIENCE_HOURS, |hours| i64::from(hours.get()))
    }

    /// Does for a request what its state asks for, unless that is being done.
    fn nudge(&self, number: u64) {
        let free = self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        if !free {
            return;
        }
        let service = self.clone();
        tokio::spawn(async move {
            while service.advance(number).await {}
            service.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
            // What changed between the last look and the word that nobody is busy is looked at here.
            if service.get(number).await.is_ok_and(|request| request.state == RequestState::Submitted) {
                service.nudge(number);
            }
        });
    }

    /// Does the next thing; false where it waits for somebody, or has ended.
    async fn advance(&self, number: u64) -> bool {
        let request = match self.get(number).await {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(request = number, %error, "a request cannot be read");
                return false;
            }
        };
        let platform = Actor::platform();
        let done = match request.state {
            RequestState::Submitted => self.step(&platform, number, Step::BeginCheck, json!({})).await.map(drop),
            RequestState::Checking => self.check(&request).await,
            RequestState::Approved => self.begin(&request).await,
            RequestState::Executing => self.carry_out(&request).await,
            _ => return false,
        };
        match done {
            Ok(()) => true,
            // Somebody was faster: what it is now decides.
            Err(RequestError::Platform(PlatformError::Stale { .. }) | RequestError::Refused(_)) => true,
            // A lock of Git's goes away, and what was applied is merged then.
            Err(error)
                if error.is_passing() || (request.state == RequestState::Executing && error.code() == "git-locked") =>
            {
                tracing::warn!(request = number, %error, "a request waits for better times");
                false
            }
            Err(error) => {
                let mut reason = error.to_string();
                if let Some(hint) = error.hint() {
                    reason = format!("{reason} ({hint})");
                }
                let step = if request.state == RequestState::Executing {
                    Step::Fail { reason: reason.clone() }
                } else if request.state == RequestState::Approved {
                    Step::Void { reason: reason.clone() }
                } else {
                    Step::SendBack { reason: reason.clone() }
                };
                let detail = json!({"code": error.code(), "reason": reason});
                match self.step(&platform, number, step, detail).await {
                    Ok(_) => true,
                    Err(error) => {
                        tracing::warn!(request = number, %error, "a request could not be sent back");
                        false
                    }
                }
            }
        }
    }

    fn keep_env(&self, number: u64, env: Env) {
        if !env.is_empty() {
            let env = crate::domain::run::environment::reduce(env);
            self.inner.envs.lock().unwrap_or_else(PoisonError::into_inner).insert(number, env);
        }
    }

    /// Returns the environment of the requester; the platform's own where none was given to this process.
    fn env(&self, number: u64) -> Env {
        let given = self.inner.envs.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        given.unwrap_or_else(|| {
            let own = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
            crate::domain::run::environment::reduce(own.collect::<Env>())
        })
    }

    /// Cleans up after requests that ended when the platform did.
    async fn clean_up(&self) {
        let newest = RequestQuery { limit: 1_000, ..RequestQuery::default() };
        let ended = match self.inner.store.requests(&newest).await {
            Ok(requests) => requests.into_iter().filter(|request| request.state.is_final()),
            Err(error) => return tracing::warn!(%error, "requests cannot be cleaned up after now"),
        };
        for request in ended {
            let mut trees =
                (1..=request.revision()).map(|revision| self.inner.folder.join(tree_of(request.number, revision)));
            let mut plans = request.check.iter().flat_map(|check| &check.plans);
            if trees.any(|tree| tree.exists()) || plans.any(|plan| self.inner.runs.has_plan(plan.run)) {
                self.clean(&request).await;
            }
        }
    }

    /// Removes the plans of a check: each is used once, or never, and what it holds is secret.
    fn forget_plans(&self, request: &Request) {
        for plan in request.check.iter().flat_map(|check| &check.plans) {
            self.inner.runs.forget_plan(plan.run);
        }
    }

    /// Removes plans that no request waits with any more: the platform may have ended right after they were made.
    async fn forget_strays(&self) {
        for (run, number) in self.inner.runs.sealed().await {
            let Ok(request) = self.get(number).await else { continue };
            let has = request.check.iter().flat_map(|check| &check.plans).any(|plan| plan.run == run);
            let planning = matches!(request.state, RequestState::Submitted | RequestState::Checking);
            if !(planning || (has && waits_with_plans(request.state))) {
                self.inner.runs.forget_plan(run);
            }
        }
    }

    /// Removes the worktrees and the branch of a request that has ended.
    async fn clean(&self, request: &Request) {
        let (root, folder) = (self.inner.estate.root().to_owned(), self.inner.folder.clone());
        let (number, revisions, branch) = (request.number, request.revision(), request.branch());
        let cleaning = tokio::task::spawn_blocking(move || {
            let repository = git::Repository::new(&root);
            for revision in 1..=revisions {
                let tree = folder.join(tree_of(number, revision));
                if tree.exists() {
                    repository.discard(&tree);
                }
            }
            if repository.tip(&branch).is_some() {
                repository.forget(&branch);
            }
        });
        drop(cleaning.await);
        // A plan is used once, or never: what it holds is secret. Those that were made again have other runs; the ones that
        // count go last, since they tell `clean_up` that something is left.
        let newest = RunQuery { kind: Some(RunKind::Plan), limit: LOOKED_AT, ..RunQuery::default() };
        let made = self.inner.store.runs(&newest).await.unwrap_or_default();
        let made = made.iter().map(|kept| &kept.run).filter(|run| run.request == Some(number)).map(|run| run.id);
        for run in made.chain(request.check.iter().flat_map(|check| &check.plans).map(|plan| plan.run)) {
            self.inner.runs.forget_plan(run);
        }
        // They hold what Terraform masks, and nobody needs them any more.
        for run in &request.runs {
            drop(std::fs::remove_file(self.inner.runs.outputs_file(*run)));
        }
        self.inner.envs.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}

/// Tells whether a request in this state may still apply the plans of its check.
fn waits_with_plans(state: RequestState) -> bool {
    matches!(state, RequestState::PendingApproval | RequestState::Approved | RequestState::Executing)
}

/// Names the worktree of a revision.
fn tree_of(number: u64, revision: usize) -> String {
    format!("{number}-{revision}")
}

/// Only its requester changes a request; an admin may too.
fn own(actor: &Actor, request: &Request) -> Result<(), RequestError> {
    if actor.name == request.requester || actor.role >= Role::Admin {
        return Ok(());
    }
    Err(RequestError::Denied {
        code: "not-yours",
        message: format!("request #{} is {}'s", request.number, request.requester),
        hint: Some(format!("terrace request comment {} says what you think of it", request.number)),
    })
}

/// Says what leads on.
fn next(request: &Request) -> Option<String> {
    let number = request.number;
    match request.state {
        RequestState::Draft => Some(format!("terrace request submit {number}")),
        RequestState::PendingApproval => Some(format!("terrace request approve {number}")),
        RequestState::NeedsChanges => Some(format!("terrace request revise {number} --set KEY=VALUE")),
        RequestState::PartiallyApplied => {
            Some(format!("terrace request continue {number}, or terrace request revert {number}"))
        }
        RequestState::Failed => request.runs.last().map(|run| format!("terrace runs show {run}")),
        _ => None,
    }
}

/// Drafts what is told of a change.
fn change(
    actor: &Actor,
    before: Option<&Request>,
    after: &Request,
    verb: &str,
    detail: Value,
    now: Timestamp,
) -> Change {
    let digest = |request: &Request| serde_json::to_vec(request).ok().map(|bytes| Digest::of(&bytes));
    let verb = verb.replace(' ', "_");
    let data = json!({
        "number": after.number, "kind": after.kind, "title": after.title, "state": after.state,
        "version": after.version, "requester": after.requester, "reason": after.reason, "by": actor.name,
    });
    let mut event = EventDraft::about("request", &verb, &after.number.to_string(), data);
    event.command = format!("terrace open request/{}", after.number);
    let mut detail = detail;
    if let Some(detail) = detail.as_object_mut() {
        if let Some(before) = before {
            detail.insert("from".to_owned(), json!(before.state));
        }
        detail.insert("to".to_owned(), json!(after.state));
    }
    let audit = AuditDraft::new(actor.clone(), format!("request.{verb}"), format!("request/{}", after.number), detail)
        .digests(before.and_then(digest), digest(after));
    Change::new(now, event, audit)
}

//! Requests: from what somebody asks for to something that works, or to a reason why not.
//!
//! Each transition is one transaction with its event and its audit record, by the rules of [`crate::domain::request`].
//! Whatever the platform does for a request is found again after a restart: its state says what comes next, its runs say
//! that they are its runs.

mod advance;
mod approval;
mod asking;
mod branches;
mod budget;
mod check;
mod claims;
mod cleaning;
mod code;
mod decide;
mod error;
mod execute;
mod expire;
mod forms;
mod git;
mod inbox;
mod preview;
mod proposal;
mod remote;
mod reserve;
mod restore;
mod steps;
mod todo;
mod unbound;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use super::audit::Actor;
use super::budgets::BudgetService;
use super::clock::Clock;
use super::estate::EstateService;
use super::runs::RunService;
use super::sharing::Sharing;
use super::store::{KeyFingerprint, Remembered, RequestQuery, Store};
use crate::domain::request::{Comment, Request, RequestState, Revision, Step, Wish};
use crate::domain::team::Role;

pub use branches::Branches;
pub use error::RequestError;
pub(crate) use forms::form_of;
pub use inbox::{Deciding, InboxCause, InboxItem, RequestAction};
pub use preview::{Preview, Times};
pub(crate) use proposal::{form, ground};

use steps::change;

/// How many of the newest runs are looked through for those of a request.
const LOOKED_AT: u32 = 1_000;

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
    /// Rings when a run asks others to agree to its plan, or one that had ends.
    pub asking: Arc<Notify>,
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
    asking: Arc<Notify>,
    /// The environments that requesters gave, for as long as this process lives.
    envs: Mutex<HashMap<u64, Env>>,
    /// The requests that something is being done for.
    busy: Mutex<HashSet<u64>>,
}

impl RequestService {
    /// Begins, and goes on with what was under way; the task that sweeps ends with the platform.
    #[must_use]
    pub fn start(services: Services) -> (Self, tokio::task::AbortHandle) {
        let Services { store, runs, estate, budgets, folder, owner, sharing, clock, asking } = services;
        let inner = Inner {
            store,
            runs,
            estate,
            budgets,
            folder,
            owner,
            sharing,
            clock,
            asking,
            envs: Mutex::new(HashMap::new()),
            busy: Mutex::new(HashSet::new()),
        };
        let service = Self { inner: Arc::new(inner) };
        let sweeping = tokio::spawn(service.clone().sweep()).abort_handle();
        (service, sweeping)
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
            wish.inputs = form.inputs.with_defaults(&wish.inputs);
        }
        let mut request = Request::draft(0, proposal.title, actor.name.clone(), Revision { wish, written_at: now });
        let mut tx = self.inner.store.begin().await?;
        if let Some(key) = key
            && let Some(before) = tx.recall(key).await?
        {
            // Only then it is sure that the request of the same key is kept.
            tx.commit_bookkeeping().await?;
            let before = self.get(before.answer.parse().unwrap_or_default()).await?;
            // The platform died before it was sent.
            if !draft && before.state == RequestState::Draft && before.version == 1 {
                return self.submit(actor, before.number, env).await;
            }
            return Ok(before);
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
            wish.inputs = form.inputs.with_defaults(&wish.inputs);
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

    /// Tells whether a name is that of the person whose platform this is.
    fn is_owner(&self, name: &str) -> bool {
        let owner = &self.inner.owner;
        self.inner.estate.last().map_or(owner == name, |snapshot| snapshot.teams().person(owner) == name)
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

//! The service of runs: what it holds, how it begins, and looking runs up.
//!
//! What is done with runs stands in files of their own: `accept`, `set`, `decide`, `retry`, `resolve`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::ahead::Ahead;
use super::configuration::Configurations;
use super::credentials::CredentialsCheck;
use super::error::RunError;
use super::folder::RunFolder;
use super::git::Trees;
use super::hand::Hand;
use super::log::LogReader;
use super::protocol::{Patience, Progress};
use super::scanners::Scanner;
use super::takeover::Telling;
use super::vault::Vault;
use crate::domain::budget::Claim;
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::{Run, RunState};
use crate::platform::clock::Clock;
use crate::platform::store::{KeptRun, RunCount, RunQuery, Store, Tx};

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
    /// The checks of credentials that precede runs.
    pub credentials: Vec<CredentialsCheck>,
    /// The scanners that go with every plan.
    pub scanners: Vec<Scanner>,
    /// Whether runs may use working copies to go in parallel.
    pub copies: bool,
    /// The key that plans are encrypted with while they wait for approvals; it is made where it is not there.
    pub plans_key: PathBuf,
    /// The folder of what runs saw of states that lie elsewhere.
    pub states: PathBuf,
    /// What tells the time.
    pub clock: Clock,
}

impl RunSettings {
    /// Returns settings with the usual numbers, for runs below `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, program: PathBuf, cache: PathBuf) -> Self {
        Self {
            plans_key: folder.with_file_name("plans.key"),
            states: folder.with_file_name("states"),
            folder,
            program,
            cache,
            parallel: 4,
            confirmation_seconds: 3600,
            patience: Patience::default(),
            atmos: None,
            credentials: Vec::new(),
            scanners: Vec::new(),
            copies: true,
            clock: Clock::default(),
        }
    }
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
    /// Folders of which no commit has exactly the files, and when that was found.
    pub(super) uncopied: Mutex<HashMap<PathBuf, Instant>>,
    /// What plans are sealed with.
    pub(super) vault: Mutex<Vault>,
    /// What Git says of the files.
    pub(super) trees: Trees,
    /// The runs that go next.
    pub(super) ahead: Ahead,
    /// The runs whose start is being stored.
    pub(super) going: Mutex<HashSet<RunId>>,
    /// Held while a supervisor is told to apply, and while a run that was not told is ended: never both of one.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// Wakes the executor.
    pub(super) wake: Notify,
}

impl Inner {
    pub(super) fn hands(&self) -> MutexGuard<'_, HashMap<RunId, Hand>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn going(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hand(&self, id: RunId) -> Option<Hand> {
        self.hands().get(&id).cloned()
    }

    pub(super) fn folder(&self, id: RunId) -> RunFolder {
        RunFolder::new(self.settings.folder.join(id.to_string()))
    }
}

/// Writes a run that changed, with what is to be told of it.
pub(super) async fn save(mut tx: Box<dyn Tx>, kept: &KeptRun, read: u64, mut telling: Telling) -> Result<(), RunError> {
    let before = tx.run(kept.run.id).await?.run;
    telling.begin_from(&before);
    tx.save_run(kept, read).await?;
    // What it promised of a budget is live now, or will not be; of what is unknown nobody knows.
    if kept.run.state.is_end() && kept.run.state != RunState::Unknown {
        tx.remove_budget_reservation(&Claim::of_run(kept.run.number)).await?;
    }
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
        let vault = Vault::open(&settings.plans_key).map_err(RunError::io("cannot use the key of plans"))?;
        let mut tx = store.begin().await?;
        let token = tx.next_platform().await?;
        tx.commit_bookkeeping().await?;
        let inner = Inner {
            store,
            configurations,
            settings,
            token,
            hands: Mutex::default(),
            uncopied: Mutex::default(),
            vault: Mutex::new(vault),
            trees: Trees::default(),
            ahead: Ahead::default(),
            going: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            wake: Notify::new(),
        };
        let service = Self { inner: Arc::new(inner) };
        service.take_over_all().await?;
        tokio::spawn(service.clone().execute());
        Ok(service)
    }

    /// Returns the time.
    pub(super) fn now(&self) -> Timestamp {
        self.inner.settings.clock.now()
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

    /// Counts the runs by kind and state, with how long they took.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn counts(&self) -> Result<Vec<RunCount>, RunError> {
        Ok(self.inner.store.run_counts().await?)
    }

    /// Returns how many runs have not ended: an idle platform has none.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn live(&self) -> Result<Vec<Run>, RunError> {
        Ok(self.inner.store.live_runs().await?.into_iter().map(|kept| kept.run).collect())
    }
}

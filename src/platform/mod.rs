//! Services over a store: the estate, events, audit, teams, catalog, health, and the process that holds them.
//!
//! Owns the order of steps, what is kept and where it lies. Leaves rules to [`crate::domain`], what Atmos says to
//! [`crate::atmos`], URLs and status codes to `crate::api`.

pub mod access;
pub mod audit;
pub mod budgets;
pub mod build;
pub mod catalog;
pub mod clock;
pub mod costs;
pub(crate) mod crash;
pub mod error;
pub mod estate;
pub mod estimates;
pub mod events;
pub mod golden_paths;
pub mod health;
pub mod identity;
pub mod infracost;
pub mod lifecycle;
pub mod limits;
pub mod paths;
pub mod policies;
pub mod prices;
pub mod problems;
pub mod recommend;
pub mod requests;
pub mod reviews;
pub mod revisions;
pub mod runs;
#[cfg(test)]
mod schemas;
pub mod session;
pub mod settings;
pub mod sharing;
pub mod singleton;
pub mod store;
pub mod teams;
pub mod tokens;
pub mod trust;
mod user;
pub mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::atmos::LoadOptions;
use budgets::BudgetService;
use build::Build;
use clock::Clock;
use costs::CostService;
pub use error::PlatformError;
use estate::{EstateService, Reloaded};
use events::EventDraft;
use identity::Identity;
use lifecycle::Lifecycle;
use paths::Paths;
use recommend::RecommendService;
use requests::{Branches, RequestService};
use runs::{RunError, RunService, RunSettings};
use settings::Settings;
use sharing::Sharing;
use store::{Change, Place, Store};
use trust::TrustStore;

/// Everything that answers for one estate: in the platform process with a store, in a reading command without.
#[derive(Debug)]
pub struct Platform {
    identity: Identity,
    build: Build,
    started_at: Timestamp,
    estate: EstateService,
    lifecycle: Lifecycle,
    owner: String,
    clocks: health::Clocks,
    clock: Clock,
    access: access::Access,
    sharing: Sharing,
    revisions: revisions::Revisions,
    kept: Option<Kept>,
}

/// What only the platform process has.
#[derive(Debug)]
struct Kept {
    store: Arc<dyn Store>,
    runs: RunService,
    requests: RequestService,
    costs: CostService,
    budgets: BudgetService,
    recommend: RecommendService,
    paths: Paths,
    /// Watches files, tells of reloads, keeps checkpoints, delivers events.
    tasks: Vec<tokio::task::AbortHandle>,
}

impl Platform {
    /// Returns a platform that only reads the estate's files: it keeps nothing and starts nothing.
    ///
    /// # Errors
    ///
    /// A root that does not exist.
    pub fn reading(root: &Path, options: LoadOptions) -> Result<Self, PlatformError> {
        let root = root.canonicalize().map_err(PlatformError::io("find the estate", root))?;
        // A broken `platform/terrace.yaml` is a diagnostic of the estate and must not hide the rest of it.
        let settings = Settings::read(&root).unwrap_or_default();
        let identity = Identity::new(root, &settings);
        let (estate, _) = EstateService::new(&identity.root, options, TrustStore::from_environment());
        Ok(Self::new(identity, estate.brief(), None))
    }

    /// Opens the store at `place`, takes over the runs that live, and returns the platform; the estate is loaded in
    /// the background and watched.
    ///
    /// `paths` says where the rest is kept; `program` is started as `PROGRAM run-host FOLDER` for each run; `cache` is the provider cache that runs share.
    ///
    /// # Errors
    ///
    /// A state folder, a database or a `platform/terrace.yaml` that cannot be used.
    pub async fn open(
        identity: Identity,
        paths: Paths,
        place: Place,
        options: LoadOptions,
        program: PathBuf,
        cache: PathBuf,
    ) -> Result<Self, PlatformError> {
        let settings = Settings::read(&identity.root)?;
        paths.prepare()?;
        let (estate, reloads) = EstateService::new(&identity.root, options, Some(TrustStore::new(paths.trust())));
        let watching = tokio::spawn(estate.clone().watch()).abort_handle();
        let source = events::source_of(&identity.key);
        let store = place.open(&paths.key(), &source).await?;
        let mut how = RunSettings::new(paths.runs(), program, cache);
        how.states = paths.states();
        let clock = Clock::default();
        how.clock = clock.clone();
        how.atmos = settings.atmos_bin;
        how.credentials = settings.credentials;
        how.scanners = settings.scanners;
        how.copies = settings.working_copies.unwrap_or(true);
        if let Some(parallel) = settings.parallel_runs {
            how.parallel = usize::from(parallel.get());
        }
        if let Some(minutes) = settings.confirmation_minutes {
            how.confirmation_seconds = u64::from(minutes.get()) * 60;
        }
        let sharing = Sharing::default();
        let costs = CostService::new(Arc::clone(&store), paths.states());
        let budgets = BudgetService::new(Arc::clone(&store), costs.clone());
        let asking = Arc::new(Notify::new());
        let branches = Branches::new(
            estate.clone(),
            paths.requests(),
            Arc::clone(&store),
            sharing.clone(),
            budgets.clone(),
            Arc::clone(&asking),
        );
        let runs = RunService::start(Arc::clone(&store), Arc::new(branches), how).await;
        let runs = runs.map_err(|error| match error {
            RunError::Platform(error) => error,
            other => PlatformError::Interrupted(other.to_string()),
        })?;
        let recommend = RecommendService::new(Arc::clone(&store), costs.clone());
        let telling = tell_of_reloads(estate.clone(), Arc::clone(&store), identity.key.clone(), reloads);
        let services = requests::Services {
            clock: clock.clone(),
            store: Arc::clone(&store),
            runs: runs.clone(),
            estate: estate.clone(),
            budgets: budgets.clone(),
            folder: paths.requests(),
            owner: user::name(),
            sharing: sharing.clone(),
            asking,
        };
        let (requests, sweeping) = RequestService::start(services);
        let mut platform = Self { sharing, clock, ..Self::new(identity, estate.clone(), None) };
        let delivering = webhooks::Dispatcher {
            store: Arc::clone(&store),
            clock: platform.clock.clone(),
            lifecycle: platform.lifecycle.clone(),
            estate,
            initial: settings.webhooks,
        };
        let keeping = keep_checkpoints(Arc::clone(&store), paths.checkpoints());
        let tasks = vec![
            watching,
            tokio::spawn(telling).abort_handle(),
            tokio::spawn(keeping).abort_handle(),
            tokio::spawn(delivering.run()).abort_handle(),
            sweeping,
            tokio::spawn(requests.clone().watch_expiry()).abort_handle(),
        ];
        platform.kept = Some(Kept { store, runs, requests, costs, budgets, recommend, paths, tasks });
        Ok(platform)
    }

    fn new(identity: Identity, estate: EstateService, kept: Option<Kept>) -> Self {
        Self {
            identity,
            build: Build::this(),
            started_at: Timestamp::now(),
            estate,
            lifecycle: Lifecycle::default(),
            owner: user::name(),
            clocks: health::Clocks::now(),
            clock: Clock::default(),
            access: access::Access::default(),
            sharing: Sharing::default(),
            revisions: revisions::Revisions::default(),
            kept,
        }
    }

    /// Makes it one that several people share: who has which role is what `platform/teams.yaml` says.
    #[must_use]
    pub fn sharing(self) -> Self {
        self.sharing.begin();
        self
    }

    /// Makes it tell the time by this clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.clock.becomes(&clock);
        self
    }

    /// Says whether it is one person's, where nobody else's yes is worth anything.
    #[must_use]
    pub fn is_solo(&self) -> bool {
        self.sharing.is_solo()
    }

    /// Returns what tells the time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns which estate this is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the build that runs.
    #[must_use]
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Returns when it began.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Returns the estate.
    #[must_use]
    pub fn estate(&self) -> &EstateService {
        &self.estate
    }

    /// Returns the revisions that were resolved last.
    pub(crate) fn revisions(&self) -> &revisions::Revisions {
        &self.revisions
    }

    /// Returns what keeps the process alive.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Returns the store; `what` names what is kept there, for the error.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub fn store(&self, what: &'static str) -> Result<&Arc<dyn Store>, PlatformError> {
        self.kept.as_ref().map(|kept| &kept.store).ok_or(PlatformError::NoStore { what })
    }

    /// Returns the public key that signs the audit trail; `None` in a command that runs without the platform process.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        self.kept.as_ref().map(|kept| kept.store.public_key())
    }

    /// Returns the service of runs.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub fn runs(&self) -> Result<&RunService, PlatformError> {
        self.kept.as_ref().map(|kept| &kept.runs).ok_or(PlatformError::NoStore { what: "runs" })
    }

    /// Returns the service of billed cost.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub fn costs(&self) -> Result<&CostService, PlatformError> {
        self.kept.as_ref().map(|kept| &kept.costs).ok_or(PlatformError::NoStore { what: "billed costs" })
    }

    /// Returns the service of requests.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub fn requests(&self) -> Result<&RequestService, PlatformError> {
        self.kept.as_ref().map(|kept| &kept.requests).ok_or(PlatformError::NoStore { what: "requests" })
    }

    /// Returns the service of budgets.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub fn budgets(&self) -> Result<&BudgetService, PlatformError> {
        self.kept.as_ref().map(|kept| &kept.budgets).ok_or(PlatformError::NoStore { what: "budgets" })
    }

    /// Returns the service of recommendations.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub fn recommend(&self) -> Result<&RecommendService, PlatformError> {
        self.kept.as_ref().map(|kept| &kept.recommend).ok_or(PlatformError::NoStore { what: "recommendations" })
    }

    /// Returns the operating system user whose platform this is.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns where things are kept; `None` in a command that runs without the platform process.
    #[must_use]
    pub fn paths(&self) -> Option<&Paths> {
        self.kept.as_ref().map(|kept| &kept.paths)
    }

    /// Ends: everything committed is in the main file of the database afterwards.
    pub async fn close(&self) {
        self.lifecycle.stop();
        if let Some(kept) = &self.kept {
            for task in &kept.tasks {
                task.abort();
            }
            if let Err(error) = keep_checkpoint(&*kept.store, &kept.paths.checkpoints()).await {
                tracing::warn!(%error, "the end of the audit trail could not be kept");
            }
            kept.store.close().await;
        }
    }
}

/// How often the signed end of the audit trail is kept outside the database.
const CHECKPOINT: std::time::Duration = std::time::Duration::from_secs(60);

/// Keeps the signed end of the audit trail outside the database, again and again.
async fn keep_checkpoints(store: Arc<dyn Store>, path: PathBuf) {
    loop {
        if let Err(error) = keep_checkpoint(&*store, &path).await {
            tracing::warn!(%error, "the end of the audit trail could not be kept");
        }
        tokio::time::sleep(CHECKPOINT).await;
    }
}

async fn keep_checkpoint(store: &dyn Store, path: &Path) -> Result<(), PlatformError> {
    let Some(head) = store.audit_head().await? else { return Ok(()) };
    if audit::verify::kept(path)?.last().is_none_or(|last| last.sequence < head.sequence) {
        audit::verify::keep(path, &head)?;
    }
    Ok(())
}

/// Makes an event of each reload.
async fn tell_of_reloads(
    estate: EstateService,
    store: Arc<dyn Store>,
    key: String,
    mut reloads: mpsc::UnboundedReceiver<Reloaded>,
) {
    while let Some(reloaded) = reloads.recv().await {
        let problems = estate.last().map(|snapshot| snapshot.diagnostics().len());
        let mut event = EventDraft::about(
            "estate",
            "changed",
            &key,
            json!({"revision": reloaded.revision, "changed": reloaded.changed, "diagnostics": problems}),
        );
        "terrace".clone_into(&mut event.command);
        let told = async { store.begin().await?.commit(Change::observed(Timestamp::now(), event)).await };
        if let Err(error) = told.await {
            tracing::warn!(%error, "a change of the estate could not be announced");
        }
    }
}

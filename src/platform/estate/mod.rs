//! The estate as it is now: loaded once, checked before each answer, loaded again when a file changed.
//!
//! Owns freshness: an answer is never older than the files were when it was asked. Every file, folder and missing path
//! that the resolver looked at is recorded with its stamp ([`recorder`]); before an answer the stamps are compared,
//! which costs one `stat` a path. A [`watcher`] does the same when nobody asks, so that a dashboard learns of a change
//! by itself. Leaves what the files mean to [`crate::atmos`].

mod file;
mod recorder;
mod snapshot;
mod watcher;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc, watch};

use super::PlatformError;
use crate::atmos::files::Disk;
use crate::atmos::{AtmosError, Estate, InstanceId, LoadOptions};
use crate::platform::runs::RunError;
use crate::platform::runs::configuration::{Configuration, Configurations};
use crate::platform::trust::{self, Grant, TrustStore};
use recorder::Recorder;
pub use snapshot::Snapshot;

/// What a reload found: the revision and the files that led to it, relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The revision that resulted.
    pub revision: u64,
    /// The files and folders that changed, relative to the root where they lie below it.
    pub changed: Vec<String>,
}

/// Holds the current snapshot of one estate; cheap to clone.
#[derive(Debug, Clone)]
pub struct EstateService {
    root: PathBuf,
    state: Arc<Mutex<State>>,
    trusts_all: bool,
    trust: Option<TrustStore>,
    latest: watch::Sender<Option<Arc<Snapshot>>>,
    reloads: mpsc::UnboundedSender<Reloaded>,
    /// Whether the process ends after a few answers: before the first load, one instance is resolved without the rest.
    brief: bool,
}

#[derive(Debug)]
struct State {
    root: PathBuf,
    options: LoadOptions,
    recorder: Arc<Recorder>,
    trust: Option<TrustStore>,
    /// The estate as it is without trust: what it needs is told by it, and it is what changes are applied to.
    plain: Option<Arc<Estate>>,
    /// The outcome of the last load; `None` before the first.
    outcome: Option<Result<Arc<Snapshot>, AtmosError>>,
    /// When the last comparison of stamps began.
    checked: Option<Instant>,
    revision: u64,
}

impl EstateService {
    /// Returns the service of the estate at `root`, and what tells of its reloads. Nothing is read yet.
    ///
    /// `options.files` is replaced by one that reads the disk and records.
    #[must_use]
    pub fn new(
        root: &Path,
        mut options: LoadOptions,
        trust: Option<TrustStore>,
    ) -> (Self, mpsc::UnboundedReceiver<Reloaded>) {
        let recorder = Arc::new(Recorder::default());
        options.files = Arc::clone(&recorder) as _;
        let trusts_all = options.trusted;
        let (reloads, heard) = mpsc::unbounded_channel();
        let state = State {
            root: root.to_owned(),
            options,
            recorder,
            trust: trust.clone(),
            plain: None,
            outcome: None,
            checked: None,
            revision: 0,
        };
        let service = Self {
            root: root.to_owned(),
            trusts_all,
            trust,
            state: Arc::new(Mutex::new(state)),
            latest: watch::Sender::new(None),
            reloads,
            brief: false,
        };
        (service, heard)
    }

    /// Returns one for a process that ends after a few answers.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
    }

    /// Returns the estate's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a snapshot that is not older than the files are now.
    ///
    /// Of many who ask at a time, those who asked before a comparison began share it.
    ///
    /// # Errors
    ///
    /// Where nothing can be said of the estate: no `atmos.yaml`, no folder of stacks.
    pub async fn current(&self) -> Result<Arc<Snapshot>, PlatformError> {
        let asked = Instant::now();
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if state.checked.is_none_or(|checked| checked < asked) {
            let service = self.clone();
            // The lock goes with the work: a client that leaves does not leave a half-done reload behind.
            let work = tokio::task::spawn_blocking(move || {
                if let Some(reloaded) = state.refresh() {
                    service.announce(&state, reloaded);
                }
                state
            });
            state = work.await.map_err(|e| PlatformError::Interrupted(e.to_string()))?;
        }
        match &state.outcome {
            Some(Ok(snapshot)) => Ok(Arc::clone(snapshot)),
            Some(Err(error)) => Err(error.clone().into()),
            None => Err(PlatformError::Interrupted("the estate was not loaded".to_owned())),
        }
    }

    /// Says whether everything is trusted, for as long as this process lives.
    #[must_use]
    pub fn trusts_all(&self) -> bool {
        self.trusts_all
    }

    /// Returns what a person trusted the estate for.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        self.trust.as_ref()?.grant_of(&self.root, &Disk)
    }

    /// Trusts the estate with these needs, and with what the files outside that it reads hold now; the next snapshot has them
    /// evaluated.
    ///
    /// # Errors
    ///
    /// Where that cannot be remembered.
    pub async fn trust(&self, needs: Vec<String>) -> Result<Grant, PlatformError> {
        let store = self.trust.clone().ok_or(PlatformError::NoHome)?;
        let options = LoadOptions { files: Arc::new(Disk), ..self.state.lock().await.options.clone() };
        let root = self.root.clone();
        let work = tokio::task::spawn_blocking(move || {
            // Nothing runs for somebody who saw less than it needs.
            let plain = Estate::load(&root, &options)?;
            let seen = trust::needs(&plain).iter().all(|need| needs.contains(need));
            let files = match seen {
                true => Estate::load(&root, &LoadOptions { trusted: true, ..options })?.outside(),
                false => BTreeMap::new(),
            };
            store.grant(&root, needs, files)
        });
        work.await.map_err(|e| PlatformError::Interrupted(e.to_string()))?
    }

    /// Forgets that the estate is trusted; says whether it was.
    ///
    /// # Errors
    ///
    /// Where that cannot be forgotten.
    pub fn distrust(&self) -> Result<bool, PlatformError> {
        self.trust.as_ref().ok_or(PlatformError::NoHome)?.revoke(&self.root)
    }

    /// Returns one instance in an estate that is not older than the files are now, and the revision of that answer.
    ///
    /// The estate may hold nothing but what makes the instance; it answers for the instance as the whole would.
    ///
    /// # Errors
    ///
    /// As [`EstateService::current`], and where there is no such instance, or more than one.
    pub async fn instance(
        &self,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
    ) -> Result<(Arc<Estate>, InstanceId, u64), PlatformError> {
        // What is trusted is known only once everything that needs it is.
        let granted = !self.trusts_all && self.grant().is_some();
        if !self.brief || granted || self.last().is_some() {
            let snapshot = self.current().await?;
            let id = snapshot.estate().find(component, stack, stack_file)?;
            return Ok((Arc::clone(snapshot.estate()), id, snapshot.revision()));
        }
        // Each such answer is a revision of its own: nothing remembers what it was made from.
        let revision = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        let options = LoadOptions { files: Arc::new(Disk), ..self.state.lock().await.options.clone() };
        let (root, component, stack) = (self.root.clone(), component.to_owned(), stack.to_owned());
        let stack_file = stack_file.map(str::to_owned);
        let work = tokio::task::spawn_blocking(move || {
            Estate::load_instance(&root, &options, &component, &stack, stack_file.as_deref())
        });
        let (estate, id) = work.await.map_err(|e| PlatformError::Interrupted(e.to_string()))??;
        Ok((Arc::new(estate), id, revision))
    }

    /// Returns the last snapshot without looking at any file; `None` before the first load.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Snapshot>> {
        self.latest.borrow().clone()
    }

    /// Loads the estate, watches the files that it stands on, and loads again when one changes; never returns.
    pub async fn watch(self) {
        watcher::run(self).await;
    }

    /// Returns the folders that hold what was read, and waits for the first load.
    async fn watched_folders(&self) -> Vec<PathBuf> {
        self.state.lock().await.recorder.folders()
    }

    fn announce(&self, state: &State, reloaded: Reloaded) {
        self.latest.send_replace(match &state.outcome {
            Some(Ok(snapshot)) => Some(Arc::clone(snapshot)),
            _ => None,
        });
        // The first load is no change. Nobody listens in a command that runs without the platform process.
        if reloaded.revision > 1 {
            drop(self.reloads.send(reloaded));
        }
    }
}

impl State {
    /// Returns the estate with what a person trusted it for evaluated, what it needs, and whether it is trusted.
    fn trusted(&self, plain: Arc<Estate>) -> Result<(Arc<Estate>, Vec<String>, bool), AtmosError> {
        if self.options.trusted {
            return Ok((plain, Vec::new(), true));
        }
        let needs = trust::needs(&plain);
        // Read through the recorder: that somebody trusts it, or no longer does, is a change like any other.
        let grant = self.trust.as_ref().and_then(|store| store.grant_of(&self.root, self.options.files.as_ref()));
        let Some(grant) = grant.filter(|grant| grant.covers(&needs)) else { return Ok((plain, needs, false)) };
        if needs.is_empty() {
            return Ok((plain, needs, true));
        }
        let options = LoadOptions { trusted: true, outside: Some(Arc::new(grant.files)), ..self.options.clone() };
        let estate = Estate::load(&self.root, &options)?;
        // What files outside hold now is asked for like any other need.
        let changed = trust::needs(&estate);
        if changed.is_empty() {
            return Ok((Arc::new(estate), needs, true));
        }
        Ok((plain, needs.into_iter().chain(changed).collect(), false))
    }

    /// Compares the stamps and loads again where one differs; says what changed.
    fn refresh(&mut self) -> Option<Reloaded> {
        let began = Instant::now();
        let changed = match &self.outcome {
            None => Vec::new(),
            Some(_) => {
                let changed = self.recorder.changed();
                if changed.is_empty() {
                    self.checked = Some(began);
                    return None;
                }
                changed
            }
        };
        self.recorder.forget(&changed);
        let loaded = match &self.plain {
            Some(plain) => plain.reload(&changed),
            None => {
                self.recorder.clear();
                Estate::load(&self.root, &self.options)
            }
        };
        self.revision += 1;
        let revision = self.revision;
        let plain = loaded.map(Arc::new);
        self.plain = plain.as_ref().ok().map(Arc::clone);
        self.outcome = Some(plain.and_then(|plain| {
            let (estate, needs, trusted) = self.trusted(plain)?;
            let files = self.options.files.as_ref();
            Ok(Arc::new(Snapshot::new(estate, (needs, trusted), files, revision, Timestamp::now())))
        }));
        self.checked = Some(began);
        let name = |path: &PathBuf| path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned();
        Some(Reloaded { revision, changed: changed.iter().map(name).collect() })
    }
}

#[async_trait]
impl Configurations for EstateService {
    async fn current(&self) -> Result<Arc<dyn Configuration>, RunError> {
        let snapshot = EstateService::current(self).await?;
        Ok(Arc::clone(snapshot.estate()) as _)
    }

    async fn at(&self, root: &Path) -> Result<Arc<dyn Configuration>, RunError> {
        let options = self.state.lock().await.options.clone();
        let options = LoadOptions { files: LoadOptions::default().files, ..options };
        let root = root.to_owned();
        let load = tokio::task::spawn_blocking(move || Estate::load(&root, &options));
        let estate = load.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??;
        Ok(Arc::new(estate))
    }
}

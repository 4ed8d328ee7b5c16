//! What the store keeps of runs: rows, what they hold, and how much of their journals was taken over.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::id::{RunId, RunRef};
use crate::domain::run::lock::LockKey;
use crate::domain::run::{Run, RunKind, RunRequest, RunState};
use crate::platform::PlatformError;

/// A run with what only the platform needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRun {
    /// The run as everybody sees it.
    pub run: Run,
    /// What was asked, without any environment.
    pub request: RunRequest,
    /// What it locks when it goes on.
    pub locks: Vec<LockKey>,
    /// How many entries of its journal were taken over.
    pub taken: u64,
    /// How many runs of its set go at a time.
    pub parallel: Option<u32>,
}

impl KeptRun {
    /// Returns what was asked, with what was decided when it was accepted.
    #[must_use]
    pub fn decided(&self) -> RunRequest {
        RunRequest { driver: Some(self.run.driver), ..self.request.clone() }
    }
}

/// Which runs are asked for; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only runs with a smaller number.
    pub before: Option<u64>,
    /// Only those in this state.
    pub state: Option<RunState>,
    /// Only those of this kind.
    pub kind: Option<RunKind>,
    /// Only those of this component.
    pub component: Option<String>,
    /// Only those of this stack.
    pub stack: Option<String>,
    /// Only those of this set.
    pub set: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// How many runs of a kind are in a state, and how long they took.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCount {
    /// The kind's name.
    pub kind: String,
    /// The state's name.
    pub state: String,
    /// How many there are.
    pub count: u64,
    /// How many of them began and ended.
    pub timed: u64,
    /// How many seconds those took together.
    pub seconds: f64,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    /// Its name ([`LockKey`] as text).
    pub key: String,
    /// Who holds it.
    pub run: RunId,
    /// The fencing token.
    pub token: u64,
    /// Since when.
    pub since: Timestamp,
}

/// Reads of runs.
#[async_trait]
pub trait RunReads {
    /// Returns one run.
    async fn run(&self, which: &RunRef) -> Result<KeptRun, PlatformError>;

    /// Lists runs.
    async fn runs(&self, query: &RunQuery) -> Result<Vec<KeptRun>, PlatformError>;

    /// Lists the runs that have not ended, oldest first.
    async fn live_runs(&self) -> Result<Vec<KeptRun>, PlatformError>;

    /// Counts the runs by kind and state, with how long they took.
    async fn run_counts(&self) -> Result<Vec<RunCount>, PlatformError>;

    /// Lists the locks that are held.
    async fn run_locks(&self) -> Result<Vec<HeldLock>, PlatformError>;
}

/// Writes of runs.
#[async_trait]
pub trait RunWrites {
    /// Returns one run under the write lock.
    async fn run(&mut self, id: RunId) -> Result<KeptRun, PlatformError>;

    /// Adds a run and gives it its number.
    async fn add_run(&mut self, kept: &mut KeptRun) -> Result<(), PlatformError>;

    /// Writes a run that was at version `expected`; fails with [`PlatformError::Stale`] where it is not.
    async fn save_run(&mut self, kept: &KeptRun, expected: u64) -> Result<(), PlatformError>;

    /// Takes all of these locks for a run, or none: then it returns the first that another run holds.
    ///
    /// What the run holds already stays its own.
    async fn take_locks(
        &mut self,
        run: RunId,
        keys: &[LockKey],
        time: Timestamp,
    ) -> Result<Result<u64, (LockKey, RunId)>, PlatformError>;

    /// Gives back what a run holds of these.
    async fn release_locks(&mut self, run: RunId, keys: &[LockKey]) -> Result<(), PlatformError>;

    /// Returns the fencing token of a platform that begins; each is higher than all before.
    async fn next_platform(&mut self) -> Result<u64, PlatformError>;
}

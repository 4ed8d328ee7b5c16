//! What the platform keeps: one write path, and what is read from it.
//!
//! Owns the traits that a database must fulfil; `sqlite` is the embedded one, `postgres` its twin on a server, and `sql`
//! what both are made of (SQL stands nowhere else). Leaves what a change means to the services.
//!
//! # The one write path
//!
//! ```text
//! let mut tx = store.begin().await?;          // takes the write lock
//! let run = tx.run(id).await?;                // reads under that lock
//! tx.save_run(&run, expected).await?;         // compare-and-set on a version: PlatformError::Stale
//! tx.commit(Change::new(time, event, audit)).await?;
//! ```
//!
//! [`Tx::commit`] asks for the [`Change`]: the event and the audit record that tell of the rows. So a state cannot
//! change without them, and all three are one transaction. Dropping a [`Tx`] undoes everything. Rows that are no
//! state (a lease renewed, a position in a log, an idempotency key that aged) are committed by
//! [`Tx::commit_bookkeeping`], which tells nobody.
//!
//! # How a noun joins
//!
//! A noun brings one file `store/<noun>.rs` with two traits, `<Noun>Reads` (on the store) and `<Noun>Writes` (inside a
//! transaction), one file `store/sql/<noun>.rs` that implements them for `SqlStore` (reads: `self.reader()`) and `SqlTx`
//! (`self.connection()`) of both databases at once (its first lines say in which words), and one migration of the same
//! number and name for each: `migrations/{sqlite,postgres}/<number>_<noun>.sql`. It then adds the traits as supertraits
//! of [`Store`] and [`Tx`]. Errors of sqlx go through `self.error(e)`, which knows a full disk, a read-only folder, a
//! damaged file and a server that went away. Every row of a state carries `version`, and an update says
//! `where id = ? and version = ?`; no row touched means [`PlatformError::Stale`].

mod budget;
mod cost;
mod delivery;
pub mod postgres;
mod recommend;
mod record;
mod request;
mod run;
pub mod sqlite;
mod token;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::PlatformError;
use super::audit::AuditDraft;
use super::events::{Bell, EventDraft};
use crate::domain::audit::AuditRecord;
use crate::domain::event::Event;
use crate::domain::id::Digest;
use postgres::PostgresStore;
use sqlite::SqliteStore;

pub use budget::{BudgetReads, BudgetWrites};
pub use cost::{ChargeSum, Closed, Closing, CostReads, CostWrites, DaySum, KeptImport, Settled, StagedCell};
pub use delivery::{DeliveryReads, DeliveryWrites};
pub use postgres::Server;
pub use recommend::{Decided, RecommendReads, RecommendWrites};
pub use record::{AuditLine, AuditQuery, EventQuery, KeyFingerprint, Order, RecordReads, RecordWrites, Remembered};
pub use request::{RequestQuery, RequestReads, RequestWrites};
pub use run::{HeldLock, KeptRun, RunCount, RunQuery, RunReads, RunWrites};
pub use token::{KeptToken, TokenReads, TokenWrites};

/// What a transaction tells of: events and audit records, in order.
#[derive(Debug, Clone)]
pub struct Change {
    time: Timestamp,
    events: Vec<EventDraft>,
    audit: Vec<AuditDraft>,
}

impl Change {
    /// Tells of one change of state: its event and its audit record.
    #[must_use]
    pub fn new(time: Timestamp, event: EventDraft, audit: AuditDraft) -> Self {
        Self { time, events: vec![event], audit: vec![audit] }
    }

    /// Tells of something that was seen and that nobody decided, such as files that changed: an event alone.
    #[must_use]
    pub fn observed(time: Timestamp, event: EventDraft) -> Self {
        Self { time, events: vec![event], audit: Vec::new() }
    }

    /// Tells of one more change in the same transaction.
    #[must_use]
    pub fn and(mut self, event: EventDraft, audit: AuditDraft) -> Self {
        self.events.push(event);
        self.audit.push(audit);
        self
    }

    /// Tells of one more thing that was seen in the same transaction.
    #[must_use]
    pub fn and_observed(mut self, event: EventDraft) -> Self {
        self.events.push(event);
        self
    }

    /// Gives the records about an object the digest before each: of the object as it was, then after the record before.
    pub(in crate::platform) fn begin_from(&mut self, object: &str, before: Option<Digest>) {
        let mut before = before;
        for record in self.audit.iter_mut().filter(|record| record.object == object) {
            record.before = std::mem::replace(&mut before, record.after.clone());
        }
    }

    /// Tells of another change in the same transaction.
    #[must_use]
    pub fn join(mut self, other: Change) -> Self {
        self.events.extend(other.events);
        self.audit.extend(other.audit);
        self
    }

    /// Returns when it happened, what is to be streamed, and what is to be audited.
    #[must_use]
    pub fn into_parts(self) -> (Timestamp, Vec<EventDraft>, Vec<AuditDraft>) {
        (self.time, self.events, self.audit)
    }
}

/// What a committed change became.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// The events with identity and sequence.
    pub events: Vec<Event>,
    /// The audit records with their sequence.
    pub audit: Vec<AuditRecord>,
}

/// A database that keeps what happened, shared by all services.
#[async_trait]
pub trait Store:
    Debug
    + Send
    + Sync
    + RecordReads
    + RunReads
    + CostReads
    + BudgetReads
    + RecommendReads
    + TokenReads
    + DeliveryReads
    + RequestReads
{
    /// Begins a transaction and takes the write lock; waits for others to finish theirs.
    async fn begin(&self) -> Result<Box<dyn Tx>, PlatformError>;

    /// Returns the bell that rings after each commit that has events.
    fn bell(&self) -> &Bell;

    /// Returns the public key that signs the end of the audit trail.
    fn public_key(&self) -> String;

    /// Checks that the database answers and is sound; slow for a large one, so it is for health and not for requests.
    async fn check(&self) -> Result<(), PlatformError>;

    /// Closes all connections after writing everything into the main file.
    async fn close(&self);
}

/// Where a database is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Server),
}

impl Place {
    /// Opens the database there, brings it to this binary's version, and takes the right to write to it.
    ///
    /// `key` is the file of the platform's key, `source` becomes the `source` attribute of its events.
    ///
    /// # Errors
    ///
    /// A database that cannot be used, or that another platform uses.
    pub async fn open(&self, key: &Path, source: &str) -> Result<Arc<dyn Store>, PlatformError> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open(path, key, source).await?),
            Self::Server(server) => Arc::new(PostgresStore::open(server, key, source).await?),
        })
    }

    /// Opens the database there to look at it, whoever has it open; nothing in it is changed, not even its version.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub async fn open_reading(&self, key: &Path) -> Result<Arc<dyn Store>, PlatformError> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open_reading(path, key).await?),
            Self::Server(server) => Arc::new(PostgresStore::open_reading(server, key).await?),
        })
    }
}

/// One transaction under the write lock; dropped without a commit, it undoes everything.
#[async_trait]
pub trait Tx:
    Send
    + RecordWrites
    + RunWrites
    + CostWrites
    + BudgetWrites
    + RecommendWrites
    + TokenWrites
    + DeliveryWrites
    + RequestWrites
{
    /// Commits rows, events and audit records as one, then rings the bell.
    async fn commit(self: Box<Self>, change: Change) -> Result<Committed, PlatformError>;

    /// Commits rows that are no state: leases, positions, idempotency keys.
    async fn commit_bookkeeping(self: Box<Self>) -> Result<(), PlatformError>;
}

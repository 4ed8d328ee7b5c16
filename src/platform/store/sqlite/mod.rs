//! The embedded store: SQLite in one file, in WAL mode.
//!
//! One connection writes (`begin immediate`), a few read. Every commit is synced to the disk before it is answered
//! (`synchronous = full`), because what Terrace says it did must survive a power failure.

mod open;
mod record;
mod run;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Sqlite, Transaction};

use super::{Change, Committed, Store, Tx};
use crate::platform::PlatformError;
use crate::platform::events::Bell;

/// The SQLite store of one estate.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: SqlitePool,
    reader: SqlitePool,
}

/// What the store and its transactions both need.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// The `source` attribute of events.
    source: String,
    bell: Bell,
}

impl SqliteStore {
    /// Returns the file it lies in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Returns the connections for reading.
    pub(super) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// Says what an error of sqlx means.
    pub(super) fn error(&self, error: sqlx::Error) -> PlatformError {
        open::explain(&self.shared.path, error)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, PlatformError> {
        let inner = self.writer.begin_with("begin immediate").await.map_err(|e| self.error(e))?;
        Ok(Box::new(SqliteTx { shared: Arc::clone(&self.shared), inner }))
    }

    fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    async fn check(&self) -> Result<(), PlatformError> {
        let answer: String =
            sqlx::query_scalar("pragma quick_check(1)").fetch_one(&self.reader).await.map_err(|e| self.error(e))?;
        if answer == "ok" {
            return Ok(());
        }
        Err(PlatformError::CorruptDatabase { path: self.shared.path.clone(), message: answer })
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// A transaction of the SQLite store.
pub(super) struct SqliteTx {
    shared: Arc<Shared>,
    inner: Transaction<'static, Sqlite>,
}

impl SqliteTx {
    /// Returns the connection under the write lock.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    /// Says what an error of sqlx means.
    pub(super) fn error(&self, error: sqlx::Error) -> PlatformError {
        open::explain(&self.shared.path, error)
    }
}

#[async_trait]
impl Tx for SqliteTx {
    async fn commit(mut self: Box<Self>, change: Change) -> Result<Committed, PlatformError> {
        let (time, events, audit) = change.into_parts();
        let events = self.append_events(time, events).await?;
        let audit = self.append_audit(time, audit).await?;
        let shared = Arc::clone(&self.shared);
        self.inner.commit().await.map_err(|e| open::explain(&shared.path, e))?;
        if let Some(sequence) = events.last().and_then(|event| event.sequence.parse().ok()) {
            shared.bell.ring(sequence);
        }
        Ok(Committed { events, audit })
    }

    async fn commit_bookkeeping(self: Box<Self>) -> Result<(), PlatformError> {
        let shared = self.shared;
        self.inner.commit().await.map_err(|e| open::explain(&shared.path, e))
    }
}

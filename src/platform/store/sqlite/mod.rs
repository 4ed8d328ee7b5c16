//! The embedded store: SQLite in one file, in WAL mode.
//!
//! One connection writes (`begin immediate`), a few read. Every commit is synced to the disk before it is answered
//! (`synchronous = full`), because what Terrace says it did must survive a power failure.

mod budget;
mod cost;
mod delivery;
mod open;
mod recommend;
mod record;
mod request;
mod run;
#[cfg(test)]
mod tests;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::{Change, Committed, Store, Tx};
use crate::platform::PlatformError;
use crate::platform::audit::key::PlatformKey;
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
    /// Signs the end of the audit trail.
    key: PlatformKey,
}

impl SqliteStore {
    /// Returns the file it lies in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Returns the public key that signs the end of the audit trail.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.shared.key.public()
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

impl SqliteStore {
    async fn start(&self) -> Result<Box<SqliteTx>, PlatformError> {
        let connection = self.writer.acquire().await.map_err(|e| self.error(e))?;
        let mut tx = Box::new(SqliteTx { shared: Arc::clone(&self.shared), connection, whole: false });
        tx.execute("begin immediate").await?;
        Ok(tx)
    }

    async fn begin_chain(&self) -> Result<(), PlatformError> {
        self.start().await?.begin_older().await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, PlatformError> {
        Ok(self.start().await?)
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
///
/// Not sqlx's own: SQLite undoes a transaction by itself when the disk is full, which sqlx does not notice, and then no
/// transaction begins on that connection any more. Here a transaction that did not end well takes its connection with
/// it; closing it undoes whatever is left.
pub(super) struct SqliteTx {
    shared: Arc<Shared>,
    connection: PoolConnection<Sqlite>,
    /// Whether the connection is fit for the next transaction.
    whole: bool,
}

impl SqliteTx {
    /// Returns the connection under the write lock.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Says what an error of sqlx means.
    pub(super) fn error(&self, error: sqlx::Error) -> PlatformError {
        open::explain(&self.shared.path, error)
    }

    /// Begins the chain of an older trail, where that has not been done.
    async fn begin_older(mut self: Box<Self>) -> Result<(), PlatformError> {
        if self.begin_chain(jiff::Timestamp::now()).await? { self.end().await } else { Ok(()) }
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), PlatformError> {
        let done = sqlx::query(sql).execute(self.connection()).await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn end(mut self: Box<Self>) -> Result<(), PlatformError> {
        self.execute("commit").await?;
        self.whole = true;
        Ok(())
    }

    async fn end_with(mut self: Box<Self>, change: Change) -> Result<Committed, PlatformError> {
        let (time, events, audit) = change.into_parts();
        let events = self.append_events(time, events).await?;
        let audit = self.append_audit(time, audit).await?;
        let shared = Arc::clone(&self.shared);
        self.end().await?;
        if let Some(sequence) = events.last().and_then(|event| event.sequence.parse().ok()) {
            shared.bell.ring(sequence);
        }
        Ok(Committed { events, audit })
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if !self.whole {
            self.connection.close_on_drop();
        }
    }
}

#[async_trait]
impl Tx for SqliteTx {
    async fn commit(self: Box<Self>, change: Change) -> Result<Committed, PlatformError> {
        finish(self.end_with(change)).await
    }

    async fn commit_bookkeeping(self: Box<Self>) -> Result<(), PlatformError> {
        finish(self.end()).await
    }
}

/// Finishes what has begun even where whoever asked goes away: nothing is committed without the bell ringing.
async fn finish<T: Send + 'static>(
    ending: impl Future<Output = Result<T, PlatformError>> + Send + 'static,
) -> Result<T, PlatformError> {
    tokio::spawn(ending).await.map_err(|e| PlatformError::Interrupted(e.to_string()))?
}

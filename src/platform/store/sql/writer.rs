//! Who writes: one at a time, and what comes meanwhile reaches the disk together.
//!
//! Syncing takes milliseconds, whatever is synced. So a change is a savepoint in a transaction, and whoever waits to write
//! when a change is ready comes in before the transaction is committed. Nobody is told that a change is kept before it
//! is; where that fails, all who share the transaction are told.

use std::sync::{Arc, Mutex as Short, PoisonError};

use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};

use super::Connection;
use super::dialect::{self, Db, Place};
use super::watched::Watched;
use crate::platform::PlatformError;
use crate::platform::crash;

type Answer = Result<(), PlatformError>;

/// The one place to write from; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::platform::store) struct Writer {
    place: Arc<Place>,
    pool: Pool<Db>,
    /// The transaction that several changes share, while there is one.
    shared: Arc<Mutex<Option<Held>>>,
    /// Those whose change is in it, and who wait until it is kept; looked at only by whoever has `shared`.
    ready: Arc<Short<Vec<oneshot::Sender<Answer>>>>,
    /// What went wrong in the change under way: where the database then undid the whole transaction, that is why.
    cause: Arc<Short<Option<PlatformError>>>,
}

/// The connection of a transaction.
///
/// Not sqlx's own transaction: SQLite undoes one by itself when the disk is full, which sqlx does not notice, and then no
/// transaction begins on that connection any more. Here a transaction that did not end well takes its connection with
/// it; closing it undoes whatever is left.
#[derive(Debug)]
struct Held {
    place: Arc<Place>,
    connection: PoolConnection<Db>,
    /// Whether the transaction was begun.
    begun: bool,
    /// Whether a change was begun and neither finished nor undone.
    open: bool,
    /// Whether the connection is fit for the next transaction.
    whole: bool,
}

impl Held {
    fn watched(&mut self) -> Watched<&mut Connection> {
        crash::point();
        Watched { by: &mut self.connection, place: Arc::clone(&self.place) }
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(self.watched()).await.map(drop)
    }

    /// Undoes a change that whoever began it left behind.
    async fn undo(&mut self) -> Result<(), sqlx::Error> {
        self.execute("rollback to change").await?;
        self.execute("release change").await?;
        self.open = false;
        Ok(())
    }

    /// Ends the transaction.
    async fn end(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.execute(sql).await?;
        crash::point();
        self.whole = true;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.whole {
            self.connection.close_on_drop();
        }
    }
}

impl Writer {
    /// Returns the writer over a pool of one connection.
    pub(super) fn new(place: Arc<Place>, pool: Pool<Db>) -> Self {
        Self { place, pool, shared: Arc::default(), ready: Arc::default(), cause: Arc::default() }
    }

    /// Returns the connection for what is no change.
    pub(in crate::platform::store) fn pool(&self) -> &Pool<Db> {
        &self.pool
    }

    /// Waits for the turn to write, and begins a change.
    pub(super) async fn begin(&self) -> Result<Turn, PlatformError> {
        let patience = self.pool.options().get_acquire_timeout();
        let waited = tokio::time::timeout(patience, Arc::clone(&self.shared).lock_owned()).await;
        let mut shared = waited.map_err(|_| self.error(sqlx::Error::PoolTimedOut))?;
        // Whoever was about to begin it went away.
        shared.take_if(|held| !held.begun);
        if let Some(held) = &mut *shared
            && let Err(error) = self.undo(held).await
        {
            drop(self.tell(&mut shared, Err(error)));
        }
        if shared.is_none() {
            let connection = self.pool.acquire().await.map_err(|e| self.error(e))?;
            let held = shared.insert(Held {
                place: Arc::clone(&self.place),
                connection,
                begun: false,
                open: false,
                whole: false,
            });
            if let Err(error) = held.execute(dialect::BEGIN).await {
                *shared = None;
                return Err(self.error(error));
            }
            held.begun = true;
        }
        let connection = OwnedMutexGuard::try_map(shared, Option::as_mut);
        let connection = connection.map_err(|_| PlatformError::Interrupted("no change was begun".to_owned()))?;
        let mut turn = Turn { writer: self.clone(), held: connection };
        turn.held.open = true;
        turn.held.execute("savepoint change").await.map_err(|e| turn.error(e))?;
        Ok(turn)
    }

    /// Says what an error of sqlx means.
    fn error(&self, error: sqlx::Error) -> PlatformError {
        dialect::explain(&self.place, error)
    }

    fn cause(&self) -> Option<PlatformError> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Undoes a change that was left behind, and nothing else; fails where the database undid all of the transaction.
    async fn undo(&self, held: &mut Held) -> Answer {
        let done = if held.open { held.undo().await } else { Ok(()) };
        let cause = self.cause();
        done.map_err(|error| cause.unwrap_or_else(|| self.error(error)))
    }

    /// Commits what is ready, unless somebody did so since.
    async fn settle(&self, mut told: oneshot::Receiver<Answer>) -> Answer {
        // Those who waited before come first, and share the commit.
        let mut shared = self.shared.lock().await;
        if let Ok(answer) = told.try_recv() {
            return answer;
        }
        self.commit(&mut shared).await
    }

    /// Commits what is ready, and lets go of the connection.
    async fn commit(&self, shared: &mut Option<Held>) -> Answer {
        let Some(held) = &mut *shared else {
            return Err(PlatformError::Interrupted("the change was undone".to_owned()));
        };
        let ended = match self.undo(held).await {
            Ok(()) => held.end("commit").await.map_err(|e| self.error(e)),
            Err(error) => Err(error),
        };
        self.tell(shared, ended)
    }

    /// Commits what is ready, and gives back the connection, also where whoever went away left it behind.
    pub(super) async fn finish(&self) {
        let mut shared = self.shared.lock().await;
        shared.take_if(|held| !held.begun);
        if shared.is_some()
            && let Err(error) = self.commit(&mut shared).await
        {
            tracing::warn!(%error, "the last changes are not kept");
        }
    }

    /// Lets go of the connection, and tells all whose change was in the transaction.
    fn tell(&self, shared: &mut Option<Held>, ended: Answer) -> Answer {
        *shared = None;
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        for waits in ready.drain(..) {
            // Who does not wait any more need not be told.
            let _ = waits.send(ended.as_ref().map_or_else(|error| Err(error.for_another()), |()| Ok(())));
        }
        ended
    }

    /// Undoes a change that was left behind; what others have ready is committed by them.
    async fn tidy(self) {
        let mut shared = self.shared.lock().await;
        let Some(held) = &mut *shared else { return };
        let alone = self.ready.lock().is_ok_and(|ready| ready.is_empty());
        if alone {
            let ended = held.end("rollback").await;
            drop((self.cause(), self.tell(&mut shared, ended.map_err(|e| self.error(e)))));
        } else if let Err(error) = self.undo(held).await {
            drop(self.tell(&mut shared, Err(error)));
        }
    }
}

/// The turn to write: one change.
///
/// Dropped before its end, the change is undone; what others have ready stays.
#[derive(Debug)]
pub(super) struct Turn {
    writer: Writer,
    held: OwnedMappedMutexGuard<Option<Held>, Held>,
}

impl Turn {
    /// Returns the connection under the write lock.
    pub(super) fn connection(&mut self) -> Watched<&mut Connection> {
        self.held.watched()
    }

    /// Says what an error of sqlx means, and remembers it as what went wrong.
    pub(super) fn error(&self, error: sqlx::Error) -> PlatformError {
        let error = self.writer.error(error);
        *self.writer.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.for_another());
        error
    }

    /// Ends the change; it is kept when this returns.
    pub(super) async fn end(mut self) -> Answer {
        let (tell, told) = oneshot::channel();
        let writer = self.writer.clone();
        self.held.execute("release change").await.map_err(|e| self.error(e))?;
        self.held.open = false;
        drop(writer.cause());
        writer.ready.lock().unwrap_or_else(PoisonError::into_inner).push(tell);
        drop(self);
        writer.settle(told).await
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Without a runtime the next one to write does it.
        if let (true, Ok(runtime)) = (self.held.open, tokio::runtime::Handle::try_current()) {
            runtime.spawn(self.writer.clone().tidy());
        }
    }
}

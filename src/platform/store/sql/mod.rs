//! The store in SQL: written once, and compiled once for each database.
//!
//! `sqlite` and `postgres` each include this folder (`#[path = "../sql/mod.rs"]`), and `super::dialect` is what differs
//! between them: the driver's types, how a transaction begins, what an error means. So a statement stands here once,
//! in words that both understand, and a noun that is missing for one of them does not compile:
//!
//! - Placeholders are `$1, $2, …`; [`sqlx::QueryBuilder`] writes its own.
//! - `insert … on conflict (columns) do update set …` names its columns; there is no `insert or replace`.
//! - Integers are `i64` (`bigint` there), days `i32` (`integer`), bytes `&[u8]` (`bytea`), all else text. A yes or no is
//!   bound as `i64::from(yes)`. A sum of integers is cast: `cast(sum(lines) as bigint)`.
//! - Nothing is computed in JSON or of times; that is done in Rust.

mod budget;
mod cost;
mod delivery;
mod recommend;
mod record;
mod request;
mod run;
mod token;
mod watched;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Pool;

use self::writer::{Turn, Writer};
use super::dialect::{self, Db, Place};
use crate::platform::PlatformError;
use crate::platform::audit::key::PlatformKey;
use crate::platform::events::Bell;
use crate::platform::store::{Change, Committed, Store, Tx};
use watched::Watched;

type Row = <Db as sqlx::Database>::Row;
type Connection = <Db as sqlx::Database>::Connection;

/// The store of one estate in this database.
#[derive(Debug)]
pub struct SqlStore {
    shared: Arc<Shared>,
    pub(super) writer: Writer,
    reader: Pool<Db>,
}

/// What the store and its transactions both need.
#[derive(Debug)]
struct Shared {
    place: Arc<Place>,
    /// The `source` attribute of events.
    source: String,
    bell: Bell,
    /// Signs the end of the audit trail.
    key: PlatformKey,
}

impl SqlStore {
    /// Returns a store over connections to a database of this binary's version.
    pub(super) async fn over(
        place: Place,
        source: &str,
        key: PlatformKey,
        (writer, reader): (Pool<Db>, Pool<Db>),
    ) -> Result<Self, PlatformError> {
        let latest: i64 = sqlx::query_scalar("select coalesce(max(sequence), 0) from events")
            .fetch_one(&writer)
            .await
            .map_err(|e| dialect::explain(&place, e))?;
        let bell = Bell::new(u64::try_from(latest).unwrap_or_default());
        let place = Arc::new(place);
        let writer = Writer::new(Arc::clone(&place), writer);
        let store = Self { shared: Arc::new(Shared { place, source: source.to_owned(), bell, key }), writer, reader };
        store.start().await?.begin_older().await?;
        Ok(store)
    }

    /// Returns a store to look at.
    pub(super) fn reading(place: Place, key: PlatformKey, pool: &Pool<Db>) -> Self {
        let place = Arc::new(place);
        let writer = Writer::new(Arc::clone(&place), pool.clone());
        let shared = Shared { place, source: String::new(), bell: Bell::new(0), key };
        Self { shared: Arc::new(shared), writer, reader: pool.clone() }
    }

    /// Returns where it lies.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Returns the connections for reading.
    fn reader(&self) -> Watched<&Pool<Db>> {
        Watched { by: &self.reader, place: Arc::clone(&self.shared.place) }
    }

    /// Says what an error of sqlx means.
    fn error(&self, error: sqlx::Error) -> PlatformError {
        dialect::explain(&self.shared.place, error)
    }

    async fn start(&self) -> Result<Box<SqlTx>, PlatformError> {
        let turn = self.writer.begin().await?;
        Ok(Box::new(SqlTx { shared: Arc::clone(&self.shared), turn }))
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, PlatformError> {
        Ok(self.start().await?)
    }

    fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    fn public_key(&self) -> String {
        self.shared.key.public()
    }

    async fn check(&self) -> Result<(), PlatformError> {
        dialect::check(&self.shared.place, &self.reader).await
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.finish().await;
        self.writer.pool().close().await;
    }
}

/// A transaction of this store.
pub(super) struct SqlTx {
    shared: Arc<Shared>,
    turn: Turn,
}

impl SqlTx {
    /// Returns the connection under the write lock.
    fn connection(&mut self) -> Watched<&mut Connection> {
        self.turn.connection()
    }

    /// Says what an error of sqlx means.
    fn error(&self, error: sqlx::Error) -> PlatformError {
        self.turn.error(error)
    }

    /// Begins the chain of an older trail, where that has not been done.
    async fn begin_older(mut self: Box<Self>) -> Result<(), PlatformError> {
        self.begin_chain(jiff::Timestamp::now()).await?;
        self.end().await
    }

    async fn end(self: Box<Self>) -> Result<(), PlatformError> {
        self.turn.end().await
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

#[async_trait]
impl Tx for SqlTx {
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

/// Fits a number into what a column can keep.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

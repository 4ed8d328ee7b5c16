//! Of all platforms on one database, the one that may write.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use sqlx::{Executor, PgConnection, Postgres};

use super::dialect::said;
use crate::platform::PlatformError;

/// The key of the advisory lock in each database: `terrace` in ASCII.
const LOCK: i64 = 0x0074_6572_7261_6365;
/// How long a platform that begins, or whose connection broke, waits for the lock, as PostgreSQL says it. A platform that
/// was killed loses it when the server notices.
const PATIENCE: &str = "set lock_timeout = '5s'";

/// The right to write: an advisory lock of the writing connection, and the epoch that the platform began.
#[derive(Debug, Default)]
pub(super) struct Lease {
    /// The epoch; 0 before it began, and where nothing is written.
    epoch: AtomicI64,
    /// Whether another platform holds the lock, or began a later epoch.
    lost: AtomicBool,
}

/// Reads the epoch that was begun last; 0 in a database that no platform has used.
pub(super) async fn epoch<'c>(by: impl Executor<'c, Database = Postgres>) -> Result<i64, sqlx::Error> {
    let sql = "select epoch from platform_lease";
    Ok(sqlx::query_scalar(sql).fetch_optional(by).await?.unwrap_or_default())
}

/// Takes the lock for as long as the connection lives; fails with `lock_not_available` where another one holds it.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(PATIENCE).execute(&mut *connection).await?;
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    sqlx::query("reset lock_timeout").execute(&mut *connection).await.map(drop)
}

impl Lease {
    /// Begins the next epoch of an estate, under the lock.
    ///
    /// # Errors
    ///
    /// A database that another estate uses.
    pub(super) async fn begin(
        &self,
        connection: &mut PgConnection,
        name: &str,
        source: &str,
    ) -> Result<(), PlatformError> {
        let sql = "insert into platform_lease (one, epoch, source, begun_at) values (1, 1, $1, $2) on conflict (one) \
                   do update set epoch = platform_lease.epoch + 1, begun_at = excluded.begun_at \
                   where platform_lease.source = excluded.source returning epoch";
        let begun = sqlx::query_scalar(sql).bind(source).bind(jiff::Timestamp::now().to_string());
        let begun: Option<i64> = begun.fetch_optional(&mut *connection).await.map_err(|e| said(name, e))?;
        if let Some(epoch) = begun {
            self.epoch.store(epoch, Ordering::SeqCst);
            return Ok(());
        }
        let found = sqlx::query_scalar("select source from platform_lease").fetch_one(connection).await;
        let found: String = found.map_err(|e| said(name, e))?;
        Err(PlatformError::Unusable {
            code: "database-of-another-estate",
            message: format!("the database {name} belongs to {found}, and this is {source}"),
            hint: Some(
                "give each estate a database of its own; where it is the same estate in another folder, give it one `id` in \
                 platform/terrace.yaml"
                    .to_owned(),
            ),
        })
    }

    /// Takes the lock again on a new connection in the place of one that broke.
    pub(super) async fn renew(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let renewed = async {
            lock(connection).await?;
            epoch(&mut *connection).await
        };
        let renewed = renewed.await;
        let lost = match &renewed {
            Ok(found) => *found != self.epoch.load(Ordering::SeqCst),
            Err(sqlx::Error::Database(error)) => error.code().as_deref() == Some("55P03"),
            Err(_) => false,
        };
        self.lost.store(lost, Ordering::SeqCst);
        match renewed {
            // sqlx tries again until it has waited for long enough, and then `lost` says why.
            Ok(_) if lost => Err(sqlx::Error::WorkerCrashed),
            renewed => renewed.map(drop),
        }
    }

    /// Refuses where another platform began a later epoch.
    pub(super) fn refuse_other(&self, name: &str, found: i64) -> Result<(), PlatformError> {
        let own = self.epoch.load(Ordering::SeqCst);
        if own == 0 || own == found { Ok(()) } else { Err(taken(name)) }
    }

    /// Returns the error for a writer that could not be had because another platform took over.
    pub(super) fn lost(&self, name: &str, error: &sqlx::Error) -> Option<PlatformError> {
        let waited = matches!(error, sqlx::Error::PoolTimedOut);
        (waited && self.lost.load(Ordering::SeqCst)).then(|| taken(name))
    }
}

/// Another platform has the database.
pub(super) fn taken(name: &str) -> PlatformError {
    PlatformError::DatabaseTaken { database: name.to_owned() }
}

//! What PostgreSQL does in its own way.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, PgPool};

use super::Server;
use super::lease::Lease;
use crate::platform::PlatformError;

/// The database of sqlx.
pub(in crate::platform::store) type Db = sqlx::Postgres;

/// The database on its server.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its URL without anything secret.
    pub(super) name: String,
    /// How it is asked whether it answers at all.
    pub(super) server: Server,
    /// Who may write to it.
    pub(super) lease: Arc<Lease>,
}

/// Begins a transaction; the connection holds the write lock already.
pub(in crate::platform::store) const BEGIN: &str = "begin";

/// Says whether there is a table of this name.
pub(in crate::platform::store) async fn has_table(pool: &PgPool, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select to_regclass($1) is not null").bind(name).fetch_one(pool).await
}

/// Checks that the server answers, and that nobody else took the database over.
pub(in crate::platform::store) async fn check(place: &Place, pool: &PgPool) -> Result<(), PlatformError> {
    let epoch = super::lease::epoch(pool).await.map_err(|e| explain(place, e))?;
    place.lease.refuse_other(&place.name, epoch)
}

/// After how long without an answer the server is asked whether it answers at all.
const SILENCE: Duration = Duration::from_secs(8);
/// How long it may take to say so.
const PROBE: Duration = Duration::from_secs(4);
/// After how long one answer is not waited for any more, whatever else the server answers.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits for an answer. A statement may take its time; where the server does not answer others either, it hangs, and whoever
/// waits is told so.
pub(in crate::platform::store) async fn watch<T>(
    place: &Place,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let mut answer = pin!(answer);
    // Most rows are there already: no timer is begun for them.
    if let std::task::Poll::Ready(answer) = futures::poll!(&mut answer) {
        return answer;
    }
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < LONGEST {
        if let Ok(answer) = tokio::time::timeout(SILENCE, &mut answer).await {
            return answer;
        }
        let probe = async { place.server.options().connect().await?.close().await };
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            alive = tokio::time::timeout(PROBE, probe) => if !matches!(alive, Ok(Ok(()))) { break },
        }
    }
    Err(sqlx::Error::PoolTimedOut)
}

/// Says what an error of sqlx means for a person.
///
/// Codes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
pub(in crate::platform::store) fn explain(place: &Place, error: sqlx::Error) -> PlatformError {
    if let Some(lost) = place.lease.lost(&place.name, &error) {
        return lost;
    }
    said(&place.name, error)
}

/// The same, where no lease is at stake.
pub(super) fn said(name: &str, error: sqlx::Error) -> PlatformError {
    let (database, path) = (name.to_owned(), PathBuf::from(name));
    let away = |message: String| PlatformError::DatabaseAway { database: database.clone(), message };
    let (code, message) = match &error {
        sqlx::Error::Database(inner) => (inner.code().unwrap_or_default().into_owned(), inner.message().to_owned()),
        sqlx::Error::Io(inner) => return away(inner.to_string()),
        sqlx::Error::Tls(inner) => return away(format!("TLS: {inner}")),
        sqlx::Error::PoolTimedOut => return away("it does not answer".to_owned()),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => return away("the platform is ending".to_owned()),
        _ => return PlatformError::Database { path, source: Box::new(error) },
    };
    match code.as_str() {
        // text holds no NUL
        "22021" | "22P05" => PlatformError::Unusable {
            code: "character-not-kept",
            message: format!("a text holds a character that the database cannot keep: {message}"),
            hint: None,
        },
        "25006" | "42501" => PlatformError::ReadOnlyDatabase { path, message },
        "53100" => PlatformError::DiskFull { path },
        "55P03" => PlatformError::BusyDatabase { path },
        "XX001" | "XX002" => PlatformError::CorruptDatabase { path, message },
        "3D000" | "28000" | "28P01" => PlatformError::DatabaseRefuses { database, message },
        // connection exceptions, insufficient resources, operator intervention (shutting down, starting up)
        code if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => away(message),
        _ => PlatformError::Database { path, source: Box::new(error) },
    }
}

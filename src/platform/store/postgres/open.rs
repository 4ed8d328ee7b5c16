//! Opening a database on a server: which versions, whose it is, and how connections are kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::dialect::{Place, said};
use super::lease::{self, Lease};
use super::{PostgresStore, Server};
use crate::platform::PlatformError;
use crate::platform::audit::key::PlatformKey;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// The oldest server that is used, as `server_version_num` says it.
const OLDEST: i32 = 150_000;
/// How long a connection is waited for, its server starting again included.
const PATIENCE: Duration = Duration::from_secs(8);
/// How many connections read at a time.
const READERS: u32 = 8;

impl PostgresStore {
    /// Opens the database, brings it to this binary's version, and takes the right to write to it.
    ///
    /// `key` is the file of the platform's key, `source` becomes the `source` attribute of its events.
    ///
    /// # Errors
    ///
    /// A server that does not answer, refuses or is too old; a database of a newer version, of another estate, or one
    /// that another platform writes to.
    pub async fn open(server: &Server, key: &Path, source: &str) -> Result<Self, PlatformError> {
        let name = server.name();
        // By itself first: a pool would try again and again, and not say why.
        let mut connection = connect(server).await?;
        lease::lock(&mut connection).await.map_err(|error| match said(name, error) {
            PlatformError::BusyDatabase { .. } => lease::taken(name),
            other => other,
        })?;
        refuse_newer(name, &mut connection).await?;
        // Nobody else works on it now, and a table may be large.
        sqlx::query("set statement_timeout = 0").execute(&mut connection).await.map_err(|e| said(name, e))?;
        MIGRATIONS.run(&mut connection).await.map_err(|error| explain_migration(name, error))?;
        let lease = Arc::new(Lease::default());
        lease.begin(&mut connection, name, source).await?;
        connection.close().await.map_err(|e| said(name, e))?;
        let renewing = Arc::clone(&lease);
        let writer = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                let lease = Arc::clone(&renewing);
                Box::pin(async move { lease.renew(connection).await })
            })
            .connect_lazy_with(server.options());
        let reader = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(server.options().options([("default_transaction_read_only", "on")]));
        let place = Place { name: name.to_owned(), server: server.clone(), lease };
        Self::over(place, source, PlatformKey::load_or_create(key)?, (writer, reader)).await
    }

    /// Opens the database to look at it, whoever writes to it; nothing in it is changed, not even its version.
    ///
    /// # Errors
    ///
    /// A server that does not answer or refuses, and a key that cannot be read.
    pub async fn open_reading(server: &Server, key: &Path) -> Result<Self, PlatformError> {
        connect(server).await?.close().await.map_err(|e| said(server.name(), e))?;
        let pool = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(server.options().options([("default_transaction_read_only", "on")]));
        let place = Place { name: server.name().to_owned(), server: server.clone(), lease: Arc::default() };
        Ok(Self::reading(place, PlatformKey::load(key)?, &pool))
    }
}

/// Connects, to a server that is new enough.
async fn connect(server: &Server) -> Result<PgConnection, PlatformError> {
    let name = server.name();
    let mut connection = tokio::time::timeout(PATIENCE, server.options().connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|e| said(name, e))?;
    let sql = "select cast(current_setting('server_version_num') as integer), current_setting('server_version')";
    let version = tokio::time::timeout(PATIENCE, sqlx::query_as(sql).fetch_one(&mut connection)).await;
    let version = version.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let (number, version): (i32, String) = version.map_err(|e| said(name, e))?;
    if number < OLDEST {
        return Err(PlatformError::Unusable {
            code: "database-too-old",
            message: format!("the server of {name} is PostgreSQL {version}, and 15 or later is needed"),
            hint: None,
        });
    }
    Ok(connection)
}

/// Refuses a database that has migrations which this binary does not know.
async fn refuse_newer(name: &str, connection: &mut PgConnection) -> Result<(), PlatformError> {
    let sql = "select to_regclass('_sqlx_migrations') is not null";
    let migrated: bool = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(|e| said(name, e))?;
    if !migrated {
        return Ok(());
    }
    let sql = "select coalesce(max(version), 0) from _sqlx_migrations";
    let found: i64 = sqlx::query_scalar(sql).fetch_one(connection).await.map_err(|e| said(name, e))?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    if found > known {
        return Err(PlatformError::NewerDatabase { path: name.into(), found, known });
    }
    Ok(())
}

fn explain_migration(name: &str, error: MigrateError) -> PlatformError {
    match error {
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => said(name, inner),
        other => PlatformError::Database { path: name.into(), source: Box::new(other) },
    }
}

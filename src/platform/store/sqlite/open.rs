//! Opening a database without losing anything, and saying what an error means.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::SqliteStore;
use super::dialect::explain;
use crate::platform::PlatformError;
use crate::platform::audit::key::PlatformKey;

pub(in crate::platform::store) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// How long a write waits for another process before it gives up.
const BUSY: Duration = Duration::from_secs(10);
/// How many connections read at a time.
const READERS: u32 = 4;

impl SqliteStore {
    /// Opens the database, creating it (mode 0600, its folder 0700) or bringing it to this binary's version.
    ///
    /// `key` is the file of the platform's key, `source` becomes the `source` attribute of its events.
    ///
    /// # Errors
    ///
    /// A newer version, a damaged file, a folder that cannot be written, a full disk: each says so, and the file stays
    /// as it was.
    pub async fn open(path: &Path, key: &Path, source: &str) -> Result<Self, PlatformError> {
        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .create_if_missing(false);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY * 3)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await
            .map_err(|e| explain(path, e))?;
        refuse_newer(path, &writer).await?;
        MIGRATIONS.run(&writer).await.map_err(|e| explain_migration(path, e))?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "on"));
        let key = PlatformKey::load_or_create(key)?;
        Self::over(path.to_owned(), source, key, (writer, reader)).await
    }

    /// Opens the database to look at it, whoever else has it open; nothing in it is changed, not even its version.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub async fn open_reading(path: &Path, key: &Path) -> Result<Self, PlatformError> {
        fs::metadata(path).map_err(PlatformError::io("open the database", path))?;
        let key = PlatformKey::load(key)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY)
            .create_if_missing(false)
            .pragma("query_only", "on");
        let pool = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options);
        Ok(Self::reading(path.to_owned(), key, &pool))
    }
}

/// Creates folder and file so that only their owner can read them, where they are missing.
fn create_private(path: &Path) -> Result<(), PlatformError> {
    let unwritable = |error: std::io::Error| explain_io(path, error);
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable)?;
    }
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(unwritable)?;
    Ok(())
}

fn explain_io(path: &Path, error: std::io::Error) -> PlatformError {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => PlatformError::DiskFull { path: path.to_owned() },
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
            PlatformError::ReadOnlyDatabase { path: path.to_owned(), message: error.to_string() }
        }
        _ => PlatformError::io("create the database", path)(error),
    }
}

/// Refuses a database that has migrations which this binary does not know.
async fn refuse_newer(path: &Path, pool: &SqlitePool) -> Result<(), PlatformError> {
    let migrated: bool = sqlx::query_scalar("select count(*) > 0 from sqlite_master where name = '_sqlx_migrations'")
        .fetch_one(pool)
        .await
        .map_err(|e| explain(path, e))?;
    if !migrated {
        return Ok(());
    }
    let found: i64 = sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations")
        .fetch_one(pool)
        .await
        .map_err(|e| explain(path, e))?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    if found > known {
        return Err(PlatformError::NewerDatabase { path: path.to_owned(), found, known });
    }
    Ok(())
}

fn explain_migration(path: &Path, error: sqlx::migrate::MigrateError) -> PlatformError {
    use sqlx::migrate::MigrateError as E;
    match error {
        E::Execute(inner) | E::ExecuteMigration(inner, _) => explain(path, inner),
        other => PlatformError::Database { path: path.to_owned(), source: Box::new(other) },
    }
}

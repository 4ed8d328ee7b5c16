//! What SQLite does in its own way.

use std::path::{Path, PathBuf};

use sqlx::SqlitePool;

use crate::platform::PlatformError;

/// The database of sqlx.
pub(in crate::platform::store) type Db = sqlx::Sqlite;

/// The file.
pub(in crate::platform::store) type Place = PathBuf;

/// Begins a transaction and takes the write lock.
pub(in crate::platform::store) const BEGIN: &str = "begin immediate";

/// Says whether there is a table of this name.
pub(in crate::platform::store) async fn has_table(pool: &SqlitePool, name: &str) -> Result<bool, sqlx::Error> {
    let sql = "select count(*) > 0 from sqlite_master where type = 'table' and name = $1";
    sqlx::query_scalar(sql).bind(name).fetch_one(pool).await
}

/// Checks that the file is sound.
pub(in crate::platform::store) async fn check(path: &Path, pool: &SqlitePool) -> Result<(), PlatformError> {
    let answer = sqlx::query_scalar("pragma quick_check(1)").fetch_one(pool).await;
    let answer: String = answer.map_err(|e| explain(path, e))?;
    if answer == "ok" {
        return Ok(());
    }
    Err(PlatformError::CorruptDatabase { path: path.to_owned(), message: answer })
}

/// Waits for an answer: that of a file comes.
pub(in crate::platform::store) async fn watch<T>(
    _: &Path,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    answer.await
}

/// Says what an error of sqlx means for a person. Result codes: <https://sqlite.org/rescode.html>.
pub(in crate::platform::store) fn explain(path: &Path, error: sqlx::Error) -> PlatformError {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const READ_ONLY: i32 = 8;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const CANNOT_OPEN: i32 = 14;
    const NOT_A_DATABASE: i32 = 26;
    const SHARED_MEMORY_SIZE: i32 = 4874;

    let path: PathBuf = path.to_owned();
    let (code, message) = match &error {
        sqlx::Error::Database(inner) => {
            (inner.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default(), inner.message().to_owned())
        }
        sqlx::Error::PoolTimedOut => return PlatformError::BusyDatabase { path },
        _ => (0, String::new()),
    };
    if code == SHARED_MEMORY_SIZE {
        return PlatformError::DiskFull { path };
    }
    match code & 0xff {
        CORRUPT | NOT_A_DATABASE => PlatformError::CorruptDatabase { path, message },
        READ_ONLY | CANNOT_OPEN => PlatformError::ReadOnlyDatabase { path, message },
        FULL => PlatformError::DiskFull { path },
        BUSY | LOCKED => PlatformError::BusyDatabase { path },
        _ => PlatformError::Database { path, source: Box::new(error) },
    }
}

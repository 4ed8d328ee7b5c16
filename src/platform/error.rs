//! What can go wrong in the platform layer, with a stable code and the next step for each.

use std::io;
use std::path::PathBuf;

/// Everything that the platform layer reports as an error.
///
/// `Display` is one sentence that says what and where; [`PlatformError::hint`] says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// A folder or file of the platform could not be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `create the state folder`.
        doing: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database was written by a newer Terrace; it has been left as it is.
    #[error("the database {} is of version {found}, and this terrace knows versions up to {known}", path.display())]
    NewerDatabase {
        /// The database file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this binary knows.
        known: i64,
    },
    /// The database file is damaged or is no database; it has been left as it is.
    #[error("the database {} is damaged: {message}", path.display())]
    CorruptDatabase {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// The database, or the folder it lies in, cannot be written.
    #[error("the database {} cannot be written: {message}", path.display())]
    ReadOnlyDatabase {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// No space is left where the database lies. What was committed stays; the change under way was undone.
    #[error("no space is left on the disk that holds {}", path.display())]
    DiskFull {
        /// The database file.
        path: PathBuf,
    },
    /// Another process holds the database's write lock for too long.
    #[error("the database {} is locked by another process", path.display())]
    BusyDatabase {
        /// The database file.
        path: PathBuf,
    },
    /// Any other failure of the database.
    #[error("the database {}: {source}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What sqlx said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read from the database does not have the shape that was written.
    #[error("the database holds a {what} that cannot be read: {message}")]
    Unreadable {
        /// Which kind of record, with its identity.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// Compare-and-set: the thing changed after the caller had read it.
    #[error("{what} has changed: it is at version {found}, not {expected}")]
    Stale {
        /// What, such as `run/01K9…`.
        what: String,
        /// The version that the caller had read.
        expected: u64,
        /// The version it has now.
        found: u64,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// What, such as `run #214`.
        what: String,
    },
    /// An idempotency key came a second time with another request.
    #[error("the idempotency key '{key}' was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// A value could not be written as canonical JSON.
    #[error("cannot write canonical JSON: {0}")]
    Canonical(String),
}

impl PlatformError {
    /// Returns the stable code, in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NewerDatabase { .. } => "database-newer",
            Self::CorruptDatabase { .. } => "database-corrupt",
            Self::ReadOnlyDatabase { .. } => "database-read-only",
            Self::DiskFull { .. } => "disk-full",
            Self::BusyDatabase { .. } => "database-busy",
            Self::Database { .. } => "database",
            Self::Unreadable { .. } => "record-unreadable",
            Self::Stale { .. } => "stale",
            Self::NotFound { .. } => "not-found",
            Self::KeyReused { .. } => "idempotency-key-reused",
            Self::Canonical(_) => "canonical-json",
        }
    }

    /// Returns the next step, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NewerDatabase { .. } => {
                Some("use the newer terrace that wrote it; nothing in the database was changed".to_owned())
            }
            Self::CorruptDatabase { path, .. } => Some(format!(
                "nothing was changed; keep a copy, and try `sqlite3 {0} .recover`, or move it aside (`mv {0} {0}.damaged`) to \
                 start with an empty history",
                path.display()
            )),
            Self::ReadOnlyDatabase { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                Some(format!("make {} writable for you, or set XDG_STATE_HOME to a folder that is", folder.display()))
            }
            Self::DiskFull { .. } => {
                Some("free some space and try again; everything committed before is safe".to_owned())
            }
            Self::BusyDatabase { .. } => Some("`terrace status` says who holds it; try again".to_owned()),
            Self::Stale { .. } => Some("read it again, and decide on what it is now".to_owned()),
            Self::KeyReused { .. } => Some("use a new key for a new request".to_owned()),
            _ => None,
        }
    }

    /// Wraps an I/O error with what was tried on which path.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

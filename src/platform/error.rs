//! What can go wrong in the platform layer, with a stable code and the next step for each.

use std::io;
use std::path::PathBuf;

use crate::domain::stack::{Diagnostic, Source};

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
        /// The database file, or the server's URL without secrets.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this binary knows.
        known: i64,
    },
    /// The database file is damaged or is no database; it has been left as it is.
    #[error("the database {} is damaged: {message}", path.display())]
    CorruptDatabase {
        /// The database file, or the server's URL without secrets.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// The database, or the folder it lies in, cannot be written.
    #[error("the database {} cannot be written: {message}", path.display())]
    ReadOnlyDatabase {
        /// The database file, or the server's URL without secrets.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// No space is left where the database lies. What was committed stays; the change under way was undone.
    #[error("no space is left on the disk that holds {}", path.display())]
    DiskFull {
        /// The database file, or the server's URL without secrets.
        path: PathBuf,
    },
    /// Another process holds the database's write lock for too long.
    #[error("the database {} is locked by another process", path.display())]
    BusyDatabase {
        /// The database file, or the server's URL without secrets.
        path: PathBuf,
    },
    /// The server of the database does not answer, or went away. What was committed stays; whatever was under way was
    /// undone.
    #[error("the database {database} cannot be reached: {message}")]
    DatabaseAway {
        /// The database's URL without secrets.
        database: String,
        /// What the system or the server said.
        message: String,
    },
    /// The server knows neither the user nor the database, or the password is another one.
    #[error("the database {database} refuses: {message}")]
    DatabaseRefuses {
        /// The database's URL without secrets.
        database: String,
        /// What the server said.
        message: String,
    },
    /// Another platform writes to the database.
    #[error("another platform has the database {database}")]
    DatabaseTaken {
        /// The database's URL without secrets.
        database: String,
    },
    /// Any other failure of the database.
    #[error("the database {}: {source}", path.display())]
    Database {
        /// The database file, or the server's URL without secrets.
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
    /// Something is larger than the platform hands out.
    #[error("the {what} is larger than {limit} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// How many bytes are the limit.
        limit: u64,
    },
    /// An idempotency key came a second time with another request.
    #[error("the idempotency key '{key}' was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The estate, or what was asked of it, cannot be had.
    #[error(transparent)]
    Atmos(#[from] crate::atmos::AtmosError),
    /// A file of `platform/` cannot be read.
    #[error("{}", .0.message)]
    Configuration(Box<Diagnostic>),
    /// No place to keep anything is known.
    #[error("neither XDG_STATE_HOME nor a home folder is known, so there is no place to keep state")]
    NoHome,
    /// A folder that must be ours alone is not.
    #[error("the folder {} is not safe for the platform's socket: {why}", path.display())]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for needs the platform process, and this is a command that runs without it.
    #[error("{what} are kept by the platform process, and this command runs without it")]
    NoStore {
        /// What was asked for, such as `events`.
        what: &'static str,
    },
    /// What was sent cannot be used; nothing of it was kept.
    #[error("{message}")]
    Unusable {
        /// The stable code.
        code: &'static str,
        /// What is wrong with it, and where.
        message: String,
        /// The next step, where one is known.
        hint: Option<String>,
    },
    /// A task of the platform ended before it had an answer.
    #[error("the platform could not finish: {0}")]
    Interrupted(String),
    /// The file of the platform's key holds none, or others can read it.
    #[error("the platform's key {} cannot be used: {message}", path.display())]
    BadKey {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Certificate or key for TLS cannot be used.
    #[error("cannot use {} for TLS: {message}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Plain HTTP was asked for where others could listen.
    #[error("{address} is reached by others, and without TLS they could read every token")]
    PlainHttp {
        /// Where it was to listen.
        address: std::net::SocketAddr,
    },
    /// A value could not be written as canonical JSON.
    #[error("cannot write canonical JSON: {0}")]
    Canonical(String),
}

impl PlatformError {
    /// Returns what another one is told whose change was in the same transaction.
    pub(in crate::platform) fn for_another(&self) -> Self {
        match self {
            Self::CorruptDatabase { path, message } => {
                Self::CorruptDatabase { path: path.clone(), message: message.clone() }
            }
            Self::ReadOnlyDatabase { path, message } => {
                Self::ReadOnlyDatabase { path: path.clone(), message: message.clone() }
            }
            Self::DiskFull { path } => Self::DiskFull { path: path.clone() },
            Self::BusyDatabase { path } => Self::BusyDatabase { path: path.clone() },
            Self::DatabaseAway { database, message } => {
                Self::DatabaseAway { database: database.clone(), message: message.clone() }
            }
            Self::DatabaseTaken { database } => Self::DatabaseTaken { database: database.clone() },
            other => Self::Interrupted(other.to_string()),
        }
    }

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
            Self::DatabaseAway { .. } => "database-away",
            Self::DatabaseRefuses { .. } => "database-refuses",
            Self::DatabaseTaken { .. } => "database-taken",
            Self::Database { .. } => "database",
            Self::Unreadable { .. } => "record-unreadable",
            Self::Stale { .. } => "stale",
            Self::NotFound { .. } => "not-found",
            Self::TooLarge { .. } => "too-large",
            Self::KeyReused { .. } => "idempotency-key-reused",
            Self::Atmos(error) => error.code,
            Self::Configuration(_) => "configuration",
            Self::NoHome => "no-home",
            Self::UnsafeFolder { .. } => "unsafe-folder",
            Self::NoStore { .. } => "no-store",
            Self::Unusable { code, .. } => code,
            Self::Interrupted(_) => "interrupted",
            Self::Canonical(_) => "canonical-json",
            Self::BadKey { .. } => "bad-key",
            Self::BadCertificate { .. } => "bad-certificate",
            Self::PlainHttp { .. } => "plain-http",
        }
    }

    /// Returns the next step, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NewerDatabase { .. } => {
                Some("use the newer terrace that wrote it; nothing in the database was changed".to_owned())
            }
            Self::CorruptDatabase { path, .. } if path.starts_with("postgres:") => {
                Some("nothing was changed; bring the database back from its backup".to_owned())
            }
            Self::CorruptDatabase { path, .. } => Some(format!(
                "nothing was changed; keep a copy, and try `sqlite3 {0} .recover`, or move it aside (`mv {0} {0}.damaged`) to \
                 start with an empty history",
                path.display()
            )),
            Self::DatabaseAway { .. } => {
                Some("nothing was half done; try again when the database server answers".to_owned())
            }
            Self::DatabaseRefuses { .. } => {
                Some("check user, password (TERRACE_DATABASE, PGPASSWORD or ~/.pgpass) and database name".to_owned())
            }
            Self::DatabaseTaken { .. } => Some(
                "one platform at a time works on a database: end the other one, or restart this one when it is gone"
                    .to_owned(),
            ),
            Self::ReadOnlyDatabase { path, .. } if path.starts_with("postgres:") => {
                Some("give the database's user the right to create and write tables in it".to_owned())
            }
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
            Self::Atmos(error) => error.hint.clone(),
            Self::Configuration(problem) => problem.hint.clone(),
            Self::NoHome => Some("set XDG_STATE_HOME or HOME to a folder of yours".to_owned()),
            Self::UnsafeFolder { path, .. } => {
                Some(format!("remove {}, or set XDG_STATE_HOME to a shorter path of your own", path.display()))
            }
            Self::NoStore { .. } => Some("`terrace` or `terrace serve` starts the platform process".to_owned()),
            Self::Unusable { hint, .. } => hint.clone(),
            Self::BadCertificate { .. } => {
                Some("--tls-cert takes a chain of certificates, --tls-key its key, both PEM".to_owned())
            }
            Self::PlainHttp { .. } => {
                Some("give --tls-cert and --tls-key, or listen on 127.0.0.1 behind something that does TLS".to_owned())
            }
            Self::BadKey { path, .. } => Some(format!(
                "bring back the file as it was (`chmod 600 {0}`), or move it aside: then a new key signs from now on",
                path.display()
            )),
            Self::Io { .. } | Self::Database { .. } | Self::Unreadable { .. } | Self::NotFound { .. } => None,
            Self::Interrupted(_) | Self::Canonical(_) | Self::TooLarge { .. } => None,
        }
    }

    /// Returns the place in the estate's files that it is about, where there is one.
    #[must_use]
    pub fn source_at(&self) -> Option<&Source> {
        match self {
            Self::Atmos(error) => error.source_at.as_ref(),
            Self::Configuration(problem) => problem.source.as_ref(),
            _ => None,
        }
    }

    /// Wraps an I/O error with what was tried on which path.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

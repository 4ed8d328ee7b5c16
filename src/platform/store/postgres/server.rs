//! Where a PostgreSQL database is: a URL whose secrets are never shown.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::platform::PlatformError;

/// What the query part of a URL may say. What is not known is refused: sqlx would log it with its value.
const KNOWN: [&str; 20] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
    "connect_timeout",
    "target_session_attrs",
];
/// Those that sqlx does not know, and that change nothing here.
const WITHOUT_EFFECT: [&str; 2] = ["connect_timeout", "target_session_attrs"];

/// A PostgreSQL database on its server, by a URL such as `postgres://terrace@db.example.com/terrace?sslmode=verify-full`.
///
/// What the URL leaves out comes from `PGHOST`, `PGUSER`, `PGPASSWORD` and the like, and from the password file. It is shown
/// and debugged without its password.
#[derive(Clone)]
pub struct Server {
    options: PgConnectOptions,
    name: String,
}

impl Server {
    /// Returns its URL without anything secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how connections are made.
    pub(super) fn options(&self) -> PgConnectOptions {
        // Its name in the server's lists, a commit that is on the disk, a dead peer noticed within half a minute, and nobody
        // waited for whose lock does not go: somebody may hold one who works on the database by hand.
        let session = [
            ("synchronous_commit", "on"),
            ("lock_timeout", "10s"),
            ("statement_timeout", "120s"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ];
        let options = self.options.clone().options(session);
        if options.get_application_name().is_some() { options } else { options.application_name("terrace") }
    }
}

impl FromStr for Server {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let unusable = |message: String| PlatformError::Unusable {
            code: "database-url",
            message: format!("the URL of the database cannot be used: {message}"),
            hint: Some("it is like postgres://terrace@db.example.com:5432/terrace?sslmode=verify-full".to_owned()),
        };
        // Nothing below repeats the text: it may hold a password.
        let mut url = reqwest::Url::parse(text).map_err(|error| unusable(error.to_string()))?;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(unusable("it does not begin with postgres://".to_owned()));
        }
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
            return Err(unusable(format!("it has an unknown parameter '{}'", key.escape_debug())));
        }
        if pairs.iter().any(|(key, _)| WITHOUT_EFFECT.contains(&key.as_str())) {
            url.query_pairs_mut()
                .clear()
                .extend_pairs(pairs.iter().filter(|(key, _)| !WITHOUT_EFFECT.contains(&key.as_str())));
        }
        let options = PgConnectOptions::from_str(url.as_str())
            .map_err(|_| unusable("a part of it does not have the form that it should have".to_owned()))?;
        let host = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        let name = format!("postgres://{}@{host}:{}/{database}", options.get_username(), options.get_port());
        Ok(Self { options, name })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.name).finish()
    }
}

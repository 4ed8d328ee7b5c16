//! How many files the platform may have open: each watcher of a log takes a few, and a thousand are promised.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as are wanted, where the system lets a process have them.
const FILES: u64 = 65_536;

/// What this process was given when it began.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises the limit as far as the system lets us; where it does not, the limit stays.
pub fn raise() {
    let before = BEFORE.get_or_init(|| getrlimit(Resource::Nofile));
    let wanted = before.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if before.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..*before })
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Returns the limit that was raised: runs get what a person's own commands would.
#[must_use]
pub(super) fn before() -> Option<u64> {
    BEFORE.get().and_then(|limit| limit.current)
}

/// Sets the limit of this process.
///
/// # Errors
///
/// Where the system refuses.
pub(super) fn set(files: u64) -> std::io::Result<()> {
    let now = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(files), ..now })?)
}

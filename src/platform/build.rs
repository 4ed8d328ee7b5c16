//! Which build of Terrace this is, so that a newer one can replace an older process.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A version with the time at which its executable was written.
///
/// Builds of one version (while Terrace itself is worked on) are told apart by the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Build {
    /// The version, such as `0.1.0`.
    pub version: String,
    /// When the executable was written; `None` where that is not known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub written_at: Option<Timestamp>,
}

impl Build {
    /// Returns the build of this process as it was started: ask once, at the beginning.
    #[must_use]
    pub fn this() -> Self {
        let written = std::env::current_exe().ok().and_then(|path| written_at(&path));
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), written_at: written }
    }

    /// Says whether this build is to replace the other.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let parts =
            |text: &str| text.split(['.', '-', '+']).map(str::parse::<u64>).map_while(Result::ok).collect::<Vec<_>>();
        let (mine, theirs) = (parts(&self.version), parts(&other.version));
        mine > theirs || (mine == theirs && self.written_at > other.written_at)
    }
}

fn written_at(path: &Path) -> Option<Timestamp> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str, second: i64) -> Build {
        Build { version: version.to_owned(), written_at: Timestamp::from_second(second).ok() }
    }

    #[test]
    fn newer_is_by_version_and_then_by_time() {
        assert!(build("0.10.0", 1).is_newer_than(&build("0.9.9", 2)));
        assert!(build("0.1.0", 2).is_newer_than(&build("0.1.0", 1)));
        assert!(!build("0.1.0", 1).is_newer_than(&build("0.1.0", 1)));
        assert!(!build("0.1.0", 3).is_newer_than(&build("0.2.0", 1)));
    }
}

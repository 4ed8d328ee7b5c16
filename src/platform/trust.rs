//! Which estates a person trusts, and for what: remembered beside the platform's state, like direnv and editors do.
//!
//! Opening an estate runs nothing and reads nothing outside of it. What it asks for beyond that (`!exec` in locals, files
//! that lead out of it) are its *needs*. Trust is bound to the canonical path, to those needs, as they were shown, and to
//! what the files outside held then: a command or a path that comes with a later commit is asked for again, and so is a
//! file outside that holds something else, or that a pattern finds only now. Leaves evaluating to [`crate::atmos`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::PlatformError;
use crate::atmos::Estate;
use crate::atmos::files::Files;
use crate::domain::id::Digest;

/// What somebody trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The canonical path of the estate's root.
    pub path: PathBuf,
    /// What it needed when it was trusted.
    pub needs: Vec<String>,
    /// What the files that it reads outside of itself held then.
    #[serde(default)]
    pub files: BTreeMap<PathBuf, Digest>,
    /// When.
    pub granted_at: Timestamp,
}

impl Grant {
    /// Says whether everything that is needed was trusted.
    #[must_use]
    pub fn covers(&self, needs: &[String]) -> bool {
        needs.iter().all(|need| self.needs.contains(need))
    }
}

/// Returns what an estate that was loaded untrusted asks for, sorted.
#[must_use]
pub fn needs(estate: &Estate) -> Vec<String> {
    let asked = estate.diagnostics().iter().filter(|problem| problem.code.starts_with("untrusted"));
    let mut needs: Vec<String> = asked.map(|problem| problem.message.clone()).collect();
    needs.sort();
    needs.dedup();
    needs
}

/// Keeps what a person trusts, one file an estate.
#[derive(Debug, Clone)]
pub struct TrustStore {
    folder: PathBuf,
}

impl TrustStore {
    /// Returns the store in a folder; nothing is created yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the store in the XDG state folder; `None` where neither that nor a home folder is known.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let folders = directories::ProjectDirs::from("", "", "terrace")?;
        Some(Self::new(folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).join("trust")))
    }

    fn file(&self, root: &Path) -> PathBuf {
        self.folder.join(format!("{}.json", Digest::of(root.as_os_str().as_encoded_bytes()).short()))
    }

    /// Returns what was trusted of the estate at a canonical root, read through `files`.
    #[must_use]
    pub fn grant_of(&self, root: &Path, files: &dyn Files) -> Option<Grant> {
        let grant: Grant = serde_json::from_slice(&files.read(&self.file(root)).ok()?).ok()?;
        (grant.path == root).then_some(grant)
    }

    /// Remembers that the estate at a canonical root is trusted with these needs, and with what files outside hold.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn grant(
        &self,
        root: &Path,
        needs: Vec<String>,
        files: BTreeMap<PathBuf, Digest>,
    ) -> Result<Grant, PlatformError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let grant = Grant { path: root.to_owned(), needs, files, granted_at: Timestamp::now() };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.folder).map_err(PlatformError::io("create", &self.folder))?;
        let file = self.file(root);
        let text = serde_json::to_vec_pretty(&grant).map_err(|e| PlatformError::Canonical(e.to_string()))?;
        let beside = file.with_extension("new");
        std::fs::write(&beside, text).map_err(PlatformError::io("write", &beside))?;
        std::fs::rename(&beside, &file).map_err(PlatformError::io("write", &file))?;
        Ok(grant)
    }

    /// Forgets the estate at a canonical root; says whether it was trusted.
    ///
    /// # Errors
    ///
    /// Where the file cannot be removed.
    pub fn revoke(&self, root: &Path) -> Result<bool, PlatformError> {
        let file = self.file(root);
        match std::fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(PlatformError::io("remove", file)(error)),
        }
    }

    /// Returns everything that is trusted, by path.
    #[must_use]
    pub fn all(&self) -> Vec<Grant> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let read = |path: PathBuf| serde_json::from_slice::<Grant>(&std::fs::read(path).ok()?).ok();
        let mut grants: Vec<Grant> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .filter_map(read)
            .collect();
        grants.sort_by(|a, b| a.path.cmp(&b.path));
        grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atmos::files::Disk;

    #[test]
    fn trust_is_bound_to_the_path_and_to_what_was_needed() {
        let folder = tempfile::tempdir().expect("folder");
        let store = TrustStore::new(folder.path().join("trust"));
        let (one, other) = (Path::new("/estates/one"), Path::new("/estates/other"));
        assert_eq!(store.grant_of(one, &Disk), None);
        let needs = vec!["'!exec date' in locals was not evaluated".to_owned()];
        store.grant(one, needs.clone(), BTreeMap::new()).expect("granted");
        let grant = store.grant_of(one, &Disk).expect("a grant");
        assert!(grant.covers(&needs) && grant.covers(&[]));
        assert!(!grant.covers(&["'!exec rm -rf /' in locals was not evaluated".to_owned()]));
        assert_eq!(store.grant_of(other, &Disk), None);
        assert_eq!(store.all(), [grant]);
        assert!(store.revoke(one).expect("revoked") && !store.revoke(one).expect("nothing there"));
        assert_eq!(store.all(), []);
    }
}

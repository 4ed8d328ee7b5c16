//! The folder of one run: what lies where, and whether its supervisor lives.
//!
//! ```text
//! <state>/runs/<ULID>/         mode 0700
//!   alive                      locked (flock) by the supervisor for as long as it lives
//!   control.sock               the supervisor's socket, mode 0600
//!   journal                    what happened, one JSON line each; what decides is synced
//!   log, log.index             the output, byte for byte, and where its lines are
//!   supervisor.log             what the supervisor itself had to say (empty as a rule)
//!   tools.json                 which tools it uses
//!   configuration.json         the resolved configuration it stands on, with lines
//!   plan.tfplan, plan.json     the plan and what it holds, mode 0600
//!   plan.sealed                the plan while it waits for people: encrypted
//!   data/                      TF_DATA_DIR
//!   copy/                      the working copy it runs in, where it does not run in the estate itself
//! ```

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Names the folder; nothing is touched.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder, readable for its owner only.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn create(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
    }

    /// Returns the folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that the living supervisor keeps locked.
    #[must_use]
    pub fn alive(&self) -> PathBuf {
        self.path.join("alive")
    }

    /// Returns the journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Returns the log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Returns the log's index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.path.join("log.index")
    }

    /// Returns the file with the supervisor's own complaints.
    #[must_use]
    pub fn complaints(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    /// Returns the plan file.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.tfplan")
    }

    /// Returns the encrypted plan file, while the plan waits for people.
    #[must_use]
    pub fn sealed(&self) -> PathBuf {
        self.path.join("plan.sealed")
    }

    /// Returns the plan as JSON.
    #[must_use]
    pub fn plan_json(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// Returns the note of which tools the run uses.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.path.join("tools.json")
    }

    /// Returns the state as it was pulled before an approved plan was applied; it is removed once it was compared.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// Returns what Terraform put out after the apply of an approved plan; it is removed once it was read.
    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.path.join("outputs.json")
    }

    /// Returns the resolved configuration that the run stands on.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.path.join("configuration.json")
    }

    /// Returns the working copy of the estate's repository.
    #[must_use]
    pub fn copy(&self) -> PathBuf {
        self.path.join("copy")
    }

    /// Returns the run's own `TF_DATA_DIR`.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Takes the lock of the living; it is given back when the file is closed, which the kernel does at any death.
    ///
    /// # Errors
    ///
    /// Where another supervisor has it, or the file cannot be made.
    pub fn live(&self) -> io::Result<File> {
        let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.alive())?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(file)
    }

    /// Tells whether the run's supervisor lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let Ok(file) = File::open(self.alive()) else {
            return false;
        };
        // A shared lock is enough to find out, and two who ask at once do not take each other for the supervisor.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => false,
            Err(error) => error == rustix::io::Errno::WOULDBLOCK,
        }
    }

    /// Returns a path by which the control socket can be reached, whatever the folder's length.
    ///
    /// A socket's path has at most 107 bytes, so on Linux a long folder is named by a descriptor, which must be kept
    /// open while the path is used.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be opened.
    pub fn control(&self) -> io::Result<(PathBuf, Option<File>)> {
        use std::os::fd::AsRawFd as _;
        let direct = self.path.join("control.sock");
        if direct.as_os_str().len() <= 100 || !cfg!(target_os = "linux") {
            return Ok((direct, None));
        }
        let folder = File::open(&self.path)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
        Ok((short, Some(folder)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_tells_the_living_from_the_dead() {
        let temp = tempfile::tempdir().expect("temp");
        let folder = RunFolder::new(temp.path().join("run"));
        folder.create().expect("made");
        assert!(!folder.is_alive());
        let living = folder.live().expect("locked");
        assert!(folder.is_alive());
        assert!(folder.live().is_err(), "a second supervisor is refused");
        drop(living);
        assert!(!folder.is_alive());
    }
}

//! Where the platform keeps things: the state folder of an estate, its socket, lock, log and database.
//!
//! Owns the names in that folder. Everything that must survive the last login lies in the XDG state folder; only a
//! socket whose path is too long for the kernel goes elsewhere.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::PlatformError;
use super::identity::Identity;
use crate::domain::id::Digest;

/// The longest path of a Unix socket: `sun_path` has 108 bytes, the last of which ends it.
pub const SOCKET_PATH_MAX: usize = 107;

/// The paths of one estate for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    folder: PathBuf,
    temporary: PathBuf,
}

impl Paths {
    /// Returns the paths of an estate below `state_root` (`~/.local/state/terrace`); `temporary` (`/tmp`) takes the socket
    /// where its path would be too long.
    #[must_use]
    pub fn new(state_root: &Path, temporary: &Path, identity: &Identity) -> Self {
        Self { folder: state_root.join("estates").join(&identity.key), temporary: temporary.to_owned() }
    }

    /// Returns the same from the environment: XDG state folder and temporary folder.
    ///
    /// # Errors
    ///
    /// Where neither `XDG_STATE_HOME` nor a home folder is known.
    pub fn from_environment(identity: &Identity) -> Result<Self, PlatformError> {
        let folders = directories::ProjectDirs::from("", "", "terrace").ok_or(PlatformError::NoHome)?;
        let root = folders.state_dir().unwrap_or_else(|| folders.data_local_dir());
        Ok(Self::new(root, &std::env::temp_dir(), identity))
    }

    /// Returns the estate's state folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("terrace.db")
    }

    /// Returns the folder of what runs saw of states that lie elsewhere.
    #[must_use]
    pub fn states(&self) -> PathBuf {
        self.folder.join("states")
    }

    /// Returns the key that signs for the platform; outside the database.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join(super::audit::key::FILE)
    }

    /// Returns the file of the audit trail's checkpoints; outside the database.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join(super::audit::verify::CHECKPOINTS)
    }

    /// Returns the folder that remembers which estates are trusted; all estates of a user share it.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.folder.ancestors().nth(2).unwrap_or(&self.folder).join("trust")
    }

    /// Returns the file whose lock makes the platform process a singleton.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.folder.join("platform.lock")
    }

    /// Returns the platform process's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("platform.log")
    }

    /// Returns the folder in which each run has one of its own.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// Returns where the socket lies: in the state folder, or where that path is too long for the kernel, in
    /// `<temporary>/terrace-<uid>/`, which [`Paths::prepare`] checks to be ours alone.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let usual = self.folder.join("api.sock");
        if usual.as_os_str().len() <= SOCKET_PATH_MAX {
            return usual;
        }
        let digest = Digest::of(self.folder.as_os_str().as_encoded_bytes());
        self.short_folder().join(format!("{}.sock", digest.short()))
    }

    fn short_folder(&self) -> PathBuf {
        let uid = rustix::process::getuid().as_raw();
        let folder = self.temporary.join(format!("terrace-{uid}"));
        // 17 bytes for `/<12 digits>.sock`.
        if folder.as_os_str().len() + 18 <= SOCKET_PATH_MAX {
            folder
        } else {
            PathBuf::from(format!("/tmp/terrace-{uid}"))
        }
    }

    /// Returns the folder of requests' worktrees.
    #[must_use]
    pub fn requests(&self) -> PathBuf {
        self.folder.join("requests")
    }

    /// Creates the folders (mode 0700), and checks that nobody else could have put the socket there.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made, or one in the temporary folder that belongs to somebody else, is open to others or
    /// is a link.
    pub fn prepare(&self) -> Result<(), PlatformError> {
        private_folder(&self.folder)?;
        let socket = self.socket();
        if let Some(folder) = socket.parent().filter(|folder| *folder != self.folder) {
            private_folder(folder)?;
        }
        self.check_socket_folder()
    }

    /// Checks that the socket's folder is ours alone; a client asks before it trusts what listens there.
    ///
    /// # Errors
    ///
    /// As [`Paths::prepare`].
    pub fn check_socket_folder(&self) -> Result<(), PlatformError> {
        let socket = self.socket();
        let Some(folder) = socket.parent() else { return Ok(()) };
        let about = fs::symlink_metadata(folder).map_err(PlatformError::io("look at", folder))?;
        let mine = rustix::process::geteuid().as_raw();
        let unsafe_because = if !about.is_dir() {
            Some("it is not a folder".to_owned())
        } else if about.uid() != mine {
            Some(format!("it belongs to user {}, not to you", about.uid()))
        } else if about.permissions().mode() & 0o022 != 0 {
            Some("others can write to it".to_owned())
        } else {
            None
        };
        match unsafe_because {
            Some(why) => Err(PlatformError::UnsafeFolder { path: folder.to_owned(), why }),
            None => Ok(()),
        }
    }
}

/// Makes a file that only its owner can read, in the place of one that is there.
///
/// In a folder where others write, a link or a file of theirs is never written to.
///
/// # Errors
///
/// Where what is there belongs to somebody else, or the folder cannot be written to.
pub fn private_file(path: &Path) -> io::Result<fs::File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::File::options().create_new(true).write(true).mode(0o600).open(path),
    }
}

fn private_folder(folder: &Path) -> Result<(), PlatformError> {
    let create = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    create.map_err(PlatformError::io("create the folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { key: "orchard-0123456789ab".to_owned(), name: "orchard".to_owned(), root: PathBuf::from("/orchard") }
    }

    #[test]
    fn a_private_file_takes_the_place_of_a_link_and_leaves_what_it_led_to() {
        let temp = tempfile::tempdir().expect("temp");
        let (theirs, ours) = (temp.path().join("theirs"), temp.path().join("ours"));
        fs::write(&theirs, "kept").expect("written");
        std::os::unix::fs::symlink(&theirs, &ours).expect("a link");
        io::Write::write_all(&mut private_file(&ours).expect("a file"), b"secret").expect("written");
        assert_eq!(fs::read_to_string(&theirs).expect("there"), "kept");
        let about = fs::symlink_metadata(&ours).expect("there");
        assert!(about.is_file() && about.permissions().mode() & 0o777 == 0o600);
    }

    #[test]
    fn a_short_state_folder_holds_the_socket_itself() {
        let paths = Paths::new(Path::new("/home/a/.local/state/terrace"), Path::new("/tmp"), &identity());
        assert_eq!(paths.socket(), paths.folder().join("api.sock"));
    }

    #[test]
    fn a_socket_path_never_exceeds_the_kernels_limit() {
        for length in 0..300 {
            let deep = PathBuf::from(format!("/{}", "d".repeat(length)));
            for temporary in [Path::new("/tmp"), deep.as_path()] {
                let socket = Paths::new(&deep, temporary, &identity()).socket();
                assert!(socket.as_os_str().len() <= SOCKET_PATH_MAX, "{}", socket.display());
            }
        }
    }

    #[test]
    fn a_socket_folder_that_others_could_have_made_is_refused() {
        let home = tempfile::tempdir().expect("folder");
        let deep = home.path().join("d".repeat(120));
        let paths = Paths::new(&deep, home.path(), &identity());
        paths.prepare().expect("a fresh folder");
        let folder = paths.socket().parent().expect("folder").to_owned();
        assert!(folder.starts_with(home.path()) && !folder.starts_with(&deep));
        assert_eq!(fs::metadata(&folder).expect("folder").permissions().mode() & 0o777, 0o700);

        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("chmod");
        assert!(matches!(paths.prepare(), Err(PlatformError::UnsafeFolder { .. })));

        fs::remove_dir_all(&folder).expect("remove");
        std::os::unix::fs::symlink(home.path(), &folder).expect("link");
        assert!(matches!(paths.prepare(), Err(PlatformError::UnsafeFolder { .. })));
    }
}

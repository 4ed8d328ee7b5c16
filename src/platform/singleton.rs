//! One platform process an estate and user: a lock in the state folder, and the socket that goes with it.
//!
//! The lock (`flock`) ends with the process, however it ends, so a socket file whose lock is free is stale.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;

use super::PlatformError;
use super::paths::Paths;

/// The right to be the platform process; given back when dropped.
#[derive(Debug)]
pub struct Singleton {
    lock: File,
    socket: PathBuf,
}

impl Singleton {
    /// Takes the lock; `None` where another process holds it.
    ///
    /// # Errors
    ///
    /// A state folder that cannot be used.
    pub fn take(paths: &Paths) -> Result<Option<Self>, PlatformError> {
        paths.prepare()?;
        let path = paths.lock();
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut lock = open.map_err(PlatformError::io("open", &path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(PlatformError::io("lock", &path)(error.into())),
        }
        // For a person who looks: the lock itself is what counts.
        let note = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id()));
        note.map_err(PlatformError::io("write", &path))?;
        Ok(Some(Self { lock, socket: paths.socket() }))
    }

    /// Listens on the socket (mode 0600), in the place of one that a process left behind.
    ///
    /// # Errors
    ///
    /// Where something else than a socket lies there, or it cannot be made.
    pub fn listen(&self) -> Result<UnixListener, PlatformError> {
        let path = &self.socket;
        replace_stale(path)?;
        let listener = UnixListener::bind(path).map_err(PlatformError::io("listen on", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(PlatformError::io("protect", path))?;
        Ok(listener)
    }
}

/// Listens on a socket for a group of users (mode 0660), in the place of one that a process left behind.
///
/// Whoever may connect is no more than known by name then: roles decide what they may do.
///
/// # Errors
///
/// A group that does not exist or that this account is not in, a path too long for a socket, a folder that cannot be
/// written, something else than a socket in its place, or one on which somebody answers.
pub fn listen_for_group(path: &Path, group: Option<&str>) -> Result<UnixListener, PlatformError> {
    if path.as_os_str().len() > super::paths::SOCKET_PATH_MAX {
        let why = format!("the path has {} bytes, and a socket's has at most 107", path.as_os_str().len());
        return Err(PlatformError::UnsafeFolder { path: path.to_owned(), why });
    }
    let gid = group.map(super::user::group).transpose()?;
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        let why = "another process answers on that socket".to_owned();
        return Err(PlatformError::UnsafeFolder { path: path.to_owned(), why });
    }
    replace_stale(path)?;
    // Nobody connects before the group is the right one.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(PlatformError::io("listen on", path))?;
    std::os::unix::fs::chown(path, None, gid).map_err(PlatformError::io("give to the group", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(PlatformError::io("protect", path))?;
    Ok(listener)
}

/// Removes a socket that a process left behind; what is no socket stays.
fn replace_stale(path: &Path) -> Result<(), PlatformError> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_socket() => {
            fs::remove_file(path).map_err(PlatformError::io("remove the stale socket", path))
        }
        Ok(_) => {
            let why = format!("{} is there and is no socket", path.display());
            Err(PlatformError::UnsafeFolder { path: path.to_owned(), why })
        }
        Err(_) => Ok(()),
    }
}

impl Drop for Singleton {
    fn drop(&mut self) {
        // Before the lock: whoever takes it next makes a socket of their own. What is no socket is not ours.
        if fs::symlink_metadata(&self.socket).is_ok_and(|about| about.file_type().is_socket()) {
            let _ = fs::remove_file(&self.socket);
        }
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// Returns the process that holds the lock; `None` where nobody does.
///
/// # Errors
///
/// A lock file that is there and cannot be opened.
pub fn holder(paths: &Paths) -> Result<Option<String>, PlatformError> {
    let path = paths.lock();
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PlatformError::io("open", &path)(error)),
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(fs::read_to_string(&path).unwrap_or_default().trim().to_owned())),
        Err(error) => Err(PlatformError::io("look at the lock of", &path)(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::identity::Identity;

    fn paths(root: &Path) -> Paths {
        let identity = Identity { key: "a".to_owned(), name: "a".to_owned(), root: root.to_owned() };
        Paths::new(root, root, &identity)
    }

    #[tokio::test]
    async fn only_one_has_the_lock_and_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let paths = paths(folder.path());
        assert_eq!(holder(&paths).expect("looked"), None);
        let first = Singleton::take(&paths).expect("taken").expect("free");
        assert!(Singleton::take(&paths).expect("looked").is_none());
        assert_eq!(holder(&paths).expect("looked"), Some(std::process::id().to_string()));
        // As a killed process leaves it.
        drop(std::os::unix::net::UnixListener::bind(paths.socket()).expect("bound"));
        let listener = first.listen().expect("listens");
        assert_eq!(fs::metadata(paths.socket()).expect("socket").permissions().mode() & 0o777, 0o600);
        drop((listener, first));
        assert!(!paths.socket().exists());
        assert!(Singleton::take(&paths).expect("looked").is_some());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let paths = paths(folder.path());
        let lock = Singleton::take(&paths).expect("taken").expect("free");
        fs::write(paths.socket(), "precious").expect("written");
        assert!(lock.listen().is_err());
        assert_eq!(fs::read_to_string(paths.socket()).expect("there"), "precious");
    }
}

//! Reads the disk and remembers a stamp of everything it was asked about, so that a later change is seen by `stat` alone.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use foldhash::fast::FixedState;

use crate::atmos::files::{Disk, Files, Kind};

/// The clock that stamps files may stand still for as long; a file that changed this shortly before it was read may
/// change again without its stamp showing it, so its content is compared too.
const DOUBT: Duration = Duration::from_millis(50);

/// What `stat` says of a path; `None` where there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<Facts>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    modified: (i64, i64),
    /// Unlike the time of modification, no tool can set this one back.
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Self {
        Self(std::fs::metadata(path).ok().map(|about| Facts {
            device: about.dev(),
            inode: about.ino(),
            mode: about.mode(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }))
    }

    /// Says whether the path changed so recently that another change could leave the same stamp.
    fn is_doubtful(self) -> bool {
        let Some(facts) = self.0 else { return false };
        let Ok(seconds) = u64::try_from(facts.changed.0) else { return true };
        let nanoseconds = u32::try_from(facts.changed.1).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        // A time in the future (a clock that was set back) is doubtful as well.
        SystemTime::now().duration_since(changed).map_or(true, |age| age < DOUBT)
    }
}

/// What was asked of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    /// Only what it is.
    Kind,
    /// The names in it.
    Names,
    /// Its bytes.
    Bytes,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    asked: Asked,
    stamp: Stamp,
    /// A hash of the content, where the stamp alone is in doubt.
    content: Option<u64>,
}

/// Reads the disk and records.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    entries: Mutex<HashMap<PathBuf, Entry, foldhash::fast::RandomState>>,
}

impl Recorder {
    /// Returns the paths that are no longer as they were when they were read.
    pub(super) fn changed(&self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (path, entry) in self.lock().iter_mut() {
            let now = Stamp::of(path);
            if now != entry.stamp {
                // A folder whose own stamp changed may still hold the same names (an editor's temporary file).
                changed.push(path.clone());
            } else if let Some(content) = entry.content {
                let doubtful = now.is_doubtful();
                if content_of(path, entry.asked) != Some(content) {
                    changed.push(path.clone());
                } else if !doubtful {
                    entry.content = None;
                }
            }
        }
        changed.sort();
        changed
    }

    /// Forgets these paths, because they are about to be read again.
    pub(super) fn forget(&self, paths: &[PathBuf]) {
        let mut entries = self.lock();
        for path in paths {
            entries.remove(path);
        }
        drop(entries);
        // A resolver that shares what is unchanged need not ask again: what it does not ask is recorded here.
        for path in paths {
            let stamp = Stamp::of(path);
            let asked = if path.is_dir() { Asked::Names } else { Asked::Bytes };
            let content = stamp.is_doubtful().then(|| content_of(path, asked)).flatten();
            self.lock().entry(path.clone()).or_insert(Entry { asked, stamp, content });
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Returns the existing folders that hold what was recorded, for a watcher.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let mut folders = BTreeSet::new();
        for (path, entry) in self.lock().iter() {
            let folder = if entry.asked == Asked::Names { Some(path.as_path()) } else { path.parent() };
            // What is missing will appear in the nearest folder that is there.
            let existing = folder.into_iter().flat_map(Path::ancestors).find(|folder| folder.is_dir());
            folders.extend(existing.map(Path::to_owned));
        }
        folders.into_iter().collect()
    }

    fn record(&self, path: &Path, asked: Asked, stamp: Stamp, content: impl FnOnce() -> Option<u64>) {
        let content = if stamp.is_doubtful() { content() } else { None };
        let mut entries = self.lock();
        match entries.get_mut(path) {
            // The first look counts: what changed between two looks of one load must be seen later.
            Some(entry) if entry.asked >= asked => {}
            Some(entry) => *entry = Entry { asked, stamp: entry.stamp, content },
            None => {
                entries.insert(path.to_owned(), Entry { asked, stamp, content });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Entry, foldhash::fast::RandomState>> {
        // Every change of the map is one call; a panic elsewhere leaves it whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files for Recorder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let stamp = Stamp::of(path);
        let bytes = Disk.read(path);
        self.record(path, Asked::Bytes, stamp, || bytes.as_ref().ok().map(|bytes| hash_bytes(bytes)));
        bytes
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let stamp = Stamp::of(path);
        self.record(path, Asked::Kind, stamp, || None);
        Disk.kind(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        let stamp = Stamp::of(folder);
        let names = Disk.list(folder);
        self.record(folder, Asked::Names, stamp, || names.as_ref().ok().map(|names| hash_names(names)));
        names
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        self.record(path, Asked::Kind, Stamp::of(path), || None);
        Disk.real(path)
    }
}

fn content_of(path: &Path, asked: Asked) -> Option<u64> {
    match asked {
        Asked::Kind => None,
        Asked::Bytes => Disk.read(path).ok().map(|bytes| hash_bytes(&bytes)),
        Asked::Names => Disk.list(path).ok().map(|names| hash_names(&names)),
    }
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    FixedState::default().hash_one(bytes)
}

fn hash_names(names: &[(String, Kind)]) -> u64 {
    let names: Vec<(&str, bool)> = names.iter().map(|(name, kind)| (name.as_str(), *kind == Kind::File)).collect();
    FixedState::default().hash_one(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_noticed_when_it_changes() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("read"), "1").expect("write");
        std::fs::write(at("beside"), "1").expect("write");
        std::fs::create_dir(at("listed")).expect("folder");
        let recorder = Recorder::default();
        recorder.read(&at("read")).expect("read");
        recorder.list(&at("listed")).expect("list");
        assert_eq!(recorder.kind(&at("missing")), None);
        assert!(recorder.changed().is_empty());

        std::fs::write(at("beside"), "2").expect("write");
        assert!(recorder.changed().is_empty(), "nobody looked at that file");
        std::fs::write(at("missing"), "").expect("write");
        std::fs::write(at("listed/new"), "").expect("write");
        assert_eq!(recorder.changed(), [at("listed"), at("missing")]);
        recorder.forget(&[at("listed"), at("missing")]);
        assert!(recorder.changed().is_empty());
    }

    /// The clock of the file system stands still for some milliseconds: the stamp alone cannot tell these apart.
    #[test]
    fn a_change_of_the_same_size_in_the_same_tick_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        for round in 0..200_u32 {
            std::fs::write(&path, format!("{round:04}a")).expect("write");
            let recorder = Recorder::default();
            recorder.read(&path).expect("read");
            std::fs::write(&path, format!("{round:04}b")).expect("write");
            assert_eq!(recorder.changed(), [path.as_path()], "round {round}");
        }
    }

    #[test]
    fn a_time_that_was_set_back_does_not_hide_a_change() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "1").expect("write");
        let before = std::fs::metadata(&path).and_then(|about| about.modified()).expect("time");
        let recorder = Recorder::default();
        recorder.read(&path).expect("read");
        std::fs::write(&path, "2").expect("write");
        std::fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(before)).expect("touch");
        assert_eq!(recorder.changed(), [path.as_path()]);
    }
}

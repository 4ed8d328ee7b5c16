//! Where the bytes of an estate come from: the disk, or anything that can list folders and read files.
//!
//! Everything the resolver reads goes through [`Files`], so that a Git tree or a test's map of texts resolves like a folder.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file (links are followed).
    File,
    /// A folder (links are followed).
    Folder,
}

/// A tree of files.
pub trait Files: Send + Sync + fmt::Debug {
    /// Returns the bytes of a file.
    ///
    /// # Errors
    /// As reading a file of the disk does.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Returns what a path is, `None` where there is nothing (or neither file nor folder).
    fn kind(&self, path: &Path) -> Option<Kind>;

    /// Returns the names in a folder in byte order, each with what it is.
    ///
    /// # Errors
    /// As listing a folder of the disk does.
    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>>;

    /// Returns the path with links resolved; the path itself where links do not exist.
    ///
    /// # Errors
    /// Where it does not exist.
    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }
}

/// The most bytes of a file of the disk that are read.
const LARGEST: u64 = 32 << 20;

/// The disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        // A device or a pipe says nothing of its size, and never ends.
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let mut bytes = Vec::new();
        if file.take(LARGEST + 1).read_to_end(&mut bytes)? as u64 > LARGEST {
            let message = format!("it has more than {} MiB; no more are read", LARGEST >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(bytes)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let meta = std::fs::metadata(path).ok()?;
        if meta.is_file() {
            Some(Kind::File)
        } else if meta.is_dir() {
            Some(Kind::Folder)
        } else {
            None
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        let mut out = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match entry.file_type() {
                Ok(t) if t.is_file() => Some(Kind::File),
                Ok(t) if t.is_dir() => Some(Kind::Folder),
                _ => self.kind(&entry.path()),
            };
            if let Some(kind) = kind {
                out.push((name, kind));
            }
        }
        out.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(out)
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }
}

/// A tree held in memory: a Git tree read whole, or a test's estate. Paths are absolute.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// Adds or replaces a file; its folders exist from then on.
    pub fn put(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// Removes a file.
    pub fn remove(&mut self, path: &Path) {
        self.files.remove(path);
    }

    fn below<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.files
            .range(folder.to_path_buf()..)
            .map(|(p, _)| p.as_path())
            .take_while(move |p| p.starts_with(folder))
            .filter(move |p| *p != folder)
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if self.files.contains_key(path) {
            Some(Kind::File)
        } else if self.below(path).next().is_some() {
            Some(Kind::Folder)
        } else {
            None
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        let mut out: Vec<(String, Kind)> = Vec::new();
        for path in self.below(folder) {
            let mut rest = path.strip_prefix(folder).into_iter().flat_map(Path::components);
            let Some(first) = rest.next().and_then(|c| c.as_os_str().to_str()) else { continue };
            let kind = if rest.next().is_some() { Kind::Folder } else { Kind::File };
            if out.last().is_none_or(|(name, _)| name != first) {
                out.push((first.to_owned(), kind));
            }
        }
        if out.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        out.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        out.dedup_by(|a, b| a.0 == b.0);
        Ok(out)
    }
}

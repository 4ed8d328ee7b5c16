//! A commit's files, read from Git's objects: nothing is checked out, nothing is written, nothing is fetched.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::atmos::AtmosError;
use crate::atmos::config::clean;
use crate::atmos::files::{Disk, Files, Kind};

/// How many links are followed before they count as a loop.
const LINKS: usize = 40;

/// The files of one commit, at the paths that they have in the working tree. What lies outside of the repository is read
/// from the disk.
#[derive(Debug)]
pub struct GitTree {
    top: PathBuf,
    commit: String,
    entries: BTreeMap<PathBuf, Entry>,
    reader: Mutex<Reader>,
}

#[derive(Debug)]
struct Entry {
    object: String,
    is_link: bool,
}

impl GitTree {
    /// Opens the tree of a ref of the repository that holds `root`.
    ///
    /// # Errors
    ///
    /// No repository there, no such ref, no Git.
    pub fn open(root: &Path, name: &str) -> Result<Self, AtmosError> {
        let prefix = git(root, &["rev-parse", "--show-prefix"]).map_err(|why| {
            AtmosError::new("not-a-repository", format!("{} is in no Git repository: {why}", root.display()))
                .hint("a ref can be compared in a clone of the estate's repository only")
        })?;
        let depth = Path::new(prefix.trim_end_matches('\n')).components().count();
        let top = root.ancestors().nth(depth).unwrap_or(root).to_path_buf();
        let wanted = format!("{name}^{{commit}}");
        let commit = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).map_err(|_| {
            AtmosError::new("unknown-ref", format!("there is no Git ref '{name}' in {}", top.display()))
                .hint("`git branch --all` and `git tag` name them; nothing is fetched by itself")
        })?;
        let commit = commit.trim().to_owned();
        let cannot =
            |why: String| AtmosError::new("unreadable-ref", format!("the files of '{name}' cannot be read: {why}"));
        let listing = git(root, &["ls-tree", "-r", "-z", "--full-tree", &commit]).map_err(cannot)?;
        let mut entries = BTreeMap::new();
        for line in listing.split('\0').filter(|line| !line.is_empty()) {
            let Some((about, path)) = line.split_once('\t') else { continue };
            let mut words = about.split(' ');
            let (mode, kind, object) = (words.next(), words.next(), words.next());
            if let (Some(mode), Some("blob"), Some(object)) = (mode, kind, object) {
                entries.insert(PathBuf::from(path), Entry { object: object.to_owned(), is_link: mode == "120000" });
            }
        }
        let reader = Reader::start(root).map_err(|e| cannot(e.to_string()))?;
        Ok(Self { top, commit, entries, reader: Mutex::new(reader) })
    }

    /// Returns the commit's whole identity.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// Returns where `root` lies in the repository.
    #[must_use]
    pub fn prefix(&self, root: &Path) -> PathBuf {
        root.strip_prefix(&self.top).map(Path::to_path_buf).unwrap_or_default()
    }

    /// Returns the files that differ between `HEAD` and the commit, as absolute paths: those that Atmos counts.
    ///
    /// It counts neither what is not committed nor binary files, and a file that was moved only where `HEAD` has it.
    ///
    /// # Errors
    ///
    /// Where Git cannot say.
    pub fn changed(&self) -> Result<Vec<PathBuf>, AtmosError> {
        let cannot = |why: String| AtmosError::new("unreadable-ref", format!("what changed cannot be read: {why}"));
        let diff = ["diff", "--numstat", "-z", "--find-renames=60%", "--no-ext-diff", "--no-textconv"];
        let listed = git(&self.top, &[&diff[..], &["HEAD", &self.commit, "--"]].concat()).map_err(cannot)?;
        let mut paths = Vec::new();
        let mut fields = listed.split('\0').filter(|field| !field.is_empty());
        while let Some(field) = fields.next() {
            let mut parts = field.splitn(3, '\t');
            let (added, _, path) = (parts.next(), parts.next(), parts.next());
            // Both names of a moved file follow by themselves.
            let path =
                path.filter(|path| !path.is_empty()).or_else(|| fields.next().filter(|_| fields.next().is_some()));
            paths.extend(path.filter(|_| added != Some("-")).map(|path| self.top.join(path)));
        }
        paths.sort();
        Ok(paths)
    }

    /// Returns the path inside of the tree with links followed; `None` where it leads out of it.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        let mut rest: Vec<Component<'_>> = Vec::new();
        let cleaned = clean(path);
        rest.extend(cleaned.strip_prefix(&self.top).ok()?.components());
        let mut at = PathBuf::new();
        let mut todo: Vec<std::ffi::OsString> = rest.iter().rev().map(|c| c.as_os_str().to_owned()).collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            at.push(&part);
            let Some(entry) = self.entries.get(&at).filter(|entry| entry.is_link) else { continue };
            links += 1;
            if links > LINKS {
                return None;
            }
            let target = self.object(&entry.object).ok()?;
            let target = PathBuf::from(String::from_utf8(target).ok()?);
            at.pop();
            let full = clean(&self.top.join(&at).join(target));
            let inner = full.strip_prefix(&self.top).ok()?;
            todo.extend(inner.components().rev().map(|c| c.as_os_str().to_owned()));
            at = PathBuf::new();
        }
        Some(at)
    }

    fn object(&self, object: &str) -> io::Result<Vec<u8>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).read(object)
    }

    fn is_folder(&self, inner: &Path) -> bool {
        let below = self.entries.range(inner.to_path_buf()..).take_while(|(path, _)| path.starts_with(inner));
        inner.as_os_str().is_empty() || below.take(2).any(|(path, _)| path != inner)
    }
}

impl Files for GitTree {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if !clean(path).starts_with(&self.top) {
            return Disk.read(path);
        }
        let inner = self.inside(path).ok_or(io::ErrorKind::NotFound)?;
        let entry = self.entries.get(&inner).ok_or(io::ErrorKind::NotFound)?;
        self.object(&entry.object)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let cleaned = clean(path);
        if !cleaned.starts_with(&self.top) || cleaned == self.top.join(".git") {
            // The repository itself is where it is, whatever the commit.
            return Disk.kind(path);
        }
        let inner = self.inside(path)?;
        if self.entries.contains_key(&inner) {
            return Some(Kind::File);
        }
        self.is_folder(&inner).then_some(Kind::Folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        if !clean(folder).starts_with(&self.top) {
            return Disk.list(folder);
        }
        let inner = self.inside(folder).filter(|inner| self.is_folder(inner)).ok_or(io::ErrorKind::NotFound)?;
        let mut out: Vec<(String, Kind)> = Vec::new();
        for (path, _) in self.entries.range(inner.clone()..) {
            let Ok(rest) = path.strip_prefix(&inner) else { break };
            let mut parts = rest.components();
            let Some(name) = parts.next().and_then(|c| c.as_os_str().to_str()) else { continue };
            if out.last().is_some_and(|(last, _)| last == name) {
                continue;
            }
            let kind = if parts.next().is_some() { Some(Kind::Folder) } else { self.kind(&folder.join(name)) };
            out.extend(kind.map(|kind| (name.to_owned(), kind)));
        }
        out.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        out.dedup_by(|a, b| a.0 == b.0);
        Ok(out)
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        if !clean(path).starts_with(&self.top) {
            return Disk.real(path);
        }
        let inner = self.inside(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.top.join(inner))
    }
}

/// Hands out objects one after the other; ends with this process.
#[derive(Debug)]
struct Reader {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Reader {
    fn start(root: &Path) -> io::Result<Self> {
        let mut child = command(root, &["cat-file", "--batch"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(ask), Some(answer)) => Ok(Self { child, ask, answer: BufReader::new(answer) }),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn read(&mut self, object: &str) -> io::Result<Vec<u8>> {
        writeln!(self.ask, "{object}")?;
        self.ask.flush()?;
        let mut head = String::new();
        self.answer.read_line(&mut head)?;
        let size = head.trim_end().rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
        let Some(size) = size.filter(|_| head.contains(" blob ")) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, head.trim_end().to_owned()));
        };
        let mut bytes = vec![0; size + 1];
        self.answer.read_exact(&mut bytes)?;
        bytes.pop();
        Ok(bytes)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It reads only: nothing is lost, and nothing is left behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(super) fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    // A repository's own settings must not make looking at it run anything.
    command
        .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-C"])
        .arg(root)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    command
}

/// Runs Git and returns what it prints, or what it says is wrong.
fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = command(root, arguments).stderr(Stdio::piped()).output().map_err(|e| format!("git: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("git failed").to_owned())
}

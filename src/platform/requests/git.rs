//! What requests do with Git: a branch and a worktree of their own, one commit, a merge.
//!
//! Owns every command of Git that writes. Each is refused with a sentence where the repository does not allow it, and
//! whatever fails leaves the branch that people work on as it was.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::RequestError;
use crate::platform::crash;
use crate::platform::golden_paths::Changes;

/// How long a lock of Git's index is waited for, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// What is under way in a repository where Git keeps such a file.
const UNDER_WAY: [(&str, &str); 3] =
    [("MERGE_HEAD", "merge"), ("rebase-merge", "rebase"), ("CHERRY_PICK_HEAD", "cherry-pick")];

/// The estate's repository.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    root: PathBuf,
}

/// Who writes a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Author {
    pub(super) name: String,
    pub(super) email: String,
}

/// How a merge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Merged {
    /// The main branch holds it now: the commit at its tip.
    Done(String),
    /// It cannot be merged as it is.
    Conflict(String),
}

impl Repository {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = self.output(folder, arguments)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let text = if text.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { text };
        Err(text.trim().to_owned())
    }

    fn output(&self, folder: &Path, arguments: &[&str]) -> Result<Output, String> {
        crash::point();
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
        command.args(["-c", "commit.gpgSign=false", "-c", "merge.renames=true", "-c", "maintenance.auto=false"]);
        command.args(arguments);
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "true").env("LC_ALL", "C");
        // The requester's words never steer another repository.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        command.stdin(self.held().map_err(|error| format!("{}: {error}", self.root.display()))?);
        command.output().map_err(|error| format!("git cannot be started: {error}"))
    }

    /// Returns what a command of Git holds for as long as it runs: a shared lock on the estate's folder, which is its standard
    /// input and outlives the platform with it.
    ///
    /// The first command waits until those of a platform that was killed have ended: they still write.
    fn held(&self) -> std::io::Result<File> {
        static KNOWN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
        let held = File::open(&self.root)?;
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(self.root.clone()) {
            let begin = std::time::Instant::now();
            while matches!(held.try_lock(), Err(TryLockError::WouldBlock)) && begin.elapsed() < PATIENCE {
                std::thread::sleep(LOOK);
            }
        }
        drop(known);
        // Where the file system knows no locks, nobody is waited for.
        drop(held.lock_shared());
        Ok(held)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Pushes to a remote, without ever asking for a password.
    ///
    /// # Errors
    ///
    /// A sentence that says what was not pushed, and why.
    pub(super) fn push(&self, remote: &str, arguments: &[&str]) -> Result<(), String> {
        // A remote that does not answer is given up, and so is one that wants to be told something.
        let mut all = vec!["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"];
        all.extend(["-c", "core.sshCommand=ssh -o BatchMode=yes -o ConnectTimeout=30", "push", "--quiet"]);
        // Options come first, the remote next, what is pushed last.
        let (options, refs): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|one| one.starts_with("--"));
        all.extend(options);
        all.extend(["--", remote]);
        all.extend(refs);
        let said = self.run(&self.root, &all);
        said.map(drop).map_err(|why| {
            let why = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            format!("Git could not push to {remote}: {why}")
        })
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(&self.root, arguments).map(|text| text.trim().to_owned())
    }

    /// Returns the main branch and its tip: the branch that is checked out.
    ///
    /// # Errors
    ///
    /// No repository, a bare or shallow one, no commit yet, no branch checked out, a merge or rebase under way.
    pub(super) fn main(&self) -> Result<(String, String), RequestError> {
        let none = || {
            let hint = "git init, and commit what is there: a request becomes a commit";
            RequestError::git("git-none", "the estate is in no Git repository", Some(hint))
        };
        // Everything is asked at once; what comes after an answer that Git cannot give is missing.
        let mut asked = vec!["rev-parse", "--is-bare-repository", "--is-shallow-repository", "--show-toplevel"];
        asked.extend(UNDER_WAY.iter().flat_map(|(file, _)| ["--git-path", file]));
        asked.extend(["HEAD^{commit}", "--symbolic-full-name", "HEAD"]);
        let output = self.output(&self.root, &asked).map_err(|_| none())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut said = said.lines();
        if said.next() == Some("true") {
            let hint = "open a clone of it that has files";
            return Err(RequestError::git("git-bare", "the estate's repository is bare: it has no files", Some(hint)));
        }
        let shallow = said.next() == Some("true");
        let top = said.next().ok_or_else(none)?;
        let same = Path::new(top).canonicalize().ok() == self.root.canonicalize().ok();
        if !same {
            let message = format!("the estate is a folder of the repository {top}, not its root");
            return Err(RequestError::git(
                "git-below",
                message,
                Some("requests need a repository of the estate's own"),
            ));
        }
        if shallow {
            let message = "the estate's repository is a shallow clone, which cannot be merged into";
            return Err(RequestError::git("git-shallow", message, Some("git fetch --unshallow")));
        }
        let places: Vec<&str> = said.by_ref().take(UNDER_WAY.len()).collect();
        let busy = UNDER_WAY.into_iter().zip(places).find(|(_, path)| self.root.join(path).exists());
        let (Some(tip), Some(head), true) = (said.next(), said.next(), output.status.success()) else {
            let hint = "git add -A && git commit";
            return Err(RequestError::git("git-unborn", "the estate has no commit yet", Some(hint)));
        };
        if let Some(((_, what), _)) = busy {
            let message = format!("a {what} is under way in the estate");
            let hint = format!("finish it first: git {what} --continue, or --abort");
            return Err(RequestError::git("git-busy", message, Some(&hint)));
        }
        let branch = head.strip_prefix("refs/heads/").ok_or_else(|| {
            let message = "no branch is checked out in the estate (a detached HEAD), so there is none to merge into";
            RequestError::git("git-detached", message, Some("git switch main"))
        })?;
        Ok((branch.to_owned(), tip.to_owned()))
    }

    /// Returns those of the paths whose files differ from the last commit.
    pub(super) fn dirty(&self, paths: &[String]) -> Result<Vec<String>, RequestError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = vec!["status", "--porcelain", "-z", "--untracked-files=normal", "--no-renames", "--"];
        arguments.extend(paths.iter().map(String::as_str));
        let failed = |why| RequestError::git("git-failed", format!("git status failed: {why}"), None);
        let text = self.run(&self.root, &arguments).map_err(failed)?;
        Ok(text.split('\0').filter_map(|line| line.get(3..)).map(str::to_owned).collect())
    }

    /// Returns the name and address that the repository gives to commits; made from the name where it has none.
    pub(super) fn author(&self, name: &str, is_owner: bool) -> Author {
        let own = is_owner.then(|| self.ask(&["config", "--get-regexp", r"^user\.(name|email)$"]).ok()).flatten();
        let own = own.and_then(|said| {
            // Of a key that is set more than once the last one counts.
            let configured = |key: &str| {
                let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
                said.lines().rev().find_map(value).filter(|text| !text.is_empty())
            };
            Some((configured("user.name")?, configured("user.email")?))
        });
        let (name, email) = own.unwrap_or_else(|| (name.to_owned(), format!("{name}@localhost")));
        Author { name, email }
    }

    /// Returns the names that whoever wrote the last commit goes by: name, address, and what stands before its `@`. Those who
    /// wrote it together are all named, and of a merge those who wrote what it brought.
    pub(super) fn authors(&self) -> Vec<String> {
        let format = "--format=%an%n%ae%n%(trailers:key=Co-authored-by,valueonly)";
        let range =
            if self.ask(&["rev-parse", "--verify", "--quiet", "HEAD^"]).is_ok() { "HEAD^..HEAD" } else { "HEAD" };
        let said = self.ask(&["log", format, range]).unwrap_or_default();
        // A co-author is written `Name <address>`.
        let words = said.lines().flat_map(|line| line.split(['<', '>'])).map(str::trim).filter(|word| !word.is_empty());
        let both = words.flat_map(|word| [Some(word), word.split_once('@').map(|(local, _)| local)]);
        both.flatten().map(str::to_owned).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// Makes (or makes again) a branch at a commit with a worktree of its own, and commits the changes there.
    ///
    /// # Errors
    ///
    /// A worktree that is locked, or another failure of Git; the branch is then without the commit.
    pub(super) fn commit(
        &self,
        tree: &Path,
        (branch, base): (&str, &str),
        changes: &Changes,
        author: &Author,
        message: &str,
    ) -> Result<String, RequestError> {
        let failed = |why: String| match why {
            why if is_taken(&why) => RequestError::git(
                "git-locked",
                format!("the worktree of {branch} is locked or in use: {why}"),
                Some("git worktree list shows it, git worktree unlock frees it"),
            ),
            why if why.contains("index.lock") || why.contains(".lock': File exists") => RequestError::git(
                "git-locked",
                format!("another Git command holds a lock: {why}"),
                Some("wait for it to end; where none runs, remove the lock file"),
            ),
            why => RequestError::git("git-failed", format!("Git could not commit: {why}"), None),
        };
        if let Some(above) = tree.parent() {
            std::fs::create_dir_all(above).map_err(|error| failed(error.to_string()))?;
        }
        let place = tree.display().to_string();
        let add = || self.ask(&["worktree", "add", "--quiet", "-B", branch, &place, base]);
        // What an earlier attempt left is in the way.
        let added = if tree.exists() { Err(String::new()) } else { add() };
        added
            .or_else(|_| {
                self.discard(tree);
                add()
            })
            .map_err(failed)?;
        let committed = (|| {
            write(tree, changes)?;
            let mut add = vec!["add", "--all", "--force", "--"];
            add.extend(changes.files().map(|change| change.path.as_str()));
            self.run(tree, &add)?;
            let (name, email) = (format!("user.name={}", author.name), format!("user.email={}", author.email));
            self.run(tree, &["-c", &name, "-c", &email, "commit", "--quiet", "--no-verify", "-m", message])?;
            self.run(tree, &["rev-parse", "HEAD"]).map(|text| text.trim().to_owned())
        })();
        committed.map_err(|why| {
            self.discard(tree);
            failed(why)
        })
    }

    /// Lays changes out in a worktree without a branch and without a commit.
    ///
    /// # Errors
    ///
    /// As [`Repository::main`]; where Git or the disk fails, and nothing is left behind then.
    pub(super) fn lay_out(&self, tree: &Path, changes: &Changes) -> Result<(), RequestError> {
        let (_, tip) = self.main()?;
        let failed =
            |why: String| RequestError::git("git-failed", format!("Git could not make a worktree: {why}"), None);
        if let Some(above) = tree.parent() {
            std::fs::create_dir_all(above).map_err(|error| failed(error.to_string()))?;
        }
        self.ask(&["worktree", "add", "--quiet", "--detach", &tree.display().to_string(), &tip]).map_err(failed)?;
        write(tree, changes).map_err(|why| {
            self.discard(tree);
            failed(why)
        })
    }

    /// Removes a worktree; the branch stays.
    pub(super) fn discard(&self, tree: &Path) {
        // What is not there need not go.
        drop(self.ask(&["worktree", "remove", "--force", &tree.display().to_string()]));
        drop(std::fs::remove_dir_all(tree));
        drop(self.ask(&["worktree", "prune"]));
    }

    /// Removes a branch that nobody needs any more.
    pub(super) fn forget(&self, branch: &str) {
        drop(self.ask(&["branch", "--quiet", "-D", branch]));
    }

    /// Returns the tip of a branch.
    pub(super) fn tip(&self, branch: &str) -> Option<String> {
        self.ask(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}^{{commit}}")]).ok()
    }

    /// Says what a commit conflicts with, edits that nobody committed included; `None` where it can be merged.
    ///
    /// # Errors
    ///
    /// As [`Repository::main`].
    pub(super) fn conflict(&self, commit: &str) -> Result<Option<String>, RequestError> {
        self.main()?;
        let failed = |why| RequestError::git("git-failed", format!("git diff failed: {why}"), None);
        let touched = self.ask(&["diff", "--name-only", "-z", &format!("HEAD...{commit}")]).map_err(failed)?;
        let touched: Vec<String> = touched.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        let dirty = self.dirty(&touched)?;
        if !dirty.is_empty() {
            return Ok(Some(format!("files that it changes are edited and not committed: {}", dirty.join(", "))));
        }
        match self.ask(&["merge-tree", "--write-tree", "--name-only", "--no-messages", "HEAD", commit]) {
            Ok(_) => Ok(None),
            Err(why) if why.contains("usage:") || why.contains("unknown option") => Ok(None),
            Err(why) => {
                let files: Vec<&str> = why.lines().skip(1).filter(|line| !line.is_empty()).collect();
                Ok(Some(format!("it conflicts with what was changed meanwhile in {}", files.join(", "))))
            }
        }
    }

    /// Waits a little while for another Git command to end: editors and prompts hold the index for a moment.
    fn wait_for_lock(&self, branch: &str) -> Result<(), RequestError> {
        let begin = std::time::Instant::now();
        let head = format!("refs/heads/{branch}.lock");
        let places = ["rev-parse", "--git-path", "index.lock", "--git-path", "HEAD.lock", "--git-path", &head];
        for lock in self.ask(&places).unwrap_or_default().lines() {
            let lock = self.root.join(lock);
            while lock.is_file() {
                if begin.elapsed() > PATIENCE {
                    return Err(locked(format!("another Git command holds {}", lock.display())));
                }
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// Brings a commit to the branch that is checked out: forward where that is enough, else by a merge commit.
    ///
    /// # Errors
    ///
    /// As [`Repository::main`]; files that differ from the last commit and would be overwritten.
    pub(super) fn merge(&self, commit: &str, author: &Author, message: &str) -> Result<Merged, RequestError> {
        let (branch, tip) = self.main()?;
        if self.ask(&["merge-base", "--is-ancestor", commit, "HEAD"]).is_ok() {
            return Ok(Merged::Done(tip));
        }
        self.wait_for_lock(&branch)?;
        self.forward_or_merge(commit, author, message)
    }

    fn forward_or_merge(&self, commit: &str, author: &Author, message: &str) -> Result<Merged, RequestError> {
        match self.ask(&["merge", "--quiet", "--ff-only", commit]) {
            Ok(_) => return self.main().map(|(_, tip)| Merged::Done(tip)),
            Err(why) if why.contains(".lock") => {
                // Git writes the files before it moves the branch: they go back, and what was edited beside them stays.
                drop(self.ask(&["read-tree", "-m", "-u", commit, "HEAD"]));
                return Err(locked(format!("another Git command holds a lock: {why}")));
            }
            Err(_) => {}
        }
        let (name, email) = (format!("user.name={}", author.name), format!("user.email={}", author.email));
        let merged =
            self.ask(&["-c", &name, "-c", &email, "merge", "--quiet", "--no-ff", "--no-verify", "-m", message, commit]);
        match merged {
            Ok(_) => self.main().map(|(_, tip)| Merged::Done(tip)),
            Err(why) => {
                let conflicts = self.ask(&["diff", "--name-only", "--diff-filter=U"]).unwrap_or_default();
                drop(self.ask(&["merge", "--abort"]));
                let conflicts: Vec<&str> = conflicts.lines().collect();
                Ok(Merged::Conflict(if conflicts.is_empty() {
                    format!("Git could not merge it: {}", why.lines().next().unwrap_or_default())
                } else {
                    format!("it conflicts with what was changed meanwhile in {}", conflicts.join(", "))
                }))
            }
        }
    }
}

/// Tells whether Git refused because a worktree is locked, or has the branch.
fn is_taken(why: &str) -> bool {
    ["is locked", "locked worktree", "already checked out", "already used", "used by worktree"]
        .iter()
        .any(|said| why.contains(said))
}

fn locked(message: String) -> RequestError {
    let hint = "where none runs, remove the lock file: the request goes on by itself";
    RequestError::git("git-locked", message, Some(hint))
}

/// Refuses to write through a link that leads out of the worktree: the branch may have others than the estate's files.
fn stays(tree: &Path, folder: &Path, path: &Path) -> std::io::Result<()> {
    let tree = tree.canonicalize()?;
    let is_link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
    let real = if is_link { path.canonicalize() } else { folder.canonicalize() };
    if real.is_ok_and(|real| real.starts_with(&tree)) {
        return Ok(());
    }
    Err(std::io::Error::other("a link on the way leads out of the worktree"))
}

/// Writes the changes into a worktree.
fn write(tree: &Path, changes: &Changes) -> Result<(), String> {
    for change in changes.files() {
        let path = tree.join(&change.path);
        let failed = |error: std::io::Error| format!("{}: {error}", change.path);
        match &change.after {
            Some(text) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(failed)?;
                    stays(tree, folder, &path).map_err(failed)?;
                }
                std::fs::write(&path, text).map_err(failed)?;
            }
            None => std::fs::remove_file(&path).map_err(failed)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atmos::files::Memory;

    #[test]
    fn what_a_killed_platform_began_is_waited_for() {
        let temp = tempfile::tempdir().expect("temp");
        let root = File::open(temp.path()).expect("open");
        root.lock_shared().expect("held");
        let mut left = Command::new("sleep").arg("0.5").stdin(root).spawn().expect("spawned");
        let repository = Repository::new(temp.path());
        repository.ask(&["version"]).expect("git");
        assert!(left.try_wait().expect("ours").is_some(), "it had ended before");
        // What this platform does itself goes on side by side.
        let own = repository.held().expect("held");
        repository.ask(&["version"]).expect("git");
        drop(own);
    }

    #[test]
    fn nothing_is_written_through_a_link_that_leads_out() {
        let temp = tempfile::tempdir().expect("temp");
        let (tree, outside) = (temp.path().join("tree"), temp.path().join("outside"));
        std::fs::create_dir_all(tree.join("stacks")).expect("folders");
        std::fs::create_dir(&outside).expect("a folder");
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, tree.join(name)).expect("link");
        link(&outside, "out");
        link(&outside.join("later.yaml"), "dangling.yaml");
        link(&tree.join("stacks"), "in");
        let put = |path: &str| {
            let mut changes = Changes::default();
            let files = Memory::default();
            changes.put(Path::new("/estate"), &files, path, Some("a: 1\n".into())).expect("a change");
            write(&tree, &changes)
        };
        for path in ["out/x.yaml", "dangling.yaml"] {
            let why = put(path).expect_err(path);
            assert!(why.contains("leads out of the worktree"), "{why}");
        }
        assert_eq!(put("in/x.yaml"), Ok(()));
        assert_eq!(std::fs::read_dir(&outside).expect("there").count(), 0);
    }

    #[test]
    fn a_branch_that_is_locked_leaves_no_half_of_a_merge_and_keeps_what_was_edited() {
        let temp = tempfile::tempdir().expect("temp");
        let root = temp.path();
        let git = |arguments: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).current_dir(root);
            let output = git.output().expect("git");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text")
        };
        git(&["init", "-q", "-b", "main"]);
        let put = |name: &str, text: &str| std::fs::write(root.join(name), text).expect("written");
        for name in ["a", "b", "c"] {
            put(name, "1\n");
        }
        git(&["add", "-A"]);
        git(&["commit", "-qm", "one"]);
        git(&["switch", "-qc", "asked"]);
        put("a", "2\n");
        put("new", "2\n");
        git(&["add", "-A"]);
        git(&["commit", "-qm", "two"]);
        let commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
        git(&["switch", "-q", "main"]);
        put("b", "mine\n");
        put("c", "staged\n");
        git(&["add", "c"]);
        let before = git(&["status", "--porcelain"]);

        let (repository, author) = (Repository::new(root), Author { name: "a".to_owned(), email: "a@b".to_owned() });
        put(".git/refs/heads/main.lock", "");
        let error = repository.forward_or_merge(&commit, &author, "two").expect_err("locked");
        assert!(error.to_string().contains("lock"), "{error}");
        assert_eq!(git(&["status", "--porcelain"]), before);
        assert_eq!(std::fs::read_to_string(root.join("a")).expect("there"), "1\n");

        std::fs::remove_file(root.join(".git/refs/heads/main.lock")).expect("free");
        assert!(matches!(repository.merge(&commit, &author, "two"), Ok(Merged::Done(_))));
        assert_eq!(git(&["status", "--porcelain"]), before);
    }
}

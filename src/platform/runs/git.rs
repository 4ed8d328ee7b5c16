//! What runs ask Git: what they stand on, who wrote a line, and copies of the files at a commit.
//!
//! Reading never takes the index's lock from somebody who works there. Where Git is missing, or the estate is no
//! repository, the answer is "not known", never a guess.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::domain::id::Digest;
use crate::domain::run::since::Commit;

/// How many commits are listed at most.
const COMMITS: &str = "200";
/// Untracked files beyond this size go into a digest by size alone.
const HASHED: u64 = 4 * 1024 * 1024;

/// What the working tree is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::platform) struct Tree {
    /// The commit checked out.
    pub(in crate::platform) commit: Option<String>,
    /// Digest over what differs from it; none where nothing does.
    pub(in crate::platform) changes: Option<Digest>,
}

/// What Git said of working trees, for those who ask at a time.
#[derive(Debug, Default)]
pub(super) struct Trees(Mutex<BTreeMap<PathBuf, (Instant, Tree)>>);

impl Trees {
    /// Returns the working tree below a root as it was at that moment, or later.
    ///
    /// Of many who ask for it as it is now, those who asked before a look began share it.
    pub(super) fn since(&self, root: &Path, since: Instant) -> Tree {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tree)) = known.get(root).filter(|(began, _)| *began >= since) {
            return tree.clone();
        }
        let began = Instant::now();
        let tree = tree(root);
        // Working copies come and go.
        known.retain(|_, (began, _)| *began >= since);
        known.insert(root.to_owned(), (began, tree.clone()));
        tree
    }
}

/// Runs Git in the estate and returns what it prints; none where it fails.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(["-c", "core.fsmonitor=false"]).args(arguments);
    let output = command.env("GIT_OPTIONAL_LOCKS", "0").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Looks at the working tree below the estate's root: tracked changes, and files that nobody has added yet.
///
/// Files that Atmos and Terraform write beside a component are no change.
pub(in crate::platform) fn tree(root: &Path) -> Tree {
    let status = git(root, &["status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z", "--", "."]);
    let Some(status) = status else {
        return Tree::default();
    };
    let mut commit = None;
    let mut tracked = false;
    let mut untracked = Vec::new();
    for line in status.split('\0') {
        if let Some(id) = line.strip_prefix("# branch.oid ") {
            commit = (id != "(initial)").then(|| id.to_owned());
        } else if let Some(name) = line.strip_prefix("? ") {
            if !is_generated(Path::new(name)) {
                untracked.push(name.to_owned());
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            tracked = true;
        }
    }
    let mut about = String::new();
    if tracked {
        about.push_str(&git(root, &["diff", "HEAD", "--", "."]).unwrap_or_default());
    }
    untracked.sort();
    // Names in the status count from the top of the repository.
    let top = if untracked.is_empty() { None } else { git(root, &["rev-parse", "--show-toplevel"]) };
    let top = top.map(|top| PathBuf::from(top.trim_end()));
    for name in &untracked {
        let path = top.as_deref().unwrap_or(root).join(name);
        let size = std::fs::metadata(&path).map(|about| about.len()).unwrap_or_default();
        let content = (size <= HASHED).then(|| std::fs::read(&path).ok()).flatten();
        let digest = content.map_or_else(|| size.to_string(), |content| Digest::of(&content).to_string());
        about.push_str(&format!("? {name} {digest}\n"));
    }
    let changes = (tracked || !untracked.is_empty()).then(|| Digest::of(about.as_bytes()));
    Tree { commit, changes }
}

/// Tells whether Atmos or Terraform writes a file of this name beside a component.
fn is_generated(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fixed = ["backend.tf.json", "providers_override.tf.json", "terraform_override.tf.json", ".terraform.lock.hcl"];
    let ends = [".terraform.tfvars.json", ".planfile", ".tfstate", ".tfstate.backup", ".tfstate.lock.info"];
    fixed.contains(&&*name)
        || ends.iter().any(|end| name.ends_with(end))
        || path.components().any(|part| matches!(part.as_os_str().to_str(), Some(".terraform" | "terraform.tfstate.d")))
}

/// Lists the files below some folders but those that Git ignores, and those that Atmos and Terraform write beside a component.
/// Where Git does not know the folders, every other file is listed.
pub(in crate::platform) fn files_of(root: &Path, folders: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut arguments = vec!["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
    arguments.extend(folders.iter().filter_map(|folder| folder.to_str()));
    let listed = git(root, &arguments).unwrap_or_default();
    let mut found: BTreeSet<PathBuf> =
        listed.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name)).collect();
    if found.is_empty() {
        folders.iter().for_each(|folder| below(folder, &mut found));
    }
    found.retain(|path| !is_generated(path.strip_prefix(root).unwrap_or(path)));
    found
}

fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below(&entry.path(), found),
            _ => drop(found.insert(entry.path())),
        }
    }
}

/// Returns those of the files that Git tracks.
pub(super) fn tracked(root: &Path, paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let relative: Vec<&str> =
        paths.iter().filter_map(|path| path.strip_prefix(root).ok()).filter_map(Path::to_str).collect();
    if relative.is_empty() {
        return BTreeSet::new();
    }
    let mut arguments = vec!["ls-files", "-z", "--"];
    arguments.extend(relative);
    let found = git(root, &arguments).unwrap_or_default();
    found.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name)).collect()
}

/// Lists the commits after `from` up to `to` that touch these paths, newest first; none where Git cannot tell.
pub(super) fn commits(root: &Path, from: &str, to: &str, paths: &[String]) -> Option<Vec<Commit>> {
    let range = range(from, to)?;
    let mut arguments =
        vec!["log", "-z", "--no-show-signature", "--format=%H%x1f%an%x1f%at%x1f%s", "-n", COMMITS, &range, "--"];
    arguments.extend(paths.iter().map(String::as_str));
    let commit = |line: &str| {
        let mut parts = line.split('\x1f');
        let (id, author, time, subject) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let time = Timestamp::from_second(time.parse().ok()?).ok()?;
        Some(Commit { id: id.to_owned(), author: author.to_owned(), time, subject: subject.to_owned() })
    };
    Some(git(root, &arguments)?.split('\0').filter_map(commit).collect())
}

/// Counts the commits after `from` up to `to`.
pub(super) fn count(root: &Path, from: &str, to: &str) -> Option<u64> {
    git(root, &["rev-list", "--count", &range(from, to)?])?.trim().parse().ok()
}

fn range(from: &str, to: &str) -> Option<String> {
    (is_commit(from) && is_commit(to)).then(|| format!("{from}..{to}"))
}

/// Tells whether a text is the full name of a commit, and no option of Git.
fn is_commit(text: &str) -> bool {
    (40..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Finds the full name of a commit that a person names by a branch, a tag or its first letters.
pub(super) fn commit(root: &Path, named: &str) -> Option<String> {
    if named.starts_with('-') {
        return None;
    }
    let found = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{named}^{{commit}}")])?;
    Some(found.trim().to_owned()).filter(|found| is_commit(found))
}

/// Who wrote a line last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) author: String,
    pub(super) commit: String,
    pub(super) time: Option<Timestamp>,
}

/// Finds who wrote these lines of a file last: at a commit, or in the working tree. Uncommitted lines are left out.
pub(super) fn blame(root: &Path, at: Option<&str>, file: &str, lines: &BTreeSet<u32>) -> BTreeMap<u32, Written> {
    let ranges: Vec<String> = lines.iter().map(|line| format!("-L{line},{line}")).collect();
    let mut arguments = vec!["blame", "--line-porcelain"];
    arguments.extend(ranges.iter().map(String::as_str));
    arguments.extend(at);
    arguments.extend(["--", file]);
    let text = git(root, &arguments).unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut now: Option<(u32, Written)> = None;
    for line in text.lines() {
        if line.starts_with('\t') {
            found.extend(now.take().filter(|(_, written)| written.commit.bytes().any(|byte| byte != b'0')));
        } else if let Some((_, written)) = &mut now {
            if let Some(author) = line.strip_prefix("author ") {
                author.clone_into(&mut written.author);
            } else if let Some(time) = line.strip_prefix("author-time ") {
                written.time = time.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            }
        } else {
            let mut words = line.split(' ');
            let (commit, number) = (words.next().unwrap_or_default(), words.nth(1).and_then(|n| n.parse().ok()));
            let written = Written { author: String::new(), commit: commit.to_owned(), time: None };
            now = number.map(|number| (number, written));
        }
    }
    found
}

/// Lists what Git ignores below a folder and Atmos or Terraform did not write: a copy at a commit lacks it.
pub(super) fn ignored(root: &Path, folder: &Path) -> Vec<String> {
    let folder = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
    let arguments = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", &folder];
    let found = git(root, &arguments).unwrap_or_default();
    found.split('\0').filter(|name| !name.is_empty() && !is_generated(Path::new(name))).map(str::to_owned).collect()
}

/// Puts the files of a commit into a working copy of their own; returns where the estate's root lies in it.
pub(super) fn copy(root: &Path, commit: &str, into: &Path) -> Result<PathBuf, String> {
    let prefix = git(root, &["rev-parse", "--show-prefix"]).ok_or("the estate is no Git repository")?;
    if !into.exists() {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(["worktree", "add", "--detach", "--force", "--quiet"]).arg(into).arg(commit);
        let output = command.output().map_err(|error| format!("git cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("git worktree add: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    Ok(into.join(prefix.trim_end()))
}

/// Takes a working copy away.
pub(super) fn remove_copy(root: &Path, copy: &Path) {
    if !copy.exists() {
        return;
    }
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(["worktree", "remove", "--force", "--force"]).arg(copy);
    let removed = command.output().is_ok_and(|output| output.status.success());
    if !removed {
        drop(std::fs::remove_dir_all(copy));
        // What is registered and gone is forgotten.
        git(root, &["worktree", "prune"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(root: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(["-c", "user.name=Mara", "-c", "user.email=m@example.com"]).args(arguments);
        let output = command.output().expect("git");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_tree_is_clean_dirty_or_has_new_files_and_knows_who_wrote_a_line() {
        let temp = tempfile::tempdir().expect("temp");
        let root = temp.path();
        assert_eq!(tree(root), Tree::default());
        run(root, &["init", "-q"]);
        std::fs::write(root.join("a.yaml"), "one: 1\ntwo: 2\n").expect("written");
        run(root, &["add", "."]);
        run(root, &["commit", "-qm", "begin"]);
        let clean = tree(root);
        let first = clean.commit.clone().expect("a commit");
        assert_eq!(clean.changes, None);
        std::fs::write(root.join("dev.terraform.tfvars.json"), "{}").expect("written");
        assert_eq!(tree(root).changes, None, "what Atmos writes is no change");
        std::fs::write(root.join("b.yaml"), "new").expect("written");
        let new = tree(root).changes.expect("a new file is a change");
        std::fs::write(root.join("b.yaml"), "other").expect("written");
        assert_ne!(tree(root).changes, Some(new));
        std::fs::write(root.join("a.yaml"), "one: 1\ntwo: 3\n").expect("written");
        run(root, &["add", "a.yaml", "b.yaml"]);
        run(root, &["commit", "-qm", "Raise two"]);
        let second = commit(root, "HEAD").expect("a commit");
        let found = commits(root, &first, &second, &["a.yaml".to_owned()]).expect("commits");
        assert_eq!(
            found.iter().map(|c| (c.author.as_str(), c.subject.as_str())).collect::<Vec<_>>(),
            [("Mara", "Raise two")]
        );
        assert_eq!(commits(root, &first, &second, &["none".to_owned()]), Some(Vec::new()));
        assert_eq!((count(root, &first, &second), count(root, "-x", &second)), (Some(1), None));
        std::fs::write(root.join("a.yaml"), "one: 4\ntwo: 3\n").expect("written");
        let lines = blame(root, None, "a.yaml", &BTreeSet::from([1, 2]));
        assert_eq!(lines.len(), 1, "an uncommitted line has no author: {lines:?}");
        assert_eq!((lines[&2].commit.as_str(), lines[&2].author.as_str()), (second.as_str(), "Mara"));
        assert_eq!(blame(root, Some(&first), "a.yaml", &BTreeSet::from([1]))[&1].commit, first);
        let copied = temp.path().join("copy");
        let place = copy(root, &first, &copied).expect("copied");
        assert_eq!(std::fs::read_to_string(place.join("a.yaml")).expect("there"), "one: 1\ntwo: 2\n");
        remove_copy(root, &copied);
        assert!(!copied.exists());
        assert!(!git(root, &["worktree", "list"]).expect("list").contains("copy"));
    }
}

//! Safe edits, committed on a branch of their own: the working tree, the index and the branch that is checked out stay as
//! they are.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tree::{self, GitTree};
use crate::atmos::{AtmosError, LoadOptions, fix};
use crate::platform::{Platform, PlatformError};

/// What was mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fixed {
    /// The branch that has the edits as one commit on top of `HEAD`; null where nothing could be mended.
    pub branch: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// The edits.
    pub edits: Vec<FixedEdit>,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FixedEdit {
    /// The file, relative to the estate's root.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What was done.
    pub what: String,
}

impl Platform {
    /// Commits the safe edits of the estate at `HEAD` on a new branch `terrace/fix-N`.
    ///
    /// # Errors
    ///
    /// No repository, an estate of which nothing can be said, a repository that cannot be written.
    pub async fn fix(self: &Arc<Self>) -> Result<Fixed, PlatformError> {
        let snapshot = self.estate().current().await?;
        let now = Arc::clone(snapshot.estate());
        super::blocking(move || {
            let root = now.root();
            let tree = GitTree::open(root, "HEAD")?;
            let commit = tree.commit().to_owned();
            let prefix = tree.prefix(root);
            let options = LoadOptions { files: Arc::new(tree), trusted: false, ..now.options().clone() };
            let (edits, texts) = fix::safe(root, &options)?;
            let (branch, commit) = match texts.is_empty() {
                true => (None, None),
                false => {
                    let (branch, commit) = commit_on_branch(root, &commit, &prefix, &texts, &edits)?;
                    (Some(branch), Some(commit))
                }
            };
            let edits = edits.into_iter().map(|e| FixedEdit { file: e.file, line: e.line, what: e.what }).collect();
            Ok(Fixed { branch, commit, edits })
        })
        .await
    }
}

/// Makes blobs, a tree in an index of its own, a commit and a branch; no hook runs, nothing is checked out.
fn commit_on_branch(
    root: &Path,
    parent: &str,
    prefix: &Path,
    texts: &BTreeMap<String, String>,
    edits: &[fix::Edit],
) -> Result<(String, String), AtmosError> {
    let cannot = |why: String| AtmosError::new("cannot-commit", format!("the edits cannot be committed: {why}"));
    let folder = tempfile_folder().map_err(|e| cannot(e.to_string()))?;
    let index = folder.join("index");
    let run = |arguments: &[&str], input: &str| -> Result<String, AtmosError> {
        let mut child = tree::command(root, arguments)
            .env("GIT_INDEX_FILE", &index)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| cannot(e.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).map_err(|e| cannot(e.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|e| cannot(e.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(cannot(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    };
    let made = (|| {
        run(&["read-tree", parent], "")?;
        let mut entries = String::new();
        for (file, text) in texts {
            let blob = run(&["hash-object", "-w", "--stdin", "--no-filters"], text)?;
            let path = prefix.join(file);
            let listed = run(&["ls-files", "--stage", "--full-name", "--", &format!(":/{}", path.display())], "")?;
            let mode = listed.split(' ').next().filter(|mode| !mode.is_empty()).unwrap_or("100644").to_owned();
            entries.push_str(&format!("{mode} {blob}\t{}\0", path.display()));
        }
        run(&["update-index", "-z", "--index-info"], &entries)?;
        let written = run(&["write-tree"], "")?;
        let mut message = "Mend what a check of the estate found\n\nNothing resolves to anything else.\n\n".to_owned();
        for edit in edits {
            message.push_str(&format!("- {}:{}: {}\n", edit.file, edit.line, edit.what));
        }
        let commit = run(&["commit-tree", &written, "-p", parent], &message)?;
        for number in 1..1000 {
            let branch = format!("terrace/fix-{number}");
            // An empty old value: only a branch that is not there yet is made.
            let zero = "0".repeat(commit.len());
            if run(&["update-ref", &format!("refs/heads/{branch}"), &commit, &zero], "").is_ok() {
                return Ok((branch, commit));
            }
        }
        Err(cannot("there are a thousand branches terrace/fix-N".to_owned()))
    })();
    drop(std::fs::remove_dir_all(&folder));
    made
}

/// Makes a folder of our own below the temporary one.
fn tempfile_folder() -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = std::env::temp_dir().join(format!("terrace-fix-{}", ulid::Ulid::generate()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

//! The demo estate inside the program: its files, its history, and how both are written to a folder.
//!
//! `assets/demo/commits.toml` names the commits; each lays the files of its folder over those before it. Dates and
//! authors are fixed, so that everybody's demo has the same commit ids. `assets/demo/live` holds what Terraform had
//! applied before: states, which Git ignores there as everywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use color_eyre::eyre::{Context as _, eyre};
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::Failure;

static ASSETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets/demo");

/// The file that says that a folder holds the demo.
const MARKER: &str = ".terrace-demo";
/// Where the demo is put together before it is moved in place; what is left there by a broken call is thrown away.
const STAGING: &str = ".terrace-demo-unfinished";

/// The folder of states.
const LIVE: &str = "live";

/// What a folder holds, as far as the demo is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupant {
    /// Nothing, or no such folder.
    Nothing,
    /// The demo, in whatever state its user left it.
    Demo,
    /// Something else.
    SomethingElse,
}

#[derive(Debug, Deserialize)]
struct History {
    commit: Vec<Commit>,
}

#[derive(Debug, Deserialize)]
struct Commit {
    folder: String,
    author: String,
    time: Timestamp,
    message: String,
}

/// Looks at a folder without touching it.
pub(super) fn occupant(folder: &Path) -> std::io::Result<Occupant> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A link that leads nowhere is not a free place.
            let free = fs::symlink_metadata(folder).is_err();
            return if free { Ok(Occupant::Nothing) } else { Err(error) };
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name());
    }
    let holds = |name: &str| names.iter().any(|found| found == name);
    Ok(if names.iter().all(|name| name == STAGING) {
        Occupant::Nothing
    } else if holds(MARKER) && holds("atmos.yaml") {
        Occupant::Demo
    } else {
        Occupant::SomethingElse
    })
}

/// Writes the demo with its history into an empty or new folder.
///
/// The marker comes last, so that a call that broke off leaves nothing that looks like a demo.
pub(super) fn write(folder: &Path) -> color_eyre::Result<()> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot make the folder {}", folder.display()))?;
    let staging = folder.join(STAGING);
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let written = fs::create_dir(&staging)
        .wrap_err_with(|| format!("cannot write to {}", folder.display()))
        .and_then(|()| fill(&staging))
        .and_then(|()| move_in_place(&staging, folder));
    if written.is_err() {
        // The error that is on its way says more than one from cleaning up after it.
        drop(fs::remove_dir_all(&staging));
    }
    written
}

fn fill(staging: &Path) -> color_eyre::Result<()> {
    let history: History = toml::from_str(text("commits.toml")?)?;
    git(staging, &["init", "--quiet", "--initial-branch=main", "--template="], None)?;
    git(staging, &["fast-import", "--quiet", "--date-format=raw"], Some(&stream(&history)?))?;
    git(staging, &["-c", "core.autocrlf=false", "reset", "--quiet", "--hard", "main"], None)?;
    let live = ASSETS.get_dir(LIVE).ok_or_else(|| eyre!("the demo lacks {LIVE}"))?;
    for (path, content) in files(live, LIVE) {
        let path = staging.join(path);
        fs::create_dir_all(path.parent().unwrap_or(staging))?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// Returns the history as `git fast-import` reads it.
fn stream(history: &History) -> color_eyre::Result<Vec<u8>> {
    let mut out = Vec::new();
    for commit in &history.commit {
        let folder = ASSETS.get_dir(&commit.folder).ok_or_else(|| eyre!("the demo lacks {}", commit.folder))?;
        let message = commit.message.trim_end();
        let who = format!("{} {} +0000", commit.author, commit.time.as_second());
        writeln!(out, "commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {}", message.len() + 1)?;
        writeln!(out, "{message}")?;
        for (path, content) in files(folder, &commit.folder) {
            writeln!(out, "M 100644 inline {path}\ndata {}", content.len())?;
            out.write_all(content)?;
            out.write_all(b"\n")?;
        }
        out.write_all(b"\n")?;
    }
    Ok(out)
}

fn files(folder: &'static Dir<'static>, root: &str) -> BTreeMap<String, &'static [u8]> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder];
    while let Some(dir) = open.pop() {
        open.extend(dir.dirs());
        for file in dir.files() {
            if let Ok(path) = file.path().strip_prefix(root) {
                found.insert(path.to_string_lossy().replace('\\', "/"), file.contents());
            }
        }
    }
    found
}

fn text(name: &str) -> color_eyre::Result<&'static str> {
    ASSETS.get_file(name).and_then(|file| file.contents_utf8()).ok_or_else(|| eyre!("the demo lacks {name}"))
}

fn move_in_place(staging: &Path, folder: &Path) -> color_eyre::Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(staging)? {
        entries.push(entry?.path());
    }
    entries.sort_by_key(|path| path.file_name().is_some_and(|name| name == MARKER));
    for entry in entries {
        if let Some(name) = entry.file_name() {
            fs::rename(&entry, folder.join(name))?;
        }
    }
    fs::remove_dir(staging)?;
    Ok(())
}

/// Runs Git without the user's configuration: no hooks, no signing, no templates of theirs.
fn git(folder: &Path, arguments: &[&str], input: Option<&[u8]>) -> color_eyre::Result<()> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // A caller's own repository (a hook that calls us) must not be the one that is written to.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| {
        Failure::failed(format!("cannot start git, which keeps the demo's history: {error}"))
            .hint("install Git, and try again")
    })?;
    if let (Some(mut stdin), Some(bytes)) = (child.stdin.take(), input) {
        // A Git that stops reading says why on its standard error.
        drop(stdin.write_all(bytes));
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(eyre!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_demo_is_the_same_for_everybody_and_its_tree_is_clean() {
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("one"), home.path().join("two/deep"));
        write(&one).unwrap();
        write(&two).unwrap();
        assert_eq!(occupant(&one).unwrap(), Occupant::Demo);
        assert_eq!(log(&one, &["rev-parse", "HEAD"]), log(&two, &["rev-parse", "HEAD"]));
        assert_eq!(log(&one, &["status", "--porcelain"]), "");
        let ignored = log(&one, &["status", "--porcelain", "--ignored"]);
        assert!(
            ignored.lines().count() > 3 && ignored.lines().all(|it| it.ends_with("terraform.tfstate.d/")),
            "{ignored}"
        );
        assert!(log(&one, &["log", "--format=%an"]).lines().count() >= 5);
        log(&one, &["fsck", "--strict"]);
    }

    #[test]
    fn what_a_broken_call_left_is_written_anew_and_anything_else_is_not_free() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(STAGING)).unwrap();
        fs::write(home.path().join(STAGING).join("half"), "x").unwrap();
        assert_eq!(occupant(home.path()).unwrap(), Occupant::Nothing);
        write(home.path()).unwrap();
        assert_eq!(occupant(home.path()).unwrap(), Occupant::Demo);
        assert!(!home.path().join(STAGING).exists());

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("atmos.yaml"), "").unwrap();
        assert_eq!(occupant(other.path()).unwrap(), Occupant::SomethingElse);
        assert!(occupant(&other.path().join("atmos.yaml")).is_err(), "a file is no folder");
    }
}

//! What runs saw of states that lie elsewhere, kept for prices: without secrets, one file an instance.
//!
//! A plan has seen the state it stood on, an apply knows what it left behind, and a run that does nothing else reads it
//! with `terraform show -json`. A state that lies in the estate is read where it lies, and is none of this module's.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::folder::RunFolder;
use super::journal::Outcome;
use crate::domain::budget::PriceOrigin;
use crate::domain::id::Digest;
use crate::domain::run::{Run, RunKind};
use crate::domain::stack::InstanceRef;

/// Returns where the state of an instance is kept, as `terraform show -json` writes it.
#[must_use]
pub fn file(folder: &Path, at: &InstanceRef) -> PathBuf {
    folder.join(format!("{}.json", Digest::of(at.to_string().as_bytes()).short()))
}

/// Keeps what a run that ended has seen of a state that lies elsewhere.
///
/// Where it `began` to apply and did not come to the end, what was known is forgotten: the next one looks again.
///
/// # Errors
///
/// Files that cannot be read or written.
pub(super) fn keep(folder: &Path, run: &Run, place: &RunFolder, outcome: Outcome, began: bool) -> io::Result<()> {
    let [at] = run.targets.as_slice() else { return Ok(()) };
    let path = file(folder, at);
    let seen = match (run.kind, outcome) {
        (RunKind::Command, Outcome::Succeeded) => "/values",
        (RunKind::Command, Outcome::Failed) if is_no_workspace(run, place)? => {
            return write(folder, &path, &json!({}), PriceOrigin::State);
        }
        (RunKind::Plan | RunKind::Drift, Outcome::Succeeded | Outcome::NoChanges)
        | (RunKind::Apply | RunKind::Destroy, Outcome::NoChanges) => "/prior_state/values",
        (RunKind::Apply | RunKind::Destroy, Outcome::Succeeded) => "/planned_values",
        _ if began => return forget(&path),
        _ => return Ok(()),
    };
    let document: Value = match fs::read(place.plan_json()) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let from = if run.kind == RunKind::Command { PriceOrigin::State } else { PriceOrigin::Plan };
    write(folder, &path, document.pointer(seen).unwrap_or(&json!({})), from)
}

/// Tells whether reading failed because the workspace is not there: then nothing of the instance is live.
fn is_no_workspace(run: &Run, place: &RunFolder) -> io::Result<bool> {
    let Some(workspace) = &run.workspace else { return Ok(false) };
    let log = fs::read(place.log())?;
    Ok(memchr::memmem::find(&log, format!("Workspace \"{workspace}\" doesn't exist").as_bytes()).is_some())
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(folder: &Path, path: &Path, values: &Value, from: PriceOrigin) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("json.new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    let document = json!({"format_version": "1.0", "from": from, "values": values});
    file.write_all(document.to_string().as_bytes())?;
    fs::rename(&beside, path)
}

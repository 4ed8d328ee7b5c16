//! Reads a plan file: the workspace inside it, its digest, and what `terraform show -json` says of it.
//!
//! A plan made in one workspace can be applied in another, because Terraform looks at the workspace inside the file
//! only; so we look there before a plan is accepted, and again before it is applied. The file is a zip whose entry
//! `tfplan` is a protocol buffer: field 13 is the backend, whose field 3 is the workspace (Terraform's `planfile.proto`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use crate::domain::id::Digest;
use crate::domain::run::PlanSummary;

const BACKEND: u64 = 13;
const WORKSPACE: u64 = 3;
/// The largest `tfplan` entry that is read.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Why a plan file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// The file could not be read.
    #[error("cannot read the plan file: {0}")]
    Io(#[from] io::Error),
    /// It is no zip, or has no plan in it.
    #[error("this is no plan file of Terraform or OpenTofu ({0}); an encrypted one cannot be checked")]
    NotAPlan(String),
    /// It does not say in which workspace it was made.
    #[error("the plan file does not say in which workspace it was made")]
    NoWorkspace,
    /// The JSON form could not be read.
    #[error("cannot read the plan as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Returns the SHA-256 of a file.
///
/// # Errors
///
/// Where it cannot be read.
pub fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Digest::from_hex(&hex::encode(hasher.finalize())).ok_or_else(|| io::Error::other("a digest of another length"))
}

/// Returns the workspace that a plan was made in.
///
/// # Errors
///
/// Where the file is no plan, or does not say: unknown means no.
pub fn workspace(path: &Path) -> Result<String, PlanFileError> {
    let mut zip =
        zip::ZipArchive::new(File::open(path)?).map_err(|error| PlanFileError::NotAPlan(error.to_string()))?;
    let entry = zip.by_name("tfplan").map_err(|error| PlanFileError::NotAPlan(error.to_string()))?;
    let mut plan = Vec::new();
    entry.take(LARGEST).read_to_end(&mut plan)?;
    let backend = field(&plan, BACKEND).ok_or(PlanFileError::NoWorkspace)?;
    let name = field(backend, WORKSPACE).ok_or(PlanFileError::NoWorkspace)?;
    String::from_utf8(name.to_vec()).map_err(|_| PlanFileError::NoWorkspace)
}

/// Where a state stands: who it is, and how often it was written.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Standing {
    #[serde(default)]
    lineage: String,
    #[serde(default)]
    serial: u64,
}

/// Compares the state that a plan was made from with the answer of `terraform state pull`; says how they differ.
///
/// A state that was never written has no lineage: the answer is then empty.
///
/// # Errors
///
/// Where the file is no plan, or one of the states is none: unknown means no.
pub fn same_state(plan: &Path, pulled: &Path) -> Result<Option<String>, PlanFileError> {
    let mut zip =
        zip::ZipArchive::new(File::open(plan)?).map_err(|error| PlanFileError::NotAPlan(error.to_string()))?;
    let entry = zip.by_name("tfstate").map_err(|error| PlanFileError::NotAPlan(error.to_string()))?;
    let was: Standing = serde_json::from_reader(entry.take(LARGEST))?;
    let said = std::fs::read(pulled)?;
    let text = said.trim_ascii();
    // A driver may say something of its own before it, and after it. Without any state there is none: that fits only a plan
    // that was made from none, which Terraform compares once more.
    let begins = if text.starts_with(b"{") { Some(0) } else { memchr::memmem::find(text, b"\n{").map(|at| at + 1) };
    let text = begins.map_or(&b""[..], |at| &text[at..]);
    let now = serde_json::Deserializer::from_slice(text).into_iter::<Standing>().next();
    let now = now.transpose()?.unwrap_or_default();
    let written = |state: &Standing| state.serial > 0;
    Ok(match (was, now) {
        (was, now) if was == now => None,
        // What was never written may be given a lineage when it is first looked at.
        (was, now) if !written(&was) && !written(&now) => None,
        (was, now) if was.lineage != now.lineage => {
            Some("the state is another one than the plan was made from".to_owned())
        }
        (was, now) => Some(format!(
            "the state moved on after the plan was made (serial {} by now, {} then)",
            now.serial, was.serial
        )),
    })
}

/// Returns the bytes of the first length-delimited field of that number.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(length)?;
                if key >> 3 == wanted {
                    return Some(value);
                }
                message = rest;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    None
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// What a plan holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanFacts {
    /// The counts.
    pub summary: PlanSummary,
    /// Whether applying it would do anything.
    pub changes: bool,
    /// Whether the world is not as it was left.
    pub drifted: bool,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    resource_changes: Vec<Changed>,
    #[serde(default)]
    resource_drift: Vec<Changed>,
    #[serde(default)]
    output_changes: BTreeMap<String, Change>,
    applyable: Option<bool>,
}

#[derive(Deserialize)]
struct Changed {
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default, rename = "before")]
    _before: IgnoredAny,
}

impl Change {
    fn does_something(&self) -> bool {
        self.actions.iter().any(|action| !matches!(action.as_str(), "no-op" | "read"))
    }
}

/// Reads the answer of `terraform show -json PLAN`. Values are skipped as they are read, so none stays in memory.
///
/// # Errors
///
/// Where the file is not such an answer.
pub fn facts(path: &Path) -> Result<PlanFacts, PlanFileError> {
    let shown: Shown = serde_json::from_reader(BufReader::new(File::open(path)?))?;
    let mut summary = PlanSummary::default();
    for changed in &shown.resource_changes {
        let has = |action: &str| changed.change.actions.iter().any(|each| each == action);
        summary.add += u32::from(has("create"));
        summary.change += u32::from(has("update"));
        summary.destroy += u32::from(has("delete"));
        summary.replace += u32::from(has("create") && has("delete"));
    }
    let planned = shown.resource_changes.iter().any(|changed| changed.change.does_something())
        || shown.output_changes.values().any(Change::does_something);
    let drifted = shown.resource_drift.iter().any(|changed| changed.change.does_something());
    Ok(PlanFacts { summary, changes: shown.applyable.unwrap_or(planned || drifted), drifted })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Writes a plan file as Terraform does, as far as we read it.
    fn plan(path: &Path, workspace: Option<&str>) {
        let mut zip = zip::ZipWriter::new(File::create(path).expect("made"));
        zip.start_file("tfplan", zip::write::SimpleFileOptions::default()).expect("entry");
        let mut bytes = vec![0x08, 3];
        if let Some(workspace) = workspace {
            let mut backend = vec![0x0a, 5];
            backend.extend(b"local");
            backend.extend([0x1a, u8::try_from(workspace.len()).expect("short")]);
            backend.extend(workspace.as_bytes());
            bytes.extend([0x6a, u8::try_from(backend.len()).expect("short")]);
            bytes.extend(backend);
        }
        zip.write_all(&bytes).expect("written");
        zip.finish().expect("finished");
    }

    #[test]
    fn the_workspace_is_read_and_a_missing_one_is_no() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("plan");
        plan(&path, Some("plat-ue2-dev"));
        assert_eq!(workspace(&path).expect("read"), "plat-ue2-dev");
        plan(&path, None);
        assert!(matches!(workspace(&path), Err(PlanFileError::NoWorkspace)));
        std::fs::write(&path, "no zip").expect("written");
        assert!(matches!(workspace(&path), Err(PlanFileError::NotAPlan(_))));
    }

    #[test]
    fn a_state_that_moved_on_is_noticed_and_one_that_was_never_written_is_none() {
        let temp = tempfile::tempdir().expect("temp");
        let (plan, state) = (temp.path().join("plan"), temp.path().join("state"));
        let compare = |was: &str, now: &str| {
            let mut zip = zip::ZipWriter::new(File::create(&plan).expect("made"));
            zip.start_file("tfstate", zip::write::SimpleFileOptions::default()).expect("entry");
            zip.write_all(was.as_bytes()).expect("written");
            zip.finish().expect("finished");
            std::fs::write(&state, now).expect("written");
            same_state(&plan, &state)
        };
        let at = |lineage: &str, serial: u32| {
            format!("{{\"version\": 4, \"lineage\": \"{lineage}\", \"serial\": {serial}}}")
        };
        assert_eq!(compare(&at("a", 3), &at("a", 3)).expect("read"), None);
        let around = |state: &str| format!("Switched to workspace.\n{state}\n\nThat was it.\n");
        assert_eq!(compare(&at("a", 3), &around(&at("a", 3))).expect("read"), None);
        assert!(compare(&at("a", 3), &around(&at("a", 4))).expect("read").is_some());
        assert!(compare(&at("a", 3), "No state file was found!").expect("read").is_some());
        assert_eq!(compare(&at("", 0), "Switched to workspace.\n").expect("read"), None);
        assert_eq!(compare(&at("", 0), "\n").expect("read"), None);
        assert_eq!(compare(&at("", 0), &at("a", 0)).expect("read"), None);
        let moved = |was: &str, now: &str| compare(was, now).expect("read").expect("it moved on");
        assert!(moved(&at("a", 3), &at("a", 4)).contains("serial 4 by now, 3 then"));
        assert!(moved(&at("a", 3), &at("b", 3)).contains("another one"));
        assert!(moved(&at("a", 3), "").contains("another one"), "it is gone");
        assert!(moved(&at("", 0), &at("a", 1)).contains("another one"), "somebody was faster");
        assert!(compare(&at("a", 3), "{no state").is_err());
    }

    #[test]
    fn a_replacement_counts_twice_and_a_read_does_nothing() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("plan.json");
        let text = r#"{"resource_changes": [
            {"change": {"actions": ["delete", "create"], "before": {"x": 1}}},
            {"change": {"actions": ["update"]}}, {"change": {"actions": ["read"]}}, {"change": {"actions": ["no-op"]}}],
            "output_changes": {}}"#;
        std::fs::write(&path, text).expect("written");
        let facts = facts(&path).expect("read");
        assert_eq!(facts.summary, PlanSummary { add: 1, change: 1, destroy: 1, replace: 1 });
        assert!(facts.changes && !facts.drifted);
    }
}

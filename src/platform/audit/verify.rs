//! Verifying a trail: from the database or from an export, on all cores, in constant memory.

use std::fs;
use std::io::{BufRead, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use super::key;
use crate::domain::audit::chain::{Chain, Link};
use crate::domain::audit::{Broken, BrokenKind, Checkpoint, Verification};
use crate::platform::PlatformError;
use crate::platform::store::{AuditLine, RecordReads};

/// The name of the file of checkpoints beside the database: one JSON document a line, only appended to.
pub const CHECKPOINTS: &str = "audit.checkpoints";

/// How many records are read at a time.
const BATCH: u32 = 10_000;

/// The last line of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ending {
    /// The checkpoint of the last record.
    pub checkpoint: Checkpoint,
}

/// Checkpoints with what is wrong with those that do not count.
struct Signed {
    good: Vec<Checkpoint>,
    bad: Option<Broken>,
}

/// Keeps the checkpoints whose signature is by `key` (or by whichever they name, where none is given).
fn signed(checkpoints: Vec<Checkpoint>, key: Option<&str>) -> Result<Signed, PlatformError> {
    let mut signed = Signed { good: Vec::new(), bad: None };
    for checkpoint in checkpoints {
        if key::holds(&checkpoint)? && key.is_none_or(|key| key == checkpoint.key) {
            signed.good.push(checkpoint);
            continue;
        }
        let sequence = checkpoint.sequence;
        let message =
            format!("the checkpoint of record {sequence} of {} is not signed by the platform", checkpoint.time);
        signed.bad.get_or_insert(Broken { sequence, kind: BrokenKind::Unsigned, message });
    }
    signed.good.sort_by_key(|checkpoint| checkpoint.sequence);
    Ok(signed)
}

/// Adds records as they were stored; returns the first whose columns contradict it.
fn add_stored(chain: &mut Chain, lines: &[AuditLine]) -> Option<u64> {
    let read = |stored: &AuditLine| {
        Link::read_stored(&stored.line, stored.sequence, stored.columns.each_ref().map(String::as_str))
    };
    let links: Vec<_> = lines.par_iter().with_min_len(256).map(read).collect();
    let mut contradicted = None;
    for (stored, link) in lines.iter().zip(links) {
        if matches!(link, Ok((_, true))) {
            contradicted.get_or_insert(stored.sequence);
        }
        chain.add(&stored.line, link.map(|(link, _)| link));
    }
    contradicted
}

fn add(chain: &mut Chain, lines: &[String]) {
    let links: Vec<_> = lines.par_iter().with_min_len(256).map(|line| Link::read(line)).collect();
    for (line, link) in lines.iter().zip(links) {
        chain.add(line, link);
    }
}

/// Verifies the trail of a store against the checkpoint in it and those in `further`, signed by `key`.
///
/// # Errors
///
/// A database that cannot be read. A broken trail is no error but an answer.
pub async fn of_store(
    store: &(impl RecordReads + Sync + ?Sized),
    further: Vec<Checkpoint>,
    key: Option<&str>,
) -> Result<Verification, PlatformError> {
    // Before the records: what is committed meanwhile is read, and no checkpoint is ahead of what is read.
    let mut checkpoints = further;
    checkpoints.extend(store.audit_head().await?);
    let signed = signed(checkpoints, key)?;
    let mut chain = Chain::new(false, &signed.good);
    let mut contradicted = None;
    let mut lines = store.audit_lines(0, BATCH).await?;
    while let Some(last) = lines.last() {
        let after = last.sequence;
        let hashing = tokio::task::spawn_blocking(move || {
            let contradicted = add_stored(&mut chain, &lines);
            (chain, contradicted)
        });
        let (hashed, next) = tokio::join!(hashing, store.audit_lines(after, BATCH));
        let (hashed, found) = hashed.map_err(|e| PlatformError::Interrupted(e.to_string()))?;
        (chain, lines) = (hashed, next?);
        contradicted = contradicted.or(found);
    }
    if let Some(sequence) = contradicted {
        chain.contradicted(sequence);
    }
    Ok(chain.finish(&signed.good, signed.bad))
}

/// Verifies an export against the checkpoint at its end and those in `further`; `key` is the public key that must have
/// signed them.
///
/// # Errors
///
/// An export that cannot be read. A broken trail is no error but an answer.
pub fn of_export(
    mut export: impl BufRead,
    further: Vec<Checkpoint>,
    key: Option<&str>,
) -> Result<Verification, PlatformError> {
    let signed_before = signed(further, key)?;
    let mut chain = Chain::new(true, &signed_before.good);
    let mut endings = Vec::new();
    let mut text = String::new();
    let mut lines = Vec::new();
    loop {
        text.clear();
        let read = export.read_line(&mut text);
        let more = read.map_err(PlatformError::io("read the export", Path::new("-")))? > 0;
        let line = text.trim_end_matches(['\n', '\r']);
        if !line.is_empty() {
            match serde_json::from_str::<Ending>(line) {
                Ok(ending) => endings.push(ending.checkpoint),
                Err(_) => lines.push(line.to_owned()),
            }
        }
        if lines.len() == BATCH as usize || !more {
            add(&mut chain, &lines);
            lines.clear();
        }
        if !more {
            break;
        }
    }
    let at_end = signed(endings, key)?;
    let mut good = signed_before.good;
    good.extend(at_end.good);
    Ok(chain.finish(&good, signed_before.bad.or(at_end.bad)))
}

/// Reads the checkpoints that were kept beside the database; none where there is no file.
///
/// A last line that was torn by a power failure is left out.
///
/// # Errors
///
/// A file that is there and cannot be read.
pub fn kept(path: &Path) -> Result<Vec<Checkpoint>, PlatformError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(PlatformError::io("read", path)(error)),
    }
}

/// Keeps a checkpoint beside the database.
///
/// # Errors
///
/// A file that cannot be written.
pub fn keep(path: &Path, checkpoint: &Checkpoint) -> Result<(), PlatformError> {
    let write = || {
        let mut file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let line = serde_json::to_string(checkpoint)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()
    };
    write().map_err(PlatformError::io("keep a checkpoint in", path))
}

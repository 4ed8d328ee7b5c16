//! The chain of an audit trail: each record holds the SHA-256 of the one before, and checkpoints say how far it went.
//!
//! Owns what a whole trail is and which record is the first that is not. Leaves reading, hashing in parallel and
//! signatures to the platform.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Broken, BrokenKind, Checkpoint, Verification};
use crate::domain::id::Digest;

/// The action of the record that begins the chain of a trail that is older than it.
pub const BEGIN: &str = "audit.chain";

/// What the first record of a trail holds in the place of a digest.
#[must_use]
pub fn nothing() -> Digest {
    Digest::from_hex(&"0".repeat(64)).unwrap_or_else(|| Digest::of(b""))
}

/// What the record that begins a chain says of the older ones.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Begun {
    /// How many there are.
    pub unchained: u64,
    /// SHA-256 over them, each followed by a newline.
    pub sha256: Digest,
}

/// What the chain needs to know of a record, read from its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place, by its own word.
    pub sequence: u64,
    /// The digest of the one before, by its own word.
    pub previous: Option<Digest>,
    /// What it says of older records, where it begins the chain.
    pub begun: Option<Begun>,
    /// The digest of the line.
    pub digest: Digest,
}

#[derive(Deserialize)]
struct Head<'a> {
    sequence: u64,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(default)]
    previous: Option<&'a str>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    actor: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
}

impl Head<'_> {
    /// Says whether the place and the columns (time, actor, action, object) that a record was stored with are its own.
    fn agrees(&self, sequence: u64, [time, actor, action, object]: [&str; 4]) -> bool {
        self.sequence == sequence
            && self.time.as_deref() == Some(time)
            && self.actor.as_deref() == Some(actor)
            && self.action == action
            && self.object.as_deref() == Some(object)
    }
}

#[derive(Deserialize)]
struct Beginning {
    detail: Begun,
}

impl Link {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// Why it is no record.
    pub fn read(line: &str) -> Result<Self, String> {
        let head: Head<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        Self::of(&head, line)
    }

    /// Reads a line that was stored at a place with columns (time, actor, action, object) beside it, and says whether
    /// these contradict it.
    ///
    /// # Errors
    ///
    /// Why it is no record.
    pub fn read_stored(line: &str, sequence: u64, columns: [&str; 4]) -> Result<(Self, bool), String> {
        let head: Head<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        Ok((Self::of(&head, line)?, !head.agrees(sequence, columns)))
    }

    fn of(head: &Head<'_>, line: &str) -> Result<Self, String> {
        let previous = match head.previous {
            None => None,
            Some(text) => Some(Digest::from_hex(text).ok_or("`previous` is no SHA-256")?),
        };
        let begun = if head.action == BEGIN {
            let beginning: Beginning = serde_json::from_str(line).map_err(|error| error.to_string())?;
            Some(beginning.detail)
        } else {
            None
        };
        Ok(Self { sequence: head.sequence, previous, begun, digest: Digest::of(line.as_bytes()) })
    }
}

/// A trail that is being read from its first record on.
#[derive(Debug)]
pub struct Chain {
    /// Whether a record that was only laid out anew (other blanks, other order of keys) is as good as its canonical form.
    lenient: bool,
    /// Digests that checkpoints speak of.
    wanted: BTreeMap<u64, Option<Digest>>,
    records: u64,
    unchained: u64,
    older: Sha256,
    last: Option<(Link, String)>,
    broken: Option<Broken>,
    /// A place where another record stood, until it is known whether its own comes later.
    missing: Option<(u64, u64)>,
}

impl Chain {
    /// Begins; `checkpoints` are those whose signatures hold.
    #[must_use]
    pub fn new(lenient: bool, checkpoints: &[Checkpoint]) -> Self {
        let wanted = checkpoints.iter().map(|checkpoint| (checkpoint.sequence, None)).collect();
        Self {
            lenient,
            wanted,
            records: 0,
            unchained: 0,
            older: Sha256::new(),
            last: None,
            broken: None,
            missing: None,
        }
    }

    /// Says whether it is known what is broken, so that nothing more need be read.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.broken.is_some()
    }

    /// Returns the next place in the trail.
    fn next(&self) -> u64 {
        self.last.as_ref().map_or(1, |(last, _)| last.sequence + 1)
    }

    /// Returns the digest of a record that a checkpoint speaks of, or of the last one.
    fn digest_at(&self, sequence: u64) -> Option<Digest> {
        match &self.last {
            Some((last, line)) if last.sequence == sequence => Some(self.digest(last, line)),
            _ => self.wanted.get(&sequence).cloned().flatten(),
        }
    }

    fn digest(&self, link: &Link, line: &str) -> Digest {
        let canonical = if self.lenient { canonical(line) } else { None };
        canonical.unwrap_or_else(|| link.digest.clone())
    }

    fn breaks(&mut self, sequence: u64, kind: BrokenKind, message: String) {
        self.broken.get_or_insert(Broken { sequence, kind, message });
    }

    /// Reads the next record.
    pub fn add(&mut self, line: &str, link: Result<Link, String>) {
        self.records += 1;
        if self.broken.is_some() {
            return;
        }
        let expected = self.next();
        let link = match link {
            Ok(link) => link,
            Err(error) if self.missing.is_none() => {
                let message = format!("record {expected} cannot be read: {error}");
                return self.breaks(expected, BrokenKind::Unreadable, message);
            }
            Err(_) => return,
        };
        if let Some((missing, _)) = self.missing {
            if link.sequence == missing {
                let message = format!("record {missing} stands behind a later one");
                self.breaks(missing, BrokenKind::Reordered, message);
            }
            return;
        }
        if link.sequence > expected {
            self.missing = Some((expected, link.sequence));
            return;
        }
        if link.sequence < expected {
            let message = format!("record {} is there twice", link.sequence);
            return self.breaks(link.sequence, BrokenKind::Repeated, message);
        }
        match (&link.previous, &self.last) {
            (Some(previous), Some((last, text))) => {
                let same = *previous == last.digest || (self.lenient && canonical(text).as_ref() == Some(previous));
                if !same {
                    let sequence = last.sequence;
                    let message = format!("record {sequence} is not the one whose digest record {expected} holds");
                    return self.breaks(sequence, BrokenKind::Edited, message);
                }
                if let Some(begun) = &link.begun {
                    let older = hex::encode(self.older.clone().finalize());
                    if begun.unchained != self.unchained || begun.sha256.as_str() != older {
                        let message = "the records before the chain are not those that it began with".to_owned();
                        return self.breaks(1, BrokenKind::Edited, message);
                    }
                } else if last.previous.is_none() {
                    let message = format!("record {expected} does not say what stood before the chain began");
                    return self.breaks(expected, BrokenKind::Edited, message);
                }
            }
            (Some(previous), None) => {
                if *previous != nothing() {
                    let message = "the first record holds the digest of one before it".to_owned();
                    return self.breaks(1, BrokenKind::Edited, message);
                }
            }
            (None, Some((last, _))) if last.previous.is_some() => {
                let message = format!("record {expected} carries no digest of the one before");
                return self.breaks(expected, BrokenKind::Unchained, message);
            }
            (None, _) => {
                self.unchained += 1;
                self.older.update(line.as_bytes());
                self.older.update(b"\n");
            }
        }
        if self.wanted.contains_key(&link.sequence) {
            let digest = self.digest(&link, line);
            self.wanted.insert(link.sequence, Some(digest));
        }
        self.last = Some((link, line.to_owned()));
    }

    /// Says of a record that what stands beside it (the columns that lists filter by) is not what it says.
    pub fn contradicted(&mut self, sequence: u64) {
        if self.broken.as_ref().is_none_or(|broken| broken.sequence > sequence) {
            let message = format!("record {sequence} says something else than the columns beside it");
            self.broken = Some(Broken { sequence, kind: BrokenKind::Edited, message });
        }
    }

    /// Ends, with the checkpoints that it began with and what is wrong with others.
    #[must_use]
    pub fn finish(mut self, checkpoints: &[Checkpoint], unsigned: Option<Broken>) -> Verification {
        if let (None, Some((missing, found))) = (&self.broken, self.missing) {
            let message = match found - missing {
                1 => format!("record {missing} is missing"),
                _ => format!("records {missing} to {} are missing", found - 1),
            };
            self.breaks(missing, BrokenKind::Removed, message);
        }
        let end = self.next() - 1;
        let mut newest = None;
        for checkpoint in checkpoints {
            if self.broken.is_some() {
                break;
            }
            let sequence = checkpoint.sequence;
            if sequence > end {
                let message = format!(
                    "{sequence} records were there at {}, and there are {end}: {} to {sequence} are missing",
                    checkpoint.time,
                    end + 1
                );
                self.breaks(end + 1, BrokenKind::Truncated, message);
            } else if self.digest_at(sequence).as_ref() != Some(&checkpoint.digest) {
                let message = format!("record {sequence} is not the one that was signed at {}", checkpoint.time);
                self.breaks(sequence, BrokenKind::Edited, message);
            } else if newest.as_ref().is_none_or(|newest: &&Checkpoint| newest.sequence <= sequence) {
                newest = Some(checkpoint);
            }
        }
        let newest = newest.cloned();
        if self.broken.is_none() {
            self.broken = unsigned;
        }
        let chained = self.last.as_ref().is_some_and(|(last, _)| last.previous.is_some());
        if self.records > 0 && !chained && self.broken.is_none() {
            let message = "no record carries a digest of the one before".to_owned();
            self.breaks(1, BrokenKind::Unchained, message);
        }
        if end > 0 && newest.is_none() && self.broken.is_none() {
            let message = format!("nothing is signed: whether records after {end} are missing cannot be said");
            self.breaks(end, BrokenKind::Unsigned, message);
        }
        Verification {
            verified: self.broken.is_none(),
            records: self.records,
            unchained: self.unchained,
            broken: self.broken,
            checkpoint: newest,
        }
    }
}

/// Returns the digest of the canonical form of a line, where that is another one.
fn canonical(line: &str) -> Option<Digest> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    serde_json_canonicalizer::to_vec(&value).ok().map(|bytes| Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Lines of a trail with so many records that are older than the chain.
    fn trail(older: u64, chained: u64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let line = |value: &Value| serde_json_canonicalizer::to_string(value).expect("canonical");
        for sequence in 1..=older {
            lines.push(line(&json!({"sequence": sequence, "action": "old", "actor": "ann"})));
        }
        for sequence in older + 1..=older + chained {
            let previous = lines.last().map_or_else(nothing, |last| Digest::of(last.as_bytes()));
            let mut record = json!({"sequence": sequence, "action": "new", "actor": "ann", "previous": previous});
            if sequence == older + 1 && older > 0 {
                let all: String = lines.iter().map(|line| format!("{line}\n")).collect();
                record["action"] = json!(BEGIN);
                record["detail"] = json!({"unchained": older, "sha256": Digest::of(all.as_bytes())});
            }
            lines.push(line(&record));
        }
        lines
    }

    fn signed(lines: &[String]) -> Vec<Checkpoint> {
        let last = lines.last().expect("some");
        vec![Checkpoint {
            sequence: lines.len() as u64,
            digest: Digest::of(last.as_bytes()),
            source: String::new(),
            time: jiff::Timestamp::UNIX_EPOCH,
            key: String::new(),
            signature: String::new(),
        }]
    }

    fn verify(lines: &[String], checkpoints: &[Checkpoint]) -> Verification {
        let mut chain = Chain::new(false, checkpoints);
        for line in lines {
            chain.add(line, Link::read(line));
        }
        chain.finish(checkpoints, None)
    }

    fn found(lines: &[String], checkpoints: &[Checkpoint]) -> (u64, BrokenKind) {
        let broken = verify(lines, checkpoints).broken.expect("broken");
        (broken.sequence, broken.kind)
    }

    #[test]
    fn a_whole_trail_is_whole_and_whatever_is_done_to_one_record_is_found() {
        use BrokenKind as K;
        for (older, chained) in [(0, 8), (3, 5), (1, 7)] {
            let whole = trail(older, chained);
            let signs = signed(&whole);
            let result = verify(&whole, &signs);
            assert!(result.verified && result.unchained == older, "{result:?}");
            for at in 0..whole.len() {
                let sequence = at as u64 + 1;
                let mut edited = whole.clone();
                edited[at] = edited[at].replace("ann", "bob");
                let (first, kind) = found(&edited, &signs);
                // Of those older than the chain one digest covers all but the last.
                assert!(first == sequence || (sequence < older && first == 1), "{sequence}: {first}");
                assert_eq!(kind, K::Edited);
                let mut removed = whole.clone();
                removed.remove(at);
                let last = at + 1 == whole.len();
                assert_eq!(found(&removed, &signs), (sequence, if last { K::Truncated } else { K::Removed }));
                let mut torn = whole.clone();
                torn[at].truncate(10);
                assert_eq!(found(&torn, &signs), (sequence, K::Unreadable));
                let mut twice = whole.clone();
                twice.insert(at, whole[at].clone());
                assert_eq!(found(&twice, &signs), (sequence, K::Repeated));
                if !last {
                    let mut swapped = whole.clone();
                    swapped.swap(at, at + 1);
                    assert_eq!(found(&swapped, &signs), (sequence, K::Reordered));
                }
                assert_eq!(found(&whole[..at], &signs), (sequence, K::Truncated));
            }
        }
    }

    /// Whoever writes the whole chain anew cannot sign it.
    #[test]
    fn a_chain_made_anew_is_another_one() {
        let whole = trail(0, 6);
        let signs = signed(&whole);
        let mut anew = trail(0, 6);
        anew[5] = anew[5].replace("ann", "bob");
        assert_eq!(found(&anew, &signs), (6, BrokenKind::Edited));
        assert_eq!(found(&whole, &[]), (6, BrokenKind::Unsigned));
        assert_eq!(found(&trail(4, 0), &[]), (1, BrokenKind::Unchained));
        assert!(verify(&[], &[]).verified);
        assert_eq!(found(&[], &signs), (1, BrokenKind::Truncated));
    }

    #[test]
    fn an_export_that_was_laid_out_anew_says_the_same() {
        let whole = trail(0, 4);
        let signs = signed(&whole);
        let spaced: Vec<String> = whole.iter().map(|line| line.replace("\":", "\": ")).collect();
        let mut chain = Chain::new(true, &signs);
        for line in &spaced {
            chain.add(line, Link::read(line));
        }
        assert!(chain.finish(&signs, None).verified);
        assert!(!verify(&spaced, &signs).verified);
    }
}

//! The audit trail: how a record is drafted and how it is written as canonical JSON.
//!
//! Owns who acts (an [`Actor`]), the byte form of a record (RFC 8785), which the chain covers, the platform's key and
//! the verification of a whole trail. Leaves sequence and storage to the store, which writes a record in the transaction
//! of the change it tells of.

pub mod key;
pub mod verify;

use jiff::Timestamp;
use serde_json::Value;

use super::PlatformError;
use crate::domain::audit::AuditRecord;
use crate::domain::id::Digest;
use crate::domain::team::Role;

/// Who does something, as which role, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name that the operating system or a token gives.
    pub name: String,
    /// The role the permission was taken from.
    pub role: Role,
    /// `local:<process id>` of the peer, or an address; `platform` for the platform's own doings.
    pub origin: String,
    /// The id of the HTTP request, where one is the cause.
    pub request_id: Option<String>,
    /// Whether nobody but the person themself vouches for who it is: the platform is one person's.
    pub self_attested: bool,
    /// The teams whose instances it may touch; empty where it is bound to none.
    pub teams: Vec<String>,
}

impl Actor {
    /// Returns the platform itself, for what it does by its own clock (expiry, recovery).
    #[must_use]
    pub fn platform() -> Self {
        Self {
            name: "terrace".to_owned(),
            role: Role::Admin,
            origin: "platform".to_owned(),
            request_id: None,
            self_attested: false,
            teams: Vec::new(),
        }
    }
}

/// An audit record before the store has given it sequence and time.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    /// Who.
    pub actor: Actor,
    /// What was done: `run.create`, `run.confirm`, …
    pub action: String,
    /// On what: `run/01K9…`.
    pub object: String,
    /// Digest of the object before.
    pub before: Option<Digest>,
    /// Digest of the object after.
    pub after: Option<Digest>,
    /// Further facts.
    pub detail: Value,
}

impl AuditDraft {
    /// Drafts a record without digests.
    #[must_use]
    pub fn new(actor: Actor, action: impl Into<String>, object: impl Into<String>, detail: Value) -> Self {
        Self { actor, action: action.into(), object: object.into(), before: None, after: None, detail }
    }

    /// Adds the digests of the object before and after.
    #[must_use]
    pub fn digests(mut self, before: Option<Digest>, after: Option<Digest>) -> Self {
        self.before = before;
        self.after = after;
        self
    }

    /// Makes the record of this draft; `previous` is the digest of the record before.
    #[must_use]
    pub fn into_record(self, sequence: u64, time: Timestamp, previous: Digest) -> AuditRecord {
        AuditRecord {
            sequence,
            time,
            actor: self.actor.name,
            role: self.actor.role.to_string(),
            origin: self.actor.origin,
            action: self.action,
            object: self.object,
            request_id: self.actor.request_id,
            before: self.before,
            after: self.after,
            detail: self.detail,
            self_attested: self.actor.self_attested,
            previous: Some(previous),
        }
    }
}

/// Returns the canonical JSON (RFC 8785) of a record: the bytes that are stored, exported and chained.
///
/// # Errors
///
/// A number in `detail` that no IEEE double can hold.
pub fn canonical(record: &AuditRecord) -> Result<String, PlatformError> {
    serde_json_canonicalizer::to_string(record).map_err(|e| PlatformError::Canonical(e.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8785, section 3.2.2 and 3.2.3: numbers, strings and the order of keys.
    #[expect(clippy::excessive_precision, reason = "the digits are those of the specification's example")]
    #[test]
    fn canonical_json_follows_the_rfc() {
        let value = json!({
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u{20ac}$\u{000F}\u{000a}A'\u{0042}\u{0022}\u{005c}\\\"\u{002f}",
            "literals": [null, true, false]
        });
        assert_eq!(
            serde_json_canonicalizer::to_string(&value).expect("canonical"),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
    }

    #[test]
    fn a_record_reads_back_as_it_was() {
        let draft = AuditDraft::new(Actor::platform(), "run.create", "run/1", json!({"b": 1, "a": [1, 2]}))
            .digests(None, Some(Digest::of(b"x")));
        let record = draft.into_record(7, "2026-11-23T03:00:00Z".parse().expect("time"), Digest::of(b"six"));
        let text = canonical(&record).expect("canonical");
        assert!(text.starts_with(r#"{"action":"run.create","actor":"terrace","after":"#), "{text}");
        assert_eq!(serde_json::from_str::<AuditRecord>(&text).expect("reads"), record);
        assert_eq!(canonical(&serde_json::from_str(&text).expect("reads")).expect("canonical"), text);
    }
}

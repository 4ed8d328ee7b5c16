//! The audit trail: who did what, as which role, on what, from where, when; [`chain`] says whether it is whole.

pub mod chain;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::id::Digest;

/// One audit record, kept and exported as canonical JSON (RFC 8785), each with the digest of the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditRecord {
    /// The position in the trail, from 1, without gaps.
    pub sequence: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Who.
    pub actor: String,
    /// As which role.
    pub role: String,
    /// From where: `local` with the process id of the peer, or an address.
    pub origin: String,
    /// What was done: `run.create`, `run.confirm`, …
    pub action: String,
    /// On what: `run/01K9…`.
    pub object: String,
    /// The id of the HTTP request that caused it, where one did.
    pub request_id: Option<String>,
    /// Digest of the object before.
    pub before: Option<Digest>,
    /// Digest of the object after.
    pub after: Option<Digest>,
    /// Further facts: reason, driver, state.
    pub detail: Value,
    /// Whether nobody but the person themself vouches for who it was: the platform is one person's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_attested: bool,
    /// SHA-256 of the record before as canonical JSON, 64 zeros in the first one. Records older than the chain have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
}

/// What the platform signs: that the trail of an estate had this record as its last at that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// The last record.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
    /// Which trail: the `source` of the estate's events.
    pub source: String,
    /// When it was signed.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// The public key (Ed25519, RFC 8032), in hexadecimal digits.
    pub key: String,
    /// The signature over the canonical JSON of everything above, in hexadecimal digits.
    pub signature: String,
}

/// Whether a trail is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Whether every record stands where it was written, as it was written.
    pub verified: bool,
    /// How many records were read.
    pub records: u64,
    /// How many of them are older than the chain; one digest in the record after them covers them all.
    pub unchained: u64,
    /// The first record that is not as it was written.
    pub broken: Option<Broken>,
    /// The newest checkpoint that holds.
    pub checkpoint: Option<Checkpoint>,
}

/// The first record that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Broken {
    /// Its place in the trail.
    pub sequence: u64,
    /// What was done to it.
    pub kind: BrokenKind,
    /// The same as a sentence.
    pub message: String,
}

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrokenKind {
    /// It says something else than what was written.
    Edited,
    /// It is missing.
    Removed,
    /// It stands in another place.
    Reordered,
    /// It is there twice.
    Repeated,
    /// It and all after it are missing.
    Truncated,
    /// It is no record.
    Unreadable,
    /// It carries no digest of the one before.
    Unchained,
    /// A checkpoint of it is not signed by the platform.
    Unsigned,
}

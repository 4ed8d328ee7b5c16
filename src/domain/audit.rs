//! The audit trail: who did what, as which role, on what, from where, when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::id::Digest;

/// One audit record. A later change chains them by hash, so records are canonical JSON (RFC 8785) from the first on.
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
}

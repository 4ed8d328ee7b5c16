//! What every store keeps of what happened: events, audit records, idempotency keys.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::audit::{AuditRecord, Checkpoint};
use crate::domain::event::Event;
use crate::platform::PlatformError;

/// Which end of the sequence a list begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first; the position is exclusive and counts downwards.
    #[default]
    Newest,
    /// The oldest first; the position is exclusive and counts upwards.
    Oldest,
}

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Which end it begins with.
    pub order: Order,
    /// The sequence of the last one already seen; `None` begins at the end that `order` names.
    pub after: Option<u64>,
    /// Only types that begin so, such as `dev.terrace.run.`.
    pub type_prefix: Option<String>,
    /// Only what is about this, such as `run/01K9…`.
    pub subject: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// Which audit records are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which end it begins with.
    pub order: Order,
    /// The sequence of the last one already seen; `None` begins at the end that `order` names.
    pub after: Option<u64>,
    /// Only what this person did.
    pub actor: Option<String>,
    /// Only what was done to this.
    pub object: Option<String>,
    /// Only this action, such as `run.confirm`.
    pub action: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// An audit record as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its place.
    pub sequence: u64,
    /// The columns that lists filter by: time, actor, action, object.
    pub columns: [String; 4],
    /// The record, canonical JSON.
    pub line: String,
}

/// An idempotency key with what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFingerprint {
    /// Who sent it; keys of two people never meet.
    pub actor: String,
    /// The key as sent.
    pub key: String,
    /// A digest over method, path and body of the request.
    pub fingerprint: String,
}

/// The answer that was given to a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The status code.
    pub status: u16,
    /// The body, JSON.
    pub answer: String,
}

/// Reads of what happened.
#[async_trait]
pub trait RecordReads {
    /// Lists events.
    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, PlatformError>;

    /// Lists audit records.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, PlatformError>;

    /// Lists audit records as they were stored, oldest first, for export and verification.
    async fn audit_lines(&self, after: u64, limit: u32) -> Result<Vec<AuditLine>, PlatformError>;

    /// Returns the signed end of the audit trail; `None` where nothing was ever signed.
    async fn audit_head(&self) -> Result<Option<Checkpoint>, PlatformError>;

    /// Returns the answer given to this key before, `None` where it is new.
    ///
    /// Fails with [`PlatformError::KeyReused`] where the key stood for another request.
    async fn remembered(&self, key: &KeyFingerprint) -> Result<Option<Remembered>, PlatformError>;
}

/// Writes of what happened that a service does itself; events and audit records go through the commit.
#[async_trait]
pub trait RecordWrites {
    /// Returns the answer given to this key before, under the write lock: of two requests with one key, the second
    /// finds the first one's answer here.
    ///
    /// Fails with [`PlatformError::KeyReused`] where the key stood for another request.
    async fn recall(&mut self, key: &KeyFingerprint) -> Result<Option<Remembered>, PlatformError>;

    /// Keeps the answer to a request with this key, in the transaction of what the request did.
    async fn remember(
        &mut self,
        key: &KeyFingerprint,
        answer: &Remembered,
        time: Timestamp,
    ) -> Result<(), PlatformError>;

    /// Forgets keys that are older; returns how many.
    async fn forget_keys_before(&mut self, time: Timestamp) -> Result<u64, PlatformError>;
}

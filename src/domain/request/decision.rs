//! What people say about a request: yes, no, that it cannot wait, and what they think of it afterwards.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::differences::Part;
use crate::domain::id::Digest;
use crate::domain::team::Role;

/// What a person said about a request that waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Who.
    pub actor: String,
    /// As which role.
    pub role: Role,
    /// Whether it was a yes.
    pub approved: bool,
    /// Why; a no always says it.
    pub reason: Option<String>,
    /// What it is bound to ([`super::Binding::digest`]).
    pub digest: Digest,
    /// Whether nobody else was there: the requester's own word, on a platform of one person.
    pub self_attested: bool,
    /// Whether it was one operator's word, to bring back what was approved and applied before.
    #[serde(default)]
    pub restores: bool,
    /// Why it counts no more: what it was bound to has changed.
    pub voided: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Somebody set the rules of approvals aside because it could not wait: any second person's yes is then enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenGlass {
    /// Who.
    pub actor: String,
    /// As which role.
    pub role: Role,
    /// Why it could not wait.
    pub reason: String,
    /// The revision that it is about.
    pub revision: usize,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Why a second look is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewCause {
    /// The rules of approvals were set aside.
    BreakGlass,
    /// One operator brought back what was approved and applied before.
    Restored,
}

/// A look that somebody else owes at what went ahead with less than the usual approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondReview {
    /// Why.
    pub cause: ReviewCause,
    /// Until when; later it is overdue, and shown to everyone.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Who looked; null while nobody has.
    pub done: Option<Reviewed>,
}

impl SecondReview {
    /// Tells whether nobody has looked in time.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.done.is_none() && self.due_at <= now
    }
}

/// The word of whoever looked afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reviewed {
    /// Who.
    pub actor: String,
    /// What they have to say.
    pub comment: Option<String>,
    /// Whether they were a part of it themself, because nobody else is there.
    #[serde(default)]
    pub self_attested: bool,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// What a person has looked at; the newest of each person is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// Who.
    pub actor: String,
    /// What it was: the digest that a decision would have been bound to.
    pub digest: Digest,
    /// Its parts, so that only what differs has to be read again.
    pub parts: Vec<Part>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

//! What the store keeps of recommendations: what was decided on them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::money::Exact;
use crate::domain::recommend::Recommendation;
use crate::platform::PlatformError;

/// A recommendation that was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// As it was then, with the decision.
    pub recommendation: Recommendation,
    /// What its instance cost a month then.
    pub monthly: Option<Exact>,
}

/// Reads of decisions.
#[async_trait]
pub trait RecommendReads {
    /// Lists what was decided, the last word on each.
    async fn recommendation_decisions(&self) -> Result<Vec<Decided>, PlatformError>;
}

/// Writes of decisions.
#[async_trait]
pub trait RecommendWrites {
    /// Keeps a decision; it takes the place of the one before.
    async fn put_recommendation_decision(&mut self, decided: &Decided) -> Result<(), PlatformError>;
}

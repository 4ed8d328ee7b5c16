//! Reviews: what a run's plan costs, and what policy says of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::estimate::Estimate;
use super::id::Digest;
use super::policy::Verdict;

/// What was found out about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// The plan file's digest.
    pub plan: Digest,
    /// What it costs a month.
    pub estimate: Estimate,
    /// What policy says.
    pub verdict: Verdict,
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub reviewed_at: Timestamp,
}

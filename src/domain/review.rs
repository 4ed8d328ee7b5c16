//! Reviews: what a run's plan costs, and what policy says of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::estimate::Estimate;
use super::id::{Digest, RunId};
use super::policy::{Finding, Outcome, Verdict};

/// What was found out about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// The plan file's digest.
    pub plan: Digest,
    /// What it costs a month.
    pub estimate: Estimate,
    /// What policy says.
    pub verdict: Verdict,
    /// What policy was asked besides the plan: instance, estimate, budget, request, actor, run, findings.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub asked: Map<String, Value>,
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub reviewed_at: Timestamp,
}

/// What other rules would have said of a plan that was judged before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rejudged {
    /// The run that made the plan.
    pub run: RunId,
    /// Its number.
    pub number: u64,
    /// The component.
    pub component: Option<String>,
    /// The stack.
    pub stack: Option<String>,
    /// What it came to then; null where nobody asked.
    pub before: Option<Outcome>,
    /// What it would come to now.
    pub after: Outcome,
    /// What would be found that was not found then.
    pub appeared: Vec<Finding>,
    /// What was found then and would not be found now.
    pub gone: Vec<Finding>,
}

/// Past plans under the rules as they are written now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// The bundle that judged now.
    pub bundle: Digest,
    /// How many plans were judged again.
    pub judged: usize,
    /// How many runs have a plan that is not there any more, or cannot be read.
    pub left_out: usize,
    /// Those that would differ, newest first.
    pub differ: Vec<Rejudged>,
}

impl Rejudged {
    /// Compares what was said with what would be said; `None` where it is the same.
    #[must_use]
    pub fn compare(mut self, before: Option<&Verdict>, after: &Verdict) -> Option<Self> {
        let old = before.map(|verdict| verdict.findings.as_slice()).unwrap_or_default();
        let same = |a: &Finding, b: &Finding| {
            (&a.code, &a.message, &a.address, a.weight) == (&b.code, &b.message, &b.address, b.weight)
        };
        let without = |of: &[Finding], other: &[Finding]| -> Vec<Finding> {
            of.iter().filter(|one| !other.iter().any(|two| same(one, two))).cloned().collect()
        };
        (self.appeared, self.gone) = (without(&after.findings, old), without(old, &after.findings));
        (self.before, self.after) = (before.map(|verdict| verdict.outcome), after.outcome);
        let was = self.before.unwrap_or(Outcome::Allow);
        (was != self.after || !self.appeared.is_empty() || !self.gone.is_empty()).then_some(self)
    }
}

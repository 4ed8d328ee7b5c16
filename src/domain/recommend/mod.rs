//! What to save: recommendations computed from live resources, their prices, and what was billed for them.
//!
//! Owns the rules, one small function each in [`rules`], and how a saving is reckoned: a change of attributes is priced
//! before and after by the same book as every estimate, so that a recommendation promises what an estimate would say.
//! Leaves states, bills and decisions to `platform::recommend`.

mod rules;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::id::Digest;
use super::money::{Exact, Money};
use super::stack::InstanceRef;

pub use rules::{RULES, Rule};

/// A live resource.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveResource {
    /// Its address.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// Its attributes, as in the state.
    pub attributes: Value,
}

/// A live instance with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveInstance {
    /// Which.
    pub instance: InstanceRef,
    /// The team that owns it.
    pub team: Option<String>,
    /// Its stage.
    pub stage: Option<String>,
    /// `settings` of its configuration: hints such as `settings.usage.cpu_percent`.
    pub settings: Value,
    /// Its resources.
    pub resources: Vec<LiveResource>,
    /// What each resource was billed in the last whole month, by the resource's id; effective.
    pub billed: BTreeMap<String, Exact>,
}

/// How sure a recommendation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// It depends on what nobody here knows.
    Low,
    /// It is likely right; a person should look.
    Medium,
    /// It follows from what is live.
    High,
}

/// How much work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// A value is edited.
    Small,
    /// A schedule or a restart is needed.
    Medium,
    /// Something is rebuilt or moved.
    Large,
}

/// What a rule proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The resource.
    pub address: String,
    /// One sentence.
    pub title: String,
    /// What becomes of it.
    pub change: Change,
    /// How sure it is.
    pub confidence: Confidence,
    /// How much work it is.
    pub effort: Effort,
    /// What it stands on.
    pub evidence: Vec<String>,
    /// The edit, in words.
    pub edit: String,
}

/// What becomes of a resource, for its price.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Its attributes are these.
    Attributes(Value),
    /// It is gone.
    Removed,
    /// It runs so many percent of the time less.
    Percent(u32),
    /// So many percent of what was billed for it.
    PercentOfBill(u32),
}

/// What could be saved, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recommendation {
    /// Its identity: the same as long as rule, instance and resource are.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// One sentence.
    pub title: String,
    /// The component.
    pub component: String,
    /// The stack.
    pub stack: String,
    /// The team that owns it.
    pub team: Option<String>,
    /// The resource.
    pub address: String,
    /// What it saves a month.
    pub saving: Money,
    /// How sure it is.
    pub confidence: Confidence,
    /// How much work it is.
    pub effort: Effort,
    /// What it stands on.
    pub evidence: Vec<String>,
    /// The edit, in words.
    pub edit: String,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// What it saves since it was done, measured by the instance's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realised: Option<Money>,
}

/// What somebody decided on a recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// What.
    pub word: DecisionWord,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it is put off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who.
    pub by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it promised a month when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<Money>,
}

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionWord {
    /// It will be done.
    Accepted,
    /// It will not.
    Dismissed,
    /// Not now.
    Snoozed,
}

/// Runs every rule over an instance; rules whose name is in `off` are left out.
#[must_use]
pub fn propose(live: &LiveInstance, off: &[String]) -> Vec<(&'static Rule, Proposal)> {
    let on = RULES.iter().filter(|rule| !off.iter().any(|name| name == rule.name));
    on.flat_map(|rule| (rule.look)(live).into_iter().map(move |proposal| (rule, proposal))).collect()
}

/// Returns the identity of a recommendation.
#[must_use]
pub fn identity(rule: &str, instance: &InstanceRef, address: &str) -> String {
    Digest::of(format!("{rule}\n{instance}\n{address}").as_bytes()).short().to_owned()
}

#[cfg(test)]
mod tests;

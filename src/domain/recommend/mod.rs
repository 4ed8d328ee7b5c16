//! What to save: recommendations computed from live resources, their prices, and what was billed for them.
//!
//! Owns the rules, one small function each in [`rules`], and how a saving is reckoned: a change of attributes is priced
//! before and after by the same book as every estimate, so that a recommendation promises what an estimate would say.
//! Leaves states, bills and decisions to `platform::recommend`.

mod rules;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::id::Digest;
use super::money::{Exact, Money};
use super::request::{RequestKind, Wish};
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
    /// `vars` of its configuration.
    pub vars: Value,
    /// Instances of the same component with the same values, in other stacks of development, that come before it.
    pub twins: Vec<InstanceRef>,
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
    /// The value that is set now, and the one that is to be set.
    pub swap: Option<[String; 2]>,
    /// Variables by which modules of this kind usually do it, with the value that does; the first that the
    /// configuration has is meant.
    pub knobs: Vec<(&'static str, Value)>,
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
    /// The whole instance is gone.
    Retired,
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
    /// The edit as a request that is ready to be sent, where the configuration has one value that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Wish>,
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
    /// The number of the request that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
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

/// Returns the request that does what is proposed: the one variable that says the value there is now gets the new one, a
/// variable that is made for it is set, or the whole instance goes. `None` where no variable says it, or several do.
#[must_use]
pub fn ready(live: &LiveInstance, proposal: &Proposal) -> Option<Wish> {
    let (kind, inputs) = match (&proposal.change, &proposal.swap) {
        (Change::Retired, _) => (RequestKind::Retire, json!({})),
        // Nothing else is left of it.
        (Change::Removed, _) if live.resources.len() == 1 => (RequestKind::Retire, json!({})),
        (_, Some([now, new])) => {
            let mut places = Vec::new();
            said(&live.vars, "vars", now, &mut places);
            let [place] = places.as_slice() else { return None };
            (RequestKind::Change, json!({place: new}))
        }
        _ => {
            let (name, value) = proposal.knobs.iter().find(|(name, value)| turns(&live.vars, name, value))?;
            (RequestKind::Change, json!({format!("vars.{name}"): value}))
        }
    };
    let reason = format!("{}: {}", proposal.title, proposal.evidence.join(", "));
    let wish = json!({"kind": kind, "instance": live.instance, "inputs": inputs, "reason": reason});
    serde_json::from_value(wish).ok()
}

/// Tells whether a configuration has a variable (`single_nat_gateway`), or the map of one (`tags.Schedule`), and that it
/// has another value.
fn turns(vars: &Value, name: &str, value: &Value) -> bool {
    match name.split_once('.') {
        Some((map, key)) => vars.get(map).is_some_and(|map| map.is_object() && map.get(key) != Some(value)),
        None => vars.get(name).is_some_and(|now| now != value),
    }
}

/// Finds the places below `path` that say a text.
fn said(value: &Value, path: &str, text: &str, places: &mut Vec<String>) {
    match value {
        Value::String(found) if found == text => places.push(path.to_owned()),
        Value::Object(map) => {
            for (name, value) in map {
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'))
                    && name.parse::<usize>().is_err();
                let name = if plain { name.clone() } else { format!("\"{name}\"") };
                said(value, &format!("{path}.{name}"), text, places);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                said(item, &format!("{path}.{at}"), text, places);
            }
        }
        _ => {}
    }
}

/// Returns the identity of a recommendation.
#[must_use]
pub fn identity(rule: &str, instance: &InstanceRef, address: &str) -> String {
    Digest::of(format!("{rule}\n{instance}\n{address}").as_bytes()).short().to_owned()
}

#[cfg(test)]
mod tests;

//! Waves: what of a request is planned only after what it needs was applied, and how far it has come.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::CheckedPlan;
use crate::domain::golden_path::InstanceAction;
use crate::domain::id::{Digest, RunId};
use crate::domain::money::{Exact, Money};
use crate::domain::plan::ResourceAction;
use crate::domain::stack::InstanceRef;

/// What a plan does to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedChange {
    /// Its address.
    pub address: String,
    /// What happens to it.
    pub action: ResourceAction,
    /// The digest of the change: before, after, and what is only known afterwards.
    pub digest: Digest,
}

/// An instance that a request has applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedInstance {
    /// Which.
    pub instance: InstanceRef,
    /// What was done to it.
    pub action: InstanceAction,
    /// The run that did.
    pub run: RunId,
    /// The plan that was applied.
    pub plan: Digest,
    /// The resolved configuration that it was applied with, where it is known.
    pub configuration: Option<Digest>,
    /// The wave, from 1.
    pub wave: usize,
    /// The run that undid it, where it was reverted.
    #[serde(default)]
    pub undone: Option<RunId>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Within what later waves go ahead without another approval; stated with the request, so that whoever approves the
/// first wave approves them too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The addresses that may change; `*` stands for any text.
    pub addresses: Vec<String>,
    /// Whether something may be destroyed.
    #[serde(default)]
    pub destroy: bool,
    /// How much a wave may add a month.
    pub monthly: Money,
}

impl Bounds {
    /// Says in which way plans are outside; empty where they are within. What is not known is outside.
    #[must_use]
    pub fn broken_by(&self, plans: &[CheckedPlan]) -> Vec<String> {
        let mut broken = Vec::new();
        let mut sum = Some(Exact::default());
        for plan in plans {
            for resource in &plan.resources {
                if !self.addresses.iter().any(|pattern| fits(pattern, &resource.address)) {
                    broken.push(format!("{} of {} is not among its addresses", resource.address, plan.instance));
                }
                let destroys = matches!(
                    resource.action,
                    ResourceAction::Delete | ResourceAction::Replace | ResourceAction::Forget
                );
                if destroys && !self.destroy {
                    broken.push(format!("{} of {} would be destroyed", resource.address, plan.instance));
                }
            }
            if plan.summary.destroy > 0 && !self.destroy && !broken.iter().any(|why| why.contains("destroyed")) {
                broken.push(format!("{} would destroy something", plan.instance));
            }
            let delta = &plan.estimate.delta;
            let known = delta.unknown.is_empty() && delta.currency == self.monthly.currency;
            sum = match (sum, delta.amount) {
                (Some(sum), Some(amount)) if known => sum.checked_add(amount),
                _ => None,
            };
        }
        match (sum, self.monthly.amount) {
            (Some(sum), Some(most)) if sum <= most => {}
            (Some(sum), Some(most)) => {
                broken.push(format!("it adds {sum} {0} a month, and {most} {0} are the most", self.monthly.currency))
            }
            _ => broken.push("what it adds a month is not known".to_owned()),
        }
        broken
    }
}

/// Whether an address fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, address: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = address.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Returns the members of the next wave, in their order: those not done whose needs among the members all are.
#[must_use]
pub fn next_wave(ordered: &[(InstanceRef, Vec<InstanceRef>)], done: &BTreeSet<InstanceRef>) -> Vec<InstanceRef> {
    let members: BTreeSet<&InstanceRef> = ordered.iter().map(|(member, _)| member).collect();
    let open = ordered.iter().filter(|(member, _)| !done.contains(member));
    let ready = open.filter(|(_, needs)| needs.iter().all(|need| !members.contains(need) || done.contains(need)));
    ready.map(|(member, _)| member.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(component: &str) -> InstanceRef {
        InstanceRef { component: component.to_owned(), stack: "dev".to_owned() }
    }

    #[test]
    fn a_wave_has_what_needs_nothing_that_is_open() {
        let ordered = [(at("net"), vec![]), (at("db"), vec![at("net")]), (at("app"), vec![at("db"), at("elsewhere")])];
        let done = |names: &[&str]| names.iter().map(|name| at(name)).collect::<BTreeSet<_>>();
        assert_eq!(next_wave(&ordered, &done(&[])), [at("net")]);
        assert_eq!(next_wave(&ordered, &done(&["net"])), [at("db")]);
        assert_eq!(next_wave(&ordered, &done(&["net", "db"])), [at("app")]);
        assert!(next_wave(&ordered, &done(&["net", "db", "app"])).is_empty());
    }

    #[test]
    fn a_star_stands_for_any_text_and_brackets_for_themselves() {
        for (pattern, address, fit) in [
            ("aws_s3_bucket.this", "aws_s3_bucket.this", true),
            ("aws_s3_bucket.this", "aws_s3_bucket.this[0]", false),
            ("module.db.*", "module.db.aws_db_instance.this[\"a\"]", true),
            ("*.this[0]", "aws_s3_bucket.this[0]", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("*", "anything", true),
            ("", "anything", false),
        ] {
            assert_eq!(fits(pattern, address), fit, "{pattern} {address}");
        }
    }
}

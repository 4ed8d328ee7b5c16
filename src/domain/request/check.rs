//! What was found out about a request, and what of it an approval is bound to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::budget::Claim;
use crate::domain::estimate::Estimate;
use crate::domain::golden_path::{ConcernedInstance, FileChange, InstanceAction};
use crate::domain::id::{Digest, RunId};
use crate::domain::money::{Exact, Money};
use crate::domain::policy::Verdict;
use crate::domain::run::PlanSummary;
use crate::domain::stack::InstanceRef;

use super::wave::PlannedChange;

/// What a request costs a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// Before.
    pub before: Money,
    /// After.
    pub after: Money,
    /// After less before; null with reasons where it is not known.
    pub delta: Money,
}

impl Price {
    /// Adds up estimates; what is unknown in one is unknown in the sum.
    #[must_use]
    pub fn sum<'e>(estimates: impl IntoIterator<Item = &'e Estimate>) -> Option<Self> {
        let mut estimates = estimates.into_iter();
        let first = estimates.next()?;
        let start = Self { before: first.before.clone(), after: first.after.clone(), delta: first.delta.clone() };
        Some(estimates.fold(start, Self::plus))
    }

    /// Adds an estimate.
    #[must_use]
    pub fn plus(self, next: &Estimate) -> Self {
        Self {
            before: add(self.before, &next.before),
            after: add(self.after, &next.after),
            delta: add(self.delta, &next.delta),
        }
    }

    /// Says of what is planned in a later wave that its price is not known, which is not the same as nothing.
    #[must_use]
    pub fn awaiting(mut self, later: &[ConcernedInstance]) -> Self {
        for one in later {
            let why = format!("{} is priced when it is planned, once what it needs is there", one.instance);
            self.after.unknown.push(why.clone());
            self.delta.unknown.push(why);
        }
        self
    }

    /// Tells whether every part of it is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.after.is_known() && self.delta.unknown.is_empty()
    }
}

fn add(mut sum: Money, next: &Money) -> Money {
    if sum.currency == next.currency {
        let known: Vec<Exact> = sum.amount.into_iter().chain(next.amount).collect();
        sum.amount = if known.is_empty() { None } else { Exact::sum(known).map(|sum| sum.trimmed(2)) };
    } else {
        sum.unknown.push(format!("an amount in {} is not added to one in {}", next.currency, sum.currency));
    }
    sum.unknown.extend(next.unknown.iter().cloned());
    sum
}

/// A plan that was made for a request, with its price and verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedPlan {
    /// What was planned.
    pub instance: InstanceRef,
    /// What becomes of the instance.
    pub action: InstanceAction,
    /// Whether it was planned with the configuration on the request's branch, not with the estate's own.
    pub on_branch: bool,
    /// The run that planned it.
    pub run: RunId,
    /// Its number.
    pub number: u64,
    /// SHA-256 of the plan file.
    pub digest: Digest,
    /// What it does.
    pub summary: PlanSummary,
    /// What it does to each resource that it changes, in the order of the plan.
    #[serde(default)]
    pub resources: Vec<PlannedChange>,
    /// Digest of the resolved variables.
    pub variables: Digest,
    /// What the stack says of usage (`settings.price`), with which the plan is priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub hints: Option<serde_json::Value>,
    /// Digest of the resolved configuration: variables, environment, backend, providers; null where it is not known.
    #[serde(default)]
    pub configuration: Option<Digest>,
    /// The code that it stands on; null where the commit of the request's branch is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<PlannedCode>,
    /// What it costs.
    pub estimate: Estimate,
    /// What policy says.
    pub verdict: Verdict,
}

/// The code that a plan stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedCode {
    /// The component's folder, relative to the estate's root.
    pub folder: String,
    /// The files that Atmos generates there from the configuration; they differ from instance to instance and do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generated: Vec<String>,
    /// Digest over its files and those of the modules that it calls by a path, as they lay there when it was judged.
    pub digest: Digest,
}

/// A step of something that no plan binds: it is read instead of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScriptStep {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub command: String,
}

/// What was found out about one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// The files it changes.
    pub files: Vec<FileChange>,
    /// The instances it concerns, in the order in which they are applied.
    pub instances: Vec<ConcernedInstance>,
    /// The plans of this wave, in that order.
    pub plans: Vec<CheckedPlan>,
    /// Which wave it is, from 1.
    #[serde(default = "first")]
    pub wave: usize,
    /// The instances that are planned after this wave is applied.
    #[serde(default)]
    pub later: Vec<ConcernedInstance>,
    /// What runs without a plan that binds it; empty where plans say everything.
    #[serde(default)]
    pub script: Vec<ScriptStep>,
    /// Who wrote the commit that it stands on, where that is none of its own.
    #[serde(default)]
    pub authors: Vec<String>,
    /// The request that had applied exactly this configuration before; null where none had.
    #[serde(default)]
    pub restores: Option<u64>,
    /// What it claims of budgets and quotas, instance by instance; reserved when it is approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// Why this wave is outside the bounds that were stated; null where it is the first, or none were.
    #[serde(default)]
    pub outside: Option<Vec<String>>,
    /// What it costs in all; null where nothing is planned.
    pub price: Option<Price>,
    /// What policy says of all of it.
    pub verdict: Verdict,
    /// What an approval is bound to.
    pub binding: Binding,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: Timestamp,
}

/// Everything that an approval is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    /// The revision of the request.
    pub revision: usize,
    /// The wave, from 1.
    #[serde(default = "first")]
    pub wave: usize,
    /// The commit on the request's branch; null where it writes no file.
    pub commit: Option<String>,
    /// SHA-256 of each plan file, by `component@stack`.
    pub plans: BTreeMap<String, Digest>,
    /// The bundle of policies.
    pub policy: Digest,
    /// The estimates.
    pub estimate: Digest,
    /// The resolved variables of every instance.
    pub variables: Digest,
    /// What runs without a plan; null where plans say everything.
    #[serde(default)]
    pub script: Option<Digest>,
    /// The components' code, where the commit of the request's branch is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Digest>,
}

fn first() -> usize {
    1
}

impl Binding {
    /// Joins what is bound of the code of several plans.
    #[must_use]
    pub fn code_of<'c>(codes: impl IntoIterator<Item = &'c PlannedCode>) -> Option<Digest> {
        let parts: Vec<String> = codes.into_iter().map(|code| format!("{} {}", code.folder, code.digest)).collect();
        (!parts.is_empty()).then(|| Digest::of(parts.join("\n").as_bytes()))
    }

    /// What [`Binding::differences`] calls the plans.
    pub const PLAN: &str = "the plan";

    /// Returns the digest that a decision names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // A struct of texts and numbers always has a JSON form, and its fields stand in a fixed order.
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// Names the parts in which another differs.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            (self.revision != other.revision, "the revision"),
            (self.commit != other.commit, "the commit"),
            (self.plans != other.plans, Self::PLAN),
            (self.policy != other.policy, "the policies"),
            (self.estimate != other.estimate, "the price"),
            (self.variables != other.variables, "the variables"),
            (self.script != other.script, "the script"),
            (self.wave != other.wave, "the wave"),
            (self.code != other.code, "the component's code"),
        ]
        .into_iter()
        .filter_map(|(differs, name)| differs.then_some(name))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding {
            revision: 1,
            wave: 1,
            commit: Some("c".into()),
            plans: BTreeMap::from([("a@b".to_owned(), Digest::of(b"plan"))]),
            policy: Digest::of(b"policy"),
            estimate: Digest::of(b"estimate"),
            variables: Digest::of(b"variables"),
            script: None,
            code: None,
        }
    }

    #[test]
    fn every_part_counts_and_is_named() {
        let one = binding();
        type Change = fn(&mut Binding);
        let changed: [(&str, Change); 9] = [
            ("the revision", |b| b.revision = 2),
            ("the commit", |b| b.commit = None),
            ("the plan", |b| drop(b.plans.insert("a@b".into(), Digest::of(b"other")))),
            ("the policies", |b| b.policy = Digest::of(b"other")),
            ("the price", |b| b.estimate = Digest::of(b"other")),
            ("the variables", |b| b.variables = Digest::of(b"other")),
            ("the script", |b| b.script = Some(Digest::of(b"other"))),
            ("the wave", |b| b.wave = 2),
            ("the component's code", |b| b.code = Some(Digest::of(b"other"))),
        ];
        for (name, change) in changed {
            let mut other = binding();
            change(&mut other);
            assert_eq!(one.differences(&other), [name]);
            assert_ne!(one.digest(), other.digest(), "{name}");
        }
        assert_eq!(one.digest(), binding().digest());
    }
}

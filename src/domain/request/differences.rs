//! What of a check is different from one that a person has looked at before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Check, Request};
use crate::domain::id::Digest;
use crate::domain::stack::InstanceRef;

/// What a part of a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A file of the estate; named by its path.
    File,
    /// What a plan does to a resource; named by its address.
    Resource,
    /// What an instance costs a month.
    Price,
    /// A finding of policy; named by its code and address.
    Finding,
    /// An approval that is needed; named by its code.
    Approval,
    /// A script that no plan binds; named by its step.
    Script,
}

impl PartKind {
    /// Returns what people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PartKind::File => "file",
            PartKind::Resource => "resource",
            PartKind::Price => "price",
            PartKind::Finding => "finding",
            PartKind::Approval => "approval",
            PartKind::Script => "script",
        }
    }
}

/// A part of a check, as one would read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// The instance that it is about; null where it is about the whole request.
    pub instance: Option<InstanceRef>,
    /// Its name among those of its kind.
    pub name: String,
    /// The digest of what it says.
    pub digest: Digest,
}

/// How a part differs from what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartChange {
    /// It was not there.
    New,
    /// It said something else.
    Changed,
    /// It is not there any more.
    Gone,
}

/// A part that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// What it is.
    pub kind: PartKind,
    /// The instance that it is about; null where it is about the whole request.
    pub instance: Option<InstanceRef>,
    /// Its name among those of its kind.
    pub name: String,
    /// How it differs.
    pub change: PartChange,
}

/// What a person has to read, given what they have read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Differences {
    /// When this person last looked; null where they never did, and everything is new.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
    /// What they looked at then.
    pub seen: Option<Digest>,
    /// What differs, in the order of kind, instance and name.
    pub differences: Vec<Difference>,
    /// How many parts are as they were.
    pub same: usize,
}

impl Check {
    /// Returns the parts, sorted.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let of = |text: String| Digest::of(text.as_bytes());
        let part = |kind, instance: Option<&InstanceRef>, name: &str, digest| Part {
            kind,
            instance: instance.cloned(),
            name: name.to_owned(),
            digest,
        };
        let mut parts = Vec::new();
        for file in &self.files {
            parts.push(part(PartKind::File, None, &file.path, of(json!([file.before, file.after]).to_string())));
        }
        for plan in &self.plans {
            let at = Some(&plan.instance);
            for resource in &plan.resources {
                parts.push(part(PartKind::Resource, at, &resource.address, resource.digest.clone()));
            }
            let money = json!([plan.estimate.before, plan.estimate.after, plan.estimate.delta]);
            parts.push(part(PartKind::Price, at, "monthly", of(money.to_string())));
        }
        for finding in &self.verdict.findings {
            let name = [Some(finding.code.as_str()), finding.address.as_deref()];
            let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
            parts.push(part(PartKind::Finding, None, &name, of(json!([finding.weight, finding.message]).to_string())));
        }
        for need in &self.verdict.approvals {
            let says = json!([need.count, need.group, need.message]);
            parts.push(part(PartKind::Approval, None, &need.code, of(says.to_string())));
        }
        for step in &self.script {
            parts.push(part(PartKind::Script, None, &step.name, of(step.command.clone())));
        }
        parts.sort();
        parts
    }
}

impl Request {
    /// Says what a person has to read of what is there now, given what they have read.
    #[must_use]
    pub fn differences(&self, actor: &str) -> Differences {
        let seen = self.seen.iter().rfind(|seen| seen.actor == actor);
        let now = self.check.as_ref().map(Check::parts).unwrap_or_default();
        let was = by_name(seen.map_or(&[], |seen| seen.parts.as_slice()));
        let is = by_name(&now);
        let mut differences = Vec::new();
        let mut same = 0;
        for (name, digests) in &is {
            match was.get(name) {
                Some(old) if old == digests => same += 1,
                Some(_) => differences.push(difference(name, PartChange::Changed)),
                None => differences.push(difference(name, PartChange::New)),
            }
        }
        differences
            .extend(was.keys().filter(|name| !is.contains_key(*name)).map(|name| difference(name, PartChange::Gone)));
        differences.sort();
        Differences { seen_at: seen.map(|seen| seen.at), seen: seen.map(|seen| seen.digest.clone()), differences, same }
    }
}

type Name<'a> = (PartKind, Option<&'a InstanceRef>, &'a str);

/// Several parts may have one name (a code that speaks twice): they are compared together.
fn by_name(parts: &[Part]) -> BTreeMap<Name<'_>, Vec<&Digest>> {
    let mut named: BTreeMap<Name<'_>, Vec<&Digest>> = BTreeMap::new();
    for part in parts {
        named.entry((part.kind, part.instance.as_ref(), part.name.as_str())).or_default().push(&part.digest);
    }
    named.values_mut().for_each(|digests| digests.sort());
    named
}

fn difference(name: &Name<'_>, change: PartChange) -> Difference {
    Difference { kind: name.0, instance: name.1.cloned(), name: name.2.to_owned(), change }
}

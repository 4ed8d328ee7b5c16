//! Policy: what may be asked, what a rule answers, and what the answers together mean.
//!
//! The words are here; reading Rego and evaluating it belongs to `platform::policies`.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Digest;
use super::stack::Source;

/// The moment at which policy is asked; each has a package and an input document of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A plan was made: package `terrace.plan`.
    Plan,
    /// Somebody sends a request: package `terrace.request`.
    Request,
    /// Somebody approves: package `terrace.approval`.
    Approval,
    /// A run is to start: package `terrace.run`.
    Run,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Gate; 4] = [Gate::Plan, Gate::Request, Gate::Approval, Gate::Run];

    /// Returns the last part of the package's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Gate::Plan => "plan",
            Gate::Request => "request",
            Gate::Approval => "approval",
            Gate::Run => "run",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose conventions a policy file follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Packages `terrace.<gate>`, the input documents of `schemas/policy-input-*.json`.
    #[default]
    Terrace,
    /// conftest: `deny`, `warn`, `violation` and `exception` over the bare plan.
    Conftest,
    /// Spacelift's plan policies: package `spacelift`, `deny` and `warn` over `input.terraform` and `input.spacelift`.
    SpaceliftPlan,
    /// Spacelift's approval policies: package `spacelift`, `approve` and `reject`.
    SpaceliftApproval,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It must not go on.
    Deny,
    /// It may go on, and a person should look.
    Warn,
}

/// A policy's word on one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// A stable code in kebab case, such as `unencrypted-storage`; `policy-failed` and the like where policy itself broke.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// How much it weighs.
    pub weight: Weight,
    /// The Terraform address it is about, where it is about one resource.
    pub address: Option<String>,
    /// The line to edit, where the policy names one.
    pub location: Option<Source>,
    /// What to do about it, where the rule says it.
    pub fix: Option<String>,
    /// The policy file that says so, relative to the estate's root; `builtin/…` for the rules Terrace brings along.
    pub policy: String,
}

/// Approvals that policy asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct ApprovalNeed {
    /// How many people, at least 1.
    pub count: u32,
    /// From which group: a team's name, or `None` for the approvers of the owning team.
    pub group: Option<String>,
    /// A stable code in kebab case.
    pub code: String,
    /// Why.
    pub message: String,
    /// The policy file that asks.
    pub policy: String,
}

/// A rule that was switched off for a team, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct SwitchedOff {
    /// The rule's code.
    pub rule: String,
    /// The team; `None` for everyone.
    pub team: Option<String>,
    /// The recorded reason.
    pub reason: String,
    /// Where it is recorded.
    pub source: Option<Source>,
    /// How many findings it silenced.
    pub silenced: u32,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing speaks against it.
    Allow,
    /// It may go on, and a person should look.
    Warn,
    /// It may go on once enough people agreed.
    NeedsApproval,
    /// It must not go on.
    Deny,
}

/// What the whole bundle says at one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Which question was asked.
    pub gate: Gate,
    /// What it comes to.
    pub outcome: Outcome,
    /// What must not go on, and what a person should look at; denials first, in the order of code and address.
    pub findings: Vec<Finding>,
    /// The approvals asked for; several for one group are the largest, not the sum.
    pub approvals: Vec<ApprovalNeed>,
    /// The rules that were switched off and would have spoken.
    pub switched_off: Vec<SwitchedOff>,
    /// The rules that were asked and said nothing.
    pub passed: u32,
    /// The bundle that was asked.
    pub bundle: Digest,
}

impl Verdict {
    /// Sums up what the rules said: sorts, removes doubles, merges approvals of one group, and states the outcome.
    #[must_use]
    pub fn sum_up(
        gate: Gate,
        mut findings: Vec<Finding>,
        approvals: Vec<ApprovalNeed>,
        mut switched_off: Vec<SwitchedOff>,
        passed: u32,
        bundle: Digest,
    ) -> Self {
        findings.sort_by(|a, b| {
            (a.weight, &a.code, &a.address, &a.message, &a.policy)
                .cmp(&(b.weight, &b.code, &b.address, &b.message, &b.policy))
        });
        findings.dedup();
        switched_off.sort();
        let approvals = merge_approvals(approvals);
        let outcome = if findings.iter().any(|finding| finding.weight == Weight::Deny) {
            Outcome::Deny
        } else if !approvals.is_empty() {
            Outcome::NeedsApproval
        } else if findings.is_empty() {
            Outcome::Allow
        } else {
            Outcome::Warn
        };
        Verdict { gate, outcome, findings, approvals, switched_off, passed, bundle }
    }

    /// Returns the findings that forbid.
    pub fn denials(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.weight == Weight::Deny)
    }

    /// Returns the findings that only warn.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.weight == Weight::Warn)
    }
}

/// Keeps, for each group, the need for the most people.
fn merge_approvals(mut approvals: Vec<ApprovalNeed>) -> Vec<ApprovalNeed> {
    approvals.sort_by(|a, b| {
        (&a.group, std::cmp::Reverse(a.count), &a.code, &a.message).cmp(&(
            &b.group,
            std::cmp::Reverse(b.count),
            &b.code,
            &b.message,
        ))
    });
    approvals.dedup_by(|later, kept| later.group == kept.group);
    approvals
}

/// What a rule is, for people: read from the `# METADATA` comment above its package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleInfo {
    /// A stable code in kebab case; for a rule without metadata, its package.
    pub code: String,
    /// One line on what holds where the rule is kept.
    pub title: String,
    /// Why the rule is there.
    pub explanation: Option<String>,
    /// What to do where it is broken.
    pub fix: Option<String>,
    /// The gates at which it is asked.
    pub gates: Vec<Gate>,
    /// Whose conventions it follows.
    pub dialect: Dialect,
    /// The file, relative to the estate's root; `builtin/…` for the rules Terrace brings along.
    pub policy: String,
    /// Whether Terrace brings it along.
    pub builtin: bool,
    /// Where it is switched off, for whom and why.
    pub switched_off: Vec<SwitchedOff>,
}

/// What the tests of policies (`*_test.rego`) came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTest {
    /// `data.terrace.plan_test.test_refuses_public_buckets`.
    pub name: String,
    /// The file, relative to the estate's root.
    pub policy: String,
    /// The line of the rule, from 1.
    pub line: u32,
    /// Whether it held.
    pub passed: bool,
    /// Why it did not.
    pub reason: Option<String>,
    /// What it printed.
    pub output: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(count: u32, group: Option<&str>) -> ApprovalNeed {
        ApprovalNeed {
            count,
            group: group.map(str::to_owned),
            code: "c".into(),
            message: "m".into(),
            policy: "p".into(),
        }
    }

    fn finding(code: &str, weight: Weight) -> Finding {
        Finding {
            code: code.into(),
            message: "m".into(),
            weight,
            address: None,
            location: None,
            fix: None,
            policy: "p".into(),
        }
    }

    fn verdict(findings: Vec<Finding>, approvals: Vec<ApprovalNeed>) -> Verdict {
        Verdict::sum_up(Gate::Plan, findings, approvals, vec![], 0, Digest::of(b""))
    }

    #[test]
    fn a_denial_outweighs_everything() {
        let all = vec![finding("b", Weight::Warn), finding("z", Weight::Deny), finding("a", Weight::Warn)];
        let verdict = verdict(all, vec![need(1, None)]);
        assert_eq!(verdict.outcome, Outcome::Deny);
        let codes: Vec<_> = verdict.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["z", "a", "b"]);
    }

    #[test]
    fn approvals_of_one_group_are_the_largest_not_the_sum() {
        let verdict = verdict(vec![], vec![need(1, Some("leads")), need(2, Some("leads")), need(1, None)]);
        assert_eq!(verdict.outcome, Outcome::NeedsApproval);
        let counts: Vec<_> = verdict.approvals.iter().map(|n| (n.group.as_deref(), n.count)).collect();
        assert_eq!(counts, [(None, 1), (Some("leads"), 2)]);
    }

    #[test]
    fn nothing_said_is_allowed_and_a_warning_warns() {
        assert_eq!(verdict(vec![], vec![]).outcome, Outcome::Allow);
        assert_eq!(verdict(vec![finding("a", Weight::Warn)], vec![]).outcome, Outcome::Warn);
    }
}

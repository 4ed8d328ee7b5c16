//! Policies that were written for other tools run as they are.

use std::sync::Arc;

use serde_json::{Value, json};
use terrace::domain::policy::{Gate, Outcome, Verdict};
use terrace::platform::policies::{Bundle, PolicyFile};

fn judge(dialect: &str, text: &str, gate: Gate, input: &Value) -> Verdict {
    let file = PolicyFile { path: "platform/policies/theirs/a.rego".to_owned(), text: text.to_owned() };
    let config = format!("dialects:\n  policies/theirs: {dialect}\n");
    Arc::new(Bundle::of(&[file], Some(&config))).judge(gate, input)
}

fn plan() -> Value {
    json!({ "plan": { "format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [
        { "address": "aws_sqs_queue.a", "mode": "managed", "type": "aws_sqs_queue", "name": "a",
          "change": { "actions": ["delete", "create"], "before": {}, "after": { "tags": { "team": "data" } }, "after_unknown": {} } },
    ]}, "actor": { "name": "dan", "role": "developer", "teams": ["payments"] }, "run": { "kind": "apply", "id": "01" },
        "instance": { "component": "queue", "stack": "pay-dev", "stage": "dev", "team": "payments" } })
}

fn said(verdict: &Verdict) -> Vec<(&str, &str)> {
    verdict.findings.iter().map(|finding| (finding.code.as_str(), finding.message.as_str())).collect()
}

#[test]
fn conftest_texts_objects_warnings_and_violations() {
    let text = r#"package main

deny contains msg if {
	input.resource_changes[_].change.actions[_] == "delete"
	msg := "nothing may be deleted"
}

deny_queue contains {"msg": "no queues", "severity": "high"} if input.resource_changes[_].type == "aws_sqs_queue"

violation contains {"msg": "details here", "details": {"a": 1}} if true

warn_name contains sprintf("short name %s", [name]) if {
	name := input.resource_changes[_].name
	count(name) < 3
}

deny_never contains "never" if input.no.such.thing
"#;
    let verdict = judge("conftest", text, Gate::Plan, &plan());
    assert_eq!(
        said(&verdict),
        [
            ("deny", "nothing may be deleted"),
            ("deny-queue", "no queues"),
            ("violation", "details here"),
            ("warn-name", "short name a")
        ]
    );
    assert_eq!(verdict.outcome, Outcome::Deny);
}

#[test]
fn conftest_in_the_rego_before_1_0() {
    let text = r#"package main

blacklist = ["aws_sqs_queue"]

deny[msg] {
  check_resources(input.resource_changes, blacklist)
  banned := concat(", ", blacklist)
  msg = sprintf("Terraform plan will change prohibited resources: %v", [banned])
}

check_resources(resources, disallowed_prefixes) {
  startswith(resources[_].type, disallowed_prefixes[_])
}

violation[{"msg": msg}] {
  input.terraform_version == "1.11.4"
  msg := "wrong version"
}
"#;
    let verdict = judge("conftest", text, Gate::Plan, &plan());
    assert_eq!(
        said(&verdict),
        [("deny", "Terraform plan will change prohibited resources: aws_sqs_queue"), ("violation", "wrong version")]
    );
}

#[test]
fn conftest_exceptions_name_the_rules_they_lift() {
    let text = r#"package main

deny_delete contains "nothing may be deleted" if input.resource_changes[_].change.actions[_] == "delete"

deny contains "everything" if true

exception contains rules if {
	input.resource_changes[_].type == "aws_sqs_queue"
	rules := ["delete"]
}
"#;
    let verdict = judge("conftest", text, Gate::Plan, &plan());
    assert_eq!(said(&verdict), [("deny", "everything")]);
    assert_eq!((verdict.switched_off[0].rule.as_str(), verdict.switched_off[0].silenced), ("deny-delete", 1));
    let lifted = judge("conftest", &text.replace("[\"delete\"]", "[\"delete\", \"\"]"), Gate::Plan, &plan());
    assert_eq!((lifted.outcome, lifted.switched_off.len()), (Outcome::Allow, 2));
}

#[test]
fn conftest_goes_on_where_a_builtin_fails_as_conftest_does() {
    let text = "package main\n\ndeny contains \"a\" if to_number(input.terraform_version) > 1\n";
    assert_eq!(judge("conftest", text, Gate::Plan, &plan()).outcome, Outcome::Allow);
    let clock = "package main\n\ndeny contains \"a\" if time.now_ns() > 1\n";
    assert_eq!(judge("conftest", clock, Gate::Plan, &plan()).findings[0].code, "policy-forbidden-builtin");
}

#[test]
fn spacelift_plan_policies() {
    let text = r#"package spacelift

deny[sprintf("%s may not be deleted", [change.entity.address])] {
  change := input.spacelift.run.changes[_]
  change.action == "deleted"
}

warn["by hand"] {
  input.spacelift.run.creator_session.login == "dan"
  input.terraform.resource_changes[_].type == "aws_sqs_queue"
}

sample { true }
"#;
    let verdict = judge("spacelift-plan", text, Gate::Plan, &plan());
    assert_eq!(
        said(&verdict),
        [("spacelift-deny", "aws_sqs_queue.a may not be deleted"), ("spacelift-warn", "by hand")]
    );
}

#[test]
fn spacelift_approval_policies_approve_reject_or_wait() {
    let text = r#"package spacelift

approve { count(input.reviews.current.approvals) > 1 }

reject { count(input.reviews.current.rejections) > 0 }
"#;
    let vote =
        |name: &str, decision: &str| json!({ "actor": name, "role": "approver", "teams": [], "decision": decision });
    let mut input = plan();
    let outcome = |input: &Value| judge("spacelift-approval", text, Gate::Approval, input).outcome;
    assert_eq!(outcome(&input), Outcome::NeedsApproval);
    input["votes"] = json!([vote("erin", "approve"), vote("carol", "approve")]);
    assert_eq!(outcome(&input), Outcome::Allow);
    input["votes"] = json!([vote("erin", "approve"), vote("carol", "approve"), vote("bob", "reject")]);
    assert_eq!(outcome(&input), Outcome::Deny);
}

#[test]
fn a_policy_that_nobody_would_ask_is_pointed_out() {
    let file = PolicyFile {
        path: "platform/policies/main.rego".to_owned(),
        text: "package main\n\ndeny contains \"a\" if true\n".to_owned(),
    };
    let verdict = Arc::new(Bundle::of(&[file], None)).judge(Gate::Plan, &plan());
    assert_eq!((verdict.outcome, verdict.findings[0].code.as_str()), (Outcome::Warn, "policy-not-asked"));
    assert!(verdict.findings[0].message.contains("dialects: {policies/main.rego: conftest}"), "{verdict:#?}");
}

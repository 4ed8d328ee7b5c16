package terrace.plan.builtin.missing_owner_test

import data.terrace.plan.builtin.missing_owner as rule

plan(after, unknown) := {"plan": {"resource_changes": [{
	"address": "aws_sqs_queue.it",
	"mode": "managed",
	"type": "aws_sqs_queue",
	"change": {"actions": ["create"], "after": after, "after_unknown": unknown},
}]}}

test_breaks_without_tags if {
	some finding in rule.deny with input as plan({"tags": null}, {})
	finding.address == "aws_sqs_queue.it"
}

test_breaks_with_others if count(rule.deny) == 1 with input as plan({"tags": {"cost": "1"}}, {})

test_breaks_empty if count(rule.deny) == 1 with input as plan({"tags": {"owner": " "}}, {})

test_keeps_owner if count(rule.deny) == 0 with input as plan({"tags": {"team": "data"}}, {})

test_keeps_default_tags if count(rule.deny) == 0 with input as plan({"tags": null, "tags_all": {"owner": "data"}}, {})

test_keeps_labels if count(rule.deny) == 0 with input as plan({"labels": {"team": "data"}}, {})

test_keeps_what_has_no_tags if count(rule.deny) == 0 with input as plan({"name": "x"}, {})

test_warns_of_the_unknown if {
	count(rule.warn) == 1 with input as plan({}, {"tags": true})
	count(rule.deny) == 0 with input as plan({}, {"tags": true})
}

test_follows_the_setting if {
	count(rule.deny) == 1 with input as object.union(plan({"tags": {"team": "data"}}, {}), {"config": {"owner_tags": ["cost-centre"]}})
}

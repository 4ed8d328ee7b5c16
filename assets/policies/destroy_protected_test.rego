package terrace.plan.builtin.destroy_protected_test

import data.terrace.plan.builtin.destroy_protected as rule

document(actions, instance, request) := {
	"instance": instance,
	"request": request,
	"plan": {"resource_changes": [{
		"address": "aws_db_instance.it",
		"mode": "managed",
		"type": "aws_db_instance",
		"change": {"actions": actions, "before": {}, "after": null, "after_unknown": {}},
	}]},
}

test_breaks_destroy if {
	some finding in rule.deny with input as document(["delete"], {"stage": "prod", "protected": false}, null)
	contains(finding.message, "would be destroyed")
}

test_breaks_replacement if {
	some finding in rule.deny with input as document(["delete", "create"], {"stage": "prod", "protected": false}, null)
	contains(finding.message, "would be replaced")
}

test_breaks_where_settings_protect if count(rule.deny) == 1 with input as document(["delete"], {"stage": "dev", "protected": true}, null)

test_keeps_dev if count(rule.deny) == 0 with input as document(["delete"], {"stage": "dev", "protected": false}, null)

test_keeps_updates if count(rule.deny) == 0 with input as document(["update"], {"stage": "prod", "protected": false}, null)

test_request_needs_two if {
	count(rule.deny) == 0 with input as document(["delete"], {"stage": "prod", "protected": false}, {"number": 7})
	some need in rule.approvals with input as document(["delete"], {"stage": "prod", "protected": false}, {"number": 7})
	need.count == 2
}

test_warns_where_the_stage_is_not_known if {
	count(rule.warn) == 1 with input as document(["delete"], {"stage": null, "protected": false}, null)
	count(rule.warn) == 0 with input as document(["delete"], {"stage": "dev", "protected": false}, null)
}

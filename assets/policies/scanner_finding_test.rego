package terrace.plan.builtin.scanner_finding_test

import data.terrace.plan.builtin.scanner_finding as rule

found(level) := {
	"level": level,
	"tool": "Trivy",
	"rule": "AVD-AWS-0104",
	"message": "everybody may reach it",
	"location": {"file": "components/terraform/network/main.tf", "line": 7, "column": 3},
	"help": null,
}

document(findings, instance, actions) := {
	"findings": findings,
	"instance": instance,
	"plan": {"resource_changes": [{
		"address": "aws_security_group.it",
		"mode": "managed",
		"type": "aws_security_group",
		"change": {"actions": actions, "before": {}, "after": {}, "after_unknown": {}},
	}]},
}

prod := {"stage": "prod", "protected": false}

dev := {"stage": "dev", "protected": false}

test_breaks_in_a_protected_stage if {
	some finding in rule.deny with input as document([found("error")], prod, ["update"])
	finding.message == "Trivy AVD-AWS-0104: everybody may reach it"
	finding.location.line == 7
}

test_breaks_where_settings_protect if {
	count(rule.deny) == 1 with input as document([found("error")], {"stage": "dev", "protected": true}, ["create"])
}

test_breaks_with_many_counted if {
	errors := [object.union(found("error"), {"rule": sprintf("R-%d", [i])}) | some i in numbers.range(1, 30)]
	count(rule.deny) == 21 with input as document(errors, prod, ["create"])
	some finding in rule.deny with input as document(errors, prod, ["create"])
	finding.message == "scanners found 10 more errors"
}

test_keeps_what_is_not_protected_and_warns if {
	count(rule.deny) == 0 with input as document([found("error")], dev, ["create"])
	count(rule.warn) == 1 with input as document([found("error")], dev, ["create"])
}

test_keeps_warnings_and_notes if {
	count(rule.deny) == 0 with input as document([found("warning"), found("note")], prod, ["create"])
	count(rule.warn) == 0 with input as document([found("warning"), found("note")], prod, ["create"])
}

test_keeps_what_only_goes if count(rule.deny) == 0 with input as document([found("error")], prod, ["delete"])

test_keeps_without_scanners if {
	count(rule.deny) == 0 with input as document([], prod, ["create"])
	count(rule.deny) == 0 with input as document(null, prod, ["create"])
}

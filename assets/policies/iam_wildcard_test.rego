package terrace.plan.builtin.iam_wildcard_test

import data.terrace.plan.builtin.iam_wildcard as rule

plan(type, after) := {"plan": {"resource_changes": [{
	"address": sprintf("%s.it", [type]),
	"mode": "managed",
	"type": type,
	"change": {"actions": ["update"], "after": after, "after_unknown": {}},
}]}}

policy(action, resource) := {"policy": json.marshal({"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})}

test_breaks_everything if {
	some finding in rule.deny with input as plan("aws_iam_policy", policy("*", "*"))
	finding.message == "aws_iam_policy.it: allows every action"
}

test_breaks_a_service_on_everything if {
	some finding in rule.deny with input as plan("aws_iam_role_policy", policy(["s3:*", "sqs:SendMessage"], "*"))
	contains(finding.message, "s3:* on every resource")
}

test_keeps_a_service_on_one_resource if count(rule.deny) == 0 with input as plan("aws_iam_policy", policy("s3:*", "arn:aws:s3:::mine/*"))

test_keeps_named_actions if count(rule.deny) == 0 with input as plan("aws_iam_policy", policy(["s3:GetObject"], "*"))

test_breaks_not_action if {
	text := json.marshal({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}})
	count(rule.deny) == 1 with input as plan("aws_iam_policy", {"policy": text})
}

test_keeps_denials if {
	text := json.marshal({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
	count(rule.deny) == 0 with input as plan("aws_iam_policy", {"policy": text})
}

test_warns_of_what_is_not_known if {
	count(rule.warn) == 1 with input as {"plan": {"resource_changes": [{
		"address": "aws_iam_policy.it",
		"mode": "managed",
		"type": "aws_iam_policy",
		"change": {"actions": ["create"], "after": {}, "after_unknown": {"policy": true}},
	}]}}
}

test_breaks_administrator if {
	after := {"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}
	count(rule.deny) == 1 with input as plan("aws_iam_role_policy_attachment", after)
}

test_breaks_google if count(rule.deny) == 1 with input as plan("google_project_iam_member", {"role": "roles/editor"})

test_keeps_google if count(rule.deny) == 0 with input as plan("google_project_iam_member", {"role": "roles/storage.objectViewer"})

test_breaks_azure if {
	after := {"role_definition_name": "Owner", "scope": "/subscriptions/1"}
	count(rule.deny) == 1 with input as plan("azurerm_role_assignment", after)
}

test_keeps_azure if {
	after := {"role_definition_name": "Owner", "scope": "/subscriptions/1/resourceGroups/mine"}
	count(rule.deny) == 0 with input as plan("azurerm_role_assignment", after)
}

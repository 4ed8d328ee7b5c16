# METADATA
# title: Permissions are named, not given by the dozen
# description: |
#   A policy that allows every action, or every action of a service on everything, gives away more than anybody meant,
#   and an intruder inherits all of it.
# custom:
#   code: iam-wildcard
#   fix: List the actions that are needed and the resources they are needed on; use a narrower role than owner or editor.
package terrace.plan.builtin.iam_wildcard

import data.terrace.lib

documents := {"aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy", "aws_ssoadmin_permission_set_inline_policy"}

texts := ["policy", "inline_policy"]

deny contains finding if {
	some resource in lib.of_types(documents)
	some attribute in texts
	some statement in statements(resource.change.after[attribute])
	statement.Effect == "Allow"
	what := too_much(statement)
	finding := told(resource, sprintf("allows %s", [what]))
}

warn contains finding if {
	some resource in lib.of_types(documents)
	some attribute in texts
	lib.unknown(resource, attribute)
	finding := told(resource, "the policy is not known before apply, and was not looked at")
}

deny contains finding if {
	some resource in lib.of_types({"aws_iam_role_policy_attachment", "aws_iam_user_policy_attachment", "aws_iam_group_policy_attachment", "aws_iam_policy_attachment"})
	arn := resource.change.after.policy_arn
	is_string(arn)
	endswith(arn, ":policy/AdministratorAccess")
	finding := told(resource, "attaches AdministratorAccess")
}

deny contains finding if {
	some resource in lib.of_family("google_")
	contains(resource.type, "_iam_")
	resource.change.after.role in {"roles/owner", "roles/editor"}
	finding := told(resource, sprintf("gives %s", [resource.change.after.role]))
}

deny contains finding if {
	some resource in lib.planned_by_type.azurerm_role_assignment
	resource.change.after.role_definition_name in {"Owner", "User Access Administrator"}
	scope := resource.change.after.scope
	is_string(scope)
	regex.match(`^/(subscriptions/[^/]+)?/?$|/managementGroups/`, scope)
	finding := told(resource, sprintf("gives %s on %s", [resource.change.after.role_definition_name, scope]))
}

statements(text) := lib.listed(document.Statement) if {
	is_string(text)
	json.is_valid(text)
	document := json.unmarshal(text)
}

too_much(statement) := "every action" if {
	some action in lib.listed(statement.Action)
	action in {"*", "*:*"}
}

too_much(statement) := sprintf("%s on every resource", [concat(", ", sort(wide(statement)))]) if {
	count(wide(statement)) > 0
	not all_actions(statement)
	some on in lib.listed(statement.Resource)
	on == "*"
}

too_much(statement) := "every action but a few" if statement.NotAction

all_actions(statement) if {
	some action in lib.listed(statement.Action)
	action in {"*", "*:*"}
}

wide(statement) := {action |
	some action in lib.listed(statement.Action)
	is_string(action)
	endswith(action, ":*")
	action != "*:*"
}

told(resource, what) := {"message": sprintf("%s: %s", [resource.address, what]), "address": resource.address}

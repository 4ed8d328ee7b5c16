# METADATA
# title: Whatever can carry tags names its owner
# description: |
#   A bill or an alarm about a resource without an owner finds nobody. One of the keys of `owner_tags` (owner or team
#   unless platform/policies.yaml says otherwise) must be there and not be empty.
# custom:
#   code: missing-owner
#   fix: Add an owner or team tag, best once for all through the provider's default tags.
package terrace.plan.builtin.missing_owner

import data.terrace.lib

keys := lib.setting("owner_tags", ["owner", "Owner", "team", "Team"])

attributes := ["tags", "tags_all", "labels", "effective_labels", "terraform_labels"]

unowned := [resource | some resource in lib.planned; not owned(resource)]

deny contains finding if {
	some resource in unowned
	taggable(resource)
	not owner_unknown(resource)
	finding := {
		"message": sprintf("%s: none of %s names an owner", [resource.address, concat(", ", keys)]),
		"address": resource.address,
	}
}

warn contains finding if {
	some resource in unowned
	owner_unknown(resource)
	finding := {
		"message": sprintf("%s: its tags are not known before apply", [resource.address]),
		"address": resource.address,
	}
}

taggable(resource) if {
	is_object(resource.change.after)
	some attribute in ["tags", "labels"]
	attribute in object.keys(resource.change.after)
}

owned(resource) if {
	some attribute in attributes
	tags := resource.change.after[attribute]
	some key in keys
	value := tags[key]
	is_string(value)
	trim_space(value) != ""
}

# The tags as a whole are computed, or just the owner's value is.
owner_unknown(resource) if lib.unknown(resource, "tags")

owner_unknown(resource) if lib.unknown(resource, "labels")

owner_unknown(resource) if {
	some attribute in attributes
	tags := resource.change.after_unknown[attribute]
	some key in keys
	tags[key] == true
}

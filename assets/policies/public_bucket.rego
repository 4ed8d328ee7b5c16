# METADATA
# title: No bucket is open to the public
# description: |
#   Buckets that anybody on the Internet can list or read are the commonest way in which data is lost. A site that is
#   meant to be public is served through a content network that reads a private bucket.
# custom:
#   code: public-bucket
#   fix: Take the public access away; serve public files through a CDN with its own identity, or switch the rule off for the team with the reason.
package terrace.plan.builtin.public_bucket

import data.terrace.lib

public_acls := {"public-read", "public-read-write", "authenticated-read", "publicRead", "publicReadWrite", "authenticatedRead"}

everybody := {"allUsers", "allAuthenticatedUsers"}

deny contains finding if {
	some resource in lib.of_types({"aws_s3_bucket", "aws_s3_bucket_acl", "aws_s3_object", "google_storage_bucket_acl"})
	some attribute in ["acl", "predefined_acl"]
	resource.change.after[attribute] in public_acls
	finding := told(resource, sprintf("%s is %v", [attribute, resource.change.after[attribute]]))
}

deny contains finding if {
	some resource in lib.of_types({"aws_s3_bucket_public_access_block", "aws_s3_account_public_access_block"})
	some attribute in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"]
	not resource.change.after[attribute] == true
	finding := told(resource, sprintf("%s is not true", [attribute]))
}

deny contains finding if {
	some resource in lib.of_types({"aws_s3_bucket_policy", "aws_s3_bucket"})
	text := resource.change.after.policy
	is_string(text)
	json.is_valid(text)
	document := json.unmarshal(text)
	some statement in lib.listed(document.Statement)
	statement.Effect == "Allow"
	not statement.Condition
	anybody(statement.Principal)
	finding := told(resource, "a statement of its policy allows every principal")
}

deny contains finding if {
	some resource in lib.of_family("google_storage_bucket_")
	some attribute in ["member", "members", "entity"]
	some member in lib.listed(resource.change.after[attribute])
	member in everybody
	finding := told(resource, sprintf("%s has access", [member]))
}

deny contains finding if {
	some resource in lib.planned_by_type.azurerm_storage_container
	resource.change.after.container_access_type in {"blob", "container"}
	finding := told(resource, sprintf("container_access_type is %s", [resource.change.after.container_access_type]))
}

deny contains finding if {
	some resource in lib.planned_by_type.azurerm_storage_account
	some attribute in ["allow_nested_items_to_be_public", "allow_blob_public_access"]
	resource.change.after[attribute] == true
	finding := told(resource, sprintf("%s is true", [attribute]))
}

anybody(principal) if principal == "*"

anybody(principal) if {
	some who in lib.listed(principal.AWS)
	who == "*"
}

told(resource, what) := {"message": sprintf("%s: %s", [resource.address, what]), "address": resource.address}

package terrace.plan.builtin.public_bucket_test

import data.terrace.plan.builtin.public_bucket as rule

plan(type, after) := {"plan": {"resource_changes": [{
	"address": sprintf("%s.it", [type]),
	"mode": "managed",
	"type": type,
	"change": {"actions": ["create"], "after": after, "after_unknown": {}},
}]}}

test_breaks_acl if count(rule.deny) == 1 with input as plan("aws_s3_bucket_acl", {"acl": "public-read"})

test_keeps_acl if count(rule.deny) == 0 with input as plan("aws_s3_bucket_acl", {"acl": "private"})

test_breaks_access_block if {
	after := {"block_public_acls": true, "block_public_policy": false, "ignore_public_acls": true, "restrict_public_buckets": true}
	count(rule.deny) == 1 with input as plan("aws_s3_bucket_public_access_block", after)
}

test_keeps_access_block if {
	after := {"block_public_acls": true, "block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": true}
	count(rule.deny) == 0 with input as plan("aws_s3_bucket_public_access_block", after)
}

policy(principal) := json.marshal({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Principal": principal}})

test_breaks_policy if count(rule.deny) == 1 with input as plan("aws_s3_bucket_policy", {"policy": policy({"AWS": ["*"]})})

test_breaks_policy_of_everybody if count(rule.deny) == 1 with input as plan("aws_s3_bucket_policy", {"policy": policy("*")})

test_keeps_policy if {
	text := policy({"AWS": "arn:aws:iam::123456789012:root"})
	count(rule.deny) == 0 with input as plan("aws_s3_bucket_policy", {"policy": text})
}

test_breaks_google if {
	count(rule.deny) == 1 with input as plan("google_storage_bucket_iam_binding", {"members": ["allUsers", "user:a@b.c"]})
}

test_keeps_google if count(rule.deny) == 0 with input as plan("google_storage_bucket_iam_member", {"member": "user:a@b.c"})

test_breaks_azure if count(rule.deny) == 1 with input as plan("azurerm_storage_container", {"container_access_type": "blob"})

test_keeps_azure if count(rule.deny) == 0 with input as plan("azurerm_storage_container", {"container_access_type": "private"})

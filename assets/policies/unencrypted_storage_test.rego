package terrace.plan.builtin.unencrypted_storage_test

import data.terrace.plan.builtin.unencrypted_storage as rule

plan(type, after, unknown) := {"plan": {"resource_changes": [{
	"address": sprintf("%s.it", [type]),
	"mode": "managed",
	"type": type,
	"change": {"actions": ["create"], "after": after, "after_unknown": unknown},
}]}}

test_breaks_database if {
	some finding in rule.deny with input as plan("aws_db_instance", {"storage_encrypted": false}, {})
	finding.address == "aws_db_instance.it"
	contains(finding.message, "storage_encrypted is not true")
}

test_keeps_database if {
	count(rule.deny) == 0 with input as plan("aws_db_instance", {"storage_encrypted": true}, {})
}

test_breaks_what_is_not_known if {
	some finding in rule.deny with input as plan("aws_ebs_volume", {}, {"encrypted": true})
	contains(finding.message, "not known before apply")
}

test_breaks_root_disk if {
	count(rule.deny) == 1 with input as plan("aws_instance", {"root_block_device": [{"volume_size": 8}]}, {})
}

test_keeps_root_disk if {
	count(rule.deny) == 0 with input as plan("aws_instance", {"root_block_device": [{"encrypted": true}]}, {})
}

test_breaks_launch_template if {
	after := {"block_device_mappings": [{"ebs": [{"encrypted": "false"}]}]}
	count(rule.deny) == 1 with input as plan("aws_launch_template", after, {})
}

test_keeps_launch_template if {
	after := {"block_device_mappings": [{"ebs": [{"encrypted": "true"}]}]}
	count(rule.deny) == 0 with input as plan("aws_launch_template", after, {})
}

test_breaks_stream if {
	count(rule.deny) == 1 with input as plan("aws_kinesis_stream", {"encryption_type": "NONE"}, {})
}

test_keeps_what_is_only_destroyed if {
	count(rule.deny) == 0 with input as {"plan": {"resource_changes": [{
		"address": "aws_ebs_volume.old",
		"mode": "managed",
		"type": "aws_ebs_volume",
		"change": {"actions": ["delete"], "before": {"encrypted": false}, "after": null, "after_unknown": {}},
	}]}}
}

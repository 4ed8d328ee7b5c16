package terrace.plan.builtin.unpinned_module_test

import data.terrace.plan.builtin.unpinned_module as rule

plan(call) := {"plan": {"configuration": {"root_module": {"module_calls": {"vpc": call}}}}}

test_breaks_registry if {
	some finding in rule.deny with input as plan({"source": "terraform-aws-modules/vpc/aws"})
	finding.address == "module.vpc"
}

test_keeps_registry if count(rule.deny | rule.warn) == 0 with input as plan({"source": "terraform-aws-modules/vpc/aws", "version_constraint": "5.1.2"})

test_warns_of_a_range if {
	count(rule.warn) == 1 with input as plan({"source": "terraform-aws-modules/vpc/aws", "version_constraint": "~> 5.1"})
}

test_breaks_git if count(rule.deny) == 1 with input as plan({"source": "git::https://example.com/vpc.git"})

test_breaks_branch if count(rule.deny) == 1 with input as plan({"source": "github.com/acme/vpc?ref=main"})

test_keeps_tag if count(rule.deny) == 0 with input as plan({"source": "git::https://example.com/vpc.git?ref=v1.2.0"})

test_breaks_archive if count(rule.deny) == 1 with input as plan({"source": "https://example.com/vpc.zip"})

test_keeps_local if count(rule.deny | rule.warn) == 0 with input as plan({"source": "./modules/vpc"})

test_breaks_nested if {
	count(rule.deny) == 1 with input as plan({"source": "./modules/vpc", "module": {"module_calls": {"inner": {"source": "cloudposse/label/null"}}}})
}

package terrace.plan.builtin.open_security_group_test

import data.terrace.plan.builtin.open_security_group as rule

plan(type, after) := {"plan": {"resource_changes": [{
	"address": sprintf("%s.it", [type]),
	"mode": "managed",
	"type": type,
	"change": {"actions": ["create"], "after": after, "after_unknown": {}},
}]}}

ingress(cidr, from, to) := {"ingress": [{"protocol": "tcp", "from_port": from, "to_port": to, "cidr_blocks": [cidr], "ipv6_cidr_blocks": []}]}

test_breaks_ssh if {
	some finding in rule.deny with input as plan("aws_security_group", ingress("0.0.0.0/0", 22, 22))
	finding.message == "aws_security_group.it: tcp port 22 is open to 0.0.0.0/0"
}

test_breaks_half_the_internet if count(rule.deny) == 1 with input as plan("aws_security_group", ingress("128.0.0.0/1", 22, 22))

test_breaks_range_around_the_web if count(rule.deny) == 1 with input as plan("aws_security_group", ingress("::/0", 80, 443))

test_keeps_web if count(rule.deny) == 0 with input as plan("aws_security_group", ingress("0.0.0.0/0", 443, 443))

test_keeps_own_network if count(rule.deny) == 0 with input as plan("aws_security_group", ingress("10.0.0.0/8", 22, 22))

test_follows_the_setting if {
	count(rule.deny) == 1 with input as object.union(
		plan("aws_security_group", ingress("0.0.0.0/0", 443, 443)),
		{"config": {"public_ports": [80]}},
	)
}

test_breaks_rule if {
	after := {"type": "ingress", "protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}
	some finding in rule.deny with input as plan("aws_security_group_rule", after)
	contains(finding.message, "every port")
}

test_keeps_egress if {
	after := {"type": "egress", "protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}
	count(rule.deny) == 0 with input as plan("aws_security_group_rule", after)
}

test_breaks_ingress_rule if {
	after := {"cidr_ipv4": "0.0.0.0/0", "ip_protocol": "-1"}
	count(rule.deny) == 1 with input as plan("aws_vpc_security_group_ingress_rule", after)
}

azure(port) := {"direction": "Inbound", "access": "Allow", "source_address_prefix": "*", "destination_port_range": port}

test_breaks_azure if count(rule.deny) == 1 with input as plan("azurerm_network_security_rule", azure("3389"))

test_keeps_azure if count(rule.deny) == 0 with input as plan("azurerm_network_security_rule", azure("443"))

google(allow) := {"direction": "INGRESS", "source_ranges": ["0.0.0.0/0"], "allow": [allow]}

test_breaks_google if count(rule.deny) == 1 with input as plan("google_compute_firewall", google({"protocol": "tcp", "ports": ["22"]}))

test_breaks_google_without_ports if {
	count(rule.deny) == 1 with input as plan("google_compute_firewall", google({"protocol": "tcp", "ports": []}))
}

test_keeps_google if count(rule.deny) == 0 with input as plan("google_compute_firewall", google({"protocol": "tcp", "ports": ["443"]}))

# METADATA
# title: No port but the web's is open to the whole Internet
# description: |
#   A port that everybody can reach is tried by strangers within minutes. Only the ports of `public_ports`
#   (80 and 443 unless platform/policies.yaml says otherwise) may be open to everybody, one by one.
# custom:
#   code: open-security-group
#   fix: Name the networks that need it, or reach it through a bastion, a VPN or a load balancer.
package terrace.plan.builtin.open_security_group

import data.terrace.lib

deny contains finding if {
	some resource in lib.of_types({"aws_security_group", "aws_default_security_group"})
	some rule in lib.items(resource.change.after.ingress)
	some attribute in ["cidr_blocks", "ipv6_cidr_blocks"]
	some cidr in lib.items(rule[attribute])
	finding := open(resource, cidr, rule.protocol, rule.from_port, rule.to_port)
}

deny contains finding if {
	some resource in lib.planned_by_type.aws_security_group_rule
	rule := resource.change.after
	is_object(rule)
	rule.type == "ingress"
	some attribute in ["cidr_blocks", "ipv6_cidr_blocks"]
	some cidr in lib.items(rule[attribute])
	finding := open(resource, cidr, rule.protocol, rule.from_port, rule.to_port)
}

deny contains finding if {
	some resource in lib.planned_by_type.aws_vpc_security_group_ingress_rule
	rule := resource.change.after
	is_object(rule)
	some attribute in ["cidr_ipv4", "cidr_ipv6"]
	finding := open(resource, rule[attribute], rule.ip_protocol, object.get(rule, "from_port", -1), object.get(rule, "to_port", -1))
}

deny contains finding if {
	some resource in lib.planned_by_type.azurerm_network_security_rule
	rule := resource.change.after
	is_object(rule)
	rule.direction == "Inbound"
	rule.access == "Allow"
	anywhere(rule)
	some port in azure_ports(rule)
	not port in {sprintf("%v", [allowed]) | some allowed in allowed_ports}
	finding := told(resource, sprintf("port %v", [port]), "everybody")
}

deny contains finding if {
	some resource in lib.planned_by_type.google_compute_firewall
	rule := resource.change.after
	is_object(rule)
	object.get(rule, "direction", "INGRESS") != "EGRESS"
	some cidr in lib.items(rule.source_ranges)
	lib.everybody(cidr)
	some allow in lib.items(rule.allow)
	some port in google_ports(allow)
	not port in {sprintf("%v", [allowed]) | some allowed in allowed_ports}
	finding := told(resource, sprintf("%v %v", [allow.protocol, port]), cidr)
}

allowed_ports := lib.setting("public_ports", [80, 443])

open(resource, cidr, protocol, from, to) := told(resource, ports(protocol, from, to), cidr) if {
	lib.everybody(cidr)
	not protocol in {"icmp", "icmpv6", "1", "58"}
	not one_allowed(protocol, from, to)
}

one_allowed(protocol, from, to) if {
	protocol in {"tcp", "udp", "6", "17"}
	from == to
	from in allowed_ports
}

ports(protocol, from, to) := "every port" if protocol in {"-1", "all"}

ports(protocol, from, to) := sprintf("%v port %v", [protocol, from]) if {
	not protocol in {"-1", "all"}
	from == to
}

ports(protocol, from, to) := sprintf("%v ports %v to %v", [protocol, from, to]) if {
	not protocol in {"-1", "all"}
	from != to
}

anywhere(rule) if rule.source_address_prefix in {"*", "Internet", "Any", "0.0.0.0/0"}

anywhere(rule) if lib.everybody(rule.source_address_prefix)

anywhere(rule) if {
	some prefix in lib.items(rule.source_address_prefixes)
	lib.everybody(prefix)
}

azure_ports(rule) := [port |
	some attribute in ["destination_port_range", "destination_port_ranges"]
	some port in lib.listed(rule[attribute])
	is_string(port)
]

google_ports(allow) := allow.ports if count(allow.ports) > 0

google_ports(allow) := ["any"] if {
	not has_ports(allow)
	allow.protocol != "icmp"
}

has_ports(allow) if count(allow.ports) > 0

told(resource, what, whom) := {
	"message": sprintf("%s: %s is open to %s", [resource.address, what, whom]),
	"address": resource.address,
}

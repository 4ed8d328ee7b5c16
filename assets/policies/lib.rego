# What several rules need; policies of an estate may `import data.terrace.lib` too.
package terrace.lib

# The managed resources that a plan creates or changes (a replacement does both of its halves).
planned := [resource |
	some resource in items(input.plan.resource_changes)
	resource.mode == "managed"
	some action in ["create", "update"]
	action in items(resource.change.actions)
]

# The managed resources that a plan destroys, replaced ones included.
destroyed := [resource |
	some resource in items(input.plan.resource_changes)
	resource.mode == "managed"
	"delete" in items(resource.change.actions)
]

# Whether an attribute is known only after apply.
unknown(resource, attribute) if resource.change.after_unknown[attribute] == true

# A setting of platform/policies.yaml, or its default.
setting(name, fallback) := input.config[name]

setting(name, fallback) := fallback if not input.config[name]

# One value or a list of them, as a list.
listed(value) := value if is_array(value)

listed(value) := [value] if not is_array(value)

# Whether an address range is so wide that it means everybody.
everybody(cidr) if {
	is_string(cidr)
	regex.match(`^[0-9a-fA-F.:]+/[0-9]{1,3}$`, cidr)
	to_number(split(cidr, "/")[1]) < 8
}

# What can be gone through: anything but lists, sets and objects is empty.
items(value) := value if is_array(value)

items(value) := value if is_object(value)

items(value) := value if is_set(value)

items(value) := [] if {
	not is_array(value)
	not is_object(value)
	not is_set(value)
}

# What several rules need; policies of an estate may `import data.terrace.lib` too.
package terrace.lib

# The managed resources that a plan creates or changes (a replacement does both of its halves).
planned := [resource |
	some resource in items(input.plan.resource_changes)
	resource.mode == "managed"
	some action in ["create", "update"]
	action in items(resource.change.actions)
]

# The same by their type: a rule of few types asks for those, and passes over all others.
planned_by_type[type] := resources if {
	some type in {resource.type | some resource in planned}
	resources := [resource | some resource in planned; resource.type == type]
}

# The managed resources of these types that a plan creates or changes.
of_types(types) := [resource | some type in types; some resource in planned_by_type[type]]

# Those whose type begins like this.
of_family(prefix) := [resource |
	some type, resources in planned_by_type
	startswith(type, prefix)
	some resource in resources
]

# The managed resources that a plan destroys, replaced ones included.
destroyed := [resource |
	some resource in items(input.plan.resource_changes)
	resource.mode == "managed"
	"delete" in items(resource.change.actions)
]

# Whether the instance is in a protected stage, or says so itself.
protected if input.instance.protected == true

protected if input.instance.stage in setting("protected_stages", ["prod", "production"])

# Whether an attribute is known only after apply.
unknown(resource, attribute) if resource.change.after_unknown[attribute] == true

# A setting of platform/policies.yaml, or its default.
setting(name, fallback) := input.config[name]

setting(name, fallback) := fallback if not input.config[name]

# One value or a list of them, as a list.
listed(value) := value if {
	is_array(value)
} else := [value]

# Whether an address range is so wide that it means everybody.
everybody(cidr) if {
	is_string(cidr)
	regex.match(`^[0-9a-fA-F.:]+/[0-9]{1,3}$`, cidr)
	to_number(split(cidr, "/")[1]) < 8
}

# What can be gone through: anything but lists, sets and objects is empty.
items(value) := value if {
	type_name(value) in {"array", "object", "set"}
} else := []

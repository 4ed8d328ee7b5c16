# METADATA
# title: Nothing is destroyed in a protected stage unless somebody asked for it
# description: |
#   Destroying (and replacing, which destroys first) in a stage of `protected_stages`, or in an instance whose settings
#   say `protected: true`, cannot be undone. It needs a request, and two people who agree.
# custom:
#   code: destroy-protected
#   fix: Send a request (`terrace request new --destroy COMPONENT -s STACK`, or `--apply`); two approvers decide on it. Where the replacement is not meant, look for the attribute that forces it.
package terrace.plan.builtin.destroy_protected

import data.terrace.lib

requested if input.request.number

deny contains finding if {
	lib.protected
	not requested
	some resource in lib.destroyed
	finding := {
		"message": sprintf("%s would be %s in a protected stage, and no request asks for it", [resource.address, how(resource)]),
		"address": resource.address,
	}
}

warn contains finding if {
	count(lib.destroyed) > 0
	not lib.protected
	not is_string(input.instance.stage)
	finding := {"message": sprintf("%d resources would be destroyed, and the stage is not known", [count(lib.destroyed)])}
}

approvals contains need if {
	lib.protected
	requested
	count(lib.destroyed) > 0
	need := {"count": 2, "message": sprintf("%d resources would be destroyed in a protected stage", [count(lib.destroyed)])}
}

how(resource) := "replaced" if "create" in resource.change.actions

how(resource) := "destroyed" if not "create" in resource.change.actions

# METADATA
# title: What a scanner holds to be an error stays out of protected stages
# description: |
#   Scanners (trivy, checkov, tflint, kics) attach what they find to a run. What they hold to be an error denies in a stage
#   of `protected_stages`, and in an instance whose settings say `protected: true`, wherever the plan creates or changes
#   something; elsewhere it warns. Warnings and notes of scanners are shown with the run and decide nothing.
# custom:
#   code: scanner-finding
#   fix: Mend what the scanner names, or suppress it in the code with a reason, as that scanner reads it (`#trivy:ignore:…`, `#checkov:skip=…`).
package terrace.plan.builtin.scanner_finding

import data.terrace.lib

# How many are named one by one; the rest is counted.
named := 20

errors := [found | some found in lib.items(input.findings); found.level == "error"]

deny contains finding if {
	lib.protected
	some finding in said
}

warn contains finding if {
	not lib.protected
	some finding in said
}

said contains finding if {
	count(lib.planned) > 0
	some i, found in errors
	i < named
	finding := object.union({"message": sprintf("%s %s: %s", [found.tool, found.rule, found.message])}, place(found))
}

said contains finding if {
	count(lib.planned) > 0
	count(errors) > named
	finding := {"message": sprintf("scanners found %d more errors", [count(errors) - named])}
}

place(found) := {"location": found.location} if is_object(found.location)

place(found) := {} if not is_object(found.location)

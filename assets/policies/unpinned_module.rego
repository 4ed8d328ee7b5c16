# METADATA
# title: Modules are pinned to a version
# description: |
#   A module without a version, or from a branch, is different code tomorrow. The plan that was approved today would then
#   not be the plan that the next run makes.
# custom:
#   code: unpinned-module
#   fix: "Registry: add `version = \"1.2.3\"`. Git: add `?ref=` with a tag or, best, a commit."
package terrace.plan.builtin.unpinned_module

calls contains call if {
	walk(input.plan.configuration, [path, value])
	count(path) >= 2
	path[count(path) - 2] == "module_calls"
	is_string(value.source)
	call := {"name": sprintf("module.%v", [path[count(path) - 1]]), "source": value.source, "version": object.get(value, "version_constraint", "")}
}

deny contains finding if {
	some call in calls
	is_registry(call.source)
	call.version == ""
	finding := told(call, "names no version")
}

warn contains finding if {
	some call in calls
	is_registry(call.source)
	call.version != ""
	not is_exact(call.version)
	finding := told(call, sprintf("takes any version that fits '%v'", [call.version]))
}

deny contains finding if {
	some call in calls
	is_git(call.source)
	not has_ref(call.source)
	finding := told(call, "names no tag or commit (?ref=)")
}

deny contains finding if {
	some call in calls
	is_git(call.source)
	regex.match(`[?&]ref=(main|master|develop|trunk|HEAD)(&|$)`, call.source)
	finding := told(call, "follows a branch")
}

deny contains finding if {
	some call in calls
	is_archive(call.source)
	not contains(call.source, "checksum=")
	finding := told(call, "is an archive without checksum=")
}

is_local(source) if regex.match(`^\.{1,2}(/|$)`, source)

is_git(source) if startswith(source, "git::")

is_git(source) if regex.match(`^(github\.com|bitbucket\.org|gitlab\.com)/`, source)

is_git(source) if startswith(source, "git@")

is_archive(source) if {
	not is_git(source)
	regex.match(`^(https?://|s3::|gcs::|hg::|http::|https::)`, source)
}

is_registry(source) if {
	not is_local(source)
	not is_git(source)
	not is_archive(source)
	regex.match(`^([^/]+/)?[^/]+/[^/]+/[^/]+(//.*)?$`, source)
}

has_ref(source) if regex.match(`[?&]ref=[^&]+`, source)

is_exact(version) if {
	is_string(version)
	regex.match(`^=?\s*v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`, version)
}

told(call, what) := {"message": sprintf("%s (%s) %s", [call.name, call.source, what]), "address": call.name}

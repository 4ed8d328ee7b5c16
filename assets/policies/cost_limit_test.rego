package terrace.plan.builtin.cost_limit_test

import data.terrace.plan.builtin.cost_limit as rule

document(delta, unknown) := {
	"estimate": {"delta": delta, "unknown": unknown},
	"budget": {
		"team": "payments",
		"limit": {"amount": "12000.00", "currency": "USD"},
		"committed": {"amount": "11000.00", "currency": "USD"},
		"reserved": {"amount": "400.00", "currency": "USD"},
	},
}

usd(amount) := {"amount": amount, "currency": "USD"}

test_breaks_above_the_limit if {
	some finding in rule.deny with input as document(usd("913.20"), [])
	finding.message == "payments: 11400 USD a month are in use, this adds 913.2, the limit is 12000"
}

test_keeps_within_the_limit if {
	count(rule.deny) == 0 with input as document(usd("600.00"), [])
	count(rule.approvals) == 0 with input as document(usd("600.00"), [])
}

test_keeps_what_saves if count(rule.deny) == 0 with input as document(usd("-10"), [])

test_unknown_price_needs_somebody if {
	some need in rule.approvals with input as document(null, [{"address": "a", "why": "no price"}])
	need.count == 1
}

test_unknown_part_needs_somebody if count(rule.approvals) == 1 with input as document(usd("1"), [{"address": "a", "why": "no price"}])

test_breaks_other_currency if count(rule.deny) == 1 with input as document({"amount": "1", "currency": "EUR"}, [])

test_keeps_without_a_limit if {
	count(rule.deny) == 0 with input as {"estimate": {"delta": usd("1"), "unknown": []}, "budget": null}
	count(rule.approvals) == 0 with input as {"estimate": {"delta": null, "unknown": []}, "budget": null}
}

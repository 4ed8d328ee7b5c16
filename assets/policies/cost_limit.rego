# METADATA
# title: The team's monthly limit is kept
# description: |
#   What is deployed, what is approved and what this plan adds must together stay within the team's budget. A price that
#   is not known is not zero: it needs one more person to agree.
# custom:
#   code: cost-limit
#   fix: Choose a smaller size, retire something, or ask for an exception (`terrace request new` of kind budget).
package terrace.plan.builtin.cost_limit

limit := to_number(input.budget.limit.amount)

currency := input.budget.limit.currency

# Committed and reserved amounts may be absent: then nothing is.
amount(money) := to_number(money.amount) if is_string(money.amount)

used := sum([value |
	some key in ["committed", "reserved"]
	value := amount(input.budget[key])
])

delta := amount(input.estimate.delta)

deny contains finding if {
	input.estimate.delta.currency == currency
	delta > 0
	used + delta > limit
	finding := {
		"message": sprintf(
			"%s: %v %s a month are in use, this adds %v, the limit is %v",
			[input.budget.team, used, currency, delta, limit],
		),
	}
}

deny contains finding if {
	limit
	input.estimate.delta.currency != currency
	finding := {"message": sprintf("the price is in %v and the limit in %v", [input.estimate.delta.currency, currency])}
}

approvals contains need if {
	limit
	not delta
	need := {"count": 1, "message": "the price of this plan is not known, and a limit is in force"}
}

approvals contains need if {
	limit
	delta
	count(input.estimate.unknown) > 0
	need := {"count": 1, "message": sprintf("the price of %d parts is not known, and a limit is in force", [count(input.estimate.unknown)])}
}

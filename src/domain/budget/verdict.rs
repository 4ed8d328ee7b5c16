//! The verdict of budgets and quotas on a claim, with its arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Budget, Quota, percent, times};
use crate::domain::money::{Exact, Money, grouped};

/// What a figure means; each is graver than those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Within.
    #[default]
    Ok,
    /// Past the threshold of warning.
    Warn,
    /// An approval is needed.
    Approve,
    /// Refused.
    Refuse,
}

/// What somebody wants to spend: the difference that a request makes, a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// Who claims: a request and its instance, such as `request/12/cache@dev`, or a run, such as `run/7`. A claim of the
    /// same name is replaced.
    pub claimant: String,
    /// The team that pays.
    pub team: String,
    /// The component.
    pub component: String,
    /// The stack.
    pub stack: String,
    /// What it adds a month; unknown where a price is.
    pub monthly: Money,
    /// What it adds to what the team has, for quotas: `instances`, `component FOLDER`, `size SIZE`, `stage STAGE`; empty
    /// where the instance is there already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adds: Vec<String>,
}

impl Claim {
    /// Names the claimant that a run is, by its number.
    #[must_use]
    pub fn of_run(number: u64) -> String {
        format!("run/{number}")
    }

    /// Tells whether it saves money and adds nothing: then it promises nothing, because it is not saved yet.
    #[must_use]
    pub fn saves(&self) -> bool {
        let known = self.monthly.unknown.is_empty();
        self.adds.is_empty() && known && self.monthly.amount.is_some_and(|amount| amount.is_negative())
    }

    /// Returns the command that shows the claimant.
    #[must_use]
    pub fn command(&self) -> String {
        let (kind, rest) = self.claimant.split_once('/').unwrap_or(("request", &self.claimant));
        let number = rest.split('/').next().unwrap_or(rest);
        if kind == "run" { format!("terrace runs show {number}") } else { format!("terrace request show {number}") }
    }
}

/// What stands against a budget already, a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promised {
    /// What live instances cost.
    pub committed: Exact,
    /// What is approved and not yet live.
    pub reserved: Exact,
    /// What has no price.
    pub unknown: Vec<String>,
}

/// One budget's or quota's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Judged {
    /// The budget, or `quota of TEAM`.
    pub by: String,
    /// What it means.
    pub level: Level,
    /// The arithmetic, in one sentence.
    pub reason: String,
}

/// What all budgets and quotas say together: the gravest counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// The gravest level.
    pub level: Level,
    /// Each word, in the order of the file.
    pub judged: Vec<Judged>,
}

impl Verdict {
    /// Gathers words.
    #[must_use]
    pub fn of(judged: Vec<Judged>) -> Self {
        Self { level: judged.iter().map(|word| word.level).max().unwrap_or_default(), judged }
    }
}

/// Returns a budget's word on a claim.
///
/// A price that is not known needs an approval, because it might be anything; so does a currency other than the
/// budget's. A budget of zero is passed by any cost.
#[must_use]
pub fn judge(budget: &Budget, promised: &Promised, claim: &Money) -> Judged {
    let by = budget.name.clone();
    let word = |level, reason| Judged { by: by.clone(), level, reason };
    let currency = &budget.amount.currency;
    if claim.currency != *currency && claim.amount.is_none_or(|amount| !amount.is_zero()) {
        let reason = format!("the budget is in {currency} and this costs {}, which cannot be compared", claim.currency);
        return word(Level::Approve, reason);
    }
    let months = budget.period.months();
    let whole = budget.amount.amount.unwrap_or_default();
    let in_period = |amount: Exact| times(amount, months);
    let added = claim.amount.unwrap_or_default();
    let parts = [promised.committed, promised.reserved, added].map(in_period);
    let [Some(committed), Some(reserved), Some(this)] = parts else {
        return word(Level::Refuse, "the amounts have more than 38 digits".to_owned());
    };
    let Some(sum) = Exact::sum([committed, reserved, this]) else {
        return word(Level::Refuse, "the amounts have more than 38 digits".to_owned());
    };
    let show = |amount: Exact| grouped(amount.rounded(2));
    let share = percent(sum, whole).map_or_else(String::new, |share| format!(" ({share} %)"));
    let arithmetic = format!(
        "committed {} + reserved {} + this {} = {} of {} {currency} a {}{share}",
        show(committed),
        show(reserved),
        show(this),
        show(sum),
        show(whole),
        match months {
            1 => "month",
            3 => "quarter",
            _ => "year",
        },
    );
    // What saves money or costs none is never held up, however full the budget is.
    let unknown = claim.amount.is_none() || !claim.unknown.is_empty();
    let saves = !unknown && (added.is_negative() || added.is_zero());
    let level = match level(budget, sum) {
        _ if saves => Level::Ok,
        level if unknown => level.max(Level::Approve),
        level => level,
    };
    let mut reason = arithmetic;
    if let Some(why) = claim.unknown.first() {
        reason = format!("{reason}, at least: {why}");
    }
    if !promised.unknown.is_empty() {
        reason = format!("{reason}; {} live instances have no price", promised.unknown.len());
    }
    word(level, reason)
}

/// Returns what a sum in the budget's period means by its thresholds.
#[must_use]
pub fn level(budget: &Budget, sum: Exact) -> Level {
    let whole = budget.amount.amount.unwrap_or_default();
    let thresholds = &budget.thresholds;
    let is_past = |threshold: Option<Exact>, reached| threshold.is_some_and(|at| past(sum, whole, at, reached));
    if is_past(thresholds.refuse, false) {
        Level::Refuse
    } else if is_past(thresholds.approve, false) {
        Level::Approve
    } else if is_past(thresholds.warn, true) {
        Level::Warn
    } else {
        Level::Ok
    }
}

/// Says whether a sum is past so many percent of a whole: above it, or, where `reached`, at it.
fn past(sum: Exact, whole: Exact, threshold: Exact, reached: bool) -> bool {
    let scaled = |amount: Exact, factor: Exact| {
        Exact::new(amount.mantissa().checked_mul(factor.mantissa())?, amount.scale() + factor.scale())
    };
    let hundred = Exact::new(100, 0).unwrap_or_default();
    match (scaled(sum, hundred), scaled(whole, threshold)) {
        (Some(left), Some(right)) if reached && !right.is_zero() => left >= right,
        (Some(left), Some(right)) => left > right,
        // What cannot be compared is past it.
        _ => true,
    }
}

/// Returns the word of a quota on what a team would have.
///
/// `has` counts what is there with what is asked for: `instances`, `stages`, `component NAME`, `size NAME`; only what is
/// in `grown` is looked at: what is too much already does not hold up what adds nothing to it.
#[must_use]
pub fn judge_quota(team: &str, quota: &Quota, has: &BTreeMap<String, u32>, grown: &BTreeSet<String>) -> Vec<Judged> {
    let limits = [("instances".to_owned(), quota.instances), ("stages".to_owned(), quota.stages)]
        .into_iter()
        .chain(quota.components.iter().map(|(name, limit)| (format!("component {name}"), Some(*limit))))
        .chain(quota.sizes.iter().map(|(name, limit)| (format!("size {name}"), Some(*limit))));
    let word = |(what, limit): (String, Option<u32>)| {
        let (limit, count) = (limit?, has.get(&what).copied().unwrap_or(0));
        let reason = format!("{count} of {limit} {what}");
        let past = count > limit && grown.contains(&what);
        past.then(|| Judged { by: format!("quota of {team}"), level: Level::Refuse, reason })
    };
    limits.filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Thresholds;
    use crate::domain::money::Currency;
    use crate::domain::period::PeriodKind;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    fn money(text: &str) -> Money {
        Money::known(exact(text), Currency::usd())
    }

    fn budget(amount: &str, period: PeriodKind) -> Budget {
        Budget {
            name: "orders".to_owned(),
            team: "orders".to_owned(),
            amount: money(amount),
            period,
            fiscal_start: 1,
            thresholds: Thresholds { refuse: Some(exact("120")), ..Thresholds::default() },
            stacks: Vec::new(),
            components: Vec::new(),
            tags: BTreeMap::new(),
            owner: None,
        }
    }

    fn level(budget: &Budget, committed: &str, claim: &Money) -> Level {
        judge(budget, &Promised { committed: exact(committed), ..Promised::default() }, claim).level
    }

    #[test]
    fn thresholds_are_passed_in_order() {
        let month = budget("1000", PeriodKind::Month);
        for (committed, expected) in [
            ("0", Level::Ok),
            ("699.99", Level::Ok),
            ("700", Level::Warn),
            ("900", Level::Warn),
            ("900.01", Level::Approve),
            ("1100", Level::Approve),
            ("1100.01", Level::Refuse),
        ] {
            assert_eq!(level(&month, committed, &money("100")), expected, "{committed}");
        }
        assert_eq!(level(&month, "5000", &money("-1")), Level::Ok, "what saves is never held up");
        assert_eq!(level(&month, "5000", &money("0")), Level::Ok, "nor what costs nothing");
        assert_eq!(level(&month, "0", &Money::unknown("no rule", Currency::usd())), Level::Approve);
        assert_eq!(level(&month, "0", &Money::known(exact("1"), "EUR".parse().unwrap())), Level::Approve);
        assert_eq!(level(&budget("0", PeriodKind::Month), "0", &money("0.01")), Level::Refuse);
        assert_eq!(level(&budget("0", PeriodKind::Month), "0", &money("0")), Level::Ok);
    }

    #[test]
    fn the_arithmetic_is_shown() {
        let promised = Promised { committed: exact("700"), reserved: exact("250.5"), unknown: Vec::new() };
        let word = judge(&budget("3600", PeriodKind::Quarter), &promised, &money("300"));
        assert_eq!(
            word.reason,
            "committed 2,100.00 + reserved 751.50 + this 900.00 = 3,751.50 of 3,600.00 USD a quarter (104.2 %)"
        );
        assert_eq!(word.level, Level::Approve);
    }

    #[test]
    fn a_quota_refuses_what_is_one_too_many() {
        let quota: Quota =
            serde_json::from_value(serde_json::json!({"instances": 3, "components": {"database": 1}})).unwrap();
        let has = BTreeMap::from([("instances".to_owned(), 3), ("component database".to_owned(), 2)]);
        let grown = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(judge_quota("orders", &quota, &has, &grown(&["instances"])), [], "what is there is not held up");
        let words = judge_quota("orders", &quota, &has, &grown(&["instances", "component database"]));
        assert_eq!(words.len(), 1);
        assert_eq!((words[0].level, words[0].reason.as_str()), (Level::Refuse, "2 of 1 component database"));
    }
}

//! Budgets and quotas: what a team may spend and have, and the verdict on a claim.
//!
//! Owns the arithmetic. Leaves where figures come from to `platform::budgets`, and what a verdict does to a request to
//! the requests.
//!
//! A budget is compared by what is promised: committed (live instances) plus reserved (approved, not yet live) plus the
//! claim, in the months of its period. What is billed and where the period will end are shown beside it.

mod verdict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::{Currency, Exact, Money};
use super::period::PeriodKind;

pub use verdict::{Claim, Judged, Level, Promised, Verdict, judge, judge_quota, level};

/// Percentages of a budget at which something happens; one that is absent never does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// From here on it is said.
    #[serde(default = "eighty")]
    #[schema(value_type = Option<String>)]
    pub warn: Option<Exact>,
    /// Above this an approval is needed.
    #[serde(default = "hundred")]
    #[schema(value_type = Option<String>)]
    pub approve: Option<Exact>,
    /// Above this it is refused.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub refuse: Option<Exact>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn eighty() -> Option<Exact> {
    Some(Exact::new(80, 0).unwrap_or_default())
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn hundred() -> Option<Exact> {
    Some(Exact::new(100, 0).unwrap_or_default())
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { warn: eighty(), approve: hundred(), refuse: None }
    }
}

/// What may be spent in a period, by whom, on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    /// Its name, unique in the estate; the team's unless it has one.
    pub name: String,
    /// The team.
    pub team: String,
    /// How much.
    pub amount: Money,
    /// For how long.
    pub period: PeriodKind,
    /// The month in which the fiscal year begins, from 1.
    pub fiscal_start: i8,
    /// When something happens.
    pub thresholds: Thresholds,
    /// Globs of the stacks that it is for; all where there is none.
    pub stacks: Vec<String>,
    /// Globs of the components that it is for; all where there is none.
    pub components: Vec<String>,
    /// Tags that a charge must have to count, and `vars.tags` of an instance.
    pub tags: BTreeMap<String, String>,
    /// Who answers for it.
    pub owner: Option<String>,
}

/// How much of something a team may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// How many instances.
    pub instances: Option<u32>,
    /// How many instances of a component folder, such as `database: 4`.
    pub components: BTreeMap<String, u32>,
    /// How many instances whose `vars.size` is this, such as `large: 2`.
    pub sizes: BTreeMap<String, u32>,
    /// In how many stages.
    pub stages: Option<u32>,
    /// After how many days a sandbox (an instance with `settings.sandbox`) expires.
    pub sandbox_days: Option<u32>,
}

/// The figures of a budget in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// The budget.
    pub budget: Budget,
    /// The period: `2026-10`, `2026-Q4`, `2026`.
    pub period: String,
    /// What the live instances cost in the period, by estimate.
    pub committed: Money,
    /// What is approved and not yet live, in the period.
    pub reserved: Money,
    /// What is billed in the period so far (effective cost).
    pub actual: Money,
    /// What is invoiced in the period so far.
    pub billed: Money,
    /// Where the period will end; unknown where there is too little to say so.
    pub forecast: Money,
    /// The bounds between which it ends four times out of five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[Money; 2]>,
    /// The forecast's method and its error in the backtest, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What it cost on each of the last days that are billed, at most thirty, the newest last. Shared cost counts for
    /// each day by the share that the team has of the month, so these are estimates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub trend: Vec<Exact>,
    /// How many instances have no price, or none for a part.
    pub unpriced: u32,
    /// What is promised (committed and reserved) of the budget, in percent; `None` for a budget of zero.
    #[schema(value_type = Option<String>)]
    pub promised_percent: Option<Exact>,
    /// What the larger of promised and forecast means.
    pub level: Level,
}

/// Where the price of an instance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceOrigin {
    /// Its state.
    State,
    /// What its last plan saw of the state.
    Plan,
    /// Nothing is live.
    None,
    /// Nobody has looked at its state.
    Unread,
}

/// What an instance costs a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstancePrice {
    /// The component.
    pub component: String,
    /// The stack.
    pub stack: String,
    /// The team that owns it.
    #[serde(default)]
    pub team: Option<String>,
    /// What it costs a month.
    pub monthly: Money,
    /// What was billed for it in the last whole month, effective; `None` where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed: Option<Money>,
    /// How many resources it has.
    pub resources: u32,
    /// Where the figure comes from.
    pub from: PriceOrigin,
    /// As of when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<jiff::Timestamp>,
}

impl InstancePrice {
    /// Tells whether something of it is live, or may be.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.from != PriceOrigin::None
    }
}

/// What the promised figures of a budget are made of, a month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetParts {
    /// Each live instance with its price, the dearest first; what has no price comes before them.
    pub committed: Vec<InstancePrice>,
    /// What is approved and not yet live.
    pub reserved: Vec<Claim>,
}

/// Returns so many percent of an amount as a number, one digit behind the point; `None` of zero.
#[must_use]
pub fn percent(part: Exact, whole: Exact) -> Option<Exact> {
    let scale = part.scale().max(whole.scale());
    let (part, whole) = (part.rescaled(scale)?.mantissa(), whole.rescaled(scale)?.mantissa());
    if whole == 0 {
        return None;
    }
    // whole and rest apart, so that no product passes 38 digits
    let tenths = (part / whole).checked_mul(1000)?.checked_add((part % whole).checked_mul(1000)? / whole)?;
    Exact::new(tenths, 1)
}

/// Multiplies an amount by a whole number of months.
#[must_use]
pub fn times(amount: Exact, months: i8) -> Option<Exact> {
    Exact::new(amount.mantissa().checked_mul(i128::from(months))?, amount.scale())
}

/// Returns a known zero.
#[must_use]
pub fn nothing(currency: &Currency) -> Money {
    Money::known(Exact::ZERO.trimmed(2), currency.clone())
}

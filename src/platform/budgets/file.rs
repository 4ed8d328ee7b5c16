//! The budgets and quotas of `platform/teams.yaml`.

use std::collections::BTreeMap;

use globset::GlobSet;
use serde::{Deserialize, Deserializer};

use crate::domain::budget::{Budget, Thresholds};
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::period::PeriodKind;

/// A budget as the file writes it, below its team.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::platform) struct BudgetEntry {
    name: Option<String>,
    amount: Exact,
    #[serde(default = "Currency::usd")]
    currency: Currency,
    #[serde(default)]
    period: PeriodKind,
    #[serde(default = "january")]
    fiscal_start: i8,
    #[serde(default)]
    thresholds: Ordered,
    #[serde(default)]
    stacks: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    owner: Option<String>,
}

/// Thresholds of which those that are written stand in the order in which they are passed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Written")]
struct Ordered(Thresholds);

/// Thresholds as the file writes them: what is not there is as usual, null is never.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "written")]
    warn: Option<Option<Exact>>,
    #[serde(default, deserialize_with = "written")]
    approve: Option<Option<Exact>>,
    #[serde(default, deserialize_with = "written")]
    refuse: Option<Option<Exact>>,
}

fn written<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Exact>>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

impl TryFrom<Written> for Ordered {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let all = [("warn", written.warn), ("approve", written.approve), ("refuse", written.refuse)];
        let given: Vec<(&str, Exact)> = all.into_iter().filter_map(|(name, at)| Some((name, at??))).collect();
        if let Some([(low, from), (high, to)]) = given.array_windows().find(|[(_, from), (_, to)]| from > to) {
            return Err(format!("the thresholds contradict each other: {low} at {from} lies above {high} at {to}"));
        }
        let usual = Thresholds::default();
        Ok(Self(Thresholds {
            warn: written.warn.unwrap_or(usual.warn),
            approve: written.approve.unwrap_or(usual.approve),
            refuse: written.refuse.unwrap_or(usual.refuse),
        }))
    }
}

fn january() -> i8 {
    1
}

impl BudgetEntry {
    /// Makes the budget of a team.
    ///
    /// # Errors
    ///
    /// What about it cannot be, in one sentence.
    pub(in crate::platform) fn of(self, team: &str) -> Result<Budget, String> {
        let name = self.name.unwrap_or_else(|| team.to_owned());
        if self.amount.is_negative() {
            return Err(format!("the amount of budget '{name}' is below zero"));
        }
        if !(1..=12).contains(&self.fiscal_start) {
            return Err(format!(
                "fiscal_start of budget '{name}' is {}, and must be a month: 1 to 12",
                self.fiscal_start
            ));
        }
        Ok(Budget {
            name,
            team: team.to_owned(),
            amount: Money::known(self.amount.trimmed(2), self.currency),
            period: self.period,
            fiscal_start: self.fiscal_start,
            thresholds: self.thresholds.0,
            stacks: self.stacks,
            components: self.components,
            tags: self.tags,
            owner: self.owner,
        })
    }
}

/// A budget with its patterns ready.
#[derive(Debug, Clone)]
pub struct ScopedBudget {
    /// The budget.
    pub budget: Budget,
    pub(in crate::platform) stacks: GlobSet,
    pub(in crate::platform) components: GlobSet,
}

impl ScopedBudget {
    /// Says whether an instance counts; where the budget names stacks or components, one that is not known does not.
    #[must_use]
    pub fn holds(&self, component: Option<&str>, stack: Option<&str>) -> bool {
        let within = |patterns: &[String], globs: &GlobSet, name: Option<&str>| {
            patterns.is_empty() || name.is_some_and(|name| globs.is_match(name))
        };
        within(&self.budget.components, &self.components, component) && within(&self.budget.stacks, &self.stacks, stack)
    }
}

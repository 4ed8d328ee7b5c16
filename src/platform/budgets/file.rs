//! The budgets and quotas of `platform/teams.yaml`.

use std::collections::BTreeMap;

use globset::GlobSet;
use serde::Deserialize;

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
    thresholds: Thresholds,
    #[serde(default)]
    stacks: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    owner: Option<String>,
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
            thresholds: self.thresholds,
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

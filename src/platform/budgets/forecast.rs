//! What a budget has spent, and where its period will end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{BudgetService, ScopedBudget, too_long};
use crate::domain::cost::focus::day_of;
use crate::domain::forecast::forecast;
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::period::{Period, PeriodKind};
use crate::domain::showback::CostRow;
use crate::platform::PlatformError;
use crate::platform::costs::Ledger;
use crate::platform::estate::Snapshot;
use crate::platform::store::DaySum;

/// How many days a trend has at most.
const TREND: usize = 30;
/// How many months before a period are looked at.
const HISTORY: usize = 4;

/// What was spent in a period.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    pub(super) billed: Exact,
    pub(super) effective: Exact,
    /// Whether any charge counts in the budget's currency.
    any: bool,
    /// The other currencies in which charges would count; nobody says at which rate.
    elsewhere: BTreeSet<String>,
}

impl Spent {
    /// Says an amount of it, and what is not in it; where nothing is, nothing is known.
    pub(super) fn told(&self, amount: Exact, currency: &Currency) -> Money {
        let mut money = Money::known(amount.trimmed(2), currency.clone());
        if !self.elsewhere.is_empty() {
            let others: Vec<&str> = self.elsewhere.iter().map(String::as_str).collect();
            money.unknown.push(format!("bills in {} do not count in {currency}", others.join(", ")));
            money.amount = money.amount.filter(|_| self.any);
        }
        money
    }
}

/// Where a period will end.
#[derive(Debug, Clone)]
pub(super) struct Ahead {
    pub(super) end: Exact,
    pub(super) low: Exact,
    pub(super) high: Exact,
    pub(super) method: &'static str,
    pub(super) error: Option<f64>,
    /// The last days that are billed, the newest last.
    pub(super) trend: Vec<Exact>,
}

/// Says whether a row counts for a budget; a closed month has the names that teams had then.
fn counts(snapshot: &Snapshot, scoped: &ScopedBudget, ledger: &Ledger, row: &CostRow) -> bool {
    let budget = &scoped.budget;
    let tagged = |(tag, value): (&String, &String)| {
        ledger.charges.get(&row.charge).and_then(|charge| charge.tag(tag)) == Some(value)
    };
    row.team.as_deref().is_some_and(|team| snapshot.teams().is_named(&budget.team, team))
        && scoped.holds(row.component.as_deref(), row.stack.as_deref())
        && budget.tags.iter().all(tagged)
}

/// A month that was read.
#[derive(Debug)]
pub(super) struct Month {
    ledger: Ledger,
    days: Vec<DaySum>,
}

/// The months that were read for one answer, so that each is read once for all budgets.
#[derive(Debug, Default)]
pub(super) struct Months {
    known: HashMap<(Period, Currency), Arc<Month>>,
}

impl BudgetService {
    async fn month(
        &self,
        snapshot: &Snapshot,
        months: &mut Months,
        month: Period,
        currency: &Currency,
    ) -> Result<Arc<Month>, PlatformError> {
        let key = (month, currency.clone());
        if let Some(known) = months.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let ledger = self.costs.ledger(snapshot, month, Some(currency)).await?;
        let days = self.costs.day_sums(month, currency).await?;
        let read = Arc::new(Month { ledger, days });
        months.known.insert(key, Arc::clone(&read));
        Ok(read)
    }

    /// Adds up what counts for a budget in a period.
    pub(super) async fn spent(
        &self,
        snapshot: &Snapshot,
        scoped: &ScopedBudget,
        period: Period,
        months: &mut Months,
    ) -> Result<Spent, PlatformError> {
        let mut spent = Spent::default();
        let mut month = Period::containing(period.first(), PeriodKind::Month, 1);
        while month.first() < period.end() {
            let read = self.month(snapshot, months, month, &scoped.budget.amount.currency).await?;
            for row in read.ledger.rows.iter().filter(|row| counts(snapshot, scoped, &read.ledger, row)) {
                spent.any = true;
                spent.billed = spent.billed.checked_add(row.billed).ok_or_else(too_long)?;
                spent.effective = spent.effective.checked_add(row.effective).ok_or_else(too_long)?;
            }
            for other in &read.ledger.other_currencies {
                let Ok(currency) = other.parse::<Currency>() else { continue };
                let there = self.month(snapshot, months, month, &currency).await?;
                if there.ledger.rows.iter().any(|row| counts(snapshot, scoped, &there.ledger, row)) {
                    spent.elsewhere.insert(other.clone());
                }
            }
            month = month.next();
        }
        Ok(spent)
    }

    /// Forecasts the end of a period from the days of the months before it and of itself.
    ///
    /// A charge that is shared counts for each day by the share that its team has of the month.
    pub(super) async fn forecast(
        &self,
        snapshot: &Snapshot,
        scoped: &ScopedBudget,
        period: Period,
        months: &mut Months,
    ) -> Result<Option<Ahead>, PlatformError> {
        let currency = &scoped.budget.amount.currency;
        let mut month = Period::containing(period.first(), PeriodKind::Month, 1);
        for _ in 0..HISTORY {
            month = month.previous();
        }
        let mut days: HashMap<i32, f64> = HashMap::new();
        while month.first() < period.end() {
            let read = self.month(snapshot, months, month, currency).await?;
            let ledger = &read.ledger;
            let mut shares: HashMap<i64, (f64, f64)> = HashMap::new();
            for row in ledger.rows.iter().filter(|row| row.corrects.is_none()) {
                let share = shares.entry(row.charge).or_default();
                share.1 += row.effective.approximate();
                if counts(snapshot, scoped, ledger, row) {
                    share.0 += row.effective.approximate();
                }
            }
            for sum in &read.days {
                let (own, whole) = shares.get(&sum.charge).copied().unwrap_or_default();
                if own != 0.0 && whole != 0.0 {
                    *days.entry(sum.day).or_default() += sum.effective.approximate() * (own / whole);
                }
            }
            month = month.next();
        }
        let (first, end) = (day_of(period.first()), day_of(period.end()));
        let (Some(from), Some(to)) = (days.keys().min().copied(), days.keys().max().copied()) else { return Ok(None) };
        let to = to.min(end - 1);
        let series: Vec<f64> = (from..=to).map(|day| days.get(&day).copied().unwrap_or_default()).collect();
        let so_far: f64 = (first.max(from)..=to).filter_map(|day| days.get(&day)).sum();
        let left = usize::try_from(end - 1 - to.max(first - 1)).unwrap_or_default();
        let Some(ahead) = forecast(&series, left) else { return Ok(None) };
        let money = |value: f64| format!("{value:.2}").parse::<Exact>().map_err(|_| too_long());
        let trend =
            series[series.len().saturating_sub(TREND)..].iter().map(|day| money(*day)).collect::<Result<_, _>>()?;
        Ok(Some(Ahead {
            trend,
            end: money(so_far + ahead.sum)?,
            low: money(so_far + ahead.sum - ahead.half)?,
            high: money(so_far + ahead.sum + ahead.half)?,
            method: ahead.method.name(),
            error: ahead.error_percent,
        }))
    }
}

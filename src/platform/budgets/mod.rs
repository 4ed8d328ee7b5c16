//! Budgets: their four figures, the verdict on a claim, reservations.
//!
//! Owns what is promised against a budget and where its period will end. Leaves the arithmetic to
//! [`crate::domain::budget`], billed cost to [`super::costs`], and what a verdict does to a request to the requests: they
//! call [`BudgetService::check`] for the form, [`BudgetService::reserve`] in the transaction of an approval, and
//! [`BudgetService::release`] in that of any end.

mod file;
mod forecast;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

pub(in crate::platform) use file::BudgetEntry;
pub use file::ScopedBudget;

use super::PlatformError;
use super::costs::{CostService, Priced};
use super::estate::Snapshot;
use super::store::{Store, Tx};
use crate::atmos::Estate;
use crate::domain::budget::{
    BudgetParts, Claim, Figures, InstancePrice, Judged, Level, Promised, Verdict, judge, judge_quota, level, percent,
    times,
};
use crate::domain::estimate::Estimate;
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::period::{Period, PeriodKind};
use crate::domain::stack::InstanceRef;

/// The service of budgets; cheap to clone.
#[derive(Debug, Clone)]
pub struct BudgetService {
    store: Arc<dyn Store>,
    costs: CostService,
}

impl BudgetService {
    /// Returns the service over a store and its billed costs.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, costs: CostService) -> Self {
        Self { store, costs }
    }

    /// Returns what each instance costs a month, by its state, and what was billed for it in the last whole month before
    /// a day.
    ///
    /// # Errors
    ///
    /// Prices of the estate or a store that cannot be read.
    pub async fn prices(&self, snapshot: &Arc<Snapshot>, today: Date) -> Result<Vec<InstancePrice>, PlatformError> {
        self.costs.prepare(snapshot).await?;
        let month = Period::containing(today, PeriodKind::Month, 1).previous();
        let ledger = self.costs.ledger(snapshot, month, None).await?;
        let mut billed: HashMap<(&str, &str), Exact> = HashMap::new();
        for row in &ledger.rows {
            if let (Some(component), Some(stack)) = (&row.component, &row.stack) {
                let sum = billed.entry((component, stack)).or_default();
                *sum = sum.checked_add(row.effective).ok_or_else(too_long)?;
            }
        }
        let (costs, estate) = (self.costs.clone(), Arc::clone(snapshot));
        let pricing = tokio::task::spawn_blocking(move || costs.priced(&estate));
        let priced = pricing.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??;
        let mut prices: Vec<InstancePrice> = priced.into_iter().map(|priced| priced.price).collect();
        for price in &mut prices {
            let sum = billed.get(&(price.component.as_str(), price.stack.as_str()));
            price.billed = sum.map(|sum| Money::known(sum.trimmed(2), ledger.currency.clone()));
        }
        Ok(prices)
    }

    /// Returns the figures of every budget in its period that holds a day.
    ///
    /// # Errors
    ///
    /// A store, or a `platform/teams.yaml`, that cannot be read: nobody is told then that there are no budgets.
    pub async fn figures(&self, snapshot: &Snapshot, day: Date) -> Result<Vec<Figures>, PlatformError> {
        if let Some(problem) = snapshot.teams_problem() {
            let place = problem.source.as_ref().map(|source| format!(" (line {})", source.line)).unwrap_or_default();
            return Err(PlatformError::Unusable {
                code: "teams-yaml",
                message: format!("the budgets cannot be read: {}{place}", problem.message),
                hint: problem.hint.clone().or_else(|| Some("terrace check".to_owned())),
            });
        }
        self.costs.prepare(snapshot).await?;
        let priced = self.costs.priced(snapshot)?;
        let reservations = self.store.budget_reservations().await?;
        let mut months = forecast::Months::default();
        let mut figures = Vec::new();
        for scoped in snapshot.teams().budgets() {
            let promised = promised(snapshot, scoped, &priced, &reservations, &[])?;
            figures.push(self.figures_of(snapshot, scoped, &promised, day, &mut months).await?);
        }
        Ok(figures)
    }

    async fn figures_of(
        &self,
        snapshot: &Snapshot,
        scoped: &ScopedBudget,
        promised: &Promised,
        day: Date,
        months: &mut forecast::Months,
    ) -> Result<Figures, PlatformError> {
        let budget = &scoped.budget;
        let currency = &budget.amount.currency;
        let period = Period::containing(day, budget.period, budget.fiscal_start);
        let in_period = |amount: Exact| times(amount, period.months()).ok_or_else(too_long);
        let (committed, reserved) = (in_period(promised.committed)?, in_period(promised.reserved)?);
        let spent = self.spent(snapshot, scoped, period, months).await?;
        let ahead = self.forecast(snapshot, scoped, period, months).await?;
        let whole = budget.amount.amount.unwrap_or_default();
        let sum = committed.checked_add(reserved).ok_or_else(too_long)?;
        let known = |amount: Exact| Money::known(amount.trimmed(2), currency.clone());
        let mut committed = known(committed);
        if !promised.unknown.is_empty() {
            committed.unknown.push(format!("{} instances have no price", promised.unknown.len()));
        }
        let trend = ahead.as_ref().map(|ahead| ahead.trend.clone()).unwrap_or_default();
        let (forecast, interval, method) = match ahead {
            Some(ahead) => {
                let error =
                    ahead.error.map_or_else(String::new, |error| format!(", error {error:.1} % in the backtest"));
                (
                    known(ahead.end),
                    Some([known(ahead.low), known(ahead.high)]),
                    Some(format!("{}{error}", ahead.method)),
                )
            }
            None => (Money::unknown("less than a week of bills", currency.clone()), None, None),
        };
        let largest = forecast.amount.unwrap_or_default().max(sum).max(spent.effective);
        Ok(Figures {
            budget: budget.clone(),
            period: period.to_string(),
            committed,
            reserved: known(reserved),
            actual: spent.told(spent.effective, currency),
            billed: spent.told(spent.billed, currency),
            forecast,
            interval,
            method,
            trend,
            unpriced: u32::try_from(promised.unknown.len()).unwrap_or(u32::MAX),
            promised_percent: percent(sum, whole),
            level: level(budget, largest),
        })
    }

    /// Returns what the promised figures of a budget are made of.
    ///
    /// # Errors
    ///
    /// A budget that is not there.
    pub async fn parts(&self, snapshot: &Snapshot, name: &str) -> Result<BudgetParts, PlatformError> {
        let scoped = snapshot.teams().budgets().iter().find(|scoped| scoped.budget.name == name);
        let scoped = scoped.ok_or_else(|| PlatformError::NotFound { what: format!("budget '{name}'") })?;
        let priced = self.costs.priced(snapshot)?;
        let mut committed: Vec<InstancePrice> =
            live(snapshot, scoped, &priced).filter(|price| price.is_live()).cloned().collect();
        committed.sort_by(|a, b| match (a.monthly.amount, b.monthly.amount) {
            (Some(a), Some(b)) => b.cmp(&a),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        let reserved = self.store.budget_reservations().await?;
        let reserved = reserved.into_iter().filter(|claim| counts(snapshot, scoped, claim)).collect();
        Ok(BudgetParts { committed, reserved })
    }

    /// Returns the estimate behind the price of an instance: its resources and their cost components.
    ///
    /// # Errors
    ///
    /// An instance that is not there, or whose state is not known.
    pub fn estimate(&self, snapshot: &Snapshot, component: &str, stack: &str) -> Result<Estimate, PlatformError> {
        let priced = self.costs.priced(snapshot)?;
        let found = priced.into_iter().find(|one| one.price.component == component && one.price.stack == stack);
        let found = found.and_then(|priced| priced.estimate);
        found.ok_or_else(|| PlatformError::NotFound { what: format!("a state of {component}@{stack}") })
    }

    /// Returns the verdict on what belongs together as things are: for a form, before anything is sent, for a check, and
    /// again before it is applied.
    ///
    /// # Errors
    ///
    /// A store that cannot be read. The caller takes that for a no.
    pub async fn check(&self, snapshot: &Snapshot, claims: &[Claim]) -> Result<Verdict, PlatformError> {
        self.judge(snapshot, &self.store.budget_reservations().await?, claims)
    }

    /// Returns the verdict on what belongs together where the reservations are known; reads states, so it may block.
    ///
    /// # Errors
    ///
    /// Prices of the estate that cannot be read.
    pub fn judge(
        &self,
        snapshot: &Snapshot,
        reservations: &[Claim],
        claims: &[Claim],
    ) -> Result<Verdict, PlatformError> {
        verdict(snapshot, &self.costs.priced(snapshot)?, reservations, claims)
    }

    /// Returns what policy may know of the budget that an instance counts against, a month: `team`, `name`, `amount`,
    /// `limit` (above which it refuses; null where it only warns and asks), `committed` and `reserved`. The first one of
    /// the file counts; reads states, so it may block.
    ///
    /// # Errors
    ///
    /// Prices of the estate that cannot be read.
    pub fn facts(
        &self,
        snapshot: &Snapshot,
        reservations: &[Claim],
        team: &str,
        at: &InstanceRef,
    ) -> Result<Option<Value>, PlatformError> {
        let holds =
            |scoped: &&ScopedBudget| scoped.budget.team == team && scoped.holds(Some(&at.component), Some(&at.stack));
        let Some(scoped) = snapshot.teams().budgets().iter().find(holds) else { return Ok(None) };
        let budget = &scoped.budget;
        let promised = promised(snapshot, scoped, &self.costs.priced(snapshot)?, reservations, &[])?;
        let money = |amount: Exact| Money::known(amount, budget.amount.currency.clone());
        let part = |percent: Exact| monthly(budget.amount.amount?, percent, budget.period.months()).map(money);
        Ok(Some(serde_json::json!({
            "team": budget.team, "name": budget.name,
            "amount": Exact::new(100, 0).and_then(part), "limit": budget.thresholds.refuse.and_then(part),
            "committed": money(promised.committed), "reserved": money(promised.reserved),
        })))
    }

    /// Says whether anything of an instance is live, by its state; where that cannot be read, something may be.
    ///
    /// # Errors
    ///
    /// Prices of the estate that cannot be read.
    pub fn is_live(&self, snapshot: &Snapshot, at: &InstanceRef) -> Result<bool, PlatformError> {
        let priced = self.costs.priced(snapshot)?;
        let found = priced.iter().find(|one| one.price.component == at.component && one.price.stack == at.stack);
        Ok(found.is_some_and(|one| one.price.is_live()))
    }

    /// Returns the verdict on a claim under the write lock, and reserves it unless it is refused: of two claims that fit
    /// each by itself but not together, the second is refused.
    ///
    /// # Errors
    ///
    /// As [`BudgetService::check`].
    pub async fn reserve(
        &self,
        tx: &mut dyn Tx,
        snapshot: &Snapshot,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Verdict, PlatformError> {
        let priced = self.costs.priced(snapshot)?;
        let reservations = tx.budget_reservations().await?;
        let verdict = verdict(snapshot, &priced, &reservations, std::slice::from_ref(claim))?;
        if verdict.level < Level::Refuse {
            tx.put_budget_reservation(claim, now).await?;
        }
        Ok(verdict)
    }

    /// Gives back what a claimant has reserved: it is live now, or will never be.
    ///
    /// # Errors
    ///
    /// A store that cannot be written.
    pub async fn release(&self, tx: &mut dyn Tx, claimant: &str) -> Result<(), PlatformError> {
        tx.remove_budget_reservation(claimant).await
    }
}

/// Returns so many per cent of an amount, for a month of the period it is for.
fn monthly(whole: Exact, percent: Exact, months: i8) -> Option<Exact> {
    let digits = whole.scale().max(4);
    let parts = whole.rescaled(digits)?.mantissa().checked_mul(percent.mantissa())?;
    let of = 100_i128.checked_mul(10_i128.checked_pow(percent.scale())?)?.checked_mul(i128::from(months))?;
    Some(Exact::new(parts / of, digits)?.trimmed(2))
}

fn too_long() -> PlatformError {
    PlatformError::Unusable {
        code: "amount-too-long",
        message: "the sum of a budget has more than 38 digits".to_owned(),
        hint: None,
    }
}

/// Returns the instances that count for a budget.
fn live<'a>(
    snapshot: &'a Snapshot,
    scoped: &'a ScopedBudget,
    priced: &'a [Priced],
) -> impl Iterator<Item = &'a InstancePrice> {
    let own =
        priced.iter().map(|priced| &priced.price).filter(|price| price.team.as_ref() == Some(&scoped.budget.team));
    own.filter(|price| holds(snapshot, scoped, &price.component, &price.stack))
}

/// Says whether a claim counts for a budget; it was made when the team perhaps had another name.
fn counts(snapshot: &Snapshot, scoped: &ScopedBudget, claim: &Claim) -> bool {
    snapshot.teams().is_named(&scoped.budget.team, &claim.team)
        && holds(snapshot, scoped, &claim.component, &claim.stack)
}

/// Says whether an instance counts for a budget; where the budget names tags, `vars.tags` must have them. What is not
/// configured (any more) counts: it might have them.
fn holds(snapshot: &Snapshot, scoped: &ScopedBudget, component: &str, stack: &str) -> bool {
    let tags = &scoped.budget.tags;
    let tagged = || {
        let estate = snapshot.estate();
        let Ok(id) = estate.find(component, stack, None) else { return true };
        let own = estate.section(id, "vars").get_mut("tags").map(Value::take).unwrap_or_default();
        tags.iter().all(|(tag, value)| own.get(tag).and_then(Value::as_str) == Some(value))
    };
    scoped.holds(Some(component), Some(stack)) && (tags.is_empty() || tagged())
}

/// Adds up what stands against a budget, a month; what the claimants themselves have reserved does not count against it.
fn promised(
    snapshot: &Snapshot,
    scoped: &ScopedBudget,
    priced: &[Priced],
    reservations: &[Claim],
    claims: &[Claim],
) -> Result<Promised, PlatformError> {
    let budget = &scoped.budget;
    let mut promised = Promised::default();
    for price in live(snapshot, scoped, priced) {
        let other = price.monthly.currency != budget.amount.currency;
        let amount = price.monthly.amount.filter(|amount| !other || amount.is_zero());
        promised.committed = promised.committed.checked_add(amount.unwrap_or_default()).ok_or_else(too_long)?;
        if amount.is_none() || !price.monthly.unknown.is_empty() {
            promised.unknown.push(format!("{}@{}", price.component, price.stack));
        }
    }
    for claim in others(reservations, claims).filter(|claim| counts(snapshot, scoped, claim)) {
        if claim.monthly.currency == budget.amount.currency {
            let amount = claim.monthly.amount.unwrap_or_default();
            promised.reserved = promised.reserved.checked_add(amount).ok_or_else(too_long)?;
        }
    }
    Ok(promised)
}

/// Returns what others have reserved.
fn others<'a>(reservations: &'a [Claim], claims: &'a [Claim]) -> impl Iterator<Item = &'a Claim> {
    reservations.iter().filter(|one| !claims.iter().any(|claim| claim.claimant == one.claimant))
}

/// Asks every budget and quota of the teams that pay about what belongs together.
fn verdict(
    snapshot: &Snapshot,
    priced: &[Priced],
    reservations: &[Claim],
    claims: &[Claim],
) -> Result<Verdict, PlatformError> {
    let mut judged: Vec<Judged> = Vec::new();
    for scoped in snapshot.teams().budgets() {
        let own: Vec<&Money> =
            claims.iter().filter(|claim| counts(snapshot, scoped, claim)).map(|claim| &claim.monthly).collect();
        if !own.is_empty() {
            let promised = promised(snapshot, scoped, priced, reservations, claims)?;
            let word = judge(&scoped.budget, &promised, &together(&own)?);
            judged.push(match snapshot.limit_lifted(&scoped.budget.team) {
                Some(why) if word.level > Level::Warn => {
                    let reason = format!("{}; its limit is lifted: {why}", word.reason);
                    Judged { level: Level::Warn, reason, ..word }
                }
                _ => word,
            });
        }
    }
    let teams: BTreeSet<&str> = claims.iter().map(|claim| claim.team.as_str()).collect();
    for team in teams {
        if let Some(quota) = snapshot.teams().quota(team) {
            let (has, grown) = holdings(snapshot, team, reservations, claims);
            judged.extend(judge_quota(team, quota, &has, &grown));
        }
    }
    Ok(Verdict::of(judged))
}

/// Adds up what claims add a month; unlike currencies leave it unknown.
fn together(amounts: &[&Money]) -> Result<Money, PlatformError> {
    let costing = amounts.iter().find(|money| money.amount.is_none_or(|amount| !amount.is_zero()));
    let currency = costing.or(amounts.first()).map(|money| money.currency.clone()).unwrap_or_else(Currency::usd);
    let mut sum = Money { amount: None, currency, unknown: Vec::new() };
    for money in amounts {
        match money.amount {
            Some(amount) if money.currency == sum.currency || amount.is_zero() => {
                let before = sum.amount.unwrap_or_default();
                sum.amount = Some(before.checked_add(amount).ok_or_else(too_long)?);
            }
            Some(_) => sum.unknown.push(format!("a part of it costs {}", money.currency)),
            None if money.unknown.is_empty() => sum.unknown.push("a part of it has no price".to_owned()),
            None => {}
        }
        sum.unknown.extend(money.unknown.iter().cloned());
    }
    Ok(sum)
}

/// Says what an instance adds to what its team has.
#[must_use]
pub fn adds(estate: &Estate, at: &InstanceRef) -> Vec<String> {
    let found = estate.instances().into_iter().find(|one| one.component == at.component && one.stack == at.stack);
    let Some(found) = found.filter(|one| !one.is_abstract && one.enabled) else { return Vec::new() };
    let stage = estate.stacks().into_iter().find(|stack| stack.stack == at.stack);
    let stage = stage.and_then(|stack| stack.parts.last().cloned()).map(|stage| format!("stage {stage}"));
    let mut kinds = vec!["instances".to_owned(), format!("component {}", found.folder)];
    kinds.extend(size_of(estate, at, Some(&found.file)).map(|size| format!("size {size}")));
    kinds.extend(stage);
    kinds
}

/// Returns `vars.size` of an instance.
#[must_use]
pub fn size_of(estate: &Estate, at: &InstanceRef, file: Option<&str>) -> Option<String> {
    let id = estate.find(&at.component, &at.stack, file).ok()?;
    estate.section(id, "vars").get("size").and_then(Value::as_str).map(str::to_owned)
}

/// Counts what a team would have: the estate as it is, what others have reserved, and what is claimed; and says what of
/// it grows by the claims.
fn holdings(
    snapshot: &Snapshot,
    team: &str,
    reservations: &[Claim],
    claims: &[Claim],
) -> (BTreeMap<String, u32>, BTreeSet<String>) {
    let mut has: BTreeMap<String, u32> = BTreeMap::new();
    let mut stages: BTreeSet<String> = BTreeSet::new();
    let own = |claim: &Claim| snapshot.teams().is_named(team, &claim.team);
    let new = |claim: &Claim| own(claim) && claim.adds.iter().any(|kind| kind == "instances");
    let added: Vec<&Claim> = others(reservations, claims).chain(claims).filter(|claim| new(claim)).collect();
    let estate = snapshot.estate();
    let stacks: BTreeMap<String, Option<String>> =
        estate.stacks().into_iter().map(|stack| (stack.stack, stack.parts.last().cloned())).collect();
    for instance in snapshot.instances() {
        // What is claimed as new counts as such, also where its configuration is there already.
        let again = added.iter().any(|claim| claim.component == instance.component && claim.stack == instance.stack);
        if instance.is_abstract || !instance.enabled || again || instance.team.as_deref() != Some(team) {
            continue;
        }
        stages.extend(stacks.get(&instance.stack).cloned().flatten());
        let at = InstanceRef { component: instance.component, stack: instance.stack };
        let size = size_of(estate, &at, Some(&instance.file));
        let kinds = [Some("instances".to_owned()), Some(format!("component {}", instance.folder))];
        for kind in kinds.into_iter().chain([size.map(|size| format!("size {size}"))]).flatten() {
            *has.entry(kind).or_default() += 1;
        }
    }
    let mut grown = BTreeSet::new();
    let reserved = others(reservations, claims).map(|claim| (claim, false));
    let all = reserved.chain(claims.iter().map(|claim| (claim, true)));
    for (claim, asked) in all.filter(|(claim, _)| own(claim)) {
        for kind in &claim.adds {
            match kind.strip_prefix("stage ") {
                Some(stage) => {
                    if stages.insert(stage.to_owned()) && asked {
                        grown.insert("stages".to_owned());
                    }
                }
                None => {
                    *has.entry(kind.clone()).or_default() += 1;
                    if asked {
                        grown.insert(kind.clone());
                    }
                }
            }
        }
    }
    has.insert("stages".to_owned(), u32::try_from(stages.len()).unwrap_or(u32::MAX));
    (has, grown)
}

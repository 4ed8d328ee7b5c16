//! The rows of a period: allocated as the rules are now, or as they were when a month was closed.
//!
//! A closed month is read from what was kept at its closing. What its bills say otherwise since then is a correction:
//! it stands in the first month after it that is open.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{CostService, Facts};
use crate::domain::allocation::{Item, allocate};
use crate::domain::cost::Charge;
use crate::domain::id::Digest;
use crate::domain::money::{Currency, Exact};
use crate::domain::period::{Period, PeriodKind};
use crate::domain::showback::{self, CostRow, Rate, Report, ReportHead, ReportQuery};
use crate::platform::PlatformError;
use crate::platform::audit::{Actor, AuditDraft};
use crate::platform::estate::Snapshot;
use crate::platform::events::EventDraft;
use crate::platform::store::{Change, Closed, Closing};

use super::parse::too_long;

/// The rows of a period with their charges.
#[derive(Debug)]
pub struct Ledger {
    /// The rows.
    pub rows: Vec<CostRow>,
    /// The charges by number.
    pub charges: HashMap<i64, Arc<Charge>>,
    /// The currency of the rows.
    pub currency: Currency,
    /// Other currencies of the period.
    pub other_currencies: Vec<String>,
    /// What chargeback adds.
    pub rates: Vec<Rate>,
    /// Whether every month of it is closed.
    pub closed: bool,
}

impl CostService {
    /// Returns the rows of a period in a currency; unless given, the one with the most charges.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub async fn ledger(
        &self,
        snapshot: &Snapshot,
        period: Period,
        currency: Option<&Currency>,
    ) -> Result<Ledger, PlatformError> {
        let closings = self.closings().await?;
        let months = months(period);
        let kept: Vec<Option<&Closed>> =
            months.iter().map(|month| closings.get(&month.to_string()).map(|closing| &closing.closed)).collect();
        let closed = kept.iter().all(Option::is_some);
        // What a closed period says depends on nothing that came later.
        let (currency, other_currencies) = match kept.last().copied().flatten().filter(|_| closed) {
            Some(last) => (currency.unwrap_or(&last.currency).clone(), Vec::new()),
            None => self.currencies(period, currency).await?,
        };
        let rates = match kept.last().copied().flatten().filter(|_| closed) {
            Some(last) => last.rates.clone(),
            None => snapshot.rates().to_vec(),
        };
        let facts = self.facts(snapshot);
        let mut rows = Vec::new();
        for (month, kept) in months.into_iter().zip(kept) {
            match kept {
                Some(kept) if kept.currency == currency => rows.extend(kept.rows.iter().cloned()),
                Some(_) => {}
                None => rows.extend(self.open_month(snapshot, &facts, month, &currency, &closings).await?),
            }
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.charge).collect();
        let charges = self.charges(&ids).await?;
        let charges = ids.into_iter().zip(charges).collect();
        Ok(Ledger { rows, charges, currency, other_currencies, rates, closed })
    }

    /// Reports on a period.
    ///
    /// # Errors
    ///
    /// As [`CostService::ledger`].
    pub async fn report(
        &self,
        snapshot: &Snapshot,
        period: Period,
        currency: Option<&Currency>,
        query: &ReportQuery,
    ) -> Result<Report, PlatformError> {
        self.prepare(snapshot).await?;
        let ledger = self.ledger(snapshot, period, currency).await?;
        let head = ReportHead {
            period: (period.to_string(), period.first().to_string(), period.end().to_string()),
            closed: ledger.closed,
            currency: ledger.currency.clone(),
            other_currencies: ledger.other_currencies.clone(),
        };
        let nothing = Charge::default();
        let charge = |id: i64| ledger.charges.get(&id).map_or(&nothing, |charge| charge.as_ref());
        showback::report(head, query, &ledger.rows, charge, &ledger.rates).map_err(|_| too_long())
    }

    /// Closes a month: its rows are kept as they are now, and its report never changes again.
    ///
    /// # Errors
    ///
    /// A month that is closed already, that has not ended, or that comes before an open one with bills.
    pub async fn close(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        month: Period,
        now: Timestamp,
    ) -> Result<Report, PlatformError> {
        let refuse = |message: String, hint: &str| PlatformError::Unusable {
            code: "cannot-close",
            message,
            hint: Some(hint.to_owned()),
        };
        if !month.is_month() {
            return Err(refuse(format!("{month} is no month"), "close one month after another: --period 2026-10"));
        }
        if now.to_zoned(jiff::tz::TimeZone::UTC).date() < month.end() {
            return Err(refuse(format!("{month} has not ended"), "a month can be closed from the first day after it"));
        }
        // Before the lock, which an import takes, too.
        self.prepare(snapshot).await?;
        let _alone = self.inner.importing.lock().await;
        let closings = self.closings().await?;
        if closings.contains_key(&month.to_string()) {
            return Err(refuse(
                format!("{month} is closed already"),
                "what is billed later stands in the next open month",
            ));
        }
        let before = self.store().cost_bills("", &month.first().to_string()).await?;
        let open = before.iter().find_map(|(_, bill)| {
            let name = bill.period.get(..7)?;
            (!closings.contains_key(name)).then(|| name.to_owned())
        });
        if let Some(open) = open {
            let hint = format!("terrace budget close --period {open}");
            return Err(refuse(format!("{open} has bills and is still open"), &hint));
        }
        let ledger = self.ledger(snapshot, month, None).await?;
        if !ledger.other_currencies.is_empty() {
            let message =
                format!("{month} has bills in {} and {}", ledger.currency, ledger.other_currencies.join(", "));
            return Err(refuse(message, "a month with several currencies cannot be closed"));
        }
        let total = Exact::sum(ledger.rows.iter().map(|row| row.billed)).ok_or_else(too_long)?;
        let facts = json!({"period": month, "rows": ledger.rows.len(), "total": total, "currency": ledger.currency});
        let closed = Closed { currency: ledger.currency, rates: ledger.rates, rows: ledger.rows };
        let text = serde_json::to_string(&closed).map_err(|e| PlatformError::Interrupted(e.to_string()))?;
        let digest = Digest::of(text.as_bytes());
        let closing = Closing { period: month.to_string(), closed_at: now, actor: actor.name.clone(), closed };
        let mut tx = self.store().begin().await?;
        tx.add_cost_closing(&closing).await?;
        let mut event = EventDraft::about("cost", "closed", &month.to_string(), facts.clone());
        event.command = format!("terrace budget report --period {month}");
        let audit = AuditDraft::new(actor.clone(), "cost.close", format!("cost/{month}"), facts);
        tx.commit(Change::new(now, event, audit.digests(None, Some(digest)))).await?;
        let query = ReportQuery { by: vec![showback::Dimension::Team], only: Vec::new() };
        self.report(snapshot, month, None, &query).await
    }

    async fn closings(&self) -> Result<BTreeMap<String, Closing>, PlatformError> {
        let closings = self.store().cost_closings().await?;
        Ok(closings.into_iter().map(|closing| (closing.period.clone(), closing)).collect())
    }

    /// Returns the currency that is meant, and the others.
    async fn currencies(
        &self,
        period: Period,
        wanted: Option<&Currency>,
    ) -> Result<(Currency, Vec<String>), PlatformError> {
        let bills = self.store().cost_bills(&period.first().to_string(), &period.end().to_string()).await?;
        let mut counts: BTreeMap<&Currency, usize> = BTreeMap::new();
        for (_, bill) in &bills {
            *counts.entry(&bill.currency).or_default() += 1;
        }
        let most = counts.iter().max_by_key(|(_, count)| **count).map(|(currency, _)| (*currency).clone());
        let currency = wanted.cloned().or(most).unwrap_or_else(Currency::usd);
        let others = counts.keys().filter(|other| ***other != currency).map(ToString::to_string).collect();
        Ok((currency, others))
    }

    /// Returns the numbers of the bills of a period in a currency.
    pub(super) async fn bills(&self, period: Period, currency: &Currency) -> Result<Vec<i64>, PlatformError> {
        let bills = self.store().cost_bills(&period.first().to_string(), &period.end().to_string()).await?;
        Ok(bills.into_iter().filter(|(_, bill)| bill.currency == *currency).map(|(id, _)| id).collect())
    }

    /// Adds up the charges of a month as its bills are now.
    async fn sums(&self, month: Period, currency: &Currency) -> Result<BTreeMap<i64, Sum>, PlatformError> {
        let mut sums: BTreeMap<i64, Sum> = BTreeMap::new();
        for sum in self.store().cost_sums(&self.bills(month, currency).await?).await? {
            sums.entry(sum.charge).or_default().add(sum.billed, sum.effective)?;
        }
        Ok(sums)
    }

    /// Allocates an open month, with the corrections of the closed ones before it.
    async fn open_month(
        &self,
        snapshot: &Snapshot,
        facts: &Facts,
        month: Period,
        currency: &Currency,
        closings: &BTreeMap<String, Closing>,
    ) -> Result<Vec<CostRow>, PlatformError> {
        let mut amounts: Vec<(i64, Sum, Option<Arc<str>>)> = Vec::new();
        for (charge, sum) in self.sums(month, currency).await? {
            amounts.push((charge, sum, None));
        }
        let mut closed = month.previous();
        while closings.contains_key(&closed.to_string()) {
            let name: Arc<str> = closed.to_string().into();
            let mut differences = self.sums(closed, currency).await?;
            for (period, closing) in closings.iter().filter(|(_, closing)| closing.closed.currency == *currency) {
                let own = *period == *name;
                for row in &closing.closed.rows {
                    if (own && row.corrects.is_none()) || row.corrects.as_ref() == Some(&name) {
                        differences.entry(row.charge).or_default().take(row.billed, row.effective)?;
                    }
                }
            }
            let changed = differences.into_iter().filter(|(_, sum)| !sum.billed.is_zero() || !sum.effective.is_zero());
            amounts.extend(changed.map(|(charge, sum)| (charge, sum, Some(Arc::clone(&name)))));
            closed = closed.previous();
        }
        let ids: Vec<i64> = amounts.iter().map(|(charge, ..)| *charge).collect();
        let charges = self.charges(&ids).await?;
        let items: Vec<Item<'_>> = charges
            .iter()
            .zip(&amounts)
            .map(|(charge, (_, sum, _))| facts.item(charge, sum.billed, sum.effective))
            .collect();
        let row = |part: crate::domain::allocation::Part| {
            let (charge, _, corrects) = &amounts[part.item];
            let instance = items[part.item].instance;
            CostRow {
                charge: *charge,
                team: part.team,
                stage: part.stage,
                stack: instance.map(|at| at.stack.as_str().into()),
                component: instance.map(|at| at.component.as_str().into()),
                rule: part.rule,
                billed: part.billed,
                effective: part.effective,
                corrects: corrects.clone(),
            }
        };
        Ok(allocate(snapshot.allocation(), facts.teams(), &items).into_iter().map(row).collect())
    }
}

/// Cuts a period into months.
pub(super) fn months(period: Period) -> Vec<Period> {
    let mut month = Period::containing(period.first(), PeriodKind::Month, 1);
    let mut months = Vec::new();
    while month.first() < period.end() {
        months.push(month);
        month = month.next();
    }
    months
}

/// What a charge bills and costs effectively.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    billed: Exact,
    effective: Exact,
}

impl Sum {
    fn add(&mut self, billed: Exact, effective: Exact) -> Result<(), PlatformError> {
        self.billed = self.billed.checked_add(billed).ok_or_else(too_long)?;
        self.effective = self.effective.checked_add(effective).ok_or_else(too_long)?;
        Ok(())
    }

    fn take(&mut self, billed: Exact, effective: Exact) -> Result<(), PlatformError> {
        self.billed = self.billed.checked_sub(billed).ok_or_else(too_long)?;
        self.effective = self.effective.checked_sub(effective).ok_or_else(too_long)?;
        Ok(())
    }
}

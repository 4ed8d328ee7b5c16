//! Anomalies: days on which a service costs far more than the days before let expect, with the lines that caused it.
//!
//! They are looked for after each import, in the last weeks that are billed, and each is told of once.

use std::collections::{BTreeMap, HashMap};

use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::CostService;
use crate::domain::cost::focus::date_of;
use crate::domain::cost::{Anomaly, Cause, Charge};
use crate::domain::forecast::{median, outliers};
use crate::domain::money::{Exact, Money};
use crate::domain::period::{Period, PeriodKind};
use crate::platform::PlatformError;
use crate::platform::events::EventDraft;
use crate::platform::store::Change;

/// How many months before the last billed one are looked at.
const HISTORY: i64 = 3;
/// In how many days before the last billed one an anomaly is news.
const NEWS: usize = 45;
/// How many causes are named.
const CAUSES: usize = 5;

impl CostService {
    /// Looks for anomalies in what is billed, and tells of those that are new.
    pub(super) async fn tell_anomalies(&self, now: Timestamp) -> Result<(), PlatformError> {
        let found = self.find_anomalies().await?;
        let mut tx = self.store().begin().await?;
        let mut told: Option<Change> = None;
        for anomaly in &found {
            if !tx.add_cost_anomaly(anomaly, now).await? {
                continue;
            }
            let id = format!("{}/{}", anomaly.day, anomaly.service);
            let mut event = EventDraft::about("cost", "anomaly", &id, json!(anomaly));
            event.command = format!(
                "terrace budget report --period {} --only 'service={}' --by resource,charge",
                &anomaly.day[..7],
                anomaly.service.replace('\'', "'\\''")
            );
            told = Some(match told {
                Some(change) => change.and_observed(event),
                None => Change::observed(now, event),
            });
        }
        match told {
            Some(change) => tx.commit(change).await.map(drop),
            None => Ok(()),
        }
    }

    /// Lists the anomalies that were told of, newest first.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub async fn anomalies(&self, limit: u32) -> Result<Vec<Anomaly>, PlatformError> {
        self.store().cost_anomalies(limit).await
    }

    async fn find_anomalies(&self) -> Result<Vec<Anomaly>, PlatformError> {
        let bills = self.store().cost_bills("", "9999").await?;
        let Some((_, latest)) = bills.iter().max_by(|(_, a), (_, b)| a.period.cmp(&b.period)) else {
            return Ok(Vec::new());
        };
        let Ok(date) = latest.period.parse::<jiff::civil::Date>() else { return Ok(Vec::new()) };
        let from = Period::containing(date, PeriodKind::Month, 1).first();
        let from = from.checked_sub(HISTORY.months()).unwrap_or(from).to_string();
        let own: Vec<i64> = bills
            .iter()
            .filter(|(_, b)| b.period >= from && b.currency == latest.currency)
            .map(|(id, _)| *id)
            .collect();
        let sums = self.store().cost_day_sums(&own).await?;
        let ids: Vec<i64> = sums.iter().map(|sum| sum.charge).collect();
        let charges: HashMap<i64, _> = ids.iter().copied().zip(self.charges(&ids).await?).collect();
        let (Some(first), Some(last)) = (sums.iter().map(|s| s.day).min(), sums.iter().map(|s| s.day).max()) else {
            return Ok(Vec::new());
        };
        let length = usize::try_from(last - first + 1).unwrap_or_default();
        let at = |day: i32| usize::try_from(day - first).unwrap_or_default();
        let mut services: BTreeMap<&str, BTreeMap<i64, Vec<f64>>> = BTreeMap::new();
        for sum in &sums {
            let Some(service) = charges.get(&sum.charge).and_then(|charge| charge.service.as_deref()) else { continue };
            let days = services.entry(service).or_default().entry(sum.charge).or_insert_with(|| vec![0.0; length]);
            days[at(sum.day)] += sum.effective.approximate();
        }
        let mut found = Vec::new();
        for (service, lines) in services {
            let mut series = vec![0.0; length];
            for days in lines.values() {
                series.iter_mut().zip(days).for_each(|(sum, day)| *sum += day);
            }
            // Once a month is no pattern of days: support, tax, purchases.
            if series.iter().filter(|value| **value > 0.0).count() * 2 < length {
                continue;
            }
            for outlier in outliers(&series).into_iter().filter(|outlier| outlier.day + NEWS >= length) {
                let money = |value: f64| {
                    let amount = format!("{value:.2}").parse::<Exact>().unwrap_or_default();
                    Money::known(amount, latest.currency.clone())
                };
                let mut causes: Vec<(f64, Cause)> = lines
                    .iter()
                    .map(|(id, days)| {
                        let usual = median(&days[outlier.day.saturating_sub(28)..outlier.day]);
                        let empty = Charge::default();
                        let about = charges.get(id).map_or(&empty, |charge| charge.as_ref());
                        let cause = Cause {
                            charge: *id,
                            description: about.description.clone(),
                            resource: about.resource.clone(),
                            amount: money(days[outlier.day]),
                            usual: money(usual),
                        };
                        (days[outlier.day] - usual, cause)
                    })
                    .collect();
                causes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.charge.cmp(&b.1.charge)));
                causes.retain(|(more, _)| *more > 0.0);
                causes.truncate(CAUSES);
                let day = first + i32::try_from(outlier.day).unwrap_or_default();
                found.push(Anomaly {
                    service: service.to_owned(),
                    day: date_of(day).to_string(),
                    amount: money(outlier.value),
                    expected: money(outlier.expected),
                    most: money(outlier.expected + outlier.half),
                    causes: causes.into_iter().map(|(_, cause)| cause).collect(),
                });
            }
        }
        Ok(found)
    }
}

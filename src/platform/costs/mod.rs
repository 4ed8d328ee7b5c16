//! Billed cost: bringing exports in, saying who pays, reports over it.
//!
//! Owns the order of an import, what is known of a charge's resource, and the charges held in memory. Leaves the rules
//! to [`crate::domain::cost`] and [`crate::domain::allocation`], and rows to the store.

mod allocation;
pub mod amend;
mod anomaly;
mod generated;
mod import;
mod ledger;
mod parse;
mod states;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use tokio::sync::Mutex;

use super::PlatformError;
use super::estate::Snapshot;
use super::store::{DaySum, Store};
use crate::domain::cost::focus::date_of;
use crate::domain::cost::{Charge, DatedLine};
use crate::domain::money::Currency;
use crate::domain::period::Period;

pub use allocation::{AllocationRules, FILE as ALLOCATION_FILE, Facts, parse_rules};
pub use import::{ByteStream, ImportRequest};
pub use ledger::Ledger;
pub use states::{Priced, Repricing};

/// The service of billed cost; cheap to clone.
#[derive(Debug, Clone)]
pub struct CostService {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    /// One import at a time: staged cells belong to one file.
    importing: Mutex<()>,
    /// The demo is given its bills once.
    preparing: Mutex<()>,
    /// Charges never change, so what was read once stays.
    charges: RwLock<HashMap<i64, Arc<Charge>>>,
    prices: states::Cache,
}

impl CostService {
    /// Returns the service over a store, and over the folder of what runs saw of states that lie elsewhere.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, states: PathBuf) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                importing: Mutex::new(()),
                preparing: Mutex::new(()),
                charges: RwLock::default(),
                prices: states::Cache::new(states),
            }),
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Returns every instance of Terraform with what it costs a month, by its state.
    ///
    /// # Errors
    ///
    /// Prices of the estate that cannot be read.
    pub fn priced(&self, snapshot: &Snapshot) -> Result<Vec<Priced>, PlatformError> {
        states::price_all(snapshot, &self.inner.prices)
    }

    /// Gathers what is known of resources: instances by their tags, and by the ids in their states.
    pub(super) fn facts(&self, snapshot: &Snapshot) -> Facts {
        let mut facts = Facts::of(snapshot);
        // Without prices the states are not read, and bills are allocated by what they say themselves.
        match self.priced(snapshot) {
            Ok(priced) => facts.know(&priced),
            Err(error) => tracing::warn!(%error, "resource ids in states are not known"),
        }
        facts
    }

    /// Returns the sums by day of every charge of a month.
    ///
    /// # Errors
    ///
    /// A store that cannot be read.
    pub async fn day_sums(&self, month: Period, currency: &Currency) -> Result<Vec<DaySum>, PlatformError> {
        self.store().cost_day_sums(&self.bills(month, currency).await?).await
    }

    /// Returns charges by their number, in the same order.
    ///
    /// # Errors
    ///
    /// A charge that is not there.
    pub async fn charges(&self, ids: &[i64]) -> Result<Vec<Arc<Charge>>, PlatformError> {
        let poisoned = || PlatformError::Interrupted("the charges in memory are damaged".to_owned());
        let missing: Vec<i64> = {
            let known = self.inner.charges.read().map_err(|_| poisoned())?;
            let mut missing: Vec<i64> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
            missing.sort_unstable();
            missing.dedup();
            missing
        };
        if !missing.is_empty() {
            let read = self.inner.store.cost_charges(&missing).await?;
            let mut known = self.inner.charges.write().map_err(|_| poisoned())?;
            known.extend(read.into_iter().map(|(id, charge)| (id, Arc::new(charge))));
        }
        let known = self.inner.charges.read().map_err(|_| poisoned())?;
        let find = |id: &i64| known.get(id).cloned().ok_or(PlatformError::NotFound { what: format!("charge {id}") });
        ids.iter().map(find).collect()
    }

    /// Returns a charge with its lines in the bills of a period; at most `limit`.
    ///
    /// # Errors
    ///
    /// A charge that is not there.
    pub async fn lines(
        &self,
        period: Period,
        charge: i64,
        limit: usize,
    ) -> Result<(Charge, Vec<DatedLine>), PlatformError> {
        let about = self.charges(&[charge]).await?;
        let about = about.first().ok_or(PlatformError::NotFound { what: format!("charge {charge}") })?;
        let bills = self.store().cost_bills(&period.first().to_string(), &period.end().to_string()).await?;
        let bills: Vec<i64> = bills.into_iter().map(|(id, _)| id).collect();
        let lines = self.store().cost_lines(&bills, charge, limit).await?;
        let dated = |(day, line)| DatedLine { day: date_of(day).to_string(), line };
        Ok((Charge::clone(about), lines.into_iter().map(dated).collect()))
    }
}

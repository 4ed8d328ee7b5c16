//! Billed cost: bringing exports in, saying who pays, reports over it.
//!
//! Owns the order of an import, what is known of a charge's resource, and the charges held in memory. Leaves the rules
//! to [`crate::domain::cost`] and [`crate::domain::allocation`], and rows to the store.

mod allocation;
mod import;
mod ledger;
mod parse;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use tokio::sync::Mutex;

use super::PlatformError;
use super::store::Store;
use crate::domain::cost::focus::date_of;
use crate::domain::cost::{Charge, DatedLine};
use crate::domain::period::Period;

pub use allocation::{AllocationRules, FILE as ALLOCATION_FILE, Facts, parse_rules};
pub use import::{ByteStream, ImportRequest};
pub use ledger::Ledger;

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
    /// Charges never change, so what was read once stays.
    charges: RwLock<HashMap<i64, Arc<Charge>>>,
}

impl CostService {
    /// Returns the service over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { inner: Arc::new(Inner { store, importing: Mutex::new(()), charges: RwLock::default() }) }
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
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

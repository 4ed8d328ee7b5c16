//! What the store keeps of billed cost: bills, charges, their days, and the imports they came from.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::cost::{Anomaly, Bill, BillLine, Charge, ImportReport};
use crate::domain::money::{Currency, Exact};
use crate::domain::showback::{CostRow, Rate};
use crate::platform::PlatformError;

/// The lines of one charge on one day, ready to be staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedCell {
    /// The bill.
    pub bill: i64,
    /// The charge.
    pub charge: i64,
    /// The day, from 1970-01-01.
    pub day: i32,
    /// Which part of the file it comes from; parts of one cell are joined.
    pub part: u32,
    /// How many lines.
    pub lines: u32,
    /// What they bill.
    pub billed: Exact,
    /// What they cost effectively.
    pub effective: Exact,
    /// The lines, packed and sorted.
    pub rows: Vec<u8>,
}

/// What became of staged cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Lines that were not there.
    pub added: u64,
    /// Lines that were there.
    pub unchanged: u64,
    /// Lines that took the place of others.
    pub replaced: u64,
    /// Lines that are gone.
    pub removed: u64,
    /// Lines that the bills keep on the file's days although the file has them not.
    pub lacking: u64,
}

/// The sum of a charge in a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeSum {
    /// The bill.
    pub bill: i64,
    /// The charge.
    pub charge: i64,
    /// How many lines.
    pub lines: u64,
    /// What they bill.
    pub billed: Exact,
    /// What they cost effectively.
    pub effective: Exact,
}

/// The sum of a charge on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySum {
    /// The charge.
    pub charge: i64,
    /// The day, from 1970-01-01.
    pub day: i32,
    /// What its lines bill.
    pub billed: Exact,
    /// What they cost effectively.
    pub effective: Exact,
}

/// An import that was done before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptImport {
    /// Its number.
    pub id: i64,
    /// The file's name.
    pub name: String,
    /// Who.
    pub actor: String,
    /// When.
    pub imported_at: Timestamp,
    /// What it did.
    pub report: ImportReport,
}

/// A month that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The month, such as `2026-10`.
    pub period: String,
    /// When.
    pub closed_at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What it says, for ever.
    pub closed: Closed,
}

/// What a closed month says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The currency of its rows.
    pub currency: Currency,
    /// What chargeback added.
    pub rates: Vec<Rate>,
    /// Its rows, allocated.
    pub rows: Vec<CostRow>,
}

/// Reads of billed cost.
#[async_trait]
pub trait CostReads {
    /// Returns the bills whose period begins in `[from, to)`; dates such as `2026-10-01`.
    async fn cost_bills(&self, from: &str, to: &str) -> Result<Vec<(i64, Bill)>, PlatformError>;

    /// Returns the sums of every charge of these bills.
    async fn cost_sums(&self, bills: &[i64]) -> Result<Vec<ChargeSum>, PlatformError>;

    /// Returns the sums by day of every charge of these bills.
    async fn cost_day_sums(&self, bills: &[i64]) -> Result<Vec<DaySum>, PlatformError>;

    /// Returns charges by their number.
    async fn cost_charges(&self, ids: &[i64]) -> Result<Vec<(i64, Charge)>, PlatformError>;

    /// Returns the lines of a charge in these bills with their days, in order; at most `limit`.
    async fn cost_lines(&self, bills: &[i64], charge: i64, limit: usize)
    -> Result<Vec<(i32, BillLine)>, PlatformError>;

    /// Returns the last import of a file with this digest.
    async fn cost_import_of(&self, digest: &str) -> Result<Option<KeptImport>, PlatformError>;

    /// Lists the closed months.
    async fn cost_closings(&self) -> Result<Vec<Closing>, PlatformError>;

    /// Lists the anomalies that were found, the newest day first.
    async fn cost_anomalies(&self, limit: u32) -> Result<Vec<Anomaly>, PlatformError>;

    /// Lists imports, newest first.
    async fn cost_imports(&self, limit: u32) -> Result<Vec<KeptImport>, PlatformError>;
}

/// Writes of billed cost.
#[async_trait]
pub trait CostWrites {
    /// Throws staged cells away.
    async fn clear_staged_costs(&mut self) -> Result<(), PlatformError>;

    /// Returns the number of a bill, which is made where it is new.
    async fn cost_bill(&mut self, bill: &Bill) -> Result<i64, PlatformError>;

    /// Returns the numbers of charges by their hash, in the same order; new ones are made.
    async fn cost_charge_ids(&mut self, charges: &[([u8; 16], String)]) -> Result<Vec<i64>, PlatformError>;

    /// Stages cells.
    async fn stage_costs(&mut self, cells: &[StagedCell]) -> Result<(), PlatformError>;

    /// Makes staged cells part of the bills.
    ///
    /// Where they contradict a bill they are a correction and take the place of everything that the bill has on their
    /// days, from the first to the last; `whole` says that they are one in any case, and so does a file that is a newer
    /// version of the only one that the bill's rows came from: the same name, no day fewer, most of the same rows. Else
    /// they are added to it.
    async fn settle_costs(&mut self, name: &str, whole: bool) -> Result<Settled, PlatformError>;

    /// Keeps what an import did; returns its number.
    async fn keep_cost_import(
        &mut self,
        digest: &str,
        name: &str,
        actor: &str,
        time: Timestamp,
        report: &ImportReport,
    ) -> Result<i64, PlatformError>;

    /// Keeps an anomaly; says whether it is new.
    async fn add_cost_anomaly(&mut self, anomaly: &Anomaly, time: Timestamp) -> Result<bool, PlatformError>;

    /// Closes a month; fails where it is closed already.
    async fn add_cost_closing(&mut self, closing: &Closing) -> Result<(), PlatformError>;
}

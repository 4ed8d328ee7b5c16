//! Reservations in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqliteStore, SqliteTx};
use crate::domain::budget::Claim;
use crate::platform::PlatformError;
use crate::platform::store::{BudgetReads, BudgetWrites};

const CLAIMS: &str = "select claim from budget_reservations order by claimant";

fn unreadable(error: &dyn std::fmt::Display) -> PlatformError {
    PlatformError::Unreadable { what: "reservation".to_owned(), message: error.to_string() }
}

fn claims(rows: &[String]) -> Result<Vec<Claim>, PlatformError> {
    rows.iter().map(|text| serde_json::from_str(text).map_err(|e| unreadable(&e))).collect()
}

#[async_trait]
impl BudgetReads for SqliteStore {
    async fn budget_reservations(&self) -> Result<Vec<Claim>, PlatformError> {
        claims(&sqlx::query_scalar(CLAIMS).fetch_all(self.reader()).await.map_err(|e| self.error(e))?)
    }
}

#[async_trait]
impl BudgetWrites for SqliteTx {
    async fn budget_reservations(&mut self) -> Result<Vec<Claim>, PlatformError> {
        claims(&sqlx::query_scalar(CLAIMS).fetch_all(self.connection()).await.map_err(|e| self.error(e))?)
    }

    async fn put_budget_reservation(&mut self, claim: &Claim, time: Timestamp) -> Result<(), PlatformError> {
        let text = serde_json::to_string(claim).map_err(|e| unreadable(&e))?;
        let sql = "insert or replace into budget_reservations (claimant, claim, reserved_at) values (?, ?, ?)";
        let query = sqlx::query(sql).bind(&claim.claimant).bind(text).bind(time.to_string());
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }

    async fn remove_budget_reservation(&mut self, claimant: &str) -> Result<(), PlatformError> {
        let query = sqlx::query("delete from budget_reservations where claimant = ?").bind(claimant);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }
}

//! Reservations in SQL.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqlStore, SqlTx};
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
impl BudgetReads for SqlStore {
    async fn budget_reservations(&self) -> Result<Vec<Claim>, PlatformError> {
        claims(&sqlx::query_scalar(CLAIMS).fetch_all(self.reader()).await.map_err(|e| self.error(e))?)
    }
}

#[async_trait]
impl BudgetWrites for SqlTx {
    async fn budget_reservations(&mut self) -> Result<Vec<Claim>, PlatformError> {
        claims(&sqlx::query_scalar(CLAIMS).fetch_all(self.connection()).await.map_err(|e| self.error(e))?)
    }

    async fn put_budget_reservation(&mut self, claim: &Claim, time: Timestamp) -> Result<(), PlatformError> {
        let text = serde_json::to_string(claim).map_err(|e| unreadable(&e))?;
        let sql = "insert into budget_reservations (claimant, claim, reserved_at) values ($1, $2, $3) \
                   on conflict (claimant) do update set claim = excluded.claim, reserved_at = excluded.reserved_at";
        let query = sqlx::query(sql).bind(&claim.claimant).bind(text).bind(time.to_string());
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }

    async fn remove_budget_reservation(&mut self, claimant: &str) -> Result<(), PlatformError> {
        let query = sqlx::query("delete from budget_reservations where claimant = $1").bind(claimant);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }
}

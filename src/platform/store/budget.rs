//! What the store keeps of budgets: what is reserved against them.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::budget::Claim;
use crate::platform::PlatformError;

/// Reads of reservations.
#[async_trait]
pub trait BudgetReads {
    /// Lists what is reserved, by claimant.
    async fn budget_reservations(&self) -> Result<Vec<Claim>, PlatformError>;
}

/// Writes of reservations.
#[async_trait]
pub trait BudgetWrites {
    /// Lists what is reserved, under the write lock.
    async fn budget_reservations(&mut self) -> Result<Vec<Claim>, PlatformError>;

    /// Reserves a claim; another one of the same claimant is replaced.
    async fn put_budget_reservation(&mut self, claim: &Claim, time: Timestamp) -> Result<(), PlatformError>;

    /// Gives back what a claimant has reserved.
    async fn remove_budget_reservation(&mut self, claimant: &str) -> Result<(), PlatformError>;
}

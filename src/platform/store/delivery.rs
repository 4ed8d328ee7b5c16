//! What a store keeps of deliveries: where each stands, and how far each webhook has come.

use async_trait::async_trait;
use jiff::Timestamp;
use ulid::Ulid;

use crate::domain::delivery::{Delivery, DeliveryState};
use crate::platform::PlatformError;

/// Reads of deliveries.
#[async_trait]
pub trait DeliveryReads {
    /// Lists deliveries with their place in the list, the newest first; `before` is the place of the last one seen.
    async fn deliveries(
        &self,
        state: Option<DeliveryState>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, Delivery)>, PlatformError>;

    /// Lists those that are to be tried by this time, the oldest first.
    async fn deliveries_due(&self, by: Timestamp, limit: u32) -> Result<Vec<Delivery>, PlatformError>;
}

/// Writes of deliveries.
#[async_trait]
pub trait DeliveryWrites {
    /// Returns the sequence of the last event that was looked at for a webhook; `None` where it is new.
    async fn webhook_position(&mut self, webhook: &str) -> Result<Option<u64>, PlatformError>;

    /// Notes the sequence of the last event that was looked at.
    async fn set_webhook_position(&mut self, webhook: &str, sequence: u64) -> Result<(), PlatformError>;

    /// Returns a delivery under the write lock; `None` where there is none.
    async fn delivery(&mut self, id: Ulid) -> Result<Option<Delivery>, PlatformError>;

    /// Keeps a new delivery.
    async fn insert_delivery(&mut self, delivery: &Delivery) -> Result<(), PlatformError>;

    /// Keeps what has become of a delivery.
    async fn update_delivery(&mut self, delivery: &Delivery) -> Result<(), PlatformError>;
}

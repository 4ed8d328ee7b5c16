//! Questions about deliveries to webhooks.

use super::{Client, ClientError, segment};
use crate::domain::delivery::{Delivery, DeliveryState};

impl Client {
    /// Lists the newest deliveries to webhooks, newest first.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub async fn deliveries(&self, state: Option<DeliveryState>, count: u32) -> Result<Vec<Delivery>, ClientError> {
        self.newest("/deliveries", &[("state", state.map(DeliveryState::name))], count).await
    }

    /// Tries a delivery again at once.
    ///
    /// # Errors
    ///
    /// As [`Client::deliveries`], and a delivery that does not exist.
    pub async fn redeliver(&self, id: &str) -> Result<Delivery, ClientError> {
        self.change(&format!("/deliveries/{}/retry", segment(id)), &()).await
    }
}

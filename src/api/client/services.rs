//! Questions about the service catalog.

use super::{Client, ClientError, segment};
use crate::domain::service::Service;

impl Client {
    /// Lists every component as a service, those that no stack uses too.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn services(&self) -> Result<Vec<Service>, ClientError> {
        self.list("/services", &[]).await
    }

    /// Shows one service.
    ///
    /// # Errors
    ///
    /// Where there is none of that name.
    pub async fn service(&self, name: &str) -> Result<Service, ClientError> {
        self.get(&format!("/services/{}", segment(name)), &[]).await
    }
}

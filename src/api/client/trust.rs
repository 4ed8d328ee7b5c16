//! Questions about trust.

use axum::http::Method;

use super::{Client, ClientError};
use crate::api::types::{Trust, TrustRequest};

impl Client {
    /// Shows whether the estate is trusted, and what it needs trust for.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn trust(&self) -> Result<Trust, ClientError> {
        self.get("/trust", &[]).await
    }

    /// Trusts the estate with the needs that were looked at.
    ///
    /// # Errors
    ///
    /// Where nothing can be remembered, or the role is missing.
    pub async fn grant_trust(&self, needs: Vec<String>) -> Result<Trust, ClientError> {
        self.change("/trust", &TrustRequest { needs }).await
    }

    /// Forgets that the estate is trusted.
    ///
    /// # Errors
    ///
    /// As [`Client::grant_trust`].
    pub async fn distrust(&self) -> Result<Trust, ClientError> {
        let response = self.send(self.request(Method::DELETE, "/api/v1/trust", &[])?).await?;
        self.read(response).await
    }
}

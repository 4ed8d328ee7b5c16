//! Questions about tokens.

use super::{Client, ClientError, segment};
use crate::domain::token::{NewToken, Token, TokenRequest};

impl Client {
    /// Lists tokens without their secrets, the newest first.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached, or the caller is no admin.
    pub async fn tokens(&self) -> Result<Vec<Token>, ClientError> {
        self.list("/tokens", &[]).await
    }

    /// Makes a token; its secret is in the answer and nowhere else.
    ///
    /// # Errors
    ///
    /// As [`Client::tokens`], and a request that is out of bounds.
    pub async fn create_token(&self, request: &TokenRequest) -> Result<NewToken, ClientError> {
        self.change("/tokens", request).await
    }

    /// Revokes a token.
    ///
    /// # Errors
    ///
    /// As [`Client::tokens`], and a token that does not exist.
    pub async fn revoke_token(&self, id: &str) -> Result<Token, ClientError> {
        self.change(&format!("/tokens/{}/revoke", segment(id)), &()).await
    }
}

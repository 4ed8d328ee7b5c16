//! What a store keeps of tokens: everything but the secret.

use async_trait::async_trait;
use ulid::Ulid;

use crate::domain::id::Digest;
use crate::domain::token::Token;
use crate::platform::PlatformError;

/// A token with what recognises its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// The token.
    pub token: Token,
    /// SHA-256 of the secret.
    pub hash: Digest,
}

/// Reads of tokens.
#[async_trait]
pub trait TokenReads {
    /// Returns a token; `None` where there is none.
    async fn token(&self, id: Ulid) -> Result<Option<KeptToken>, PlatformError>;

    /// Lists every token, the newest first.
    async fn tokens(&self) -> Result<Vec<Token>, PlatformError>;
}

/// Writes of tokens.
#[async_trait]
pub trait TokenWrites {
    /// Returns a token under the write lock; `None` where there is none.
    async fn token(&mut self, id: Ulid) -> Result<Option<KeptToken>, PlatformError>;

    /// Keeps a new token.
    async fn insert_token(&mut self, token: &KeptToken) -> Result<(), PlatformError>;

    /// Keeps what has become of a token.
    async fn update_token(&mut self, token: &Token) -> Result<(), PlatformError>;
}

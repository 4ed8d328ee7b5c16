//! Tokens in SQL.

use async_trait::async_trait;
use sqlx::{Executor, Row as _};
use ulid::Ulid;

use super::{Db, Row, SqlStore, SqlTx};
use crate::domain::id::Digest;
use crate::domain::token::Token;
use crate::platform::PlatformError;
use crate::platform::store::{KeptToken, TokenReads, TokenWrites};

#[async_trait]
impl TokenReads for SqlStore {
    async fn token(&self, id: Ulid) -> Result<Option<KeptToken>, PlatformError> {
        find(self.reader(), id).await.map_err(|e| self.error(e))?.map(|row| as_token(&row)).transpose()
    }

    async fn tokens(&self) -> Result<Vec<Token>, PlatformError> {
        let rows = sqlx::query("select id, hash, document from tokens order by id desc")
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.error(e))?;
        rows.iter().map(|row| as_token(row).map(|kept| kept.token)).collect()
    }
}

#[async_trait]
impl TokenWrites for SqlTx {
    async fn token(&mut self, id: Ulid) -> Result<Option<KeptToken>, PlatformError> {
        let row = find(self.connection(), id).await;
        row.map_err(|e| self.error(e))?.map(|row| as_token(&row)).transpose()
    }

    async fn insert_token(&mut self, token: &KeptToken) -> Result<(), PlatformError> {
        let done = sqlx::query("insert into tokens (id, hash, document) values ($1, $2, $3)")
            .bind(token.token.id.to_string())
            .bind(token.hash.as_str())
            .bind(document(&token.token)?)
            .execute(self.connection())
            .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn update_token(&mut self, token: &Token) -> Result<(), PlatformError> {
        let done = sqlx::query("update tokens set document = $1 where id = $2")
            .bind(document(token)?)
            .bind(token.id.to_string())
            .execute(self.connection())
            .await;
        done.map(drop).map_err(|e| self.error(e))
    }
}

fn document(token: &Token) -> Result<String, PlatformError> {
    serde_json::to_string(token).map_err(|e| PlatformError::Canonical(e.to_string()))
}

async fn find<'c>(by: impl Executor<'c, Database = Db>, id: Ulid) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query("select id, hash, document from tokens where id = $1").bind(id.to_string()).fetch_optional(by).await
}

fn as_token(row: &Row) -> Result<KeptToken, PlatformError> {
    let id: &str = row.get("id");
    let unreadable = |message: String| PlatformError::Unreadable { what: format!("token {id}"), message };
    let token = serde_json::from_str(row.get("document")).map_err(|e| unreadable(e.to_string()))?;
    let hash = Digest::from_hex(row.get("hash")).ok_or_else(|| unreadable("its hash is none".to_owned()))?;
    Ok(KeptToken { token, hash })
}

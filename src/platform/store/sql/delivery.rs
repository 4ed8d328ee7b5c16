//! Deliveries in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _};
use ulid::Ulid;

use super::{Db, Row, SqlStore, SqlTx};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::platform::PlatformError;
use crate::platform::store::{DeliveryReads, DeliveryWrites};

#[async_trait]
impl DeliveryReads for SqlStore {
    async fn deliveries(
        &self,
        state: Option<DeliveryState>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, Delivery)>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new("select place, id, document from deliveries where 1 = 1");
        if let Some(state) = state {
            sql.push(" and state = ").push_bind(state.name());
        }
        if let Some(before) = before {
            sql.push(" and place < ").push_bind(i64::try_from(before).unwrap_or(i64::MAX));
        }
        sql.push(" order by place desc limit ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter()
            .map(|row| Ok((u64::try_from(row.get::<i64, _>("place")).unwrap_or_default(), as_delivery(row)?)))
            .collect()
    }

    async fn deliveries_due(&self, by: Timestamp, limit: u32) -> Result<Vec<Delivery>, PlatformError> {
        let rows = sqlx::query("select id, document from deliveries where next_at <= $1 order by next_at limit $2")
            .bind(by.as_microsecond())
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.error(e))?;
        rows.iter().map(as_delivery).collect()
    }
}

#[async_trait]
impl DeliveryWrites for SqlTx {
    async fn webhook_position(&mut self, webhook: &str) -> Result<Option<u64>, PlatformError> {
        let found: Option<i64> = sqlx::query_scalar("select sequence from webhook_positions where webhook = $1")
            .bind(webhook)
            .fetch_optional(self.connection())
            .await
            .map_err(|e| self.error(e))?;
        Ok(found.map(|sequence| u64::try_from(sequence).unwrap_or_default()))
    }

    async fn set_webhook_position(&mut self, webhook: &str, sequence: u64) -> Result<(), PlatformError> {
        let done = sqlx::query("insert into webhook_positions (webhook, sequence) values ($1, $2) on conflict (webhook) do update set sequence = excluded.sequence")
            .bind(webhook)
            .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
            .execute(self.connection())
            .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn delivery(&mut self, id: Ulid) -> Result<Option<Delivery>, PlatformError> {
        let row = sqlx::query("select id, document from deliveries where id = $1")
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await
            .map_err(|e| self.error(e))?;
        row.as_ref().map(as_delivery).transpose()
    }

    async fn insert_delivery(&mut self, delivery: &Delivery) -> Result<(), PlatformError> {
        let done = sqlx::query("insert into deliveries (id, state, next_at, document) values ($1, $2, $3, $4)")
            .bind(delivery.id.to_string())
            .bind(delivery.state.name())
            .bind(delivery.next_at.map(Timestamp::as_microsecond))
            .bind(document(delivery)?)
            .execute(self.connection())
            .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn update_delivery(&mut self, delivery: &Delivery) -> Result<(), PlatformError> {
        let done = sqlx::query("update deliveries set state = $1, next_at = $2, document = $3 where id = $4")
            .bind(delivery.state.name())
            .bind(delivery.next_at.map(Timestamp::as_microsecond))
            .bind(document(delivery)?)
            .bind(delivery.id.to_string())
            .execute(self.connection())
            .await;
        done.map(drop).map_err(|e| self.error(e))
    }
}

fn document(delivery: &Delivery) -> Result<String, PlatformError> {
    serde_json::to_string(delivery).map_err(|e| PlatformError::Canonical(e.to_string()))
}

fn as_delivery(row: &Row) -> Result<Delivery, PlatformError> {
    let id: &str = row.get("id");
    serde_json::from_str(row.get("document"))
        .map_err(|e| PlatformError::Unreadable { what: format!("delivery {id}"), message: e.to_string() })
}

//! Events, audit records and idempotency keys in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};
use ulid::Ulid;

use super::{SqliteStore, SqliteTx};
use crate::domain::audit::AuditRecord;
use crate::domain::event::Event;
use crate::platform::PlatformError;
use crate::platform::audit::{AuditDraft, canonical};
use crate::platform::events::EventDraft;
use crate::platform::store::{AuditQuery, EventQuery, KeyFingerprint, Order, RecordReads, RecordWrites, Remembered};

impl SqliteTx {
    /// Appends events; the write lock makes `max + 1` a sequence without gaps.
    pub(super) async fn append_events(
        &mut self,
        time: Timestamp,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<Event>, PlatformError> {
        let mut events = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let sequence = self.next("select coalesce(max(sequence), 0) + 1 from events").await?;
            let event = Event {
                specversion: "1.0".to_owned(),
                id: Ulid::generate().to_string(),
                source: self.shared.source.clone(),
                event_type: draft.event_type,
                subject: draft.subject,
                time,
                datacontenttype: "application/json".to_owned(),
                sequence: sequence.to_string(),
                command: draft.command,
                data: draft.data,
            };
            let done = sqlx::query(
                "insert into events (sequence, id, source, type, subject, time, command, data) values (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(sequence)
            .bind(&event.id)
            .bind(&event.source)
            .bind(&event.event_type)
            .bind(&event.subject)
            .bind(event.time.to_string())
            .bind(&event.command)
            .bind(event.data.to_string())
            .execute(self.connection())
            .await;
            done.map_err(|e| self.error(e))?;
            events.push(event);
        }
        Ok(events)
    }

    /// Appends audit records as canonical JSON.
    pub(super) async fn append_audit(
        &mut self,
        time: Timestamp,
        drafts: Vec<AuditDraft>,
    ) -> Result<Vec<AuditRecord>, PlatformError> {
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let sequence = self.next("select coalesce(max(sequence), 0) + 1 from audit").await?;
            let record = draft.into_record(u64::try_from(sequence).unwrap_or_default(), time);
            let done = sqlx::query(
                "insert into audit (sequence, time, actor, action, object, record) values (?, ?, ?, ?, ?, ?)",
            )
            .bind(sequence)
            .bind(record.time.to_string())
            .bind(&record.actor)
            .bind(&record.action)
            .bind(&record.object)
            .bind(canonical(&record)?)
            .execute(self.connection())
            .await;
            done.map_err(|e| self.error(e))?;
            records.push(record);
        }
        Ok(records)
    }

    async fn next(&mut self, sql: &'static str) -> Result<i64, PlatformError> {
        let next = sqlx::query_scalar(sql).fetch_one(self.connection()).await;
        next.map_err(|e| self.error(e))
    }
}

#[async_trait]
impl RecordWrites for SqliteTx {
    async fn recall(&mut self, key: &KeyFingerprint) -> Result<Option<Remembered>, PlatformError> {
        let row = find_key(self.connection(), key).await.map_err(|e| self.error(e))?;
        as_remembered(key, row)
    }

    async fn remember(
        &mut self,
        key: &KeyFingerprint,
        answer: &Remembered,
        time: Timestamp,
    ) -> Result<(), PlatformError> {
        let done = sqlx::query(
            "insert into idempotency_keys (actor, key, fingerprint, status, answer, created_at) values (?, ?, ?, ?, ?, ?)",
        )
        .bind(&key.actor)
        .bind(&key.key)
        .bind(&key.fingerprint)
        .bind(i64::from(answer.status))
        .bind(&answer.answer)
        .bind(time.to_string())
        .execute(self.connection())
        .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn forget_keys_before(&mut self, time: Timestamp) -> Result<u64, PlatformError> {
        let done = sqlx::query("delete from idempotency_keys where created_at < ?")
            .bind(time.to_string())
            .execute(self.connection())
            .await;
        done.map(|done| done.rows_affected()).map_err(|e| self.error(e))
    }
}

#[async_trait]
impl RecordReads for SqliteStore {
    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, PlatformError> {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "select sequence, id, source, type, subject, time, command, data from events where 1 = 1",
        );
        if let Some(prefix) = &query.type_prefix {
            sql.push(" and substr(type, 1, ").push_bind(i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX));
            sql.push(") = ").push_bind(prefix.clone());
        }
        if let Some(subject) = &query.subject {
            sql.push(" and subject = ").push_bind(subject.clone());
        }
        page(&mut sql, query.order, query.after, query.limit);
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter().map(as_event).collect()
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, PlatformError> {
        let mut sql = QueryBuilder::<Sqlite>::new("select sequence, record from audit where 1 = 1");
        for (column, value) in
            [(" and actor = ", &query.actor), (" and object = ", &query.object), (" and action = ", &query.action)]
        {
            if let Some(value) = value {
                sql.push(column).push_bind(value.clone());
            }
        }
        page(&mut sql, query.order, query.after, query.limit);
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter()
            .map(|row| {
                let text: &str = row.get("record");
                serde_json::from_str(text).map_err(|e| unreadable("audit record", row.get("sequence"), &e))
            })
            .collect()
    }

    async fn audit_lines(&self, after: u64, limit: u32) -> Result<Vec<String>, PlatformError> {
        sqlx::query_scalar("select record from audit where sequence > ? order by sequence limit ?")
            .bind(position(after))
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.error(e))
    }

    async fn remembered(&self, key: &KeyFingerprint) -> Result<Option<Remembered>, PlatformError> {
        let mut connection = self.reader().acquire().await.map_err(|e| self.error(e))?;
        let row = find_key(&mut connection, key).await.map_err(|e| self.error(e))?;
        as_remembered(key, row)
    }
}

/// Adds the condition, order and limit of a page by sequence.
fn page(sql: &mut QueryBuilder<Sqlite>, order: Order, after: Option<u64>, limit: u32) {
    let (than, direction) = match order {
        Order::Newest => (" and sequence < ", " order by sequence desc limit "),
        Order::Oldest => (" and sequence > ", " order by sequence limit "),
    };
    if let Some(after) = after {
        sql.push(than).push_bind(position(after));
    }
    sql.push(direction).push_bind(i64::from(limit));
}

/// Fits a sequence into what SQLite can compare with; nothing lies beyond.
fn position(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

async fn find_key(connection: &mut SqliteConnection, key: &KeyFingerprint) -> Result<Option<SqliteRow>, sqlx::Error> {
    sqlx::query("select fingerprint, status, answer from idempotency_keys where actor = ? and key = ?")
        .bind(&key.actor)
        .bind(&key.key)
        .fetch_optional(connection)
        .await
}

fn as_remembered(key: &KeyFingerprint, row: Option<SqliteRow>) -> Result<Option<Remembered>, PlatformError> {
    let Some(row) = row else { return Ok(None) };
    if row.get::<&str, _>("fingerprint") != key.fingerprint {
        return Err(PlatformError::KeyReused { key: key.key.clone() });
    }
    let status = u16::try_from(row.get::<i64, _>("status")).unwrap_or(200);
    Ok(Some(Remembered { status, answer: row.get("answer") }))
}

fn as_event(row: &SqliteRow) -> Result<Event, PlatformError> {
    let sequence: i64 = row.get("sequence");
    let time: &str = row.get("time");
    let data: &str = row.get("data");
    Ok(Event {
        specversion: "1.0".to_owned(),
        id: row.get("id"),
        source: row.get("source"),
        event_type: row.get("type"),
        subject: row.get("subject"),
        time: time.parse().map_err(|e| unreadable("event", sequence, &e))?,
        datacontenttype: "application/json".to_owned(),
        sequence: sequence.to_string(),
        command: row.get("command"),
        data: serde_json::from_str(data).map_err(|e| unreadable("event", sequence, &e))?,
    })
}

fn unreadable(what: &str, sequence: i64, error: &dyn std::fmt::Display) -> PlatformError {
    PlatformError::Unreadable { what: format!("{what} {sequence}"), message: error.to_string() }
}

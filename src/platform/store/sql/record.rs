//! Events, audit records and idempotency keys in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::{Executor, QueryBuilder, Row as _};
use ulid::Ulid;

use super::{Db, Row, SqlStore, SqlTx, dialect, whole};
use crate::domain::audit::{AuditRecord, Checkpoint, chain};
use crate::domain::event::Event;
use crate::domain::id::Digest;
use crate::platform::PlatformError;
use crate::platform::audit::{Actor, AuditDraft, canonical};
use crate::platform::events::EventDraft;
use crate::platform::store::{
    AuditLine, AuditQuery, EventQuery, KeyFingerprint, Order, RecordReads, RecordWrites, Remembered,
};

impl SqlTx {
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
                "insert into events (sequence, id, source, type, subject, time, command, data) values ($1, $2, $3, $4, $5, $6, $7, $8)",
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

    /// Appends audit records as canonical JSON, each with the digest of the one before, and signs the new end.
    pub(super) async fn append_audit(
        &mut self,
        time: Timestamp,
        drafts: Vec<AuditDraft>,
    ) -> Result<Vec<AuditRecord>, PlatformError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let last = sqlx::query("select sequence, record from audit order by sequence desc limit 1")
            .fetch_optional(self.connection())
            .await
            .map_err(|e| self.error(e))?;
        let (mut sequence, mut digest) = last.map_or_else(
            || (0, chain::nothing()),
            |row| (row.get::<i64, _>("sequence"), Digest::of(row.get::<&str, _>("record").as_bytes())),
        );
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            sequence += 1;
            let record = draft.into_record(u64::try_from(sequence).unwrap_or_default(), time, digest);
            let text = canonical(&record)?;
            digest = Digest::of(text.as_bytes());
            let done = sqlx::query(
                "insert into audit (sequence, time, actor, action, object, record) values ($1, $2, $3, $4, $5, $6)",
            )
            .bind(sequence)
            .bind(record.time.to_string())
            .bind(&record.actor)
            .bind(&record.action)
            .bind(&record.object)
            .bind(text)
            .execute(self.connection())
            .await;
            done.map_err(|e| self.error(e))?;
            records.push(record);
        }
        let sequence = u64::try_from(sequence).unwrap_or_default();
        let checkpoint = self.shared.key.sign(&self.shared.source, sequence, digest, time)?;
        let done = sqlx::query("insert into audit_head (one, checkpoint) values (1, $1) on conflict (one) do update set checkpoint = excluded.checkpoint")
            .bind(serde_json::to_string(&checkpoint).map_err(|e| PlatformError::Canonical(e.to_string()))?)
            .execute(self.connection())
            .await;
        done.map_err(|e| self.error(e))?;
        Ok(records)
    }

    /// Begins the chain of a trail that is older than it: one record covers all that have no digest of the one before.
    pub(super) async fn begin_chain(&mut self, time: Timestamp) -> Result<bool, PlatformError> {
        let last: Option<String> = sqlx::query_scalar("select record from audit order by sequence desc limit 1")
            .fetch_optional(self.connection())
            .await
            .map_err(|e| self.error(e))?;
        // Verification says what is wrong with one that cannot be read.
        let older = last.and_then(|line| chain::Link::read(&line).ok()).is_some_and(|link| link.previous.is_none());
        if !older {
            return Ok(false);
        }
        let (mut after, mut count, mut all) = (0, 0, Sha256::new());
        loop {
            let rows = lines(self.connection(), after, 10_000).await.map_err(|e| self.error(e))?;
            let Some(last) = rows.last() else { break };
            after = last.sequence;
            for row in &rows {
                count += 1;
                all.update(row.line.as_bytes());
                all.update(b"\n");
            }
        }
        let sha256 = Digest::from_hex(&hex::encode(all.finalize())).unwrap_or_else(chain::nothing);
        let begun = chain::Begun { unchained: count, sha256 };
        let detail = serde_json::to_value(&begun).map_err(|e| PlatformError::Canonical(e.to_string()))?;
        self.append_audit(time, vec![AuditDraft::new(Actor::platform(), chain::BEGIN, "audit/chain", detail)]).await?;
        Ok(true)
    }

    async fn next(&mut self, sql: &'static str) -> Result<i64, PlatformError> {
        let next = sqlx::query_scalar(sql).fetch_one(self.connection()).await;
        next.map_err(|e| self.error(e))
    }
}

#[async_trait]
impl RecordWrites for SqlTx {
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
            "insert into idempotency_keys (actor, key, fingerprint, status, answer, created_at) values ($1, $2, $3, $4, $5, $6)",
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
        let done = sqlx::query("delete from idempotency_keys where created_at < $1")
            .bind(time.to_string())
            .execute(self.connection())
            .await;
        done.map(|done| done.rows_affected()).map_err(|e| self.error(e))
    }
}

#[async_trait]
impl RecordReads for SqlStore {
    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new(
            "select sequence, id, source, type, subject, time, command, data from events where 1 = 1",
        );
        if let Some(prefix) = &query.type_prefix {
            sql.push(" and substr(type, 1, ").push_bind(i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX));
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
        let mut sql = QueryBuilder::<Db>::new("select sequence, record from audit where 1 = 1");
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

    async fn audit_lines(&self, after: u64, limit: u32) -> Result<Vec<AuditLine>, PlatformError> {
        lines(self.reader(), after, limit).await.map_err(|e| self.error(e))
    }

    async fn audit_head(&self) -> Result<Option<Checkpoint>, PlatformError> {
        let there = dialect::has_table(&self.reader, "audit_head").await.map_err(|e| self.error(e))?;
        if !there {
            return Ok(None);
        }
        let text: Option<String> = sqlx::query_scalar("select checkpoint from audit_head")
            .fetch_optional(self.reader())
            .await
            .map_err(|e| self.error(e))?;
        text.map(|text| serde_json::from_str(&text).map_err(|e| unreadable("signed end of the audit trail", 1, &e)))
            .transpose()
    }

    async fn remembered(&self, key: &KeyFingerprint) -> Result<Option<Remembered>, PlatformError> {
        let row = find_key(self.reader(), key).await.map_err(|e| self.error(e))?;
        as_remembered(key, row)
    }
}

/// Reads audit records as they were stored.
async fn lines<'c>(
    by: impl Executor<'c, Database = Db>,
    after: u64,
    limit: u32,
) -> Result<Vec<AuditLine>, sqlx::Error> {
    let sql = "select sequence, time, actor, action, object, record from audit where sequence > $1 \
               order by sequence limit $2";
    let rows = sqlx::query(sql).bind(whole(after)).bind(i64::from(limit)).fetch_all(by).await?;
    let line = |row: &Row| AuditLine {
        sequence: u64::try_from(row.get::<i64, _>(0)).unwrap_or_default(),
        columns: [row.get(1), row.get(2), row.get(3), row.get(4)],
        line: row.get(5),
    };
    Ok(rows.iter().map(line).collect())
}

/// Adds the condition, order and limit of a page by sequence.
fn page(sql: &mut QueryBuilder<Db>, order: Order, after: Option<u64>, limit: u32) {
    let (than, direction) = match order {
        Order::Newest => (" and sequence < ", " order by sequence desc limit "),
        Order::Oldest => (" and sequence > ", " order by sequence limit "),
    };
    if let Some(after) = after {
        sql.push(than).push_bind(whole(after));
    }
    sql.push(direction).push_bind(i64::from(limit));
}

async fn find_key<'c>(by: impl Executor<'c, Database = Db>, key: &KeyFingerprint) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query("select fingerprint, status, answer from idempotency_keys where actor = $1 and key = $2")
        .bind(&key.actor)
        .bind(&key.key)
        .fetch_optional(by)
        .await
}

fn as_remembered(key: &KeyFingerprint, row: Option<Row>) -> Result<Option<Remembered>, PlatformError> {
    let Some(row) = row else { return Ok(None) };
    if row.get::<&str, _>("fingerprint") != key.fingerprint {
        return Err(PlatformError::KeyReused { key: key.key.clone() });
    }
    let status = u16::try_from(row.get::<i64, _>("status")).unwrap_or(200);
    Ok(Some(Remembered { status, answer: row.get("answer") }))
}

fn as_event(row: &Row) -> Result<Event, PlatformError> {
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

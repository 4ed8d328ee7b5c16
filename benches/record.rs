//! What happened, at scale: a trail of a million audit records verified, pages of lists. Prints each beside its promise.
//!
//! `cargo bench --bench record`

#[path = "../tests/story/support/mod.rs"]
#[expect(dead_code, reason = "the stories use more of it than the bench")]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use support::served::Served;
use terrace::api::types::NewRequest;
use terrace::domain::audit::chain;
use terrace::domain::id::Digest;
use terrace::domain::request::{RequestKind, Wish};
use terrace::platform::audit::key::PlatformKey;
use terrace::platform::audit::{Actor, AuditDraft, canonical, verify};
use terrace::platform::store::sqlite::SqliteStore;
use terrace::platform::store::{AuditQuery, RecordReads as _, Store as _};

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        pages(100_000).await;
        lists(100_000).await;
        verification(1_000_000).await;
    });
}

fn say(what: &str, took: Duration, promise: &str) {
    println!("{what:<58} {took:>12.1?}   promised {promise}");
}

/// A database with so many chained records and the signed end.
async fn trail(folder: &Path, count: u64) -> SqliteStore {
    let path = folder.join("terrace.db");
    let store =
        SqliteStore::open(&path, &path.with_file_name("platform.key"), "/terrace/estates/bench").await.expect("opened");
    store_records(&path, count).await;
    store
}

async fn store_records(path: &Path, count: u64) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("opened");
    let mut tx = pool.begin().await.expect("begun");
    let mut digest = chain::nothing();
    let time = Timestamp::now();
    for sequence in 1..=count {
        let detail = json!({"from": "applying", "to": "succeeded", "reason": null, "number": sequence});
        let draft = AuditDraft::new(Actor::platform(), "run.advance", format!("run/{}", sequence / 7), detail);
        let record = draft.into_record(sequence, time, digest);
        let line = canonical(&record).expect("canonical");
        digest = Digest::of(line.as_bytes());
        sqlx::query("insert into audit (sequence, time, actor, action, object, record) values (?, ?, ?, ?, ?, ?)")
            .bind(i64::try_from(sequence).expect("small"))
            .bind(record.time.to_string())
            .bind(record.actor)
            .bind(record.action)
            .bind(record.object)
            .bind(line)
            .execute(&mut *tx)
            .await
            .expect("inserted");
    }
    let key = PlatformKey::load(&path.with_file_name("platform.key")).expect("a key");
    let head = key.sign("/terrace/estates/bench", count, digest, time).expect("signed");
    sqlx::query("insert into audit_head (one, checkpoint) values (1, ?)")
        .bind(serde_json::to_string(&head).expect("JSON"))
        .execute(&mut *tx)
        .await
        .expect("inserted");
    tx.commit().await.expect("committed");
    pool.close().await;
}

async fn pages(count: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let store = trail(folder.path(), count).await;
    let middle = AuditQuery { after: Some(count / 2), limit: 201, ..AuditQuery::default() };
    let of_one = AuditQuery { actor: Some("terrace".to_owned()), limit: 201, ..AuditQuery::default() };
    for (what, query) in [
        ("first page of 100,000 audit records", AuditQuery { limit: 201, ..AuditQuery::default() }),
        ("a page in the middle", middle),
        ("first page of one actor", of_one),
    ] {
        let mut worst = Duration::ZERO;
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(store.audit(&query).await.expect("read").len(), 201);
            worst = worst.max(began.elapsed());
        }
        say(&format!("{what} (worst of 20)"), worst, "20 ms");
    }
}

/// First pages by HTTP, from the real platform process.
async fn lists(count: u64) {
    let served = Served::start();
    let wish = Wish {
        kind: RequestKind::Provision,
        title: None,
        golden_path: Some("new-team".into()),
        instance: None,
        inputs: json!({"name": "fares", "description": "a bench", "members": ["noor"], "components": ["fares"]})
            .as_object()
            .cloned()
            .unwrap_or_default(),
        workflow: None,
        run: None,
        reason: Some("a bench".into()),
        bounds: None,
    };
    let asked = NewRequest { wish, draft: true, env: std::env::vars().collect() };
    let first = served.client.new_request(&asked).await.expect("a draft").number;
    let path = served.state().join("terrace.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("opened");
    for more in [
        "with recursive n(i) as (select $1 + 1 union all select i + 1 from n where i < $2) \
         insert into requests (number, version, state, ended, kind, requester, document) \
         select i, version, state, ended, kind, requester, json_set(document, '$.number', i) from requests, n \
         where number = $1",
        "with recursive n(i) as (select max(sequence) + 1 from audit union all select i + 1 from n where i < $2) \
         insert into audit (sequence, time, actor, action, object, record) \
         select i, time, actor, action, object, json_set(record, '$.sequence', i) from audit, n where sequence = $1",
    ] {
        let copied = sqlx::query(more).bind(i64::try_from(first).expect("small"));
        copied.bind(i64::try_from(count).expect("small")).execute(&pool).await.expect("copied");
    }
    pool.close().await;
    let (mut requests, mut records) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(served.client.requests(None, 100).await.expect("listed").len(), 100);
        requests = requests.max(began.elapsed());
        let began = Instant::now();
        assert_eq!(served.client.recent_audit(100).await.expect("listed").len(), 100);
        records = records.max(began.elapsed());
    }
    say("first page of 100,000 requests, by HTTP (worst of 20)", requests, "20 ms");
    say("first page of 100,000 audit records, by HTTP (worst of 20)", records, "20 ms");
}

async fn verification(count: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let store = trail(folder.path(), count).await;
    let began = Instant::now();
    let answer = verify::of_store(&store, Vec::new(), Some(&store.public_key())).await.expect("read");
    say("1,000,000 audit records verified, from the database", began.elapsed(), "5 s");
    assert!(answer.verified && answer.records == count, "{answer:?}");
    let mut export = String::new();
    let mut after = 0;
    loop {
        let lines = store.audit_lines(after, 10_000).await.expect("read");
        let Some(last) = lines.last() else { break };
        after = last.sequence;
        for record in lines {
            export.push_str(&record.line);
            export.push('\n');
        }
    }
    let head = store.audit_head().await.expect("read").expect("signed");
    let began = Instant::now();
    let answer = verify::of_export(export.as_bytes(), vec![head], None).expect("read");
    say("1,000,000 audit records verified, from an export", began.elapsed(), "5 s");
    assert!(answer.verified, "{answer:?}");
}

//! The store against disks and files that are not as one would wish.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::SqliteStore;
use crate::domain::audit::BrokenKind;
use crate::domain::team::Role;
use crate::domain::token::{Token, TokenRequest};
use crate::platform::PlatformError;
use crate::platform::audit::key::PlatformKey;
use crate::platform::audit::{Actor, AuditDraft, verify};
use crate::platform::clock::Clock;
use crate::platform::events::EventDraft;
use crate::platform::store::{
    AuditQuery, Change, EventQuery, KeyFingerprint, Order, RecordReads as _, Remembered, Store as _, TokenReads as _,
};
use crate::platform::tokens;

async fn open(path: &Path) -> Result<SqliteStore, PlatformError> {
    SqliteStore::open(path, &path.with_file_name("platform.key"), "/terrace/estates/test").await
}

fn change(id: &str) -> Change {
    let event = EventDraft::about("thing", "changed", id, json!({"id": id}));
    let audit = AuditDraft::new(Actor::platform(), "thing.change", format!("thing/{id}"), json!({"id": id}));
    Change::new(Timestamp::now(), event, audit)
}

async fn commit(store: &SqliteStore, id: &str) -> Result<(), PlatformError> {
    store.begin().await?.commit(change(id)).await.map(drop)
}

async fn sequences(store: &SqliteStore) -> (Vec<String>, Vec<u64>) {
    let events = EventQuery { order: Order::Oldest, limit: 10_000, ..EventQuery::default() };
    let audit = AuditQuery { order: Order::Oldest, limit: 10_000, ..AuditQuery::default() };
    let events = store.events(&events).await.expect("events").into_iter().map(|event| event.sequence).collect();
    (events, store.audit(&audit).await.expect("audit").into_iter().map(|record| record.sequence).collect())
}

#[tokio::test]
async fn sequences_have_no_gaps_whatever_is_undone_or_done_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let store = std::sync::Arc::new(open(&folder.path().join("a/b.db")).await.expect("opened"));
    let mut tasks = Vec::new();
    for number in 0..40 {
        let store = std::sync::Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            if number % 3 == 0 {
                // Undone: nothing of it may be seen.
                drop(store.begin().await.expect("begun"));
            }
            commit(&store, &number.to_string()).await.expect("committed");
        }));
    }
    for task in tasks {
        task.await.expect("done");
    }
    let (events, audit) = sequences(&store).await;
    assert_eq!(audit, (1..=40).collect::<Vec<u64>>());
    assert_eq!(events, (1..=40).map(|n: u64| n.to_string()).collect::<Vec<_>>());
    assert_eq!(store.bell().latest(), 40);
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("terrace.db");
    let store = open(&path).await.expect("opened");
    commit(&store, "one").await.expect("committed");
    // Not closed: as after a kill.
    std::mem::forget(store);
    let store = open(&path).await.expect("opened again");
    assert_eq!(store.bell().latest(), 1);
    assert_eq!(store.audit_lines(0, 10).await.expect("lines").len(), 1);
    assert!(fs::metadata(folder.path().join("platform.key")).is_ok(), "the key lies outside the database");
    assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    store.check().await.expect("sound");
}

#[tokio::test]
async fn nobody_rewrites_what_happened() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(&folder.path().join("terrace.db")).await.expect("opened");
    commit(&store, "one").await.expect("committed");
    for sql in
        ["update audit set actor = 'x'", "delete from audit", "update events set data = '1'", "delete from events"]
    {
        let refused = sqlx::query(sql).execute(store.writer.pool()).await.expect_err("refused");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_key_is_one_request() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(&folder.path().join("terrace.db")).await.expect("opened");
    let key = |key: &str, fingerprint: &str| KeyFingerprint {
        actor: "alice".to_owned(),
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
    };
    let answer = Remembered { status: 201, answer: "{}".to_owned() };
    let mut tx = store.begin().await.expect("begun");
    assert_eq!(tx.recall(&key("k", "a")).await.expect("recalled"), None);
    tx.remember(&key("k", "a"), &answer, Timestamp::now()).await.expect("kept");
    assert_eq!(tx.recall(&key("k", "a")).await.expect("recalled"), Some(answer.clone()));
    tx.commit(change("one")).await.expect("committed");
    assert_eq!(store.remembered(&key("k", "a")).await.expect("found"), Some(answer));
    assert!(matches!(store.remembered(&key("k", "b")).await, Err(PlatformError::KeyReused { .. })));
    let bob = KeyFingerprint { actor: "bob".to_owned(), ..key("k", "b") };
    assert_eq!(store.remembered(&bob).await.expect("found"), None);
}

#[tokio::test]
async fn a_newer_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("terrace.db");
    let store = open(&path).await.expect("opened");
    let sql = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', 1, x'00', 0)";
    sqlx::query(sql).execute(store.writer.pool()).await.expect("written");
    store.close().await;
    let before = fs::read(&path).expect("file");
    let error = open(&path).await.expect_err("refused");
    assert!(matches!(error, PlatformError::NewerDatabase { found: 9999, .. }), "{error}");
    assert_eq!(fs::read(&path).expect("file"), before);
}

#[tokio::test]
async fn a_damaged_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("terrace.db");
    let store = open(&path).await.expect("opened");
    for number in 0..200 {
        commit(&store, &number.to_string()).await.expect("committed");
    }
    store.close().await;
    let sound = fs::read(&path).expect("file");
    // No database at all, a torn header, pages overwritten.
    let mut torn = sound.clone();
    torn[16..64].fill(0xff);
    let mut pages = sound.clone();
    pages[4096..].fill(0x5a);
    for damaged in [b"this is a text, and no database, whatever its name may say".to_vec(), torn, pages] {
        fs::write(&path, &damaged).expect("written");
        let error = match open(&path).await {
            Ok(store) => store.check().await.expect_err("damage is found"),
            Err(error) => error,
        };
        assert!(matches!(error, PlatformError::CorruptDatabase { .. }), "{error:?}");
        assert!(error.hint().expect("a hint").contains(".recover"));
        assert_eq!(fs::read(&path).expect("file"), damaged, "nothing was written");
    }
}

/// SQLite's own limit gives the same result code as a disk without space.
#[tokio::test]
async fn a_full_disk_undoes_the_change_under_way_and_nothing_else() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(&folder.path().join("terrace.db")).await.expect("opened");
    sqlx::query("pragma max_page_count = 60").execute(store.writer.pool()).await.expect("set");
    let mut committed = 0;
    let error = loop {
        match commit(&store, &"x".repeat(2000)).await {
            Ok(()) => committed += 1,
            Err(error) => break error,
        }
        assert!(committed < 1000, "the limit is reached");
    };
    assert!(matches!(error, PlatformError::DiskFull { .. }), "{error:?}");
    assert!(committed > 0);
    let (events, audit) = sequences(&store).await;
    assert_eq!((events.len(), audit.len()), (committed, committed));
    store.check().await.expect("sound");
    sqlx::query("pragma max_page_count = 10000").execute(store.writer.pool()).await.expect("set");
    commit(&store, "again").await.expect("there is space again");
    let (_, audit) = sequences(&store).await;
    assert_eq!(audit.last().copied(), Some(committed as u64 + 1));
}

/// Whoever goes away while a change begins leaves nothing behind that closing would wait for.
#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_nobody_who_went_away() {
    let folder = tempfile::tempdir().expect("folder");
    for polls in 0..60 {
        let store = open(&folder.path().join("terrace.db")).await.expect("opened");
        let mut begin = store.begin();
        for _ in 0..polls {
            if futures::poll!(&mut begin).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        let closed = tokio::time::timeout(std::time::Duration::from_secs(60), store.close()).await;
        assert!(closed.is_ok(), "left after {polls} looks");
    }
}

/// Changes that are committed together are kept or undone together, and each is told which.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_changes_at_once_is_true_of_each() {
    let folder = tempfile::tempdir().expect("folder");
    let store = std::sync::Arc::new(open(&folder.path().join("terrace.db")).await.expect("opened"));
    sqlx::query("pragma max_page_count = 120").execute(store.writer.pool()).await.expect("set");
    let (mut told, mut refused) = (Vec::new(), 0);
    for round in 0..100 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (store, id) = (std::sync::Arc::clone(&store), format!("{round}-{number}-{}", "x".repeat(800)));
            tasks.spawn(async move {
                if number == 3 {
                    drop(store.begin().await.map(drop));
                }
                commit(&store, &id).await.map(|()| format!("thing/{id}"))
            });
        }
        while let Some(done) = tasks.join_next().await {
            match done.expect("no panic") {
                Ok(object) => told.push(object),
                Err(PlatformError::DiskFull { .. }) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        if refused > 0 {
            break;
        }
    }
    assert!(refused > 0 && told.len() > 8, "{} told, {refused} refused", told.len());
    let all = AuditQuery { order: Order::Oldest, limit: 10_000, ..AuditQuery::default() };
    let mut kept: Vec<String> =
        store.audit(&all).await.expect("audit").into_iter().map(|record| record.object).collect();
    told.sort();
    kept.sort();
    assert_eq!(kept, told);
    sqlx::query("pragma max_page_count = 10000").execute(store.writer.pool()).await.expect("set");
    commit(&store, "again").await.expect("there is space again");
}

/// What others have ready is no ground for an answer before it is kept.
#[tokio::test]
async fn a_token_is_revoked_only_once_that_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let store = std::sync::Arc::new(open(&folder.path().join("terrace.db")).await.expect("opened"));
    let (clock, actor) = (Clock::default(), Actor::platform());
    let wanted = TokenRequest { name: "ci".to_owned(), role: Role::Viewer, teams: Vec::new(), days: None };
    let made = tokens::mint(store.as_ref(), &clock, &store.public_key(), &actor, &wanted).await.expect("made");
    // A commit that fails: what the change refers to is not there at its end.
    for sql in [
        "pragma foreign_keys = on",
        "create table parents (id integer primary key)",
        "create table children (parent integer references parents (id) deferrable initially deferred)",
        "create trigger orphan after update on tokens begin insert into children values (1); end",
    ] {
        sqlx::query(sql).execute(store.writer.pool()).await.expect("prepared");
    }
    let mut first = store.begin().await.expect("begun");
    let again = {
        let (store, id) = (std::sync::Arc::clone(&store), made.token.id);
        tokio::spawn(async move { tokens::revoke(store.as_ref(), &Clock::default(), &Actor::platform(), id).await })
    };
    // It waits for its turn, and so comes before the first is committed.
    tokio::task::yield_now().await;
    let revoked = Token { revoked_at: Some(Timestamp::now()), ..made.token.clone() };
    first.update_token(&revoked).await.expect("written");
    first.commit_bookkeeping().await.expect_err("not kept");
    again.await.expect("no panic").expect_err("not revoked");
    let kept = store.token(made.token.id).await.expect("read").expect("there");
    assert_eq!(kept.token.revoked_at, None);
}

/// Root may write everywhere, so a thread becomes somebody else (on Linux users belong to threads).
#[test]
fn a_folder_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("state/terrace.db");
    fs::create_dir(folder.path().join("state")).expect("folder");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    mode(folder.path(), 0o755);
    let state = folder.path().join("state");
    let attempt = |path: &Path| {
        let path = path.to_owned();
        let attempt = move || {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65534);
                // SAFETY: only this thread changes, and it ends with the attempt; nothing else in it depends on the user.
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("somebody else");
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(open(&path)).map(drop)
        };
        std::thread::spawn(attempt).join().expect("joined")
    };
    mode(&state, 0o555);
    let error = attempt(&path).expect_err("refused");
    assert!(matches!(error, PlatformError::ReadOnlyDatabase { .. }), "{error:?}");
    assert!(error.hint().expect("a hint").contains("XDG_STATE_HOME"));
    assert!(!path.exists());
    // A database that is there, and may only be read.
    mode(&state, 0o755);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let store = open(&path).await.expect("opened");
        commit(&store, "one").await.expect("committed");
        store.close().await;
    });
    mode(&path, 0o444);
    mode(&state, 0o555);
    let before = fs::read(&path).expect("file");
    let error = attempt(&path).expect_err("refused");
    assert!(matches!(error, PlatformError::ReadOnlyDatabase { .. }), "{error:?}");
    assert_eq!(fs::read(&path).expect("file"), before);
    mode(&state, 0o755);
}

/// As it was before records were chained.
#[tokio::test]
async fn an_older_trail_is_chained_from_now_on_and_kept_byte_for_byte() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("terrace.db");
    let store = open(&path).await.expect("opened");
    let mut older = Vec::new();
    for sequence in 1..=5 {
        let line = format!(
            r#"{{"action":"old","actor":"ann","after":null,"before":null,"detail":{{}},"object":"run/1","origin":"local","request_id":null,"role":"admin","sequence":{sequence},"time":"2026-11-23T03:00:00Z"}}"#
        );
        let insert = "insert into audit (sequence, time, actor, action, object, record) values (?, '2026-11-23T03:00:00Z', 'ann', 'old', 'run/1', ?)";
        sqlx::query(insert).bind(sequence).bind(&line).execute(store.writer.pool()).await.expect("inserted");
        older.push(line);
    }
    let key = store.public_key();
    let broken = verify::of_store(&store, Vec::new(), Some(&key)).await.expect("read").broken.expect("not chained");
    assert_eq!(broken.kind, BrokenKind::Unchained);
    store.close().await;
    for _ in 0..2 {
        let store = open(&path).await.expect("opened");
        let lines = store.audit_lines(0, 100).await.expect("lines");
        assert_eq!(lines.len(), 6, "one record begins the chain, once");
        assert_eq!(lines[..5].iter().map(|stored| stored.line.clone()).collect::<Vec<_>>(), older);
        let whole = verify::of_store(&store, Vec::new(), Some(&store.public_key())).await.expect("read");
        assert!(whole.verified && whole.unchained == 5, "{whole:?}");
        store.close().await;
    }
    let store = open(&path).await.expect("opened");
    commit(&store, "six").await.expect("committed");
    for (sequence, from, to) in [(2_i32, "ann", "bob"), (5, "admin", "viewer"), (7, "thing/six", "thing/two")] {
        let found = tampered(&store, "update audit set record = replace(record, ?, ?) where sequence = ?", |query| {
            query.bind(from).bind(to).bind(sequence)
        });
        let (found, kind) = found.await;
        assert!(found == u64::from(sequence.unsigned_abs()) || found == 1, "{sequence}: {found}");
        assert_eq!(kind, BrokenKind::Edited);
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Does what only somebody with the database file can, says what is found, and undoes it.
async fn tampered(
    store: &SqliteStore,
    sql: &'static str,
    bind: impl for<'q> FnOnce(Query<'q>) -> Query<'q>,
) -> (u64, BrokenKind) {
    let copy = tempfile::tempdir().expect("folder");
    let path = copy.path().join("terrace.db");
    let into = format!("vacuum into '{}'", path.display());
    sqlx::query(sqlx::AssertSqlSafe(into)).execute(store.writer.pool()).await.expect("copied");
    fs::copy(store.place().with_file_name("platform.key"), copy.path().join("platform.key")).expect("copied");
    let damaged = SqliteStore::open_reading(&path, &path.with_file_name("platform.key")).await.expect("opened");
    let writer = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("opened");
    for trigger in ["audit_is_append_only", "audit_is_kept"] {
        let drop = format!("drop trigger {trigger}");
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&writer).await.expect("dropped");
    }
    bind(sqlx::query(sql)).execute(&writer).await.expect("tampered");
    writer.close().await;
    let answer = verify::of_store(&damaged, Vec::new(), Some(&store.public_key())).await.expect("read");
    let broken = answer.broken.expect("it is found");
    (broken.sequence, broken.kind)
}

#[tokio::test]
async fn whatever_is_done_to_the_trail_in_the_database_is_found() {
    use BrokenKind as K;
    let folder = tempfile::tempdir().expect("folder");
    let store = open(&folder.path().join("terrace.db")).await.expect("opened");
    for number in 1..=9 {
        commit(&store, &number.to_string()).await.expect("committed");
    }
    let whole = verify::of_store(&store, Vec::new(), Some(&store.public_key())).await.expect("read");
    assert!(whole.verified && whole.records == 9, "{whole:?}");
    for (sql, at, kind) in [
        ("update audit set record = replace(record, 'thing/4', 'thing/5') where sequence = 4", 4, K::Edited),
        ("update audit set record = replace(record, 'terrace', 'nobody') where sequence = 9", 9, K::Edited),
        ("update audit set actor = 'nobody' where sequence = 3", 3, K::Edited),
        ("update audit set record = '{}' where sequence = 6", 6, K::Unreadable),
        ("update audit set record = 'nothing' where sequence = 6", 6, K::Unreadable),
        ("delete from audit where sequence = 1", 1, K::Removed),
        ("delete from audit where sequence in (5, 6)", 5, K::Removed),
        ("delete from audit where sequence = 9", 9, K::Truncated),
        ("delete from audit where sequence > 2", 3, K::Truncated),
        ("delete from audit", 1, K::Truncated),
        ("update audit set sequence = case sequence when 4 then 40 when 5 then 4 else sequence end", 4, K::Reordered),
        ("delete from audit_head", 9, K::Unsigned),
        ("update audit_head set checkpoint = json_set(checkpoint, '$.sequence', 8)", 8, K::Unsigned),
    ] {
        let (found, what) = tampered(&store, sql, |query| query).await;
        // A record in another's place contradicts its own column, too.
        assert_eq!(found, at, "{sql}: {what:?}");
        assert!(what == kind || (kind == K::Reordered && what == K::Edited), "{sql}: {what:?}");
    }
    // The whole file put back to an older state: what was kept outside knows better.
    let head = store.audit_head().await.expect("read").expect("signed");
    let later = PlatformKey::load(&folder.path().join("platform.key")).expect("key").sign(
        &head.source,
        12,
        head.digest.clone(),
        head.time,
    );
    let found = verify::of_store(&store, vec![later.expect("signed")], Some(&store.public_key())).await.expect("read");
    assert_eq!(found.broken.map(|broken| (broken.sequence, broken.kind)), Some((10, K::Truncated)));
    // Signed by somebody else.
    let other = PlatformKey::load_or_create(&folder.path().join("other.key")).expect("key");
    let found = verify::of_store(&store, Vec::new(), Some(&other.public())).await.expect("read");
    assert_eq!(found.broken.map(|broken| broken.kind), Some(K::Unsigned));
}

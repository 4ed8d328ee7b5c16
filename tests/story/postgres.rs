//! PostgreSQL as the store: the same stories, and what only a server can do: go away, be shared, be told secrets.

use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use terrace::api::types::StopRequest;
use terrace::domain::run::RunRequest;
use terrace::platform::PlatformError;
use terrace::platform::audit::{Actor, AuditDraft, verify};
use terrace::platform::events::EventDraft;
use terrace::platform::identity::Identity;
use terrace::platform::store::{Change, Place, RunQuery, Store};

use crate::support::home::{Home, until};
use crate::support::host::eventually;
use crate::support::postgres::{self, Postgres};

/// Stories of each noun that is kept; `TERRACE_TEST_DATABASE=postgres cargo test --test story` runs them all.
const STORIES: &[&str] = &[
    "access::a_developer_proposes_and_an_operator_changes",
    "access::a_token_of_a_team_touches_what_the_team_owns",
    "access::a_token_ends_by_time_by_word_and_at_the_border_whatever_the_clock_does",
    "api_contract::counts_are_shown_for_prometheus",
    "api_runs::a_key_makes_one_run_of_two_requests",
    "api_runs::a_decision_on_an_old_version_is_refused",
    "api_stream::lists_of_what_happened_go_page_by_page",
    "audit::a_trail_is_verified_without_the_platform_and_from_an_export",
    "cost_budget::of_two_that_fit_only_one_by_one_the_second_is_refused",
    "cost_budget::recommendations_are_priced_decided_on_and_measured",
    "cost_import::the_report_adds_up_to_the_last_digit",
    "cost_import::twice_is_once_and_a_correction_takes_its_days",
    "cost_report::a_closed_month_stays_as_it_is_and_corrections_stand_in_the_next",
    "cost_report::a_day_far_outside_becomes_an_event_with_the_lines_that_caused_it",
    "runs_killed::a_killed_platform_changes_nothing_for_a_run",
    "webhooks::an_event_arrives_signed_and_leads_to_the_screen",
];

/// Runs stories in a process of their own, over PostgreSQL.
#[test]
fn the_same_stories_hold() {
    if std::env::var_os("TERRACE_TEST_DATABASE").is_some() || Postgres::shared().is_none() {
        return;
    }
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "--test-threads=2", "--show-output"])
        .args(STORIES)
        .env("TERRACE_TEST_DATABASE", "postgres")
        .env("TERRACE_KILLS", "2")
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("ok. {} passed", STORIES.len())), "a story has another name: {said}");
}

fn change(id: u32) -> Change {
    let event = EventDraft::about("thing", "changed", &id.to_string(), json!({"id": id}));
    let audit = AuditDraft::new(Actor::platform(), "thing.change", format!("thing/{id}"), json!({"id": id}));
    Change::new(jiff::Timestamp::now(), event, audit)
}

async fn commit(store: &dyn Store, id: u32) -> Result<(), PlatformError> {
    store.begin().await?.commit(change(id)).await.map(drop)
}

/// Opens a store of its own on a server.
async fn open(server: &Postgres) -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().expect("folder");
    postgres::given(folder.path(), server);
    let place = postgres::place(folder.path(), folder.path().join("terrace.db"));
    let store = place.open(&folder.path().join("platform.key"), "/terrace/estates/test").await.expect("opened");
    (folder, store)
}

/// Kills the server between every two steps of a change, and starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_in_the_middle_leaves_nothing_half_done() {
    let Some(server) = Postgres::begin() else {
        Postgres::shared();
        return;
    };
    let (_folder, store) = open(&server).await;
    let mut committed = 0;
    for round in 0..3 {
        // Before anything, with a change under way, and between two changes.
        let under_way = if round == 1 { Some(store.begin().await.expect("begun")) } else { None };
        server.kill();
        if let Some(tx) = under_way {
            let error = tx.commit(change(100)).await.expect_err("it is gone");
            assert!(matches!(error, PlatformError::DatabaseAway { .. }), "{error:?}");
        }
        let error = commit(&*store, 100).await.expect_err("it is gone");
        assert!(matches!(error, PlatformError::DatabaseAway { .. }), "{error:?}");
        assert!(error.hint().expect("a hint").contains("nothing was half done"));
        server.begin_again();
        committed += 1;
        until("it works again", || async { commit(&*store, committed).await.ok() }).await;
        let found = verify::of_store(&*store, Vec::new(), Some(&store.public_key())).await.expect("read");
        assert!(found.verified && found.records == u64::from(committed), "{found:?}");
    }
    store.check().await.expect("sound");
}

/// The platform answers while its database is away, says so, and goes on when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_outlives_its_database() {
    let Some(server) = Postgres::begin() else {
        Postgres::shared();
        return;
    };
    let home = Home::with_database(&server);
    let served = home.serve().await;
    let request: RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": "greet", "workflow_file": "practice.yaml", "yes": true}),
    )
    .expect("a request");
    let with_env = || RunRequest { env: std::env::vars().collect(), ..request.clone() };
    server.kill();
    let error = served.client.start_run(&with_env(), Some("one")).await.expect_err("it is away");
    assert_eq!(error.code(), Some("database-away"), "{error}");
    server.begin_again();
    let run = until("it is back", || async { served.client.start_run(&with_env(), Some("one")).await.ok() }).await;
    let which = terrace::domain::id::RunRef::Id(run.id);
    until("the end", || async { served.client.run(which).await.ok().filter(|run| run.state.is_end()) }).await;
    let all = RunQuery { limit: 10, ..RunQuery::default() };
    let runs = served.platform.store("runs").expect("kept").runs(&all).await.expect("read");
    assert_eq!(runs.len(), 1, "nothing was done twice");
    served.end().await;
}

/// A server that hangs, its connections open and nothing answered, is not waited for: whoever asks is told, and everything
/// goes on when it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_not_waited_for() {
    let Some(server) = Postgres::begin() else {
        Postgres::shared();
        return;
    };
    let (_folder, store) = open(&server).await;
    commit(&*store, 1).await.expect("committed");
    let home = Home::with_database(&server);
    let served = home.serve().await;
    served.client.requests(None, 1).await.expect("it answers");
    // In the middle of a transaction, before one, and while others only read.
    let tx = store.begin().await.expect("begun");
    server.hang();
    let (in_the_middle, before_one, refused) =
        tokio::join!(tx.commit(change(100)), commit(&*store, 101), served.client.requests(None, 1));
    for error in [in_the_middle.expect_err("it hangs"), before_one.expect_err("it hangs")] {
        assert!(matches!(error, PlatformError::DatabaseAway { .. }), "{error:?}");
    }
    let refused = refused.expect_err("it hangs");
    assert_eq!(refused.code(), Some("database-away"), "{refused}");
    let (asked, mut answer) = (home.paths().socket().to_owned(), String::new());
    let read = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(asked).expect("connected");
        let get = "GET /api/v1/requests HTTP/1.1\r\nHost: terrace\r\nConnection: close\r\n\r\n";
        stream.write_all(get.as_bytes()).expect("asked");
        stream.read_to_string(&mut answer).expect("answered");
        answer
    });
    let answer = read.await.expect("read").to_lowercase();
    let has = |part: &str| assert!(answer.contains(part), "{part}: {answer}");
    ["http/1.1 503", "retry-after: 5", "application/problem+json", "database-away"].into_iter().for_each(has);
    server.wake();
    until("it works again", || async { commit(&*store, 2).await.ok() }).await;
    until("it answers again", || async { served.client.requests(None, 1).await.ok() }).await;
    let found = verify::of_store(&*store, Vec::new(), Some(&store.public_key())).await.expect("read");
    assert!(found.verified && found.records == 2, "what was given up was undone: {found:?}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_platforms_on_one_database_one_writes() {
    let Some(server) = Postgres::shared() else { return };
    let folder = tempfile::tempdir().expect("folder");
    postgres::given(folder.path(), server);
    let place = postgres::place(folder.path(), folder.path().join("terrace.db"));
    let key = folder.path().join("platform.key");
    let first = place.open(&key, "/terrace/estates/test").await.expect("opened");
    commit(&*first, 1).await.expect("committed");
    let error = place.open(&key, "/terrace/estates/test").await.expect_err("taken");
    assert!(matches!(error, PlatformError::DatabaseTaken { .. }), "{error:?}");
    commit(&*first, 2).await.expect("it goes on");
    // Its connections break, and before it connects again another platform comes.
    let url = postgres::url(folder.path()).expect("a URL");
    let pool = sqlx::PgPool::connect(&url).await.expect("connected");
    let others = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                  where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query(others).execute(&pool).await.expect("terminated");
    let second = until("the lock is free", || async { place.open(&key, "/terrace/estates/test").await.ok() }).await;
    commit(&*second, 3).await.expect("committed");
    let error = commit(&*first, 4).await.expect_err("taken over");
    assert!(matches!(error, PlatformError::DatabaseTaken { .. }), "{error:?}");
    second.close().await;
    // Nor afterwards: what it remembers is old.
    let error = commit(&*first, 5).await.expect_err("another epoch");
    assert!(matches!(error, PlatformError::DatabaseTaken { .. }), "{error:?}");
    first.check().await.expect_err("health says so too");
    let of_another = place.open(&key, "/terrace/estates/other").await.expect_err("refused");
    assert_eq!(of_another.code(), "database-of-another-estate", "{of_another}");
    let third = place.open(&key, "/terrace/estates/test").await.expect("opened");
    let found = verify::of_store(&*third, Vec::new(), None).await.expect("read");
    assert!(found.verified && found.records == 3, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_trail_on_the_server_is_found() {
    let Some(server) = Postgres::shared() else { return };
    let folder = tempfile::tempdir().expect("folder");
    postgres::given(folder.path(), server);
    let place = postgres::place(folder.path(), folder.path().join("terrace.db"));
    let store = place.open(&folder.path().join("platform.key"), "/terrace/estates/test").await.expect("opened");
    for number in 1..=9 {
        commit(&*store, number).await.expect("committed");
    }
    let pool = sqlx::PgPool::connect(&postgres::url(folder.path()).expect("a URL")).await.expect("connected");
    for sql in ["update audit set actor = 'x'", "delete from audit", "truncate audit", "update events set data = '1'"] {
        let refused = sqlx::query(sql).execute(&pool).await.expect_err("refused");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    sqlx::query("alter table audit disable trigger user").execute(&pool).await.expect("an owner may");
    sqlx::query("create table before as select * from audit").execute(&pool).await.expect("kept");
    for (sql, at) in [
        ("update audit set record = replace(record, 'thing/4', 'thing/5') where sequence = 4", 4),
        ("update audit set actor = 'nobody' where sequence = 3", 3),
        ("update audit set record = 'nothing' where sequence = 6", 6),
        ("delete from audit where sequence in (5, 6)", 5),
        ("delete from audit where sequence > 7", 8),
        ("update audit set sequence = case sequence when 4 then 40 when 5 then 4 else sequence end", 4),
    ] {
        sqlx::query(sql).execute(&pool).await.expect(sql);
        let found = verify::of_store(&*store, Vec::new(), Some(&store.public_key())).await.expect("read");
        assert_eq!(found.broken.map(|broken| broken.sequence), Some(at), "{sql}");
        sqlx::query("delete from audit").execute(&pool).await.expect("emptied");
        sqlx::query("insert into audit select * from before").execute(&pool).await.expect("brought back");
    }
    let found = verify::of_store(&*store, Vec::new(), Some(&store.public_key())).await.expect("read");
    assert!(found.verified, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_said_without_secrets() {
    let home = Home::new();
    for (url, code) in [
        ("postgres://ann:hush@localhost:1/shop", 1),
        ("postgres://ann@localhost/shop?passwd=hush", 1),
        ("mysql://ann:hush@localhost/shop", 1),
    ] {
        let answer = home.terrace(&["serve", "--database", url]);
        assert_eq!(answer.exit, code, "{answer:?}");
        assert!(!answer.err.contains("hush") && answer.err.contains("database"), "{answer:?}");
        let answer = home.terrace(&["audit", "verify", "--database", url]);
        assert!(answer.exit != 0 && !answer.err.contains("hush"), "{answer:?}");
    }
    let Some(server) = Postgres::shared() else { return };
    let url = server.database().replace("user=terrace", "user=terrace&password=hush");
    let folder = tempfile::tempdir().expect("folder");
    let source = terrace::platform::events::source_of(&Identity::of(&home.root()).expect("an estate").key);
    let place = Place::Server(url.parse().expect("a URL"));
    let store = place.open(&folder.path().join("platform.key"), &source).await.expect("opened");
    commit(&*store, 1).await.expect("committed");
    assert!(!format!("{store:?} {place:?}").contains("hush"));
    let log = home.path("serve.log");
    let mut serving = home
        .command(&["serve", "--database", &url])
        .env("TERRACE_LOG", "trace")
        .stderr(std::fs::File::create(&log).expect("made"))
        .spawn()
        .expect("started");
    // The one above has it until it is closed.
    store.close().await;
    let client = home.client();
    until("it answers", || async { client.healthz().await.ok() }).await;
    client.stop(StopRequest::default()).await.expect("stopped");
    eventually("the process ends", || serving.try_wait().expect("ours"));
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(!said.contains("hush") && said.contains("ready"), "{said}");
}

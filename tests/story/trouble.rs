//! The platform process on a bad day: a disk that is really full, a database of a later version.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use terrace::api::client::Client;
use terrace::domain::id::RunRef;
use terrace::domain::run::RunRequest;

use crate::support::home::{Home, kill, until};
use crate::support::host::eventually;

fn greet() -> RunRequest {
    let mut request: RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": "greet", "workflow_file": "practice.yaml", "yes": true}),
    )
    .expect("a request");
    request.env = std::env::vars().collect();
    request
}

/// A process that does not outlive its story.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The state folder lies on a file system of two megabytes that only the platform sees (a mount namespace of its own).
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_refuses_changes_and_loses_nothing() {
    let home = Home::new();
    fs::create_dir_all(home.path("state")).expect("made");
    let may = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
    if !may {
        println!("skipped: needs root, to mount a small file system");
        return;
    }
    let script = "mount -t tmpfs -o size=2m tmpfs \"$0\" && exec \"$@\"";
    let serve = home.command(&["serve", "--local"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(home.path("state")).arg(serve.get_program());
    command.args(serve.get_args()).process_group(0);
    command.env_clear().envs(serve.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut process = Ends(command.spawn().expect("started"));
    // Seen from here, its file system lies below its process.
    let inside = |path: PathBuf| PathBuf::from(format!("/proc/{}/root{}", process.0.id(), path.display()));
    let socket = inside(home.paths().socket());
    eventually("it listens", || socket.exists().then_some(()));
    let client = Client::unix(&socket);
    let before = client.start_run(&greet(), None).await.expect("started");
    let ended = |which| {
        let client = client.clone();
        async move { client.run(which).await.ok().filter(|run| run.state.is_end()) }
    };
    until("it ends", || ended(RunRef::Id(before.id))).await;
    let events = client.recent_events(1000).await.expect("events");

    let filler = inside(home.path("state/filler"));
    let mut file = fs::File::create(&filler).expect("made");
    // From large to small, until not a byte is left.
    for block in [64 * 1024, 1024] {
        while std::io::Write::write_all(&mut file, &vec![0; block]).is_ok() {}
    }
    drop(file);
    let error = loop {
        // What is allocated already is used up first.
        match client.start_run(&greet(), None).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error.code(), Some("disk-full" | "io" | "supervisor")), "{error:?}");
    assert_eq!(client.run(RunRef::Id(before.id)).await.expect("still there").number, before.number);
    let now = client.recent_events(1000).await.expect("still there");
    assert!(now.ends_with(&events), "what happened before is as it was");
    client.healthz().await.expect("it lives");

    fs::remove_file(&filler).expect("removed");
    let run = until("there is space again", || async { client.start_run(&greet(), None).await.ok() }).await;
    until("it ends", || ended(RunRef::Id(run.id))).await;
    let audit = client.recent_audit(1000).await.expect("audit");
    let sequences: Vec<u64> = audit.iter().rev().map(|record| record.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "without a gap");
    kill(i32::try_from(process.0.id()).expect("a number"), rustix::process::Signal::TERM);
    assert!(eventually("it ends", || process.0.try_wait().expect("ours")).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_later_version_is_left_to_the_later_version() {
    let home = Home::new();
    home.terrace(&["serve", "--background"]).succeeds();
    home.terrace(&["stop"]).succeeds();
    let path = home.paths().database();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("opened");
    let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', 1, x'00', 0)";
    sqlx::query(later).execute(&pool).await.expect("written");
    pool.close().await;
    let before = fs::read(&path).expect("read");
    let answer = tokio::task::spawn_blocking(move || (home.terrace(&["serve", "--background"]), home)).await;
    let (answer, home) = answer.expect("ran");
    assert_eq!(answer.exit, 4, "{answer:?}");
    assert!(answer.err.contains("version 9999") && answer.err.contains("newer terrace"), "{answer:?}");
    assert_eq!(fs::read(&path).expect("read"), before);
    assert_eq!(home.platform_process(), None);
}

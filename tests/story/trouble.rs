//! The platform process on a bad day: a disk that is really full, a database of a later version.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use terrace::api::client::Client;
use terrace::domain::id::RunRef;
use terrace::domain::run::{Run, RunRequest, RunState};

use crate::support::home::{Home, kill, may_mount, until};
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

/// A platform process whose state folder lies on a small file system that only it sees.
struct Small {
    process: Ends,
    client: Client,
}

impl Small {
    /// Begins one; none where nothing can be mounted.
    fn begin(home: &Home, size: &str) -> Option<Self> {
        fs::create_dir_all(home.path("state")).expect("made");
        if !may_mount() {
            return None;
        }
        let script = format!("mount -t tmpfs -o size={size} tmpfs \"$0\" && exec \"$@\"");
        let serve = home.command(&["serve", "--local"]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(home.path("state")).arg(serve.get_program());
        command.args(serve.get_args()).process_group(0);
        command.env_clear().envs(serve.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut small = Self { process: Ends(command.spawn().expect("started")), client: home.client() };
        let socket = small.inside(&home.paths().socket());
        eventually("it listens", || socket.exists().then_some(()));
        small.client = Client::unix(&socket);
        Some(small)
    }

    /// Seen from here, its file system lies below its process.
    fn inside(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.process.0.id(), path.display()))
    }

    async fn ended(&self, run: &Run) -> Run {
        let ended = || async { self.client.run(RunRef::Id(run.id)).await.ok().filter(|run| run.state.is_end()) };
        until("it ends", ended).await
    }

    /// Ends it as a person does.
    fn end(mut self) {
        kill(i32::try_from(self.process.0.id()).expect("a number"), rustix::process::Signal::TERM);
        assert!(eventually("it ends", || self.process.0.try_wait().expect("ours")).success());
    }
}

/// The trail of a platform has no gap.
async fn hold_trail(client: &Client) {
    let audit = client.recent_audit(1000).await.expect("audit");
    let sequences: Vec<u64> = audit.iter().rev().map(|record| record.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "without a gap");
}

/// The state folder lies on a file system of two megabytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_refuses_changes_and_loses_nothing() {
    let home = Home::new();
    let Some(small) = Small::begin(&home, "2m") else { return };
    let client = small.client.clone();
    let before = client.start_run(&greet(), None).await.expect("started");
    small.ended(&before).await;
    let events = client.recent_events(1000).await.expect("events");

    let filler = small.inside(&home.path("state/filler"));
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
    small.ended(&run).await;
    hold_trail(&client).await;
    small.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_fills_the_disk_loses_only_what_the_disk_does_not_take() {
    let home = Home::new();
    let flood =
        "seq -f '%099.0f' 1 60000; touch full; while [ ! -e go ]; do sleep 0.05; done; echo room; echo done > done";
    home.write(
        "stacks/workflows/flood.yaml",
        &format!("workflows:\n  flood:\n    steps:\n      - {{type: shell, command: \"{flood}\"}}\n"),
    );
    let Some(small) = Small::begin(&home, "4m") else { return };
    let filler = small.inside(&home.path("state/filler"));
    fs::write(&filler, vec![0; 1024 * 1024]).expect("there is room yet");
    let asked =
        RunRequest { workflow: Some("flood".to_owned()), workflow_file: Some("flood.yaml".to_owned()), ..greet() };
    let run = small.client.start_run(&asked, None).await.expect("accepted");
    eventually("everything was written", || home.root().join("full").exists().then_some(()));
    assert!(small.client.run(RunRef::Id(run.id)).await.is_ok(), "what is known is still shown");
    fs::remove_file(&filler).expect("removed");
    home.write("go", "");
    let run = small.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert!(home.root().join("done").exists());
    assert!(run.log_lost > 0 && run.log_bytes + run.log_lost == 6_000_005, "{run:#?}");
    let lines = small.client.log_lines(RunRef::Id(run.id), 59_990, 100).await.expect("lines").lines;
    let last = lines.last().expect("lines");
    assert_eq!((last.number, last.text.as_str()), (60_001, "room"));
    // The journal was read, or is read as soon as there is room to keep what it says.
    let told = || async {
        let events = small.client.recent_events(1000).await.expect("events");
        events.iter().any(|event| event.event_type == "dev.terrace.run.log_gap").then_some(())
    };
    until("the gap is told", told).await;
    hold_trail(&small.client).await;
    small.end();
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

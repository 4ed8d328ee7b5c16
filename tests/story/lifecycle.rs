//! The platform process: started, raced for, left behind, stopped, replaced, refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use terrace::domain::run::RunRequest;

use crate::support::home::{Answer, Home, end, kill, until};
use crate::support::host::{DEADLINE, eventually};

fn status(home: &Home) -> Value {
    let answer = home.terrace(&["status", "--format", "json"]).succeeds();
    serde_json::from_str(&answer.out).expect("JSON")
}

#[test]
fn it_starts_by_itself_outlives_who_started_it_and_stops_when_told() {
    let home = Home::new();
    let none = home.terrace(&["status"]);
    assert_eq!(none.exit, 4, "{none:?}");
    home.terrace(&["serve", "--background"]).succeeds();
    let card = status(&home);
    let pid = home.platform_process().expect("it lives");
    assert_eq!(card["pid"], json!(pid));
    assert_eq!((card["solo"].clone(), card["role"].clone()), (json!(true), json!("admin")));
    // A session of its own: a terminal that closes does not end it.
    let session = rustix::process::getsid(Pid::from_raw(pid)).expect("a session");
    assert_eq!(session.as_raw_nonzero().get(), pid);
    home.terrace(&["serve", "--background"]).succeeds();
    assert_eq!(home.platform_process(), Some(pid), "the one that runs is used");
    home.terrace(&["stop"]).succeeds();
    assert_eq!(home.platform_process(), None);
    assert!(!home.paths().socket().exists());
    home.terrace(&["stop"]).succeeds();
}

#[test]
fn starting_is_quick() {
    let home = Home::new();
    // The best of some: other tests run beside this one.
    let best = (0..5)
        .map(|_| {
            let began = Instant::now();
            home.terrace(&["serve", "--background"]).succeeds();
            let took = began.elapsed();
            home.terrace(&["stop"]).succeeds();
            took
        })
        .min()
        .expect("some");
    println!("start to ready: {best:?} (unoptimised)");
    assert!(best < Duration::from_secs(5), "{best:?}");
}

#[test]
fn many_starters_end_with_one_process() {
    for _ in 0..3 {
        let home = Home::new();
        let starters: Vec<_> = (0..8).map(|_| home.command(&["serve", "--background"]).spawn().expect("ran")).collect();
        for starter in starters {
            end(starter).succeeds();
        }
        let pid = home.platform_process().expect("one lives");
        assert_eq!(status(&home)["pid"], json!(pid));
        let root = home.root().to_string_lossy().into_owned();
        // Those that found the lock taken end as soon as they have said so.
        eventually("only one process serves", || {
            let serving = fs::read_dir("/proc").expect("proc").flatten().filter(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                line.contains(&root) && line.contains("--handshake")
            });
            (serving.count() == 1).then_some(())
        });
        assert_eq!(home.platform_process(), Some(pid));
    }
}

#[test]
fn what_a_killed_process_leaves_is_no_obstacle() {
    let home = Home::new();
    home.terrace(&["serve", "--background"]).succeeds();
    let first = home.platform_process().expect("it lives");
    kill(first, Signal::KILL);
    eventually("it is gone", || home.platform_process().is_none().then_some(()));
    assert!(home.paths().socket().exists(), "a stale socket");
    assert_eq!(home.terrace(&["status"]).exit, 4);
    home.terrace(&["serve", "--background"]).succeeds();
    assert_ne!(home.platform_process(), Some(first));
    status(&home);
}

#[test]
fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let home = Home::new();
    let deep = home.path(&"deep".repeat(30));
    let paths = home.paths_below(&deep);
    assert!(!paths.socket().starts_with(&deep));
    let with = |arguments: &[&str]| home.command(arguments).env("XDG_STATE_HOME", &deep).output().expect("ran");
    let started = with(&["serve", "--background"]);
    assert!(started.status.success(), "{started:?}");
    assert!(paths.socket().exists() && paths.database().exists());
    assert!(with(&["status"]).status.success());
    assert!(with(&["stop"]).status.success());
    assert!(!paths.socket().exists());
}

#[test]
fn a_database_that_cannot_be_used_says_so_and_stays_as_it_is() {
    let home = Home::new();
    home.terrace(&["serve", "--background"]).succeeds();
    home.terrace(&["stop"]).succeeds();
    let path = home.paths().database();
    let text = b"no database at all, though it is called one; but somebody may still want it".to_vec();
    fs::write(&path, &text).expect("written");
    let answer = home.terrace(&["serve", "--background"]);
    assert_eq!(answer.exit, 4, "{answer:?}");
    assert!(answer.err.contains("is damaged") && answer.err.contains(".recover"), "{answer:?}");
    assert_eq!(fs::read(&path).expect("there"), text);
    assert_eq!(home.platform_process(), None, "it did not stay");
}

#[test]
fn it_ends_when_idle_and_not_before() {
    let home = Home::new();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let serve = || home.command(&["serve", "--local", "--idle", "1"]).spawn().expect("ran");
    let mut process = serve();
    let stream = eventually("it listens", || {
        // On a busy machine a second passes before anybody is connected.
        if process.try_wait().expect("ours").is_some() {
            process = serve();
        }
        runtime.block_on(home.client().events(None)).ok()
    });
    // Three times its patience, and somebody is connected.
    std::thread::sleep(Duration::from_secs(3));
    assert!(home.platform_process().is_some(), "somebody is connected");
    drop(stream);
    drop(runtime);
    end(process).succeeds();
    assert_eq!(home.platform_process(), None);
}

#[test]
fn a_signal_ends_it_in_order() {
    let home = Home::new();
    let process = home.command(&["serve", "--local"]).spawn().expect("ran");
    eventually("it listens", || home.terrace(&["status"]).out.contains("runs:").then_some(()));
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let mut stream = runtime.block_on(home.client().events(None)).expect("a stream");
    kill(i32::try_from(process.id()).expect("a number"), Signal::TERM);
    // An open stream is ended, and does not keep the process.
    let ended = runtime.block_on(async { tokio::time::timeout(DEADLINE, stream.next()).await });
    assert!(ended.expect("the stream ends").is_none_or(|last| last.is_err()));
    end(process).succeeds();
    assert!(!home.paths().socket().exists());
    let log = home.paths().database().with_extension("db-wal");
    assert!(fs::metadata(log).map_or(0, |about| about.len()) == 0, "everything is in the main file");
}

#[test]
fn a_newer_build_replaces_an_older_one_that_nobody_uses() {
    let home = Home::new();
    let copy = |name: &str, seconds: u64| {
        let path = home.path(name);
        // By a process of its own: what another test starts at that moment would else keep the file from being run.
        let mut copy = Command::new("sh");
        copy.args(["-c", "cp \"$0\" \"$1\" && touch -d @$2 \"$1\"", env!("CARGO_BIN_EXE_terrace")]);
        assert!(copy.arg(&path).arg(seconds.to_string()).status().expect("ran").success());
        path
    };
    let (older, newer) = (copy("older", 1_000_000), copy("newer", 2_000_000));
    let start = |program: &std::path::Path| {
        let output = home.command_of(program, &["serve", "--background"]).output().expect("ran");
        assert!(output.status.success(), "{output:?}");
        home.platform_process().expect("it lives")
    };
    let first = start(&older);
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let stream = runtime.block_on(home.client().events(None)).expect("a stream");
    assert_eq!(start(&newer), first, "somebody uses it");
    drop(stream);
    drop(runtime);
    // The connection is gone as soon as the platform has noticed.
    let second = eventually("it is replaced", || Some(start(&newer)).filter(|pid| *pid != first));
    assert_eq!(start(&older), second, "an older build uses the newer one");
}

fn workflow(name: &str) -> RunRequest {
    let mut request: RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": name, "workflow_file": "practice.yaml", "yes": true}),
    )
    .expect("a request");
    request.env = std::env::vars().collect();
    request
}

#[test]
fn stopping_asks_while_runs_live_and_they_go_on() {
    let home = Home::new();
    home.terrace(&["serve", "--background"]).succeeds();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let client = home.client();
    let run = runtime.block_on(client.start_run(&workflow("wait"), None)).expect("started");
    let which = terrace::domain::id::RunRef::Id(run.id);
    runtime
        .block_on(until("it runs", || async { (client.run(which).await.expect("there").log_bytes > 0).then_some(()) }));
    let refused = home.terrace(&["stop"]);
    assert_eq!(refused.exit, 2, "{refused:?}");
    assert!(refused.err.contains("#1") && refused.err.contains("--yes"), "{refused:?}");
    assert!(home.platform_process().is_some());
    // Who follows the log is not disturbed by the platform that goes and comes.
    let follower = client.clone();
    let following = runtime.spawn(async move {
        let pieces = follower.follow_log(which, 0);
        let pieces = pieces.filter_map(|piece| async move { piece.ok() }).collect::<Vec<_>>().await;
        pieces.concat()
    });
    let stopped = home.terrace(&["stop", "--force"]).succeeds();
    assert!(stopped.err.contains("one run goes on"), "{stopped:?}");
    assert_eq!(home.platform_process(), None);
    home.write("go", "");
    home.terrace(&["serve", "--background"]).succeeds();
    let log = runtime.block_on(following).expect("followed");
    assert_eq!(String::from_utf8_lossy(&log), "begun\ndone\n");
    let run = runtime.block_on(client.run(which)).expect("there");
    assert_eq!(serde_json::to_value(run.state).expect("JSON"), json!("succeeded"), "{run:#?}");
}

#[test]
fn a_unit_for_systemd_is_written_and_an_other_one_is_kept() {
    let home = Home::new();
    let written = home.terrace(&["serve", "--install"]).succeeds();
    assert!(written.err.contains("systemctl --user"), "{written:?}");
    let folder = home.path("config/systemd/user");
    let unit = fs::read_dir(&folder).expect("folder").flatten().next().expect("a unit").path();
    assert!(fs::read_to_string(&unit).expect("text").contains("serve --local --idle 0"));
    fs::write(&unit, "mine").expect("written");
    home.terrace(&["serve", "--install"]).succeeds();
    assert_eq!(fs::read_to_string(unit.with_extension("service.old")).expect("kept"), "mine");

    // Where its database is stands in a file that nobody else reads, and neither in the unit nor on the screen.
    let url = "postgres://ann:hush@db.example.com/shop";
    let written = Answer::of(home.command(&["serve", "--install"]).env("TERRACE_DATABASE", url).output().expect("ran"));
    let written = written.succeeds();
    let text = fs::read_to_string(&unit).expect("text");
    let secrets = unit.with_extension("env");
    assert!(text.contains(&format!("EnvironmentFile={}\n", secrets.display())), "{text}");
    assert!(!text.contains("hush") && !written.err.contains("hush") && !written.out.contains("hush"), "{written:?}");
    assert_eq!(fs::read_to_string(&secrets).expect("text"), format!("TERRACE_DATABASE=\"{url}\"\n"));
    assert_eq!(fs::metadata(&secrets).expect("there").permissions().mode() & 0o777, 0o600);
    let refused = home.command(&["serve", "--install"]).env("TERRACE_DATABASE", "mysql://ann:hush@db/shop").output();
    let refused = Answer::of(refused.expect("ran"));
    assert!(refused.exit != 0 && !refused.err.contains("hush"), "{refused:?}");
    // Without a database nothing secret is left behind.
    home.terrace(&["serve", "--install"]).succeeds();
    assert!(!secrets.exists() && !fs::read_to_string(&unit).expect("text").contains("EnvironmentFile"));
}

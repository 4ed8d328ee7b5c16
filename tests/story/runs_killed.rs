//! The platform killed with SIGKILL at random moments: runs go on, are taken over, are done once.
//!
//! `TERRACE_KILLS` says how often each (12 workflows, 4 applies and 4 plans where it is not set).

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use terrace::domain::run::{Run, RunKind, RunRequest, RunState};
use terrace::platform::runs::journal::{Note, read};
use terrace::platform::store::{KeyFingerprint, RunQuery};

use crate::support::host::eventually;
use crate::support::platform::{World, alice, no_terraform, start};

/// Not a test by itself: the platform process that is killed.
#[test]
fn platform_process() {
    let Some(base) = std::env::var_os("TERRACE_TEST_PLATFORM") else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let platform = start(Path::new(&base)).await;
        let text = std::fs::read(Path::new(&base).join("requests.json")).expect("requests");
        let requests: Vec<RunRequest> = serde_json::from_slice(&text).expect("requests");
        for (index, mut request) in requests.into_iter().enumerate() {
            request.env = std::env::vars().collect();
            let key =
                KeyFingerprint { actor: "alice".to_owned(), key: index.to_string(), fingerprint: "same".to_owned() };
            platform.runs.create(&alice(), request, Some(&key)).await.expect("accepted");
        }
        println!("created");
        std::future::pending::<()>().await;
    });
}

fn spawn(base: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "runs_killed::platform_process", "--nocapture"])
        .env("TERRACE_TEST_PLATFORM", base)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a platform")
}

fn kills(usual: usize) -> usize {
    std::env::var("TERRACE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Waits until all runs of a world have ended, under a platform that nobody kills.
fn ends(world: &World, count: usize) -> Vec<Run> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let platform = world.platform().await;
        let mut ended = Vec::new();
        let query = RunQuery { limit: 100, ..RunQuery::default() };
        let mut runs = platform.runs.list(&query).await.expect("runs");
        runs.reverse();
        assert_eq!(runs.len(), count);
        for run in runs {
            ended.push(if run.state.is_end() { run } else { platform.end(&run).await });
        }
        assert!(platform.store.run_locks().await.expect("locks").is_empty(), "a lock is left behind");
        ended
    })
}

#[test]
fn a_killed_platform_changes_nothing_for_a_run() {
    let shell = "i=0; while [ $i -lt 150 ]; do echo line $i; i=$((i+1)); sleep 0.004; done; echo once >> once";
    let file = format!(
        "workflows:\n  slow:\n    steps:\n      - {{type: shell, command: '{shell}'}}\n      - {{type: shell, command: 'echo end'}}\n"
    );
    let expected: String = (0..150).map(|line| format!("line {line}\n")).chain(["end\n".to_owned()]).collect();
    let request = json!([{"kind": "workflow", "workflow": "slow", "workflow_file": "deploy", "driver": "terraform"}]);
    let mut seed = 7u64;
    for _ in 0..kills(12) {
        let world = World::new();
        world.write("stacks/workflows/deploy.yaml", &file);
        std::fs::write(world.temp.path().join("requests.json"), request.to_string()).expect("written");
        let mut platform = spawn(world.temp.path());
        let mut lines = BufReader::new(platform.stdout.take().expect("stdout")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains("created"))));
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 700));
        platform.kill().expect("killed");
        platform.wait().expect("gone");
        let run = ends(&world, 1).remove(0);
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        assert_eq!(String::from_utf8_lossy(&world.log(&run)), expected);
        assert_eq!(std::fs::read_to_string(world.root().join("once")).expect("done"), "once\n");
        assert_eq!(run.log_lines, 151);
    }
}

#[test]
fn applies_with_real_terraform_are_done_exactly_once() {
    if no_terraform() {
        return;
    }
    let mut seed = 11u64;
    for _ in 0..kills(4) {
        let world = World::new();
        let request =
            json!([{"kind": "apply", "component": "slow", "stack": "dev", "yes": true, "driver": "terraform"}]);
        std::fs::write(world.temp.path().join("requests.json"), request.to_string()).expect("written");
        let mut platform = spawn(world.temp.path());
        let mut lines = BufReader::new(platform.stdout.take().expect("stdout")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains("created"))));
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 3_000));
        platform.kill().expect("killed");
        platform.wait().expect("gone");
        let run = ends(&world, 1).remove(0);
        assert_eq!((run.kind, run.state), (RunKind::Apply, RunState::Succeeded), "{run:#?}");
        let entries = read(&world.run_folder(&run).join("journal"), 0).expect("a journal");
        let applied = entries.iter().filter(|entry| matches!(entry.note, Note::Applying { .. })).count();
        assert_eq!(applied, 1, "{entries:#?}");
        let beats = std::fs::read_to_string(world.root().join("components/terraform/slow/beats")).expect("beats");
        assert_eq!(beats.lines().count(), 6, "applied exactly once");
        eventually("no supervisor is left", || {
            (!terrace::platform::runs::folder::RunFolder::new(world.run_folder(&run)).is_alive()).then_some(())
        });
    }
}

/// Terraform's plan of a world that nobody disturbs.
fn lone_plan(request: &serde_json::Value) -> Vec<u8> {
    let world = World::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let platform = world.platform().await;
        let mut requests: Vec<RunRequest> = serde_json::from_value(request.clone()).expect("requests");
        let mut request = requests.remove(0);
        request.env = std::env::vars().collect();
        let run = platform.end(&platform.create(request).await).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        named(&world, world.log(&run))
    })
}

/// Takes out of a log where the world lies, which differs from world to world.
fn named(world: &World, log: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(log).expect("text");
    text.replace(&world.temp.path().display().to_string(), "WORLD").into_bytes()
}

#[test]
fn plans_with_real_terraform_are_byte_identical_to_undisturbed_ones() {
    if no_terraform() {
        return;
    }
    let request = json!([{"kind": "plan", "component": "slow", "stack": "dev", "driver": "terraform"}]);
    // The last lines name the plan file, which lies in the run's own folder.
    let without_file = |log: Vec<u8>| {
        let text = String::from_utf8(log).expect("text");
        text.lines().filter(|line| !line.contains("/runs/")).collect::<Vec<_>>().join("\n")
    };
    let expected = without_file(lone_plan(&request));
    assert!(expected.contains("1 to add"), "{expected}");
    let mut seed = 13u64;
    for _ in 0..kills(4) {
        let world = World::new();
        std::fs::write(world.temp.path().join("requests.json"), request.to_string()).expect("written");
        let mut platform = spawn(world.temp.path());
        let mut lines = BufReader::new(platform.stdout.take().expect("stdout")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains("created"))));
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 1_500));
        platform.kill().expect("killed");
        platform.wait().expect("gone");
        let run = ends(&world, 1).remove(0);
        assert_eq!((run.kind, run.state), (RunKind::Plan, RunState::Succeeded), "{run:#?}");
        assert_eq!(without_file(named(&world, world.log(&run))), expected);
    }
}

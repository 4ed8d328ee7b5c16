//! Following a run while the platform ends, and asking it as it starts.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::Home;

#[test]
fn a_platform_that_is_killed_is_started_again_and_not_a_byte_is_missing() {
    let (home, demo) = Home::with_demo();
    let slow = ["workflow", "rehearsal", "-f", "practice", "--yes", "--from-step", "verify"];
    let mut child = home.command();
    let mut child = child.current_dir(&demo).args(slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut log = [0; 16];
    out.read_exact(&mut log).unwrap();
    let pid = home.at(&demo, &["status", "--format", "json"]).succeeds().json()["pid"].to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());

    let mut log = log.to_vec();
    out.read_to_end(&mut log).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let log = String::from_utf8(log).unwrap();
    assert_eq!(log, "check 1 of 3 passed\ncheck 2 of 3 passed\ncheck 3 of 3 passed\nrelease 2026.6.1 is out\n");
    assert_eq!(home.at(&demo, &["runs", "logs", "1"]).succeeds().out, log);
    let now = home.at(&demo, &["status", "--format", "json"]).succeeds().json();
    assert_ne!(now["pid"].to_string(), pid, "another one took over");
}

#[test]
fn status_waits_for_a_platform_that_is_on_its_way_and_many_starts_end_with_one() {
    let (home, demo) = Home::with_demo();
    home.at(&demo, &["status"]).exits(4);
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let mut start = home.command();
            start.current_dir(&demo).args(["list", "runs", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // Whatever it meets, it says that none runs or that one does, never that one does not answer.
    for _ in 0..10 {
        let status = home.at(&demo, &["status"]);
        assert!(matches!(status.exit, 0 | 4) && !status.err.contains("does not answer"), "{}", status.err);
    }
    for start in starts {
        let output = start.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "[]\n");
    }
    home.at(&demo, &["status"]).succeeds();
    home.at(&demo, &["stop"]).succeeds().says("stopped");
    home.at(&demo, &["status"]).exits(4);
    home.at(&demo, &["stop"]).succeeds().says("no platform");
}

/// A shared platform, served until dropped.
struct Serving(std::process::Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_shared_platform_that_comes_back_is_waited_for_and_not_a_byte_is_missing() {
    let (home, demo) = Home::with_demo();
    let socket = home.path("shared.sock");
    let serve = || {
        let mut serve = home.command();
        serve.current_dir(&demo).args(["serve", "--shared", "--socket"]).arg(&socket);
        Serving(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let mut first = serve();
    let server = format!("unix:{}", socket.display());
    let began = Instant::now();
    while home.at(&demo, &["--server", &server, "status"]).exit != 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not listen");
    }
    let slow = ["--server", &server, "workflow", "rehearsal", "-f", "practice", "--yes", "--from-step", "verify"];
    let mut child = home.command();
    let mut child = child.current_dir(&demo).args(slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut log = vec![0; 16];
    out.read_exact(&mut log).unwrap();
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let _second = serve();
    out.read_to_end(&mut log).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let log = String::from_utf8(log).unwrap();
    assert_eq!(log, "check 1 of 3 passed\ncheck 2 of 3 passed\ncheck 3 of 3 passed\nrelease 2026.6.1 is out\n");
    assert!(said.contains("the platform does not answer; the run goes on"), "{said}");
}

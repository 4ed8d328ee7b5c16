//! A person's home for one test, and the program in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A home of its own: nothing of the real one is read or written, and no platform process outlives it.
pub(crate) struct Home {
    folder: TempDir,
}

/// What the program answered.
pub(crate) struct Answer {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// What was asked, for messages.
    asked: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("terrace-cli-").tempdir().unwrap();
        for name in ["home", "state", "data", "config", "cache", "run", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Home { folder }
    }

    /// A home with the demo estate in it.
    pub(crate) fn with_demo() -> (Self, PathBuf) {
        let home = Home::new();
        let demo = home.path("demo");
        home.terrace(&["demo", "--no-dashboard", demo.to_str().unwrap()]).succeeds();
        (home, demo)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the program, ready to be given arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
        command.env_clear();
        for (name, value) in std::env::vars_os() {
            let keep = ["PATH", "LANG", "LLVM_PROFILE_FILE"].iter().any(|kept| name == *kept);
            if keep {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("TMPDIR", self.path("tmp"))
            .env("ATMOS_BIN", "none")
            .env("CHECKPOINT_DISABLE", "1")
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs the program without a terminal.
    pub(crate) fn terrace(&self, arguments: &[&str]) -> Answer {
        let output = self.command().args(arguments).output().unwrap();
        Answer::new(arguments, &output)
    }

    /// Waits until a run of the demo is in this state.
    pub(crate) fn wait_for(&self, run: &str, state: &str) {
        let begun = Instant::now();
        loop {
            let now = self.at(&self.path("demo"), &["runs", "show", run, "--format", "json"]).succeeds().json();
            if now["state"] == state {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "run {run} is {} and not {state}", now["state"]);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs the program in a folder.
    pub(crate) fn at(&self, folder: &Path, arguments: &[&str]) -> Answer {
        let output = self.command().current_dir(folder).args(arguments).output().unwrap();
        Answer::new(arguments, &output)
    }
}

/// Ends the platform that a test's commands started, and the runs that a failed test left.
impl Drop for Home {
    fn drop(&mut self) {
        let demo = self.path("demo");
        if !demo.join("atmos.yaml").exists() || !self.path("state").join("terrace").exists() {
            return;
        }
        if std::thread::panicking()
            && let Ok(runs) = serde_json::from_str::<Value>(&self.at(&demo, &["list", "runs", "--format", "json"]).out)
        {
            for run in runs.as_array().into_iter().flatten().filter(|run| run["ended_at"].is_null()) {
                let number = run["number"].to_string();
                self.at(&demo, &["runs", "cancel", &number]);
                self.at(&demo, &["runs", "watch", &number]);
            }
        }
        self.at(&demo, &["stop", "--force"]);
    }
}

/// Says whether Terraform is missing, and that the test is skipped then.
pub(crate) fn no_terraform() -> bool {
    let missing = Command::new("terraform").arg("version").output().is_err();
    if missing {
        println!("skipped: terraform is not installed");
    }
    missing
}

impl Answer {
    fn new(arguments: &[&str], output: &Output) -> Self {
        Answer {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            asked: arguments.join(" "),
        }
    }

    /// Checks that it did what it was asked to.
    pub(crate) fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Checks the exit code.
    pub(crate) fn exits(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "terrace {}\n--- out\n{}\n--- err\n{}", self.asked, self.out, self.err);
        self
    }

    /// Checks that standard error says this.
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "terrace {} does not say {text:?} but:\n{}", self.asked, self.err);
        self
    }

    /// Reads standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("terrace {}: {error}\n{}\n{}", self.asked, self.out, self.err))
    }
}

/// Runs Git and returns what it printed.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

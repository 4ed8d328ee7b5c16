//! A person's home for one test, with the demo estate in it, and the program in a terminal there.

use std::path::PathBuf;
use std::process::{Command, Output};

use portable_pty::CommandBuilder;
use tempfile::TempDir;
use terrace::api::client::Client;
use terrace::api::types::PlatformCard;
use terrace::domain::id::RunRef;
use terrace::domain::request::Request;
use terrace::domain::run::Run;

use crate::pty::Terminal;

/// A home of its own: nothing of the real one is read or written, and its platform process ends with it.
pub(crate) struct Home {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Home {
    /// Makes an empty home.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("terrace-scr-").tempdir().unwrap();
        for name in ["home", "state", "data", "config", "cache", "run", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Home { folder, runtime }
    }

    /// Makes a home with the demo estate in it.
    pub(crate) fn with_demo() -> Self {
        let home = Self::new();
        home.succeeds(&["demo", "--no-dashboard", &home.demo_text()]);
        home
    }

    /// Returns where the demo estate lies.
    pub(crate) fn demo(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// Returns the same as an argument.
    pub(crate) fn demo_text(&self) -> String {
        self.demo().to_str().unwrap().to_owned()
    }

    fn variables(&self) -> Vec<(String, String)> {
        let own = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let mut variables: Vec<(String, String)> = [
            ("HOME", own("home")),
            ("XDG_STATE_HOME", own("state")),
            ("XDG_DATA_HOME", own("data")),
            ("XDG_CONFIG_HOME", own("config")),
            ("XDG_CACHE_HOME", own("cache")),
            ("XDG_RUNTIME_DIR", own("run")),
            ("TMPDIR", own("tmp")),
            ("ATMOS_BIN", "none".into()),
            ("CHECKPOINT_DISABLE", "1".into()),
            ("TERM", "xterm-256color".into()),
            ("LANG", "C.UTF-8".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            variables.extend(std::env::var(name).ok().map(|value| (name.to_owned(), value)));
        }
        variables
    }

    /// Runs the program without a terminal.
    pub(crate) fn terrace(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
        command.env_clear().envs(self.variables()).args(arguments).current_dir(self.folder.path());
        command.stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// Runs the program without a terminal, and returns what it printed.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.terrace(arguments);
        assert!(output.status.success(), "terrace {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program in a terminal.
    pub(crate) fn open(&self, arguments: &[&str], size: (u16, u16)) -> Terminal {
        self.open_with(arguments, size, &[])
    }

    /// Runs the program in a terminal, with further variables.
    pub(crate) fn open_with(&self, arguments: &[&str], size: (u16, u16), more: &[(&str, &str)]) -> Terminal {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_terrace"));
        command.env_clear();
        for (name, value) in self.variables() {
            command.env(name, value);
        }
        for (name, value) in more {
            command.env(name, value);
        }
        command.args(arguments);
        command.cwd(self.folder.path());
        Terminal::spawn(command, size)
    }

    /// Opens the dashboard on the demo, once it is connected and the tree is there.
    pub(crate) fn dashboard(&self, size: (u16, u16)) -> Terminal {
        let mut terminal = self.open(&["-C", &self.demo_text()], size);
        terminal.wait_for("● live");
        terminal
    }

    /// Returns the card of the platform process, where one runs.
    pub(crate) fn platform(&self) -> Option<PlatformCard> {
        let output = self.terrace(&["-C", &self.demo_text(), "status", "--format", "json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    fn client(&self) -> Client {
        Client::unix(self.platform().expect("a platform").state_folder.unwrap().join("api.sock"))
    }

    /// Returns a run as the platform knows it.
    pub(crate) fn run(&self, number: u64) -> Run {
        self.runtime.block_on(self.client().run(RunRef::Number(number))).unwrap()
    }

    /// Returns a request as the platform knows it.
    pub(crate) fn request(&self, number: u64) -> Request {
        self.runtime.block_on(self.client().show_request(number)).unwrap()
    }

    /// Returns every byte of a run's log.
    pub(crate) fn log(&self, number: u64) -> Vec<u8> {
        use futures::TryStreamExt as _;
        let client = self.client();
        let bytes = async {
            let pieces = client.log(RunRef::Number(number), 0, None, false).await?;
            pieces.map_ok(|piece| piece.to_vec()).try_concat().await
        };
        self.runtime.block_on(bytes).unwrap()
    }

    /// Returns what Git sees changed of the demo's tracked files.
    pub(crate) fn changes(&self) -> String {
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(self.demo()).args(["status", "--porcelain", "--untracked-files=no"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.demo().exists() {
            drop(self.terrace(&["-C", &self.demo_text(), "stop", "--force"]));
        }
    }
}

/// Tells whether Terraform is there, and says so where it is not.
pub(crate) fn terraform() -> bool {
    let found = Command::new("terraform").arg("version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: planning an instance needs terraform");
    }
    found
}

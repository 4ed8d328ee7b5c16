//! The demo estate under the real platform process, asked through the typed client.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use terrace::api::client::{Client, ClientError};
use terrace::domain::id::RunRef;
use terrace::domain::run::{Run, RunState};
use terrace::domain::team::Role;
use terrace::domain::token::TokenRequest;
use terrace::platform::identity::Identity;
use terrace::platform::paths::Paths;

use super::host::{DEADLINE, eventually};
use super::postgres;

/// A person's home with the demo in it, and a platform process that serves it.
pub(crate) struct Served {
    temp: tempfile::TempDir,
    process: Child,
    paths: Paths,
    pub(crate) client: Client,
}

impl Served {
    /// Writes the demo and serves it.
    pub(crate) fn start() -> Self {
        Self::start_after(|_| {})
    }

    /// Writes the demo, lets it be changed, and serves it.
    pub(crate) fn start_after(change: impl FnOnce(&Path)) -> Self {
        let temp = tempfile::Builder::new().prefix("terrace-story-").tempdir().expect("temp");
        let demo = temp.path().join("demo");
        let written = program(temp.path()).arg("demo").arg("--no-dashboard").arg(&demo).output().expect("ran");
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        change(&demo);
        postgres::usual(temp.path());
        let identity = Identity::of(&demo).expect("an estate");
        let paths = Paths::new(&temp.path().join("state/terrace"), temp.path(), &identity);
        let process = serve(temp.path());
        let client = Client::unix(paths.socket());
        let served = Self { temp, process, paths, client };
        served.wait_until_ready();
        served
    }

    fn wait_until_ready(&self) {
        // The socket is there before it answers; the first question of a story may come at once.
        eventually("the platform listens", || std::os::unix::net::UnixStream::connect(self.paths.socket()).ok());
    }

    /// Returns the estate's root.
    pub(crate) fn root(&self) -> PathBuf {
        self.temp.path().join("demo")
    }

    /// Returns a client that acts as somebody else, by a token.
    pub(crate) async fn person(&self, name: &str, role: Role) -> Client {
        let request = TokenRequest { name: name.to_owned(), role, teams: Vec::new(), days: None };
        let token = self.client.create_token(&request).await.expect("made").secret;
        Client::unix(self.paths.socket()).with_token(Some(token))
    }

    /// Returns the folder in which the platform keeps everything.
    pub(crate) fn state(&self) -> &Path {
        self.paths.folder()
    }

    /// Runs a command on the estate, as a person of this home would; returns its standard output.
    pub(crate) async fn terrace(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::from(program(self.temp.path()));
        let done = command.arg("-C").arg(self.root()).args(arguments).output().await.expect("ran");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Returns what the platform process said on standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.temp.path().join("serve.log")).unwrap_or_default()
    }

    /// Kills the platform process and starts the next one.
    pub(crate) fn kill_and_serve_again(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
        self.process = serve(self.temp.path());
        self.wait_until_ready();
    }

    /// Sends the platform process what a terminal sends that goes away, and starts the next one.
    pub(crate) fn hang_up_and_serve_again(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("sent");
        self.process.wait().expect("gone");
        self.process = serve(self.temp.path());
        self.wait_until_ready();
    }

    /// Returns what the platform counts.
    pub(crate) fn metrics(&self) -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(self.paths.socket()).expect("connected");
        let asked = "GET /metrics HTTP/1.1\r\nHost: terrace\r\nConnection: close\r\n\r\n";
        stream.write_all(asked.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    /// Runs Git in the estate.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.root()).args(["-c", "user.name=Aiko", "-c", "user.email=aiko@example.com"]);
        let output = git.args(arguments).output().expect("git");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until a run is as wanted, looking by the client.
    pub(crate) async fn wait(&self, run: &Run, what: &str, is: impl Fn(&Run) -> bool) -> Run {
        let begin = Instant::now();
        loop {
            let now = match self.client.run(RunRef::Id(run.id)).await {
                Ok(now) => now,
                Err(ClientError::Unreachable { .. }) if begin.elapsed() < DEADLINE => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Err(error) => panic!("{what}: {error}"),
            };
            if is(&now) {
                return now;
            }
            assert!(begin.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}: {now:#?}");
            assert!(!now.state.is_end(), "{what}: ended before: {now:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end of a run.
    pub(crate) async fn end(&self, run: &Run) -> Run {
        self.wait(run, "the end", |run| run.state.is_end()).await
    }

    /// Waits for a state of a run.
    pub(crate) async fn until(&self, run: &Run, state: RunState) -> Run {
        self.wait(run, state.name(), |run| run.state == state).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program in a home of its own.
fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
    command.env_clear();
    for name in ["PATH", "LANG", "LLVM_PROFILE_FILE"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    for (name, folder) in [
        ("HOME", "home"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
        ("TMPDIR", "tmp"),
    ] {
        std::fs::create_dir_all(home.join(folder)).expect("made");
        command.env(name, home.join(folder));
    }
    command.envs(postgres::url(home).map(|url| ("TERRACE_DATABASE", url)));
    command.env("ATMOS_BIN", "none").stdin(Stdio::null());
    command
}

fn serve(home: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(home.join("serve.log")).expect("a log");
    let mut command = program(home);
    command.arg("-C").arg(home.join("demo")).args(["serve", "--local", "--idle", "0"]);
    command.stdout(Stdio::null()).stderr(log).spawn().expect("served")
}

//! A person's home with an estate in it, the program, and a platform served in this process.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use terrace::api::client::Client;
use terrace::api::listen::Listening;
use terrace::api::{AppState, server};
use terrace::atmos::LoadOptions;
use terrace::platform::Platform;
use terrace::platform::clock::Clock;
use terrace::platform::identity::Identity;
use terrace::platform::paths::Paths;
use terrace::platform::singleton::Singleton;

use super::host::{DEADLINE, eventually};
use super::postgres;

const ATMOS: &str = "\
base_path: .
components: {terraform: {base_path: components/terraform}}
stacks: {base_path: stacks, included_paths: ['deploy/**/*'], name_pattern: '{stage}'}
workflows: {base_path: stacks/workflows}
";
const STACK: &str = "\
vars: {stage: dev}
components:
  terraform:
    network: {vars: {cidr: 10.0.0.0/16}}
    cache: {vars: {size: small}}
";
const WORKFLOWS: &str = "\
workflows:
  greet:
    description: Says hello
    steps:
      - {name: hello, type: shell, command: 'echo hello'}
  wait:
    steps:
      - {name: wait, type: shell, command: 'trap \"exit 130\" INT; echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done'}
";

/// A home of its own; no platform process outlives it.
pub(crate) struct Home {
    temp: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let temp = tempfile::Builder::new().prefix("terrace-story-").tempdir().expect("temp");
        postgres::usual(temp.path());
        let home = Self { temp };
        home.write("atmos.yaml", ATMOS);
        home.write("stacks/deploy/dev.yaml", STACK);
        home.write("stacks/workflows/practice.yaml", WORKFLOWS);
        home.write("components/terraform/network/main.tf", "variable \"cidr\" { type = string }\n");
        home.write("components/terraform/cache/main.tf", "variable \"size\" { type = string }\n");
        home
    }

    /// One whose platform keeps everything on this server.
    pub(crate) fn with_database(server: &postgres::Postgres) -> Self {
        let home = Self::new();
        postgres::given(home.temp.path(), server);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("estate")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    pub(crate) fn paths(&self) -> Paths {
        self.paths_below(&self.path("state"))
    }

    pub(crate) fn paths_below(&self, state: &Path) -> Paths {
        Paths::new(&state.join("terrace"), &self.path("tmp"), &Identity::of(&self.root()).expect("an estate"))
    }

    /// The program in this home, about this estate.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_terrace")), arguments)
    }

    pub(crate) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        std::fs::create_dir_all(self.path("tmp")).expect("made");
        let mut command = Command::new(program);
        command.env_clear();
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
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
            command.env(name, self.path(folder));
        }
        command.envs(postgres::url(self.temp.path()).map(|url| ("TERRACE_DATABASE", url)));
        command.env("ATMOS_BIN", "none").arg("-C").arg(self.root()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(self.temp.path());
        command
    }

    pub(crate) fn terrace(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().expect("ran"))
    }

    /// The process that holds the lock, where one does.
    pub(crate) fn platform_process(&self) -> Option<i32> {
        let holder = terrace::platform::singleton::holder(&self.paths()).expect("looked")?;
        holder.parse().ok()
    }

    pub(crate) fn client(&self) -> Client {
        Client::unix(self.paths().socket())
    }

    /// Serves the estate in this process.
    pub(crate) async fn serve(&self) -> Served {
        self.serve_by(Clock::default()).await
    }

    /// The same, by another clock.
    pub(crate) async fn serve_by(&self, clock: Clock) -> Served {
        let singleton = Singleton::take(&self.paths()).expect("taken").expect("nobody else serves");
        let identity = Identity::of(&self.root()).expect("an estate");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_terrace"));
        let options = LoadOptions::default();
        let place = postgres::place(self.temp.path(), self.paths().database());
        let platform = Platform::open(identity, self.paths(), place, options, program, self.path("cache")).await;
        let platform = Arc::new(platform.expect("opened").with_clock(clock));
        let listener = singleton.listen().expect("listens");
        let state = AppState::new(Arc::clone(&platform));
        let listening = Listening::unix(listener, platform.lifecycle());
        let serving = tokio::spawn(server::serve(vec![listening], state));
        Served { client: self.client(), platform, serving, _singleton: singleton }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What waits for it goes on and ends; then the platform that a story left behind.
        let _ = std::fs::write(self.root().join("go"), "");
        if let Some(pid) = self.platform_process().filter(|pid| u32::try_from(*pid) != Ok(std::process::id())) {
            kill(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Says and tells whether a file system can be mounted here, in a namespace of its own.
pub(crate) fn may_mount() -> bool {
    let may = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    let may = may.is_ok_and(|output| output.status.success());
    if !may {
        println!("skipped: needs root, to mount a small file system");
    }
    may
}

pub(crate) fn kill(pid: i32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    rustix::process::kill_process(pid, signal).expect("it is ours");
}

/// A platform that is served in this process.
pub(crate) struct Served {
    pub(crate) client: Client,
    pub(crate) platform: Arc<Platform>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _singleton: Singleton,
}

impl Served {
    /// Ends as the program does.
    pub(crate) async fn end(self) {
        self.platform.lifecycle().stop();
        self.serving.await.expect("served").expect("no error");
        self.platform.close().await;
    }
}

/// What the program answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        let exit = output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { exit, out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.exit, 0, "{self:#?}");
        self
    }
}

/// Waits until a process has ended, and returns what it answered.
pub(crate) fn end(mut child: Child) -> Answer {
    eventually("the process ends", || child.try_wait().expect("ours"));
    Answer::of(child.wait_with_output().expect("ended"))
}

/// Polls an answer that must be asked for.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

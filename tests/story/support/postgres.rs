//! A PostgreSQL server of the tests' own: begun with the first story that asks, gone with the test process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{Connection as _, PgConnection};
use terrace::platform::store::{Place, Server};

use super::home::until;

/// Keeps a server in a folder of its own for as long as its standard input is open, and does what it is told there.
const SCRIPT: &str = r#"
folder=$(mktemp -d /tmp/terrace-pg.XXXXXX) || exit 1
initdb -D "$folder/data" -U terrace -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 || { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
begin() {
    postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=300 -c fsync=off \
        -c shared_buffers=16MB -c max_wal_size=256MB >>"$folder/log" 2>&1 &
    server=$!
}
children() { cat "/proc/$server/task/$server/children" 2>/dev/null || pgrep -P "$server"; }
begin
echo "$folder"
while read -r word; do
    case $word in
        kill) kill -QUIT "$server"; wait "$server" ;;
        begin) begin ;;
        hang) kill -STOP "$server"; kill -STOP $(children) ;;
        wake) kill -CONT $(children) "$server" ;;
    esac
    echo "$word"
done
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"#;

/// A server.
pub(crate) struct Postgres {
    folder: PathBuf,
    process: Child,
    talk: Mutex<Talk>,
}

struct Talk {
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

impl Postgres {
    /// Returns the server that stories share; says and tells where there can be none.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::begin).as_ref().or_else(|| {
            eprintln!("skipped: needs initdb and postgres, and as root also setpriv and a user postgres");
            None
        })
    }

    /// Begins one that nobody else uses, where there can be one.
    pub(crate) fn begin() -> Option<Self> {
        let there = |program: &str, argument: &str| {
            Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
        };
        if !there("initdb", "--version") || !there("postgres", "--version") {
            return None;
        }
        let mut command = Command::new("sh");
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root.
            if !there("id", "postgres") || !there("setpriv", "--version") {
                return None;
            }
            command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        }
        command.args(["-c", SCRIPT]).env_remove("TMPDIR").current_dir("/");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let stdin = process.stdin.take();
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut folder = String::new();
        stdout.read_line(&mut folder).expect("read");
        assert!(!folder.is_empty(), "initdb failed, and said why above");
        Some(Self { folder: folder.trim().into(), process, talk: Mutex::new(Talk { stdin, stdout }) })
    }

    fn tell(&self, word: &str) {
        let mut talk = self.talk.lock().expect("nobody panics with it");
        writeln!(talk.stdin.as_ref().expect("open"), "{word}").expect("told");
        let mut answer = String::new();
        talk.stdout.read_line(&mut answer).expect("answered");
        assert_eq!(answer.trim(), word);
    }

    /// Kills the server as a crash does: every connection breaks, and what is not committed is gone.
    pub(crate) fn kill(&self) {
        self.tell("kill");
    }

    /// Starts it again over the same data.
    pub(crate) fn begin_again(&self) {
        self.tell("begin");
    }

    /// Stops the server where it stands: its connections stay open, and nothing answers.
    pub(crate) fn hang(&self) {
        self.tell("hang");
    }

    /// Lets it go on.
    pub(crate) fn wake(&self) {
        self.tell("wake");
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=terrace&sslmode=disable", self.folder.display())
    }

    /// Makes an empty database, waiting for the server where it is just starting; returns its URL.
    pub(crate) fn database(&self) -> String {
        let name = format!("story{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let (url, create) = (self.url("postgres"), format!("create database {name}"));
        let make = async move {
            let mut connection = until("PostgreSQL answers", || async { PgConnection::connect(&url).await.ok() }).await;
            sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect("made");
            connection.close().await.expect("closed");
        };
        // A story may be in a runtime already.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        std::thread::spawn(move || runtime.block_on(make)).join().expect("made");
        self.url(&name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its standard input is closed; then it removes everything.
        if let Ok(talk) = self.talk.get_mut() {
            talk.stdin = None;
        }
        let _ = self.process.wait();
    }
}

/// The file in a story's folder that holds the URL of its database; SQLite where there is none.
const URL: &str = "database.url";

/// Gives a story's folder a PostgreSQL database where `TERRACE_TEST_DATABASE` says so.
pub(crate) fn usual(base: &Path) {
    match std::env::var("TERRACE_TEST_DATABASE").as_deref() {
        Ok("postgres") => given(base, Postgres::shared().expect("TERRACE_TEST_DATABASE=postgres")),
        Ok("sqlite") | Err(_) => {}
        Ok(other) => panic!("TERRACE_TEST_DATABASE is sqlite or postgres, not {other}"),
    }
}

/// Gives a story's folder a database on this server.
pub(crate) fn given(base: &Path, server: &Postgres) {
    std::fs::write(base.join(URL), server.database()).expect("written");
}

/// Returns the URL of the database of a story's folder; `None` for SQLite.
pub(crate) fn url(base: &Path) -> Option<String> {
    std::fs::read_to_string(base.join(URL)).ok()
}

/// Returns where the database of a story is; `file` where it is SQLite.
pub(crate) fn place(base: &Path, file: PathBuf) -> Place {
    url(base).map_or(Place::File(file), |url| Place::Server(url.parse::<Server>().expect("a URL")))
}
